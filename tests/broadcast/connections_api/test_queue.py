"""Order, backoff and deadlines of the delivery queue, at instants that the test names."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.broadcast.connections_api import Delete, DeliveryStatus, Post, TransportLimits
from chalicelib.broadcast.connections_api.queue import NO_ANSWER, DeliveryQueue, Queued

LIMITS = TransportLimits(
    in_flight=4,
    in_flight_per_endpoint=3,
    waiting_per_connection=2,
    backoff_s=1,
    longest_backoff_s=8,
)


def queued(connection_id: str = "a", deadline_s: float = 100, endpoint: str = "one") -> Queued:
    return Queued(Post(endpoint, connection_id, b"", deadline_s), deadline_s, lambda _: None)


def closes(connection_id: str, deadline_s: float = 100) -> Queued:
    return Queued(Delete("one", connection_id, deadline_s), deadline_s, lambda _: None)


def make_queue(limits: TransportLimits = LIMITS, jitter: float = 1.0) -> DeliveryQueue:
    return DeliveryQueue(limits, lambda: jitter)


def started(queue: DeliveryQueue) -> list[Queued]:
    found = []
    while (one := queue.next()) is not None:
        found.append(one)
    return found


def settled(queue: DeliveryQueue) -> list[tuple[Queued, DeliveryStatus]]:
    found, queue.settled = queue.settled, []
    return found


def test_connection_has_one_request_at_a_time_in_order() -> None:
    queue = make_queue()
    first, second, other = queued("a"), queued("a"), queued("b")
    for one in (first, second, other):
        queue.accept(one)

    assert started(queue) == [first, other]
    queue.answered(first, 200, 0)
    assert started(queue) == [second]


def test_full_line_drops_the_oldest_waiting_request() -> None:
    queue = make_queue()
    four = [queued("a") for _ in range(4)]
    for one in four:
        queue.accept(one)

    assert settled(queue) == [(four[1], DeliveryStatus.DROPPED)]
    assert len(queue) == 3
    assert started(queue) == [four[0]]
    queue.answered(four[0], 200, 0)
    assert started(queue) == [four[2]]


def test_full_line_drops_expired_requests_first() -> None:
    queue = make_queue()
    late, *others = (queued("a", deadline_s=1), *(queued("a") for _ in range(2)))
    queue.accept(others[0])
    queue.accept(late)
    queue.accept(others[1])
    queue.pass_time(1)
    queue.accept(newest := queued("a"))

    assert settled(queue) == [(late, DeliveryStatus.LATE)]
    assert len(queue) == 3
    assert started(queue) == [others[0]]
    queue.answered(others[0], 200, 1)
    assert started(queue) == [others[1]]
    queue.answered(others[1], 200, 1)
    assert started(queue) == [newest]


def test_close_is_never_dropped_for_a_post() -> None:
    queue = make_queue()
    first, closing, waiting, news = queued("a"), closes("a"), queued("a"), queued("a")
    for one in (first, closing, waiting, news):
        queue.accept(one)

    assert settled(queue) == [(news, DeliveryStatus.DROPPED)]
    (in_flight,) = started(queue)
    queue.answered(in_flight, 200, 0)
    assert started(queue) == [closing]


def test_number_in_flight_is_bounded() -> None:
    queue = make_queue()
    for number in range(9):
        queue.accept(queued(f"{number}"))
        queue.accept(queued(f"{number}", endpoint="two"))

    first = started(queue)
    assert len(first) == 4
    assert {one.request.endpoint for one in first} == {"one", "two"}
    queue.answered(first[0], 200, 0)
    assert len(started(queue)) == 1


def test_hanging_endpoint_leaves_room_for_others() -> None:
    queue = make_queue()
    for number in range(9):
        queue.accept(queued(f"{number}", endpoint="hanging"))
    assert len(started(queue)) == 3

    well = queued(endpoint="well")
    queue.accept(well)
    assert started(queue) == [well]


@pytest.mark.parametrize("attempts", [1, 2, 3, 4, 5, 30])
def test_backoff_doubles_up_to_its_limit(attempts: int) -> None:
    queue = make_queue(jitter=1.0)
    one = queued(deadline_s=1e6)
    queue.accept(one)
    at_s = 0.0
    for _ in range(attempts):
        assert started(queue) == [one]
        queue.answered(one, 429, at_s)
        before_s, at_s = at_s, queue.due_at_s()
        queue.pass_time(before_s + (at_s - before_s) / 2)
        assert started(queue) == []
        queue.pass_time(at_s)

    assert at_s - before_s == min(8, 2 ** (attempts - 1))
    assert started(queue) == [one]


@given(jitter=st.floats(0, 1))
def test_jitter_is_full(jitter: float) -> None:
    queue = make_queue(jitter=jitter)
    one = queued()
    queue.accept(one)
    started(queue)
    queue.answered(one, 429, 10)

    assert queue.due_at_s() == 10 + jitter


def test_request_that_backs_off_keeps_its_turn() -> None:
    queue = make_queue()
    first, second = queued("a"), queued("a")
    queue.accept(first)
    queue.accept(second)
    started(queue)
    queue.answered(first, 429, 0)

    assert started(queue) == []
    queue.pass_time(1)
    assert started(queue) == [first]


def test_request_that_backs_off_takes_no_room() -> None:
    queue = make_queue(replace(LIMITS, in_flight=1))
    limited, other = queued("a"), queued("b")
    queue.accept(limited)
    queue.accept(other)
    started(queue)
    queue.answered(limited, 429, 0)

    assert started(queue) == [other]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(429, DeliveryStatus.LIMITED), (500, DeliveryStatus.FAILED), (0, DeliveryStatus.FAILED)],
)
def test_backoff_beyond_the_deadline_settles_the_request(
    status: int, outcome: DeliveryStatus
) -> None:
    queue = make_queue()
    one = queued(deadline_s=10)
    queue.accept(one)
    started(queue)
    queue.answered(one, status, 9.5)

    assert settled(queue) == [(one, outcome)]
    assert not queue


def test_failures_count_as_attempts_and_throttling_does_not() -> None:
    queue = make_queue(jitter=0)
    one = queued()
    queue.accept(one)
    for status in (429, 500, 429, NO_ANSWER, 429, 503):
        assert started(queue) == [one]
        queue.answered(one, status, 0)
        queue.pass_time(0)

    assert settled(queue) == [(one, DeliveryStatus.FAILED)]


def test_deadline_settles_waiting_and_in_flight_requests() -> None:
    queue = make_queue()
    under_way, behind, later = queued("a", 10), queued("a", 10), queued("a", 20)
    for one in (under_way, behind, later):
        queue.accept(one)
    started(queue)
    assert queue.due_at_s() == 10

    queue.pass_time(10)

    assert settled(queue) == [(under_way, DeliveryStatus.LATE), (behind, DeliveryStatus.LATE)]
    # A request in flight can not be recalled; sending the next would break the order.
    assert started(queue) == []
    queue.answered(under_way, 200, 11)
    assert started(queue) == [later]
    assert settled(queue) == []


def test_request_that_expired_while_waiting_is_not_sent() -> None:
    queue = make_queue(replace(LIMITS, in_flight=1))
    under_way, ready, next_ready = queued("a", 50), queued("b", 10), queued("c", 10)
    behind = queued("b", 50)
    for one in (under_way, ready, next_ready, behind):
        queue.accept(one)
    started(queue)
    queue.pass_time(10)
    assert settled(queue) == [(ready, DeliveryStatus.LATE), (next_ready, DeliveryStatus.LATE)]

    queue.answered(under_way, 200, 11)

    assert started(queue) == [behind]


def test_expired_request_is_settled_with_its_last_status() -> None:
    queue = make_queue(jitter=0.5)
    one = queued(deadline_s=10)
    queue.accept(one)
    started(queue)
    queue.answered(one, 429, 0)
    queue.pass_time(0.5)
    started(queue)

    queue.pass_time(10)

    assert settled(queue) == [(one, DeliveryStatus.LIMITED)]


def test_close_deadlines_are_checked_together() -> None:
    queue = make_queue()
    queue.accept(queued("a", 10))
    queue.accept(queued("b", 10.001))
    queue.pass_time(10)

    assert 10.001 < queue.due_at_s() < 10.1


def test_empty_queue_has_no_due_time() -> None:
    queue = make_queue()
    assert queue.due_at_s() == inf

    queue.accept(queued("a", 10))
    started(queue)
    queue.pass_time(10)

    assert queue.due_at_s() == inf


def test_drop_all_settles_everything() -> None:
    queue = make_queue()
    all_of_it = [queued("a"), queued("a"), queued("b")]
    for one in all_of_it:
        queue.accept(one)
    started(queue)

    queue.drop_all()

    assert settled(queue) == [(one, DeliveryStatus.DROPPED) for one in all_of_it]
    assert not queue


answers = st.sampled_from([200, 200, 200, 410, 429, 500, NO_ANSWER])


@given(data=st.data())
def test_every_request_is_settled_once_and_in_order(data: st.DataObject) -> None:
    queue = make_queue(jitter=0.5)
    accepted: list[Queued] = []
    outcomes: list[tuple[Queued, DeliveryStatus]] = []
    under_way: list[Queued] = []
    sent: list[Queued] = []
    now_s = 0.0
    for _ in range(data.draw(st.integers(1, 40))):
        match data.draw(st.sampled_from(["accept", "answer", "time"])):
            case "accept":
                one = queued(
                    data.draw(st.sampled_from("abc")),
                    now_s + data.draw(st.sampled_from([0.5, 3, 30])),
                    data.draw(st.sampled_from(["one", "two"])),
                )
                accepted.append(one)
                queue.accept(one)
            case "answer" if under_way:
                one = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
                queue.answered(one, data.draw(answers), now_s)
            case _:
                now_s += data.draw(st.sampled_from([0, 0.3, 2]))
                queue.pass_time(now_s)
        ready = started(queue)
        under_way += ready
        sent += ready
        outcomes += settled(queue)
        assert len(under_way) == queue.in_flight <= LIMITS.in_flight
        assert len({one.key for one in under_way}) == len(under_way)

    while queue or under_way:
        while under_way:
            queue.answered(under_way.pop(), 200, now_s)
        now_s += 1
        queue.pass_time(now_s)
        ready = started(queue)
        under_way += ready
        sent += ready
        outcomes += settled(queue)
    assert sorted(id(one) for one, _ in outcomes) == sorted(map(id, accepted))
    for key in {one.key for one in accepted}:
        first_sent = list(dict.fromkeys(one for one in sent if one.key == key))
        assert first_sent == [one for one in accepted if one in first_sent]
    assert queue.is_idle
    assert len(queue.endpoint_queues) <= 2
