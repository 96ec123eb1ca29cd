"""CloudWatch sink: metrics as lines of the log in the Embedded Metric Format, by Powertools.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

A Lambda sleeps between invocations and may never wake again, so what an
invocation has counted is written before it ends. Labels become dimensions, and
``service`` is one of every metric, so that services don't add up. Powertools
publishes one set of dimensions at a time, so each has a line of its own.
"""

from __future__ import annotations

import sys
from threading import Lock

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from .definitions import Gauge, Metric

NAMESPACE = "Tickless"

Dimensions = tuple[tuple[str, str], ...]


class CloudWatchSink:
    """Collects metrics until they are flushed; Powertools writes a set earlier, at 100 values."""

    def __init__(self, service: str = "tickless") -> None:
        self._service = service
        self._lock = Lock()
        self._by_dimensions: dict[Dimensions, EphemeralMetrics] = {}

    def count(self, metric: Metric, labels: tuple[str, ...], amount: int) -> None:
        self._add(_dimensions(metric, labels), metric.name, MetricUnit.Count, amount)

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float) -> None:
        self._add(_dimensions(metric, labels), metric.name, MetricUnit.Seconds, round(seconds, 6))

    def set(self, gauge: Gauge, value: float) -> None:
        seconds = gauge.name.endswith("_seconds")
        self._add((), gauge.name, MetricUnit.Seconds if seconds else MetricUnit.Count, value)

    def flush(self) -> None:
        with self._lock:
            sets, self._by_dimensions = self._by_dimensions, {}
            for metrics in sets.values():
                # Powertools has emptied those that were full.
                if metrics.metric_set:
                    metrics.flush_metrics()
        # A pipe, as a container has, keeps back what does not fill its buffer.
        sys.stdout.flush()

    def _add(self, dimensions: Dimensions, name: str, unit: MetricUnit, value: float) -> None:
        # Powertools takes no care of threads.
        with self._lock:
            metrics = self._by_dimensions.get(dimensions)
            if metrics is None:
                metrics = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
                for label, text in dimensions:
                    metrics.add_dimension(label, text)
                self._by_dimensions[dimensions] = metrics
            metrics.add_metric(name, unit, value)


def _dimensions(metric: Metric, labels: tuple[str, ...]) -> Dimensions:
    return tuple(zip(metric.labels, labels, strict=True))
