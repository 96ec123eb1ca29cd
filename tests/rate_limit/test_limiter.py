"""Properties of GCRA for any limit and any stream of requests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.ports import RateLimitCheck
from chalicelib.rate_limit.limiter import MINUTE_US, SECOND_US, Limit, Quota, quota
from tests.fakes import FakeStore

limits = st.builds(Limit, st.integers(1, 1_000_000), st.sampled_from([SECOND_US, MINUTE_US]))
small_limits = st.builds(Limit, st.integers(1, 20), st.sampled_from([SECOND_US, MINUTE_US]))
pauses_ms = st.lists(
    st.sampled_from([0, 0, 0, 1, 49, 50, 100, 999, 1_000]) | st.integers(0, 70_000), max_size=80
)


def consume(store: FakeStore, limit: Limit) -> Quota:
    limit_check = RateLimitCheck("general", "198.51.100.1", limit)
    store.consume(limit_check)
    assert limit_check.quota is not None
    return limit_check.quota


@given(limits)
def test_full_burst_passes_and_drains_within_the_period(limit: Limit) -> None:
    assert limit.interval_us >= 1
    assert limit.capacity_us == limit.count * limit.interval_us <= limit.period_us


@given(small_limits, pauses_ms)
def test_requests_in_any_interval_are_bounded_by_burst_and_drain(
    limit: Limit, pauses: list[int]
) -> None:
    store = FakeStore()
    passed_us: list[int] = []
    for pause_ms in pauses:
        store.advance(pause_ms)
        if not consume(store, limit).exceeded:
            passed_us.append(store.clock_ms * 1000)
    for first, begin_us in enumerate(passed_us):
        for last, end_us in enumerate(passed_us[first:], first):
            drained = (end_us - begin_us) // limit.interval_us
            assert last - first + 1 <= limit.count + drained


@given(small_limits, pauses_ms)
def test_requests_within_the_limit_are_never_rejected(limit: Limit, pauses: list[int]) -> None:
    store = FakeStore()
    interval_ms = -(-limit.interval_us // 1000)
    for _ in range(limit.count):
        assert not consume(store, limit).exceeded
    for pause_ms in pauses:
        store.advance(interval_ms + pause_ms)
        assert not consume(store, limit).exceeded


@given(small_limits, pauses_ms)
def test_reported_remaining_is_exact(limit: Limit, pauses: list[int]) -> None:
    store = FakeStore()
    for pause_ms in pauses:
        store.advance(pause_ms)
        consume(store, limit)
    remaining = consume(store, limit).remaining

    exceeded = [consume(store, limit).exceeded for _ in range(remaining + 1)]

    assert exceeded == [False] * remaining + [True]


@given(small_limits, pauses_ms)
def test_request_passes_after_retry_after(limit: Limit, pauses: list[int]) -> None:
    store = FakeStore()
    for pause_ms in pauses:
        store.advance(pause_ms)
        reported = consume(store, limit)
        if reported.exceeded:
            assert reported.retry_after_seconds <= reported.reset_seconds
            store.advance(reported.retry_after_seconds * 1000)
            assert not consume(store, limit).exceeded


@given(small_limits, pauses_ms)
def test_full_burst_is_available_after_reset(limit: Limit, pauses: list[int]) -> None:
    store = FakeStore()
    for pause_ms in pauses:
        store.advance(pause_ms)
        consume(store, limit)
    reported = consume(store, limit)
    store.advance(reported.reset_seconds * 1000)

    assert reported.reset_seconds * SECOND_US <= limit.period_us + SECOND_US
    assert consume(store, limit).remaining == limit.count - 1


@given(limits, st.integers(0, 2**52), st.integers(-MINUTE_US, 2 * MINUTE_US), st.booleans())
def test_reported_quota_is_in_range(
    limit: Limit, now_us: int, level_us: int, allowed: bool
) -> None:
    reported = quota(limit, now_us + level_us, now_us, allowed=allowed)

    assert reported.limit == limit.count
    assert 0 <= reported.remaining <= limit.count
    assert reported.reset_seconds >= 0
    assert reported.exceeded is not allowed
