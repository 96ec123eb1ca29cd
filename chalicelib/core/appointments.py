"""Appointments: the instants at which a session starts and ends by itself.

Pure values. When an appointment is kept is decided in ``rules``, with the timeouts.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .errors import InvalidSetup
from .limits import MAX_CLOCK_MS

GRACE_MS: Final = 60_000
"""How late a request for a start may be; the session then starts at once."""

MAX_AHEAD_MS: Final = MAX_CLOCK_MS


class Appointments(NamedTuple):
    """When a session starts and ends by itself; ``None`` for never."""

    starts_at_ms: int | None = None
    ends_at_ms: int | None = None

    def after(self, now_ms: int) -> Appointments:
        """Those that are still to come."""
        return Appointments(*(None if one is None or one <= now_ms else one for one in self))

    def check_order(self) -> None:
        """Raise InvalidSetup unless the end is after the start."""
        if self.starts_at_ms is None or self.ends_at_ms is None:
            return
        if self.ends_at_ms <= self.starts_at_ms:
            late_ms = self.starts_at_ms - self.ends_at_ms
            raise InvalidSetup(
                "ends_at", f"ends_at must be after starts_at, got {late_ms} ms before it"
            )

    def check_start(self, now_ms: int) -> None:
        """Raise InvalidSetup if the start is too far in the past or in the future."""
        if self.starts_at_ms is None:
            return
        _check_ahead("starts_at", self.starts_at_ms, now_ms)
        if self.starts_at_ms < now_ms - GRACE_MS:
            past_ms = now_ms - self.starts_at_ms
            raise InvalidSetup(
                "starts_at",
                f"starts_at can be at most {GRACE_MS} ms in the past, got {past_ms} ms",
            )

    def check_end(self, now_ms: int) -> None:
        """Raise InvalidSetup if the end is not in the future, or too far in it."""
        if self.ends_at_ms is None:
            return
        _check_ahead("ends_at", self.ends_at_ms, now_ms)
        if self.ends_at_ms <= now_ms:
            past_ms = now_ms - self.ends_at_ms
            raise InvalidSetup("ends_at", f"ends_at must be in the future, got {past_ms} ms ago")


NO_APPOINTMENTS: Final = Appointments()


def _check_ahead(field: str, instant_ms: int, now_ms: int) -> None:
    if instant_ms > now_ms + MAX_AHEAD_MS:
        raise InvalidSetup(
            field,
            f"{field} can be at most {MAX_AHEAD_MS} ms ahead, got {instant_ms - now_ms} ms",
        )
