"""Metrics for CloudWatch: lines in the log, which it takes metrics from.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

A Lambda sleeps between invocations and may never wake again, so what an
invocation has gathered is written before it ends. Labels become dimensions, and
``service`` is one of every figure, so that services don't add up. Logs are paid
for by the byte: figures share a line unless they would contradict each other there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from threading import Lock
from typing import Any, cast

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from .metrics import Gauge, Metric

NAMESPACE = "Tickless"

KEPT = 50
"""Figures gathered before they are written unasked, as a relay has many in no time.

Far enough below the hundred that a line can hold, whoever adds one meanwhile.
"""

Dimensions = tuple[tuple[str, str], ...]
Line = dict[str, Any]


class CloudWatchSink:
    """Gathers figures and writes them to standard output."""

    def __init__(self, service: str = "tickless") -> None:
        self._service = service
        self._lock = Lock()
        self._counts: dict[tuple[Dimensions, str], int] = {}
        self._values: list[tuple[Dimensions, str, MetricUnit, float]] = []

    def count(self, metric: Metric, labels: tuple[str, ...], amount: int) -> None:
        key = _dimensions(metric, labels), metric.name
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + amount
        self._write_if_many()

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float) -> None:
        self._take(_dimensions(metric, labels), metric.name, MetricUnit.Seconds, round(seconds, 6))

    def find(self, gauge: Gauge, value: float) -> None:
        seconds = gauge.name.endswith("_seconds")
        self._take((), gauge.name, MetricUnit.Seconds if seconds else MetricUnit.Count, value)

    def flush(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, {}
            values, self._values = self._values, []
        alike: dict[Dimensions, EphemeralMetrics] = {}
        for (dimensions, name), amount in counts.items():
            self._of(alike, dimensions).add_metric(name, MetricUnit.Count, amount)
        for dimensions, name, unit, value in values:
            self._of(alike, dimensions).add_metric(name, unit, value)
        parts = [cast(Line, figures.serialize_metric_set()) for figures in alike.values()]
        if parts:
            lines = (json.dumps(line, separators=(",", ":")) + "\n" for line in _together(parts))
            sys.stdout.write("".join(lines))
            # A pipe, as a container has, keeps back what does not fill its buffer.
            sys.stdout.flush()

    def _take(self, dimensions: Dimensions, name: str, unit: MetricUnit, value: float) -> None:
        with self._lock:
            self._values.append((dimensions, name, unit, value))
        self._write_if_many()

    def _write_if_many(self) -> None:
        if len(self._counts) + len(self._values) >= KEPT:
            self.flush()

    def _of(
        self, alike: dict[Dimensions, EphemeralMetrics], dimensions: Dimensions
    ) -> EphemeralMetrics:
        """The figures of these dimensions."""
        found = alike.get(dimensions)
        if found is None:
            found = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
            alike[dimensions] = found
            for name, value in dimensions:
                found.add_dimension(name, value)
        return found


def _dimensions(metric: Metric, labels: tuple[str, ...]) -> Dimensions:
    return tuple(zip(metric.labels, labels, strict=True))


def _together(parts: Iterable[Line]) -> list[Line]:
    """The parts in as few lines as can hold them: a line says of each name one thing."""
    lines: list[Line] = []
    for part in parts:
        about = part.pop("_aws")
        for line in lines:
            if all(line.get(name, value) == value for name, value in part.items()):
                line["_aws"]["CloudWatchMetrics"] += about["CloudWatchMetrics"]
                line.update(part)
                break
        else:
            lines.append({"_aws": about, **part})
    return lines
