"""When the connection is in doubt, and when it is lost."""

from __future__ import annotations

from math import inf

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
