"""Failure detector: whether the connection has been confirmed lately, or has only not failed.

TCP reports the loss of a network only after minutes, so silence is measured against what was
sent: an answer is due after twice the usual round trip. Pure: no I/O, no clock. The rules are in
docs/protocol.md, "Following a session".
"""

from __future__ import annotations

from math import inf

PROBE_INTERVAL_MS = 1_000
"""How often a connection in doubt is probed: a single PONG may be lost."""

ROUND_TRIP_WEIGHT = 1 / 8
"""Weight of a round trip in the average, as in TCP (RFC 6298)."""


class FailureDetector:
    """``confirmed_at_ms`` is when the newest message that was answered had been sent.

    No answer is late before ``min_answer_ms``, however fast the network, because functions start
    slowly. A connection in doubt has ``probe_timeout_ms`` to answer.
    """

    def __init__(self, min_answer_ms: float, probe_timeout_ms: float) -> None:
        self.confirmed_at_ms = -inf
        self._min_answer_ms = min_answer_ms
        self._probe_timeout_ms = probe_timeout_ms
        self._sent_at_ms: list[float] = []
        self._round_trip_ms: float | None = None
        self._valid_since_ms = -inf

    @property
    def doubt_at_ms(self) -> float:
        """When the doubt began, or will begin unless an answer arrives; infinite if none is due."""
        answer_ms = max(self._min_answer_ms, 2 * (self._round_trip_ms or 0.0))
        return self._sent_at_ms[0] + answer_ms if self._sent_at_ms else inf

    @property
    def lost_at_ms(self) -> float:
        """When the connection is lost, unless an answer arrives."""
        return self.doubt_at_ms + self._probe_timeout_ms

    def reset(self) -> None:
        """There is no connection: nothing that was sent will be answered."""
        self._sent_at_ms.clear()

    def sent(self, now_ms: float) -> None:
        """A message that must be answered was sent."""
        self._sent_at_ms.append(now_ms)

    def suspended(self, now_ms: float) -> None:
        """The machine has slept: the round trip of what is under way is unknown."""
        self._valid_since_ms = now_ms

    def answered(self, sent_at_ms: float, now_ms: float | None = None) -> None:
        """What was sent then is answered, so all that was sent before could get through, too.

        ``now_ms`` is given if the round trip is typical: commands and claims wait for the store.
        """
        self.confirmed_at_ms = max(self.confirmed_at_ms, sent_at_ms)
        self._sent_at_ms = [at_ms for at_ms in self._sent_at_ms if at_ms > sent_at_ms]
        if now_ms is None or sent_at_ms < self._valid_since_ms:
            return
        # What takes longer is no round trip: the connection would have been dropped. The process
        # was blocked, or has processed the answer late.
        round_trip_ms = min(now_ms - sent_at_ms, self._probe_timeout_ms)
        usual_ms = round_trip_ms if self._round_trip_ms is None else self._round_trip_ms
        self._round_trip_ms = usual_ms + (round_trip_ms - usual_ms) * ROUND_TRIP_WEIGHT
