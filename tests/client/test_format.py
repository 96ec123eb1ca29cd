"""Milliseconds as a clock shows them."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickless.format import (
    time_left,
    time_left_changes_in_ms,
    time_passed,
    time_passed_changes_in_ms,
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
        (36_000_000, "10:00:00"),
    ],
)
def test_time_left_is_rounded_up_and_zero_means_that_it_has_run_out(ms: int, text: str) -> None:
    assert time_left(ms) == text


def test_tenths_can_be_left_out_or_begin_elsewhere() -> None:
    assert time_left(1, 0) == "0:01"
    assert time_left(19_950, 20_000) == "20.0"


def test_time_passed_counts_whole_seconds_only() -> None:
    shown = [time_passed(ms) for ms in (0, 999, 1_000, 3_599_999, 3_600_000)]
    assert shown == ["0:00", "0:00", "0:01", "59:59", "1:00:00"]


@given(ms=st.integers(1, 100_000_000).map(lambda tenths: tenths / 4), below=st.integers(0, 12_345))
def test_digits_change_when_they_are_said_to_and_not_before(ms: float, below: int) -> None:
    changes_in_ms = time_left_changes_in_ms(ms, below)

    assert 0 < changes_in_ms <= 1_000
    assert time_left(ms - changes_in_ms + 0.01, below) == time_left(ms, below)
    # Where tenths begin on a full second, that second itself is shown for an instant.
    assert time_left(max(0, ms - changes_in_ms - 0.01), below) != time_left(ms, below)


def test_what_has_run_out_changes_no_more_and_a_stopwatch_on_the_second() -> None:
    assert time_left_changes_in_ms(0) == inf
    assert time_passed_changes_in_ms(0) == 1_000
    assert time_passed_changes_in_ms(1_250.5) == 749.5
