"""The laws of the bucket, over any limit and any stream of requests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.ports import RateLimitCheck
from chalicelib.rate_limit.gcra import MINUTE_US, SECOND_US, Limit, Quota, quota
from tests.fakes import FakeStore

limits = st.builds(Limit, st.integers(1, 1_000_000), st.sampled_from([SECOND_US, MINUTE_US]))
small_limits = st.builds(Limit, st.integers(1, 20), st.sampled_from([SECOND_US, MINUTE_US]))
pauses_ms = st.lists(
    st.sampled_from([0, 0, 0, 1, 49, 50, 100, 999, 1_000]) | st.integers(0, 70_000), max_size=80
)


def asked(store: FakeStore, limit: Limit) -> Quota:
    limit_check = RateLimitCheck("general", "somebody", limit)
    store.consume(limit_check)
    assert limit_check.quota is not None
    return limit_check.quota


@given(limits)
def test_a_full_limit_passes_at_once_and_drains_within_its_period(limit: Limit) -> None:
    assert limit.interval_us >= 1
    assert limit.most_us == limit.count * limit.interval_us <= limit.period_us


@given(small_limits, pauses_ms)
def test_within_any_stretch_of_time_no_more_pass_than_the_limit_and_what_has_drained(
    limit: Limit, pauses: list[int]
) -> None:
    store = FakeStore()
    passed_us: list[int] = []
    for pause_ms in pauses:
        store.advance(pause_ms)
        if not asked(store, limit).exceeded:
            passed_us.append(store.clock_ms * 1000)
    for first, begin_us in enumerate(passed_us):
        for last, end_us in enumerate(passed_us[first:], first):
            drained = (end_us - begin_us) // limit.interval_us
            assert last - first + 1 <= limit.count + drained


@given(small_limits, pauses_ms)
def test_nobody_is_refused_who_asks_for_no_more_than_the_limit(
    limit: Limit, pauses: list[int]
) -> None:
    store = FakeStore()
    interval_ms = -(-limit.interval_us // 1000)
    for _ in range(limit.count):
        assert not asked(store, limit).exceeded
    for pause_ms in pauses:
        store.advance(interval_ms + pause_ms)
        assert not asked(store, limit).exceeded


@given(small_limits, pauses_ms)
def test_what_is_said_to_remain_remains_and_no_more(limit: Limit, pauses: list[int]) -> None:
    store = FakeStore()
    for pause_ms in pauses:
        store.advance(pause_ms)
        asked(store, limit)
    remaining = asked(store, limit).remaining

    exceeded = [asked(store, limit).exceeded for _ in range(remaining + 1)]

    assert exceeded == [False] * remaining + [True]


@given(small_limits, pauses_ms)
def test_who_waits_as_long_as_told_is_let_through(limit: Limit, pauses: list[int]) -> None:
    store = FakeStore()
    for pause_ms in pauses:
        store.advance(pause_ms)
        found = asked(store, limit)
        if found.exceeded:
            assert found.retry_after_seconds <= found.reset_seconds
            store.advance(found.retry_after_seconds * 1000)
            assert not asked(store, limit).exceeded


@given(small_limits, pauses_ms)
def test_after_the_reset_all_of_it_is_there_again(limit: Limit, pauses: list[int]) -> None:
    store = FakeStore()
    for pause_ms in pauses:
        store.advance(pause_ms)
        asked(store, limit)
    found = asked(store, limit)
    store.advance(found.reset_seconds * 1000)

    assert found.reset_seconds * SECOND_US <= limit.period_us + SECOND_US
    assert asked(store, limit).remaining == limit.count - 1


@given(limits, st.integers(0, 2**52), st.integers(-MINUTE_US, 2 * MINUTE_US), st.booleans())
def test_what_clients_are_told_is_never_out_of_range(
    limit: Limit, now_us: int, level_us: int, let_through: bool
) -> None:
    found = quota(limit, now_us + level_us, now_us, let_through=let_through)

    assert found.limit == limit.count
    assert 0 <= found.remaining <= limit.count
    assert found.reset_seconds >= 0
    assert found.exceeded is not let_through
