"""The server's time, from a clock of one's own and what PINGs bring back.

Owns the samples and what follows from them; never sends anything, and reads no
clock but those it was given. An offset is what has to be added to an instant of
one's own to get the server's.

A PONG says two things that no network can make untrue: when it came in, the
server had not yet passed ``receivedAt`` at the instant the PING was sent, and it
had passed ``timestamp`` when the PONG arrived. So each sample is an upper and a
lower limit of the offset, the truth lies between the least of the upper and the
greatest of the lower ones (as in Marzullo's algorithm), and half of the way
between them is both the estimate and how wrong it may be. The two limits may
come from different samples, so this is never worse than the sample with the
shortest round trip, and as a rule much better.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import copysign, inf, nan, sqrt

from .states import Message

SAMPLES = 10
"""With so many samples a round of them is complete; twice as many PINGs are tried for it."""

TRY_EVERY_MS = 100
"""Half as often as a server lets one connection speak."""

KEPT = 64
"""Half an hour of heartbeats; older ones say nothing about now, and little about the skew."""

ANY_SKEW = 200e-6
"""No two clocks that are in use run further apart than this."""

WANDER = 20e-6
"""How much a skew may change with the temperature while it is being measured."""

ROUNDING_MS = 0.5
"""Timestamps are whole milliseconds, and the server's own arithmetic rounds."""

STEP_FROM_MS = 1_000
CLOSE_WITHIN_MS = 1_000

SLEPT_MS = 500
"""A clock that stops while a machine sleeps falls behind the time of day by what it slept."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """The limits that one PONG gives, and the instants of one's own at which they held."""

    sent_at_ms: float
    at_most_ms: float
    arrived_at_ms: float
    at_least_ms: float

    @property
    def at_ms(self) -> float:
        return (self.sent_at_ms + self.arrived_at_ms) / 2

    @property
    def offset_ms(self) -> float:
        return (self.at_least_ms + self.at_most_ms) / 2

    @property
    def width_ms(self) -> float:
        return self.at_most_ms - self.at_least_ms


