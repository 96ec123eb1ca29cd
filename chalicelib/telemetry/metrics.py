"""Metrics interface: one method per event, recorded in a :class:`Sink`.

:class:`Telemetry` maps events to metrics, a sink stores them. Both are called from any
thread, on the hot path.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Protocol

from ..ports import StoreStats
from ..schemas.pushes import version_of
from . import definitions
from .definitions import Gauge, Metric

LOG = logging.getLogger("tickless")

EXPECTED_STATUSES = {"delivered", "gone"}
"""Delivery statuses that need no warning."""


class Sink(Protocol):
    """Records metrics; must neither raise nor block. Safe for many threads."""

    def count(self, metric: Metric, labels: tuple[str, ...], amount: int) -> None:
        """Add to a counter; ``labels`` are in the metric's order."""

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float) -> None:
        """Add one observation to a histogram."""

    def set(self, gauge: Gauge, value: float) -> None:
        """Record a gauge without labels, for sinks that are not scraped."""

    def flush(self) -> None:
        """Write buffered metrics, which a frozen process would lose."""


class NoSink:
    """A sink that discards everything."""

    def count(self, metric: Metric, labels: tuple[str, ...], amount: int) -> None:
        """Nothing."""

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float) -> None:
        """Nothing."""

    def set(self, gauge: Gauge, value: float) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""


class Telemetry:
    """Records the service's events as metrics."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def record_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; ``route`` is the path as registered."""
        self._sink.count(definitions.REQUESTS, (method, route, str(status)), 1)
        self._sink.observe(definitions.REQUEST_SECONDS, (method, route), seconds)

    def record_message(self, kind: str, code: str, seconds: float) -> None:
        """A socket message was handled, or refused with ``code``."""
        self._sink.count(definitions.MESSAGES, (kind, code), 1)
        self._sink.observe(definitions.MESSAGE_SECONDS, (kind,), seconds)

    def record_switch(self, transport: str, seconds: float) -> None:
        """A switch was carried out and answered."""
        self._sink.observe(definitions.SWITCH_SECONDS, (transport,), seconds)

    def record_lost_race(self) -> None:
        """A commit lost against a concurrent one."""
        self._sink.count(definitions.LOST_RACES, (), 1)

    def record_posts(self, statuses: Mapping[str, int]) -> None:
        """Posts finished; ``statuses`` counts them by DeliveryStatus."""
        for status, count in statuses.items():
            self._sink.count(definitions.POSTS, (status,), count)

    def record_fan_out(
        self, session_id: str, message: bytes, statuses: Mapping[str, int], seconds: float
    ) -> None:
        """One message was posted to all its recipients: metrics, and one log line.

        Epoch and version identify the commit across processes. The line is a warning if a
        connection missed the message.
        """
        self.record_posts(statuses)
        self._sink.observe(definitions.FAN_OUT_SECONDS, (), seconds)
        level = logging.INFO if statuses.keys() <= EXPECTED_STATUSES else logging.WARNING
        if not LOG.isEnabledFor(level):
            return
        version = version_of(message)
        LOG.log(
            level,
            "fan-out",
            extra={
                "session_id": session_id,
                **({"epoch": version[0], "version": version[1]} if version else {}),
                "duration_ms": round(seconds * 1000, 3),
                "posts": {str(status): count for status, count in statuses.items()},
            },
        )

    def record_settlement(self, lag_ms: int) -> None:
        """The sweeper settled a timeout ``lag_ms`` after its deadline."""
        self._sink.observe(definitions.SWEEPER_LAG_SECONDS, (), lag_ms / 1000)

    def rate_limited(self, scope: str) -> None:
        """A request or message exceeded the rate limit of ``scope``."""
        self._sink.count(definitions.RATE_LIMITED, (scope,), 1)

    def limiter_failed_open(self) -> None:
        """A request was allowed because it could not be counted."""
        self._sink.count(definitions.LIMITER_FAILED_OPEN, (), 1)

    def record_overdue(self, stats: StoreStats) -> None:
        """Record how many deadlines have passed unsettled, and for how long."""
        self._sink.set(definitions.OVERDUE, stats.overdue)
        self._sink.set(definitions.OVERDUE_SECONDS, stats.overdue_ms / 1000)

    def flush(self) -> None:
        """Write buffered metrics, which a frozen process would lose."""
        self._sink.flush()


SILENT = Telemetry(NoSink())
