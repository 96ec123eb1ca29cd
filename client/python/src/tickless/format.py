"""Formats milliseconds as clocks show them, and says how long the text stays the same."""

from __future__ import annotations

from math import ceil, floor, inf

SECOND_MS = 1_000
TENTH_MS = 100
TENTHS_BELOW_MS = 10_000


def format_remaining(ms: float, tenths_below_ms: float = TENTHS_BELOW_MS) -> str:
    """Remaining time, rounded up to a second or a tenth: ``0:00`` means that none is left."""
    if 0 < ms < tenths_below_ms:
        return f"{ceil(ms / TENTH_MS) / 10:.1f}"
    return _digits(ceil(max(0, ms) / SECOND_MS))


def remaining_changes_in_ms(ms: float, tenths_below_ms: float = TENTHS_BELOW_MS) -> float:
    """After how much less time the text changes; infinite if no time is left."""
    if ms <= 0:
        return inf
    unit_ms = TENTH_MS if ms < tenths_below_ms else SECOND_MS
    digit_changes_in_ms = ms - (ceil(ms / unit_ms) - 1) * unit_ms
    tenths_start_in_ms = inf if ms < tenths_below_ms else ms - tenths_below_ms
    return min(digit_changes_in_ms, tenths_start_in_ms)


def format_elapsed(ms: float) -> str:
    """Elapsed time, rounded down to a second."""
    return _digits(floor(max(0, ms) / SECOND_MS))


def elapsed_changes_in_ms(ms: float) -> float:
    """After how much more time the text changes."""
    return SECOND_MS - ms % SECOND_MS


def _digits(seconds: int) -> str:
    hours, minutes = seconds // 3_600, seconds // 60
    if hours:
        return f"{hours}:{minutes % 60:02}:{seconds % 60:02}"
    return f"{minutes}:{seconds % 60:02}"
