"""Metrics interface: one method per event, recorded in a :class:`Sink`.

:class:`Telemetry` maps events to metrics, a sink stores them. Both are called from any
thread, on the hot path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..ports import StoreStats
from . import metrics as names
from .metrics import Gauge, Metric


class Sink(Protocol):
    """Records metrics; must neither raise nor block. Safe for many threads."""

    def count(self, metric: Metric, labels: tuple[str, ...], amount: int) -> None:
        """Add to a counter; ``labels`` are in the metric's order."""

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float) -> None:
        """Add one observation to a histogram."""

    def find(self, gauge: Gauge, value: float) -> None:
        """Record a gauge without labels, for sinks that are not scraped."""

    def flush(self) -> None:
        """Write buffered metrics, which a frozen process would lose."""


class NoSink:
    """A sink that discards everything."""

    def count(self, metric: Metric, labels: tuple[str, ...], amount: int) -> None:
        """Nothing."""

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float) -> None:
        """Nothing."""

    def find(self, gauge: Gauge, value: float) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""


class Telemetry:
    """Records the service's events as metrics."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; ``route`` is the path as registered."""
        self._sink.count(names.REQUESTS, (method, route, str(status)), 1)
        self._sink.observe(names.REQUEST_SECONDS, (method, route), seconds)

    def heard(self, kind: str, code: str, seconds: float) -> None:
        """A socket message was handled, or refused with ``code``."""
        self._sink.count(names.MESSAGES, (kind, code), 1)
        self._sink.observe(names.MESSAGE_SECONDS, (kind,), seconds)

    def switched(self, transport: str, seconds: float) -> None:
        """A switch was carried out and answered."""
        self._sink.observe(names.SWITCH_SECONDS, (transport,), seconds)

    def lost_race(self) -> None:
        """A commit lost against a concurrent one."""
        self._sink.count(names.LOST_RACES, (), 1)

    def posted(self, outcomes: Mapping[str, int]) -> None:
        """Posts finished; ``outcomes`` counts them by status."""
        for outcome, number in outcomes.items():
            self._sink.count(names.POSTS, (outcome,), number)

    def fanned_out(self, outcomes: Mapping[str, int], seconds: float) -> None:
        """One message was posted to all its recipients."""
        self.posted(outcomes)
        self._sink.observe(names.FAN_OUT_SECONDS, (), seconds)

    def settled(self, lag_ms: int) -> None:
        """The sweeper settled a timeout ``lag_ms`` after its deadline."""
        self._sink.observe(names.SWEEPER_LAG_SECONDS, (), lag_ms / 1000)

    def rate_limited(self, scope: str) -> None:
        """A request or message exceeded the rate limit of ``scope``."""
        self._sink.count(names.RATE_LIMITED, (scope,), 1)

    def limiter_failed_open(self) -> None:
        """A request was allowed because it could not be counted."""
        self._sink.count(names.LIMITER_FAILED_OPEN, (), 1)

    def overdue(self, facts: StoreStats) -> None:
        """Record how many deadlines have passed unsettled, and for how long."""
        self._sink.find(names.OVERDUE, facts.overdue)
        self._sink.find(names.OVERDUE_SECONDS, facts.overdue_ms / 1000)

    def flush(self) -> None:
        """Write buffered metrics, which a frozen process would lose."""
        self._sink.flush()


SILENT = Telemetry(NoSink())