class ServerClock:
    """``now`` gives milliseconds that only ever grow, ``wall`` the time of day, which may be set.

    ``on_wake`` is called when the machine turns out to have slept.
    """

    def __init__(
        self,
        now: Callable[[], float],
        wall: Callable[[], float],
        *,
        on_wake: Callable[[], object] = lambda: None,
        samples: int = SAMPLES,
    ) -> None:
        self._own_now = now
        self._wall = wall
        self._on_wake = on_wake
        self._wanted = samples
        self._samples: deque[_Sample] = deque(maxlen=KEPT)
        self._tries = 0
        self._gained = 0
        self._since_ms = -inf
        self._ahead_ms = wall() - now()
        # What is shown is a line, and a gap to it that closes.
        self._at_ms = 0.0
        self._offset_ms = nan
        self._skew = 0.0
        self._gap_ms = 0.0

    def now(self) -> float:
        """The server's time in milliseconds; NaN before anything has been heard of it.

        It never goes back: where the estimate has been ahead, this runs slower until it is not.
        """
        return self._shown_at(self._now())

    @property
    def error_bound_ms(self) -> float:
        """By how much ``now`` may be wrong at most; infinite until a PONG has come."""
        now_ms = self._now()
        if not self._samples:
            return inf
        at_least_ms, at_most_ms, _ = self._limits(now_ms, *self._regression())
        shown_ms = self._shown_at(now_ms) - now_ms
        return max(at_most_ms - shown_ms, shown_ms - at_least_ms, 0) + ROUNDING_MS

    @property
    def skew_ppm(self) -> float:
        """By how much the server's clock runs faster than this one, of a million."""
        return self._skew * 1e6

    def ping_every_ms(self, heartbeat_ms: float) -> float:
        """How long to wait between two PINGs, where the heartbeat alone would be that."""
        is_complete = self._gained >= self._wanted or self._tries >= 2 * self._wanted
        return heartbeat_ms if is_complete else TRY_EVERY_MS

    def ping(self) -> Message:
        """A PING to send now."""
        self._tries += 1
        return {"type": "PING", "clientTime": self._now()}

    def resync(self, *, slept: bool = False) -> None:
        """Begin a new round of samples.

        Where this machine's clock stood still, what was measured before says nothing any more.
        """
        self._tries = self._gained = 0
        if slept:
            self._samples.clear()
            self._since_ms = self._own_now()

    def heard(self, timestamp: float) -> None:
        """Any message shows how late it is at least, which will do until the first PONG."""
        now_ms = self._own_now()
        if self._samples or timestamp <= self._shown_at(now_ms):
            return
        self._at_ms, self._offset_ms, self._gap_ms = now_ms, timestamp - now_ms, 0.0

    def sample(self, pong: Message) -> None:
        """A PONG has come, this very moment."""
        now_ms = self._now()
        sent_at_ms = pong["clientTime"]
        # One that was under way while this clock stood still would be believed too much.
        if sent_at_ms is None or not self._since_ms <= sent_at_ms <= now_ms:
            return
        shown_ms = self._shown_at(now_ms)
        is_first = not self._samples
        self._gained += 1
        # The server's milliseconds are whole ones that have begun.
        at_most_ms = pong["receivedAt"] + 1 - sent_at_ms
        self._samples.append(_Sample(sent_at_ms, at_most_ms, now_ms, pong["timestamp"] - now_ms))

        self._skew, doubt = self._regression()
        at_least_ms, at_most_ms, agreeing = self._limits(now_ms, self._skew, doubt)
        while len(self._samples) > agreeing:
            self._samples.popleft()
        self._at_ms = now_ms
        self._offset_ms = (at_least_ms + at_most_ms) / 2
        gap_ms = now_ms + self._offset_ms - shown_ms
        # What was shown before the first sample was a guess; forward is no harm.
        self._gap_ms = gap_ms if gap_ms <= (0 if is_first else STEP_FROM_MS) else 0.0

    def _now(self) -> float:
        """One's own time, and whether this machine has slept since it was last asked for."""
        now_ms = self._own_now()
        ahead_ms = self._wall() - now_ms
        if abs(ahead_ms - self._ahead_ms) > SLEPT_MS:
            self._ahead_ms = ahead_ms
            self.resync(slept=True)
            self._on_wake()
        return now_ms

    def _shown_at(self, now_ms: float) -> float:
        passed_ms = now_ms - self._at_ms
        gap_ms = abs(self._gap_ms)
        # Closes within a second, at no more than half speed: so it always runs forward.
        closed_ms = passed_ms * min(gap_ms, CLOSE_WITHIN_MS / 2) / CLOSE_WITHIN_MS
        left_ms = copysign(max(0.0, gap_ms - closed_ms), self._gap_ms)
        return now_ms + self._offset_ms + self._skew * passed_ms - left_ms

    def _limits(self, now_ms: float, skew: float, doubt: float) -> tuple[float, float, int]:
        """At least, at most: what all samples together say of the offset; how many agree.

        Where older ones contradict newer ones, a clock has been set, and the older are wrong.
        """
        at_least_ms, at_most_ms, agreeing = -inf, inf, 0
        for one in reversed(self._samples):
            least_ms = one.at_least_ms + (skew - doubt) * (now_ms - one.arrived_at_ms)
            most_ms = one.at_most_ms + (skew + doubt) * (now_ms - one.sent_at_ms)
            beyond_ms = max(least_ms - at_most_ms, at_least_ms - most_ms)
            if beyond_ms > 2 * ROUNDING_MS:
                break
            at_least_ms, at_most_ms = max(at_least_ms, least_ms), min(at_most_ms, most_ms)
            agreeing += 1
        return at_least_ms, at_most_ms, agreeing

    def _regression(self) -> tuple[float, float]:
        """The skew as the slope of the samples, by weighted least squares; how wrong it may be."""
        samples = self._samples
        if len(samples) < SAMPLES:
            return 0.0, ANY_SKEW
        narrowest_ms = min(one.width_ms for one in samples)
        # What a round trip took longer than the shortest may all have been on one way.
        weighted = [(one, 1 / (1 + one.width_ms - narrowest_ms) ** 2) for one in samples]
        total = sum(weight for _, weight in weighted)
        x = sum(weight * one.at_ms for one, weight in weighted) / total
        y = sum(weight * one.offset_ms for one, weight in weighted) / total
        xx = sum(weight * (one.at_ms - x) ** 2 for one, weight in weighted)
        xy = sum(weight * (one.at_ms - x) * (one.offset_ms - y) for one, weight in weighted)
        yy = sum(weight * (one.offset_ms - y) ** 2 for one, weight in weighted)
        if not xx:
            return 0.0, ANY_SKEW
        skew = xy / xx
        deviation = sqrt(max(0.0, yy / xx - skew**2) / (len(samples) - 2))
        doubt = 4 * deviation + WANDER
        return (skew, doubt) if doubt < ANY_SKEW else (0.0, ANY_SKEW)
