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


def outbox(limits: TransportLimits = LIMITS, jitter: float = 1.0) -> DeliveryQueue:
    return DeliveryQueue(limits, lambda: jitter)


def started(box: DeliveryQueue) -> list[Queued]:
    found = []
    while (one := box.next()) is not None:
        found.append(one)
    return found


def settled(box: DeliveryQueue) -> list[tuple[Queued, DeliveryStatus]]:
    found, box.settled = box.settled, []
    return found


def test_connection_has_one_request_at_a_time_in_order() -> None:
    box = outbox()
    first, second, other = queued("a"), queued("a"), queued("b")
    for one in (first, second, other):
        box.accept(one)

    assert started(box) == [first, other]
    box.answered(first, 200, 0)
    assert started(box) == [second]


def test_full_line_drops_the_oldest_waiting_request() -> None:
    box = outbox()
    four = [queued("a") for _ in range(4)]
    for one in four:
        box.accept(one)

    assert settled(box) == [(four[1], DeliveryStatus.DROPPED)]
    assert len(box) == 3
    assert started(box) == [four[0]]
    box.answered(four[0], 200, 0)
    assert started(box) == [four[2]]


def test_full_line_drops_expired_requests_first() -> None:
    box = outbox()
    late, *others = (queued("a", deadline_s=1), *(queued("a") for _ in range(2)))
    box.accept(others[0])
    box.accept(late)
    box.accept(others[1])
    box.pass_time(1)
    box.accept(newest := queued("a"))

    assert settled(box) == [(late, DeliveryStatus.LATE)]
    assert len(box) == 3
    assert started(box) == [others[0]]
    box.answered(others[0], 200, 1)
    assert started(box) == [others[1]]
    box.answered(others[1], 200, 1)
    assert started(box) == [newest]


def test_close_is_never_dropped_for_a_post() -> None:
    box = outbox()
    first, closing, waiting, news = queued("a"), closes("a"), queued("a"), queued("a")
    for one in (first, closing, waiting, news):
        box.accept(one)

    assert settled(box) == [(news, DeliveryStatus.DROPPED)]
    (in_flight,) = started(box)
    box.answered(in_flight, 200, 0)
    assert started(box) == [closing]


def test_number_in_flight_is_bounded() -> None:
    box = outbox()
    for number in range(9):
        box.accept(queued(f"{number}"))
        box.accept(queued(f"{number}", endpoint="two"))

    first = started(box)
    assert len(first) == 4
    assert {one.request.endpoint for one in first} == {"one", "two"}
    box.answered(first[0], 200, 0)
    assert len(started(box)) == 1


def test_hanging_endpoint_leaves_room_for_others() -> None:
    box = outbox()
    for number in range(9):
        box.accept(queued(f"{number}", endpoint="hanging"))
    assert len(started(box)) == 3

    well = queued(endpoint="well")
    box.accept(well)
    assert started(box) == [well]


@pytest.mark.parametrize("attempts", [1, 2, 3, 4, 5, 30])
def test_backoff_doubles_up_to_its_limit(attempts: int) -> None:
    box = outbox(jitter=1.0)
    one = queued(deadline_s=1e6)
    box.accept(one)
    at_s = 0.0
    for _ in range(attempts):
        assert started(box) == [one]
        box.answered(one, 429, at_s)
        before_s, at_s = at_s, box.due_at_s()
        box.pass_time(before_s + (at_s - before_s) / 2)
        assert started(box) == []
        box.pass_time(at_s)

    assert at_s - before_s == min(8, 2 ** (attempts - 1))
    assert started(box) == [one]


@given(jitter=st.floats(0, 1))
def test_jitter_is_full(jitter: float) -> None:
    box = outbox(jitter=jitter)
    one = queued()
    box.accept(one)
    started(box)
    box.answered(one, 429, 10)

    assert box.due_at_s() == 10 + jitter


def test_request_that_backs_off_keeps_its_turn() -> None:
    box = outbox()
    first, second = queued("a"), queued("a")
    box.accept(first)
    box.accept(second)
    started(box)
    box.answered(first, 429, 0)

    assert started(box) == []
    box.pass_time(1)
    assert started(box) == [first]


