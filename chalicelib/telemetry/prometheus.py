"""Prometheus sink and exposition, by prometheus_client.

With a ``directory`` (prometheus_client's multiprocess mode) every process that shares it exposes
the metrics of all of them; without one a process exposes its own. One sink per process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from .. import __version__
from ..core.errors import StoreUnavailable
from ..ports import StatsReader
from . import definitions
from .definitions import Gauge, Metric

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class PrometheusSink:
    """Counters and histograms of this process."""

    def __init__(self, directory: str | None = None) -> None:
        # The creation time of each series would be another series, which no query uses.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._made = {metric: _make(metric, self.registry) for metric in definitions.METRICS}
        self._directory = directory

    def count(self, metric: Metric, labels: tuple[str, ...], amount: int) -> None:
        cast(Counter, self._child(metric, labels)).inc(amount)

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float) -> None:
        cast(Histogram, self._child(metric, labels)).observe(seconds)

    def set(self, gauge: Gauge, value: float) -> None:
        """Does nothing: StatsCollector reads gauges on each scrape."""

    def flush(self) -> None:
        """Does nothing: Prometheus scrapes."""

    def collectors(self) -> Iterable[Collector]:
        """The collectors of this process, or of all that share its directory."""
        if self._directory is None:
            return (self.registry, ProcessCollector(registry=None))
        return (
            MultiProcessCollector(None, self._directory),  # type: ignore[no-untyped-call]
            ProcessCollector(registry=None),
        )

    def _child(self, metric: Metric, labels: tuple[str, ...]) -> Counter | Histogram:
        made = self._made[metric]
        return made.labels(*labels) if labels else made


def _make(metric: Metric, registry: CollectorRegistry) -> Counter | Histogram:
    if metric.buckets:
        return Histogram(
            metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets
        )
    return Counter(metric.name, metric.help, metric.labels, registry=registry)


class StatsCollector(Collector):
    """Gauges of the whole deployment, read from the store on each scrape.

    While the store is unavailable, ``tickless_store_up`` is 0 and the other gauges are missing.
    """

    def __init__(self, stats: StatsReader) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Family]:
        yield _gauge(definitions.BUILD, {(__version__,): 1})
        try:
            stats = self._stats.read()
        except StoreUnavailable:
            yield _gauge(definitions.STORE_UP, {(): 0})
            return
        yield _gauge(definitions.STORE_UP, {(): 1})
        yield _gauge(definitions.SESSIONS, {(status,): n for status, n in stats.sessions.items()})
        yield _gauge(definitions.CONNECTIONS, {(): stats.connections})
        yield _gauge(definitions.OVERDUE, {(): stats.overdue})
        yield _gauge(definitions.OVERDUE_SECONDS, {(): stats.overdue_ms / 1000})


def _gauge(gauge: Gauge, values: dict[tuple[str, ...], float]) -> Family:
    family = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def registry_of(collectors: Iterable[Collector]) -> CollectorRegistry:
    """A registry of these collectors."""
    registry = CollectorRegistry(support_collectors_without_names=True)
    for collector in collectors:
        registry.register(collector)
    return registry


def exposition(collectors: Iterable[Collector]) -> bytes:
    """The metrics of these collectors in Prometheus's text format."""
    return generate_latest(registry_of(collectors))
