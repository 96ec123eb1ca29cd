"""When the connection is in doubt, and when it is lost."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickless.failure_detector import FailureDetector


def detector() -> FailureDetector:
    return FailureDetector(min_answer_ms=1_500, probe_timeout_ms=5_000)


def test_doubt_begins_when_an_answer_is_overdue_by_twice_the_usual_round_trip() -> None:
    one = detector()
    one.sent(0)
    assert one.doubt_at_ms == 1_500
    one.answered(0, 1_000)
    assert one.doubt_at_ms == inf

    # Twice a second.
    one.sent(10_000)
    assert (one.doubt_at_ms, one.lost_at_ms) == (12_000, 17_000)


def test_an_answer_confirms_what_was_sent_before_it_and_nothing_that_was_sent_later() -> None:
    one = detector()
    for at_ms in (0, 100, 200):
        one.sent(at_ms)
    one.answered(100, 150)
    assert (one.confirmed_at_ms, one.doubt_at_ms) == (100, 1_700)
    one.answered(0, 400)
    assert one.confirmed_at_ms == 100
    one.answered(200, 400)
    assert one.doubt_at_ms == inf


@given(st.floats(5_000, 3_600_000), st.lists(st.floats(0, 5_000), max_size=20))
def test_one_answer_processed_late_counts_as_no_more_than_the_limit(
    late_ms: float, usual: list[float]
) -> None:
    late, limited, at_ms = detector(), detector(), 0.0
    for round_trip_ms in [*usual, late_ms, *usual]:
        for one in (late, limited):
            one.sent(at_ms)
        late.answered(at_ms, at_ms + round_trip_ms)
        limited.answered(at_ms, at_ms + min(round_trip_ms, 5_000))
        at_ms += late_ms
        for one in (late, limited):
            one.sent(at_ms)
        assert late.doubt_at_ms == limited.doubt_at_ms <= at_ms + 10_000


@pytest.mark.parametrize("late_ms", [60_000, 3_600_000])
def test_one_late_answer_does_not_delay_the_doubt(late_ms: float) -> None:
    one = detector()
    one.sent(0)
    one.answered(0, 20)
    one.sent(1_000)
    one.answered(1_000, 1_000 + late_ms)
    one.sent(5_000_000)
    assert one.doubt_at_ms == 5_001_500


def test_round_trip_across_a_suspension_is_unknown() -> None:
    one = detector()
    one.sent(0)
    one.suspended(4_000)
    one.answered(0, 4_500)
    assert one.confirmed_at_ms == 0
    one.sent(10_000)
    assert one.doubt_at_ms == 11_500
    one.answered(10_000, 11_000)
    one.sent(20_000)
    assert one.doubt_at_ms == 22_000


@given(st.floats(1, 1_000), st.lists(st.tuples(st.floats(0.75, 1.25), st.floats(0, 30_000))))
def test_round_trips_that_vary_by_less_than_half_are_never_doubted(
    usual_ms: float, exchanges: list[tuple[float, float]]
) -> None:
    one, at_ms = detector(), 0.0
    for factor, pause_ms in exchanges:
        answered_at_ms = at_ms + usual_ms * factor
        one.sent(at_ms)
        assert answered_at_ms < one.doubt_at_ms
        one.answered(at_ms, answered_at_ms)
        at_ms = answered_at_ms + pause_ms
