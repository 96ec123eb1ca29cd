"""Metrics for CloudWatch: lines in the log, which it takes metrics from.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

A Lambda sleeps between invocations and may never wake again, so what an
invocation has gathered is written before it ends. Labels become dimensions, and
the figures that share them share a line.
"""

from __future__ import annotations

from threading import Lock

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from .names import Metric

NAMESPACE = "Tickless"

KEPT = 50
"""Figures gathered before they are written unasked: a relay has no invocation that ends.

Far enough below the hundred that a line can hold, whoever adds one meanwhile.
"""

Dimensions = tuple[tuple[str, str], ...]


class CloudWatchSink:
    """Gathers figures and writes them to standard output."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[tuple[Dimensions, str], int] = {}
        self._seconds: list[tuple[Dimensions, str, float]] = []

    def count(self, metric: Metric, labels: tuple[str, ...], amount: int) -> None:
        key = _dimensions(metric, labels), metric.name
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + amount
        self._write_if_many()

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float) -> None:
        with self._lock:
            self._seconds.append((_dimensions(metric, labels), metric.name, seconds))
        self._write_if_many()

    def flush(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, {}
            observed, self._seconds = self._seconds, []
        lines: dict[Dimensions, EphemeralMetrics] = {}
        for (dimensions, name), amount in counts.items():
            _line(lines, dimensions).add_metric(name, MetricUnit.Count, amount)
        for dimensions, name, seconds in observed:
            _line(lines, dimensions).add_metric(name, MetricUnit.Seconds, seconds)
        for line in lines.values():
            line.flush_metrics()

    def _write_if_many(self) -> None:
        if len(self._counts) + len(self._seconds) >= KEPT:
            self.flush()


def _dimensions(metric: Metric, labels: tuple[str, ...]) -> Dimensions:
    return tuple(zip(metric.labels, labels, strict=True))


def _line(lines: dict[Dimensions, EphemeralMetrics], dimensions: Dimensions) -> EphemeralMetrics:
    line = lines.get(dimensions)
    if line is None:
        line = lines[dimensions] = EphemeralMetrics(namespace=NAMESPACE, service="tickless")
        for name, value in dimensions:
            line.add_dimension(name, value)
    return line