def test_request_that_backs_off_takes_no_room() -> None:
    box = outbox(replace(LIMITS, in_flight=1))
    limited, other = queued("a"), queued("b")
    box.accept(limited)
    box.accept(other)
    started(box)
    box.answered(limited, 429, 0)

    assert started(box) == [other]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(429, DeliveryStatus.LIMITED), (500, DeliveryStatus.FAILED), (0, DeliveryStatus.FAILED)],
)
def test_backoff_beyond_the_deadline_settles_the_request(
    status: int, outcome: DeliveryStatus
) -> None:
    box = outbox()
    one = queued(deadline_s=10)
    box.accept(one)
    started(box)
    box.answered(one, status, 9.5)

    assert settled(box) == [(one, outcome)]
    assert not box


def test_failures_count_as_attempts_and_throttling_does_not() -> None:
    box = outbox(jitter=0)
    one = queued()
    box.accept(one)
    for status in (429, 500, 429, NO_ANSWER, 429, 503):
        assert started(box) == [one]
        box.answered(one, status, 0)
        box.pass_time(0)

    assert settled(box) == [(one, DeliveryStatus.FAILED)]


def test_deadline_settles_waiting_and_in_flight_requests() -> None:
    box = outbox()
    under_way, behind, later = queued("a", 10), queued("a", 10), queued("a", 20)
    for one in (under_way, behind, later):
        box.accept(one)
    started(box)
    assert box.due_at_s() == 10

    box.pass_time(10)

    assert settled(box) == [(under_way, DeliveryStatus.LATE), (behind, DeliveryStatus.LATE)]
    # A request in flight can not be recalled; sending the next would break the order.
    assert started(box) == []
    box.answered(under_way, 200, 11)
    assert started(box) == [later]
    assert settled(box) == []


def test_request_that_expired_while_waiting_is_not_sent() -> None:
    box = outbox(replace(LIMITS, in_flight=1))
    under_way, ready, next_ready = queued("a", 50), queued("b", 10), queued("c", 10)
    behind = queued("b", 50)
    for one in (under_way, ready, next_ready, behind):
        box.accept(one)
    started(box)
    box.pass_time(10)
    assert settled(box) == [(ready, DeliveryStatus.LATE), (next_ready, DeliveryStatus.LATE)]

    box.answered(under_way, 200, 11)

    assert started(box) == [behind]


def test_expired_request_is_settled_with_its_last_status() -> None:
    box = outbox(jitter=0.5)
    one = queued(deadline_s=10)
    box.accept(one)
    started(box)
    box.answered(one, 429, 0)
    box.pass_time(0.5)
    started(box)

    box.pass_time(10)

    assert settled(box) == [(one, DeliveryStatus.LIMITED)]


def test_close_deadlines_are_checked_together() -> None:
    box = outbox()
    box.accept(queued("a", 10))
    box.accept(queued("b", 10.001))
    box.pass_time(10)

    assert 10.001 < box.due_at_s() < 10.1


def test_empty_queue_has_no_due_time() -> None:
    box = outbox()
    assert box.due_at_s() == inf

    box.accept(queued("a", 10))
    started(box)
    box.pass_time(10)

    assert box.due_at_s() == inf


def test_drop_all_settles_everything() -> None:
    box = outbox()
    all_of_it = [queued("a"), queued("a"), queued("b")]
    for one in all_of_it:
        box.accept(one)
    started(box)

    box.drop_all()

    assert settled(box) == [(one, DeliveryStatus.DROPPED) for one in all_of_it]
    assert not box


answers = st.sampled_from([200, 200, 200, 410, 429, 500, NO_ANSWER])


@given(data=st.data())
def test_every_request_is_settled_once_and_in_order(data: st.DataObject) -> None:
    box = outbox(jitter=0.5)
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
                box.accept(one)
            case "answer" if under_way:
                one = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
                box.answered(one, data.draw(answers), now_s)
            case _:
                now_s += data.draw(st.sampled_from([0, 0.3, 2]))
                box.pass_time(now_s)
        ready = started(box)
        under_way += ready
        sent += ready
        outcomes += settled(box)
        assert len(under_way) == box.in_flight <= LIMITS.in_flight
        assert len({one.key for one in under_way}) == len(under_way)

    while box or under_way:
        while under_way:
            box.answered(under_way.pop(), 200, now_s)
        now_s += 1
        box.pass_time(now_s)
        ready = started(box)
        under_way += ready
        sent += ready
        outcomes += settled(box)
    assert sorted(id(one) for one, _ in outcomes) == sorted(map(id, accepted))
    for key in {one.key for one in accepted}:
        first_sent = list(dict.fromkeys(one for one in sent if one.key == key))
        assert first_sent == [one for one in accepted if one in first_sent]
    assert box.is_idle
    assert len(box.endpoint_queues) <= 2
