"""Milliseconds as a clock shows them, and how long it goes on showing them."""

from __future__ import annotations

from math import ceil, floor, inf

SECOND_MS = 1_000
TENTH_MS = 100
TENTHS_BELOW_MS = 10_000


def time_left(ms: float, tenths_below_ms: float = TENTHS_BELOW_MS) -> str:
    """Time left. Part of a second, or of a tenth, counts as a whole one: ``0:00`` is nothing."""
    if 0 < ms < tenths_below_ms:
        return f"{ceil(ms / TENTH_MS) / 10:.1f}"
    return _digits(ceil(max(0, ms) / SECOND_MS))


def time_left_changes_in_ms(ms: float, tenths_below_ms: float = TENTHS_BELOW_MS) -> float:
    """How much less must be left for other digits; infinite where nothing is left."""
    if ms <= 0:
        return inf
    unit_ms = TENTH_MS if ms < tenths_below_ms else SECOND_MS
    digit_changes_in_ms = ms - (ceil(ms / unit_ms) - 1) * unit_ms
    tenths_begin_in_ms = inf if ms < tenths_below_ms else ms - tenths_below_ms
    return min(digit_changes_in_ms, tenths_begin_in_ms)


def time_passed(ms: float) -> str:
    """Time that has passed: only whole seconds have."""
    return _digits(floor(max(0, ms) / SECOND_MS))


def time_passed_changes_in_ms(ms: float) -> float:
    """How much more must have passed for other digits."""
    return SECOND_MS - ms % SECOND_MS


def _digits(seconds: int) -> str:
    hours, minutes = seconds // 3_600, seconds // 60
    if hours:
        return f"{hours}:{minutes % 60:02}:{seconds % 60:02}"
    return f"{minutes}:{seconds % 60:02}"
