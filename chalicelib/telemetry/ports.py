"""What others tell: one verb for each thing that can happen, and where it goes.

Verbs say what a happening counts as; a :class:`Sink` takes it in. Both are
called from any thread, on the hot path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..ports import StoreStats
from . import metrics as names
from .metrics import Gauge, Metric


class Sink(Protocol):
    """Takes in figures; must neither raise nor wait. Safe for many threads."""

    def count(self, metric: Metric, labels: tuple[str, ...], amount: int) -> None:
        """Add to a counter; ``labels`` are in the metric's order."""

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float) -> None:
        """Add one observation to a histogram."""

    def find(self, gauge: Gauge, value: float) -> None:
        """Take down a fact of the fleet, without labels, where nobody comes to read it."""

    def flush(self) -> None:
        """Send off what would be lost if this process slept from now on."""


class NoSink:
    """Where nothing is kept."""

    def count(self, metric: Metric, labels: tuple[str, ...], amount: int) -> None:
        """Nothing."""

    def observe(self, metric: Metric, labels: tuple[str, ...], seconds: float) -> None:
        """Nothing."""

    def find(self, gauge: Gauge, value: float) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""


class Telemetry:
    """What happens in the service, as figures of a sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was; ``route`` is the path as it was registered."""
        self._sink.count(names.REQUESTS, (method, route, str(status)), 1)
        self._sink.observe(names.REQUEST_SECONDS, (method, route), seconds)

    def heard(self, kind: str, code: str, seconds: float) -> None:
        """A message of a socket was carried out, or refused with ``code``."""
        self._sink.count(names.MESSAGES, (kind, code), 1)
        self._sink.observe(names.MESSAGE_SECONDS, (kind,), seconds)

    def switched(self, transport: str, seconds: float) -> None:
        """A switch was carried out and answered."""
        self._sink.observe(names.SWITCH_SECONDS, (transport,), seconds)

    def lost_race(self) -> None:
        """A commit found that somebody else had been faster."""
        self._sink.count(names.LOST_RACES, (), 1)

    def posted(self, outcomes: Mapping[str, int]) -> None:
        """Posts came to an end: so many with each outcome."""
        for outcome, number in outcomes.items():
            self._sink.count(names.POSTS, (outcome,), number)

    def fanned_out(self, outcomes: Mapping[str, int], seconds: float) -> None:
        """One message was posted to everybody it was for."""
        self.posted(outcomes)
        self._sink.observe(names.FAN_OUT_SECONDS, (), seconds)

    def settled(self, lag_ms: int) -> None:
        """The sweeper settled a timeout so long after its deadline."""
        self._sink.observe(names.SWEEPER_LAG_SECONDS, (), lag_ms / 1000)

    def rate_limited(self, scope: str) -> None:
        """Something was refused because there was too much of it within ``scope``."""
        self._sink.count(names.RATE_LIMITED, (scope,), 1)

    def limiter_failed_open(self) -> None:
        """Something was let through that could not be counted."""
        self._sink.count(names.LIMITER_FAILED_OPEN, (), 1)

    def overdue(self, facts: StoreStats) -> None:
        """So many deadlines have passed, and nobody has settled them."""
        self._sink.find(names.OVERDUE, facts.overdue)
        self._sink.find(names.OVERDUE_SECONDS, facts.overdue_ms / 1000)

    def flush(self) -> None:
        """Send off what would be lost if this process slept from now on."""
        self._sink.flush()


SILENT = Telemetry(NoSink())
