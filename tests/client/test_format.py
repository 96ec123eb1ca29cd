"""Milliseconds are formatted as clocks show them."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickless.format import (
    elapsed_changes_in_ms,
    format_elapsed,
    format_remaining,
    remaining_changes_in_ms,
)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0:00"),
        (1, "0.1"),
        (100, "0.1"),
        (101, "0.2"),
        (9_900, "9.9"),
        (9_901, "10.0"),
        (9_999, "10.0"),
        (10_000, "0:10"),
        (10_001, "0:11"),
        (59_001, "1:00"),
        (60_001, "1:01"),
        (3_599_000, "59:59"),
        (3_599_001, "1:00:00"),
        (3_661_000, "1:01:01"),
        (2_678_400_000, "744:00:00"),
        (36_000_000, "10:00:00"),
    ],
)
def test_remaining_time_is_rounded_up_so_that_zero_means_expired(ms: int, text: str) -> None:
    assert format_remaining(ms) == text


def test_tenths_can_be_turned_off_or_start_at_another_time() -> None:
    assert format_remaining(1, 0) == "0:01"
    assert format_remaining(19_950, 20_000) == "20.0"


def test_elapsed_time_counts_whole_seconds() -> None:
    shown = [format_elapsed(ms) for ms in (0, 999, 1_000, 3_599_999, 3_600_000)]
    assert shown == ["0:00", "0:00", "0:01", "59:59", "1:00:00"]


@given(ms=st.integers(1, 100_000_000).map(lambda tenths: tenths / 4), below=st.integers(0, 12_345))
def test_text_changes_exactly_when_predicted(ms: float, below: int) -> None:
    changes_in_ms = remaining_changes_in_ms(ms, below)

    assert 0 < changes_in_ms <= 1_000
    assert format_remaining(ms - changes_in_ms + 0.01, below) == format_remaining(ms, below)
    # If tenths start on a full second, that second itself is shown for an instant.
    assert format_remaining(max(0, ms - changes_in_ms - 0.01), below) != format_remaining(ms, below)


def test_expired_clock_never_changes_and_a_stopwatch_changes_on_the_second() -> None:
    assert remaining_changes_in_ms(0) == inf
    assert elapsed_changes_in_ms(0) == 1_000
    assert elapsed_changes_in_ms(1_250.5) == 749.5
