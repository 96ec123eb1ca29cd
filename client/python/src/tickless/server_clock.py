"""Estimates the server's time from PING and PONG, with a bound on the error.

Owns the samples and the estimate. Sends nothing, and reads no clocks but those it is given. An
offset is what must be added to the local monotonic clock to get the server's time.

Each PONG proves two things, however slow the network: the server had not yet passed
``receivedAt`` when the PING was sent, and it had passed ``timestamp`` when the PONG arrived. So
a sample gives an upper and a lower limit of the offset. The offset lies between the lowest upper
and the highest lower limit of all samples (Marzullo's algorithm); the middle of that interval is
the estimate, and half of its width the error bound. The two limits may come from different
samples, so the estimate is never worse than the sample with the shortest round trip, and
usually much better.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import copysign, inf, nan, sqrt

from .wire_types import Message

BURST_SAMPLES = 10
"""A burst ends after so many samples, or twice as many PINGs."""

BURST_INTERVAL_MS = 100
"""Half of the rate at which a server accepts messages from one connection."""

MAX_SAMPLES = 64
"""Half an hour of heartbeats; older samples add little."""

MAX_SKEW = 200e-6
"""No two clocks in practical use differ in speed by more than this."""

SKEW_DRIFT = 20e-6
"""How much the skew may change with temperature while it is being measured."""

ROUNDING_MS = 0.5
"""Timestamps are whole milliseconds."""

STEP_THRESHOLD_MS = 1_000
SLEW_WITHIN_MS = 1_000

SLEEP_THRESHOLD_MS = 500
"""A monotonic clock that stops while the machine sleeps falls behind the time of day."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """The limits that one PONG gives, and the local instants at which they held."""

    sent_at_ms: float
    upper_ms: float
    arrived_at_ms: float
    lower_ms: float

    @property
    def at_ms(self) -> float:
        return (self.sent_at_ms + self.arrived_at_ms) / 2

    @property
    def offset_ms(self) -> float:
        return (self.lower_ms + self.upper_ms) / 2

    @property
    def width_ms(self) -> float:
        return self.upper_ms - self.lower_ms


class ServerClock:
    """``now`` is a monotonic clock in milliseconds, ``wall_clock`` the time of day.

    ``on_wake`` is called when the clock notices that the machine has slept.
    """

    def __init__(
        self,
        now: Callable[[], float],
        wall_clock: Callable[[], float],
        *,
        on_wake: Callable[[], object] = lambda: None,
        burst_samples: int = BURST_SAMPLES,
    ) -> None:
        self._monotonic = now
        self._wall_clock = wall_clock
        self._on_wake = on_wake
        self._burst_samples = burst_samples
        self._samples: deque[_Sample] = deque(maxlen=MAX_SAMPLES)
        self._burst_pings = 0
        self._burst_pongs = 0
        self._valid_since_ms = -inf
        self._wall_ahead_ms = wall_clock() - now()
        # The estimate is a line through (base, base + offset), and a slew towards it.
        self._base_ms = 0.0
        self._offset_ms = nan
        self._skew = 0.0
        self._slew_ms = 0.0

    def now(self) -> float:
        """The server's time in milliseconds; NaN until a message has arrived.

        Never goes back: where the estimate was ahead, the clock runs slower until it is right.
        """
        return self._server_time_at(self._local_now())

    @property
    def error_bound_ms(self) -> float:
        """The maximum error of ``now``; infinite until the first PONG."""
        now_ms = self._local_now()
        if not self._samples:
            return inf
        lower_ms, upper_ms, _ = self._offset_limits(now_ms, *self._estimate_skew())
        offset_ms = self._server_time_at(now_ms) - now_ms
        return max(upper_ms - offset_ms, offset_ms - lower_ms, 0) + ROUNDING_MS

    @property
    def skew_ppm(self) -> float:
        """How much faster the server's clock runs than the local one, in parts per million."""
        return self._skew * 1e6

    def ping_interval_ms(self, heartbeat_ms: float) -> float:
        """How long to wait before the next PING: short during a burst, else the heartbeat."""
        is_over = (
            self._burst_pongs >= self._burst_samples or self._burst_pings >= 2 * self._burst_samples
        )
        return heartbeat_ms if is_over else BURST_INTERVAL_MS

    def ping(self) -> Message:
        """A PING to send now."""
        self._burst_pings += 1
        return {"type": "PING", "clientTime": self._local_now()}

    def resync(self, *, after_sleep: bool = False) -> None:
        """Start a new burst of samples.

        Samples from before a sleep are dropped: the local clock stood still in between.
        """
        self._burst_pings = self._burst_pongs = 0
        if after_sleep:
            self._samples.clear()
            self._valid_since_ms = self._monotonic()

    def receive_timestamp(self, timestamp: float) -> None:
        """Use the timestamp of any message as a lower limit until the first PONG."""
        now_ms = self._monotonic()
        if self._samples or timestamp <= self._server_time_at(now_ms):
            return
        self._base_ms, self._offset_ms, self._slew_ms = now_ms, timestamp - now_ms, 0.0

    def receive_pong(self, pong: Message) -> None:
        """Add the sample of a PONG that has just arrived."""
        now_ms = self._local_now()
        sent_at_ms = pong["clientTime"]
        # The round trip of a PONG that was under way during a sleep is unknown.
        if sent_at_ms is None or not self._valid_since_ms <= sent_at_ms <= now_ms:
            return
        before_ms = self._server_time_at(now_ms)
        is_first = not self._samples
        self._burst_pongs += 1
        # The server's timestamps are rounded down.
        upper_ms = pong["receivedAt"] + 1 - sent_at_ms
        self._samples.append(_Sample(sent_at_ms, upper_ms, now_ms, pong["timestamp"] - now_ms))

        self._skew, skew_error = self._estimate_skew()
        lower_ms, upper_ms, agreeing = self._offset_limits(now_ms, self._skew, skew_error)
        while len(self._samples) > agreeing:
            self._samples.popleft()
        self._base_ms = now_ms
        self._offset_ms = (lower_ms + upper_ms) / 2
        slew_ms = now_ms + self._offset_ms - before_ms
        # A large forward correction is a step; at the first sample, every forward one is.
        self._slew_ms = slew_ms if slew_ms <= (0 if is_first else STEP_THRESHOLD_MS) else 0.0

    def _local_now(self) -> float:
        """The monotonic clock; notices whether the machine has slept since the last call."""
        now_ms = self._monotonic()
        wall_ahead_ms = self._wall_clock() - now_ms
        if abs(wall_ahead_ms - self._wall_ahead_ms) > SLEEP_THRESHOLD_MS:
            self._wall_ahead_ms = wall_ahead_ms
            self.resync(after_sleep=True)
            self._on_wake()
        return now_ms

    def _server_time_at(self, now_ms: float) -> float:
        passed_ms = now_ms - self._base_ms
        total_ms = abs(self._slew_ms)
        # Corrected within a second, at no more than half speed, so that time never goes back.
        done_ms = passed_ms * min(total_ms, SLEW_WITHIN_MS / 2) / SLEW_WITHIN_MS
        left_ms = copysign(max(0.0, total_ms - done_ms), self._slew_ms)
        return now_ms + self._offset_ms + self._skew * passed_ms - left_ms

    def _offset_limits(
        self, now_ms: float, skew: float, skew_error: float
    ) -> tuple[float, float, int]:
        """The lower and upper limit of the offset, and how many of the newest samples agree.

        If older samples contradict newer ones, a clock has been set, and the older are wrong.
        """
        lower_ms, upper_ms, agreeing = -inf, inf, 0
        for one in reversed(self._samples):
            one_lower_ms = one.lower_ms + (skew - skew_error) * (now_ms - one.arrived_at_ms)
            one_upper_ms = one.upper_ms + (skew + skew_error) * (now_ms - one.sent_at_ms)
            contradiction_ms = max(one_lower_ms - upper_ms, lower_ms - one_upper_ms)
            if contradiction_ms > 2 * ROUNDING_MS:
                break
            lower_ms, upper_ms = max(lower_ms, one_lower_ms), min(upper_ms, one_upper_ms)
            agreeing += 1
        return lower_ms, upper_ms, agreeing

    def _estimate_skew(self) -> tuple[float, float]:
        """The skew and its error: the slope of the samples, by weighted least squares."""
        samples = self._samples
        if len(samples) < BURST_SAMPLES:
            return 0.0, MAX_SKEW
        narrowest_ms = min(one.width_ms for one in samples)
        # The extra time of a slow round trip may all have been spent in one direction.
        weighted = [(one, 1 / (1 + one.width_ms - narrowest_ms) ** 2) for one in samples]
        total = sum(weight for _, weight in weighted)
        x = sum(weight * one.at_ms for one, weight in weighted) / total
        y = sum(weight * one.offset_ms for one, weight in weighted) / total
        xx = sum(weight * (one.at_ms - x) ** 2 for one, weight in weighted)
        xy = sum(weight * (one.at_ms - x) * (one.offset_ms - y) for one, weight in weighted)
        yy = sum(weight * (one.offset_ms - y) ** 2 for one, weight in weighted)
        if not xx:
            return 0.0, MAX_SKEW
        skew = xy / xx
        deviation = sqrt(max(0.0, yy / xx - skew**2) / (len(samples) - 2))
        skew_error = 4 * deviation + SKEW_DRIFT
        return (skew, skew_error) if skew_error < MAX_SKEW else (0.0, MAX_SKEW)
