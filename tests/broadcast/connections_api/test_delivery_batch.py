"""How long throttled posts of a batch are waited for, at instants that the test names."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.broadcast.connections_api import Delete, DeliveryStatus, Post
from chalicelib.broadcast.connections_api.queue import NO_ANSWER, Batch, DeliveryQueue, Queued

from .test_queue import LIMITS, make_queue, settled, started

MAX_THROTTLED_S = 0.25
DEADLINE_S = 3.0
HURRIED = replace(
    LIMITS, in_flight=16, in_flight_per_endpoint=16, backoff_s=0.05, longest_backoff_s=1
)


def post(batch: Batch | None, connection_id: str) -> Queued:
    request = Post("one", connection_id, b"", DEADLINE_S)
    return Queued(request, DEADLINE_S, lambda _: None, batch)


def closes(batch: Batch | None, connection_id: str) -> Queued:
    request = Delete("one", connection_id, DEADLINE_S)
    return Queued(request, DEADLINE_S, lambda _: None, batch)


def accepted(queue: DeliveryQueue, *requests: Queued) -> None:
    for one in requests:
        queue.accept(one)


def answer_until(queue: DeliveryQueue, until_s: float, now_s: float, status: int = 429) -> float:
    """Whatever becomes ready is answered so at once, until then or until nothing is left."""
    while queue:
        for one in started(queue):
            queue.answered(one, status, now_s)
        if not queue:
            break
        due_s = queue.due_at_s()
        if due_s > until_s:
            return until_s
        now_s = max(now_s, due_s)
        queue.pass_time(now_s)
    return now_s


def test_throttled_post_is_given_up_a_little_after_the_others_settle() -> None:
    queue, batch = make_queue(HURRIED), Batch(MAX_THROTTLED_S)
    slow, quick = post(batch, "slow"), post(batch, "quick")
    accepted(queue, slow, quick)
    assert started(queue) == [slow, quick]

    queue.answered(slow, 429, 0.01)
    queue.answered(quick, 200, 0.5)
    assert settled(queue) == [(quick, DeliveryStatus.DELIVERED)]

    assert answer_until(queue, DEADLINE_S, 0.5) == pytest.approx(0.5 + MAX_THROTTLED_S)
    assert settled(queue) == [(slow, DeliveryStatus.LIMITED)]


def test_no_post_is_given_up_while_another_may_still_be_answered() -> None:
    queue, batch = make_queue(HURRIED), Batch(MAX_THROTTLED_S)
    slow, hanging = post(batch, "slow"), post(batch, "hanging")
    accepted(queue, slow, hanging)
    started(queue)
    queue.answered(slow, 429, 0)

    assert answer_until(queue, DEADLINE_S / 2, 0) == DEADLINE_S / 2
    assert settled(queue) == []


def test_post_throttled_briefly_is_delivered() -> None:
    queue, batch = make_queue(HURRIED), Batch(MAX_THROTTLED_S)
    accepted(queue, slow := post(batch, "slow"))
    answer_until(queue, 0.1, 0)

    assert answer_until(queue, DEADLINE_S, 0.1, 200) < MAX_THROTTLED_S
    assert settled(queue) == [(slow, DeliveryStatus.DELIVERED)]


def test_throttled_batch_continues_while_posts_settle() -> None:
    queue, batch = make_queue(HURRIED, jitter=0.1), Batch(MAX_THROTTLED_S)
    posts = [post(batch, f"{number}") for number in range(8)]
    accepted(queue, *posts)
    now_s, through = 0.0, 0

    while queue:
        for one in started(queue):
            # Ten in a second.
            gets_through = now_s * 10 >= through
            through += gets_through
            queue.answered(one, 200 if gets_through else 429, now_s)
        now_s = max(now_s, min(queue.due_at_s(), DEADLINE_S))
        queue.pass_time(now_s)

    assert {how for _, how in settled(queue)} == {DeliveryStatus.DELIVERED}
    assert now_s > 2 * MAX_THROTTLED_S


def test_connection_is_closed_although_its_final_message_is_throttled() -> None:
    queue, batch = make_queue(HURRIED), Batch(MAX_THROTTLED_S)
    final_message, close = post(batch, "slow"), closes(batch, "slow")
    accepted(queue, final_message, close)
    answer_until(queue, 0.2, 0)
    assert queue.due_at_s() == MAX_THROTTLED_S
    queue.pass_time(MAX_THROTTLED_S)
    assert settled(queue) == [(final_message, DeliveryStatus.LIMITED)]

    # At once: a backoff past the deadline is pointless.
    assert started(queue) == [close]
    queue.answered(close, 204, MAX_THROTTLED_S)

    assert settled(queue) == [(close, DeliveryStatus.DELIVERED)]
    assert not queue


def test_throttled_close_is_given_up_like_a_post() -> None:
    queue, batch = make_queue(HURRIED), Batch(MAX_THROTTLED_S)
    accepted(queue, close := closes(batch, "slow"))

    assert answer_until(queue, DEADLINE_S, 0) == pytest.approx(MAX_THROTTLED_S)
    assert settled(queue) == [(close, DeliveryStatus.LIMITED)]


def test_post_behind_a_throttled_one_of_another_batch_is_throttled_too() -> None:
    queue, batch = make_queue(HURRIED), Batch(MAX_THROTTLED_S)
    theirs, ours, other = post(None, "slow"), post(batch, "slow"), post(batch, "other")
    accepted(queue, theirs, ours, other)
    started(queue)
    queue.answered(other, 200, 0)
    queue.answered(theirs, 429, 0)
    settled(queue)

    answer_until(queue, 2 * MAX_THROTTLED_S, 0)

    # Theirs has all the time that it was given.
    assert settled(queue) == [(ours, DeliveryStatus.LATE)]
    assert len(queue) == 1


def test_post_without_a_batch_has_until_its_deadline() -> None:
    queue = make_queue(HURRIED)
    accepted(queue, slow := post(None, "slow"))

    assert answer_until(queue, DEADLINE_S, 0) > DEADLINE_S - 1
    assert settled(queue) == [(slow, DeliveryStatus.LIMITED)]


@given(
    others_s=st.lists(st.floats(0, 1), max_size=6),
    jitter=st.floats(0.01, 1),
    status=st.sampled_from([200, 403, 410]),
)
def test_caller_waits_max_throttled_s_after_the_last_other_post(
    others_s: list[float], jitter: float, status: int
) -> None:
    queue, batch = make_queue(HURRIED, jitter=jitter), Batch(MAX_THROTTLED_S)
    accepted(queue, slow := post(batch, "slow"))
    others = {post(batch, f"{number}"): at_s for number, at_s in enumerate(sorted(others_s))}
    accepted(queue, *others)
    queue.answered(started(queue)[0], 429, 0)
    now_s = 0.0

    for one, at_s in others.items():
        now_s = answer_until(queue, at_s, now_s)
        queue.answered(one, status, at_s)
    now_s = answer_until(queue, DEADLINE_S, now_s)

    assert now_s == pytest.approx(max(others_s, default=0) + MAX_THROTTLED_S)
    assert settled(queue)[-1] == (slow, DeliveryStatus.LIMITED)


@given(data=st.data())
def test_settled_batch_leaves_nothing_in_the_queue(data: st.DataObject) -> None:
    queue, batch = make_queue(HURRIED, jitter=0.7), Batch(MAX_THROTTLED_S)
    for _ in range(data.draw(st.integers(1, 8))):
        make = data.draw(st.sampled_from([post, post, closes]))
        of_whom = data.draw(st.sampled_from([batch, batch, None]))
        accepted(queue, make(of_whom, data.draw(st.sampled_from("abc"))))
    now_s = 0.0

    while queue:
        for one in started(queue):
            status = data.draw(st.sampled_from([200, 410, 429, 429, 429, 500, NO_ANSWER]))
            queue.answered(one, status, now_s)
        now_s = min(max(now_s, queue.due_at_s()), 2 * DEADLINE_S)
        queue.pass_time(now_s)

    assert now_s <= DEADLINE_S
    assert (batch.unsettled, batch.throttled) == (0, {})
    queue.pass_time(2 * DEADLINE_S)
    assert queue.due_at_s() == inf
