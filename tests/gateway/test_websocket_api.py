"""What the state_machine of a WebSocket API say, on a clock that stands still."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from local.gateway.connections_api_errors import (
    BadRequestError,
    ConnectionsApiError,
    GoneError,
    LimitExceededError,
    PayloadTooLargeError,
)
from local.gateway.websocket_actions import (
    Abort,
    Accept,
    Close,
    EventType,
    Invoke,
    InvokeResult,
    PauseReading,
    Raised,
    Reject,
    ResumeReading,
    Returned,
    Send,
    TimedOut,
)
from local.gateway.websocket_limits import (
    Faults,
    Limits,
    MessageOrder,
    TokenBucket,
)

from .api_harness import ALL, HANDSHAKE, OK, Played, context, invocations, played

MINUTE = 60_000
HOUR = 60 * MINUTE
ERROR = '{{"message": "{}", "connectionId":"{}", "requestId":"{}"}}'


# Handshakes


def test_a_handshake_waits_for_connect() -> None:
    action = played().open()

    assert isinstance(action, Invoke)
    assert (action.event_type, action.route_key) == (EventType.CONNECT, "$connect")


def test_without_a_connect_route_everybody_is_let_in() -> None:
    action = played(["$default"]).open()

    assert action == Accept("connection-0001=", None)


@pytest.mark.parametrize("status", [200, 204, 299])
def test_any_2xx_lets_a_client_in(status: int) -> None:
    play = played()
    invoke = play.open()
    assert isinstance(invoke, Invoke)

    assert play.api.invoke_finished(invoke, Returned({"statusCode": status}), 0) == [
        Accept(invoke.connection_id, None)
    ]


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "chat"}},
        {"statusCode": 200, "headers": {"X": "1"}, "multiValueHeaders": {}, "body": ""},
        {"statusCode": 200, "multiValueHeaders": {"sec-websocket-protocol": ["chat"]}},
    ],
)
def test_the_subprotocol_is_what_connect_says(result: dict[str, Any]) -> None:
    play = played()
    invoke = play.open()
    assert isinstance(invoke, Invoke)

    (action,) = play.api.invoke_finished(invoke, Returned(result), 0)

    expected = "chat" if "chat" in json.dumps(result) else None
    assert action == Accept(invoke.connection_id, expected)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 500, 502, 504])
def test_any_other_status_reaches_the_client_as_it_is(status: int) -> None:
    play = played()

    assert play.refused(Returned({"statusCode": status, "body": "why"})) == Reject(status)
    assert len(play.api) == 0


@pytest.mark.parametrize(
    ("outcome", "status", "message"),
    [
        (Raised(), 502, "Internal server error"),
        (TimedOut(), 504, "Endpoint request timed out"),
        (Returned(None), 502, "Internal server error"),
        (Returned([]), 502, "Internal server error"),
        (Returned({}), 502, "Internal server error"),
        (Returned({"statusCode": "200"}), 502, "Internal server error"),
        (Returned({"statusCode": True}), 502, "Internal server error"),
        (Returned({"statusCode": 101}), 502, "Internal server error"),
        (Returned({"statusCode": 600}), 502, "Internal server error"),
        (
            Returned({"statusCode": 200, "headers": {"sec-websocket-protocol": "a\r\nb: c"}}),
            502,
            "Internal server error",
        ),
        (
            Returned({"statusCode": 200, "headers": {"sec-websocket-protocol": 1}}),
            502,
            "Internal server error",
        ),
    ],
)
def test_a_connect_that_fails_is_answered_by_the_gateway(
    outcome: InvokeResult, status: int, message: str
) -> None:
    refusal = played().refused(outcome)

    assert refusal.status == status
    assert refusal.body.decode() == ERROR.format(message, "connection-0001=", "request-1")


def test_500_connections_a_second_and_no_more() -> None:
    play = played(["$default"])

    at_once = [play.open() for _ in range(501)]
    play.now_ms += 10
    later = [play.open() for _ in range(6)]

    assert [isinstance(action, Accept) for action in at_once] == [True] * 500 + [False]
    assert isinstance(refusal := at_once[-1], Reject)
    assert refusal.status == 429
    assert [isinstance(action, Accept) for action in later] == [True] * 5 + [False]


def test_a_clock_that_steps_back_gives_nobody_more() -> None:
    bucket = TokenBucket(1000, 1)

    assert [bucket.take(now_ms) for now_ms in (50, 10, 10, 11)] == [True, False, False, True]


# Routes


CUSTOM = (*ALL, "play", "stop")


@pytest.mark.parametrize(
    ("routes", "text", "route_key"),
    [
        (CUSTOM, '{"action": "play"}', "play"),
        (CUSTOM, '{"action": "stop", "body": {}}', "stop"),
        (CUSTOM, '{"action": "sing"}', "$default"),
        (CUSTOM, '{"action": 1}', "$default"),
        (CUSTOM, '{"action": null}', "$default"),
        (CUSTOM, '{"action": "$connect"}', "$default"),
        (CUSTOM, '{"action": "$disconnect"}', "$default"),
        (CUSTOM, '{"type": "play"}', "$default"),
        (CUSTOM, '["action"]', "$default"),
        (CUSTOM, '"play"', "$default"),
        (CUSTOM, "play", "$default"),
        (CUSTOM, "", "$default"),
        (CUSTOM, "[" * 100_000, "$default"),
        (CUSTOM, '{"action":' + "9" * 10_000 + "}", "$default"),
        (ALL, '{"action": "play"}', "$default"),
        (ALL, "no JSON", "$default"),
        (("$connect", "play"), '{"action": "play"}', "play"),
    ],
)
def test_the_action_selects_the_route(routes: tuple[str, ...], text: str, route_key: str) -> None:
    play = played(routes)

    (action,) = play.text(play.connected(), text)

    assert isinstance(action, Invoke)
    assert (action.event_type, action.route_key) == (EventType.MESSAGE, route_key)
    assert action.event["body"] == text
    assert context(action)["routeKey"] == route_key


@pytest.mark.parametrize("text", ['{"action": "sing"}', "no JSON"])
@pytest.mark.parametrize("routes", [("$connect",), ("play",), ()])
def test_without_any_route_the_client_is_told_and_stays(routes: tuple[str, ...], text: str) -> None:
    play = played(routes)
    connection_id = play.connected()

    (action,) = play.text(connection_id, text)

    assert isinstance(action, Send)
    message = json.loads(action.data)
    assert action.data.decode() == ERROR.format("Forbidden", connection_id, message["requestId"])
    assert play.post(connection_id) == [Send(connection_id, b"x")]


# Messages


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (Raised(), "Internal server error"),
        (TimedOut(), "Endpoint request timed out"),
        (Returned({"statusCode": 500, "body": "ignored"}), None),
        (Returned({"statusCode": 200, "body": "ignored"}), None),
        (Returned("no proxy result"), None),
    ],
)
def test_only_a_message_that_fails_is_answered(outcome: InvokeResult, message: str | None) -> None:
    play = played()
    connection_id = play.connected()
    (invoke,) = invocations(play.text(connection_id))

    actions = play.api.invoke_finished(invoke, outcome, play.now_ms)

    expected = ERROR.format(message, connection_id, invoke.request_id).encode()
    assert actions == ([] if message is None else [Send(connection_id, expected)])


def test_a_client_that_has_left_is_told_nothing() -> None:
    play = played()
    connection_id = play.connected()
    (message,) = invocations(play.text(connection_id))
    (disconnect,) = invocations(play.api.socket_lost(connection_id, play.now_ms))

    assert play.api.invoke_finished(message, Raised(), play.now_ms) == []
    assert play.api.invoke_finished(disconnect, Raised(), play.now_ms) == []
    assert len(play.api) == 0


def test_messages_are_handed_over_at_once_by_default() -> None:
    play = played()
    connection_id = play.connected()

    actions = [*play.text(connection_id, "1"), *play.text(connection_id, "2")]

    assert [invoke.event["body"] for invoke in invocations(actions)] == ["1", "2"]


def test_one_connection_takes_so_many_environments_and_no_more_but_may_leave_at_once() -> None:
    play = played(limits=Limits(concurrent_messages=2))
    connection_id = play.connected()
    first, second = invocations([*play.text(connection_id, "1"), *play.text(connection_id, "2")])

    assert play.text(connection_id, "3") == []
    (third,) = invocations(play.api.invoke_finished(second, OK, play.now_ms))
    assert third.event["body"] == "3"
    (leaving,) = invocations(play.api.close_received(connection_id, 1000, "", play.now_ms))
    assert leaving.event_type is EventType.DISCONNECT
    play.api.socket_lost(connection_id, play.now_ms)
    for invoke in (first, third, leaving):
        assert play.api.invoke_finished(invoke, OK, play.now_ms) == []
    assert len(play.api) == 0


def test_serial_messages_wait_for_the_one_before_and_disconnect_comes_last() -> None:
    play = played(order=MessageOrder.SERIAL)
    connection_id = play.connected()
    (first,) = invocations(play.text(connection_id, "1"))

    assert play.text(connection_id, "2") == []
    assert play.api.close_received(connection_id, 1000, "", play.now_ms) == []
    assert play.api.socket_lost(connection_id, play.now_ms) == []
    (second,) = invocations(play.api.invoke_finished(first, Raised(), play.now_ms))
    (last,) = invocations(play.api.invoke_finished(second, OK, play.now_ms))
    assert (second.event["body"], last.event_type) == ("2", EventType.DISCONNECT)
    assert play.api.invoke_finished(last, OK, play.now_ms) == []
    assert len(play.api) == 0


def test_serial_connections_do_not_wait_for_each_other() -> None:
    play = played(order=MessageOrder.SERIAL)
    one, other = play.connected(), play.connected()

    assert len(invocations([*play.text(one), *play.text(other)])) == 2


def test_shuffled_messages_all_come_in_another_order_within_a_moment() -> None:
    play = played(order=MessageOrder.SHUFFLED)
    connection_id = play.connected()
    sent = [str(number) for number in range(20)]

    for text in sent:
        assert play.text(connection_id, text) == []
    actions = invocations(play.later(Limits().shuffle_ms))

    came = [invoke.event["body"] for invoke in actions]
    assert sorted(came) == sorted(sent)
    assert came != sent
    for invoke in actions:
        play.api.invoke_finished(invoke, OK, play.now_ms)


def test_who_asks_too_much_at_once_is_not_read_until_half_is_answered() -> None:
    play = played(limits=Limits(unanswered_messages=4))
    connection_id = play.connected()

    actions = [action for _ in range(4) for action in play.text(connection_id)]
    assert actions[-1] == PauseReading(connection_id)
    # What was read before the pause still counts.
    actions += play.text(connection_id)
    answers = [play.api.invoke_finished(invoke, OK, play.now_ms) for invoke in invocations(actions)]

    assert answers == [[], [], [ResumeReading(connection_id)], [], []]


# Endings


def test_a_message_after_the_end_is_not_heard() -> None:
    play = played()
    connection_id = play.connected()
    play.api.delete(connection_id, play.now_ms)

    assert play.text(connection_id) == []
    assert play.api.binary_received(connection_id, play.now_ms) == []


@pytest.mark.parametrize(
    ("ending", "code", "reason", "frame"),
    [
        (lambda p, c: p.api.close_received(c, 1005, "", p.now_ms), 1005,
         "Client-side close frame status not set", False),
        (lambda p, c: p.api.close_received(c, 1001, "", p.now_ms), 1001, "", False),
        (lambda p, c: p.api.close_received(c, 1000, "bye", p.now_ms), 1000, "bye", False),
        (lambda p, c: p.api.close_received(c, 4001, "mine", p.now_ms), 4001, "mine", False),
        (lambda p, c: p.api.socket_lost(c, p.now_ms), 1006, "", False),
        (lambda p, c: p.api.binary_received(c, p.now_ms), 1003, "Binary is not supported", True),
        (lambda p, c: p.api.delete(c, p.now_ms), 1000, "Connection Closed Normally", True),
        (lambda p, c: p.later(10 * MINUTE), 1001, "Going away", True),
        (lambda p, c: p.api.stop(p.now_ms), 1001, "Going away", True),
    ],
    ids=["no code", "browser", "client", "own code", "broken", "binary", "delete", "idle", "stop"],
)  # fmt: skip
def test_every_ending_is_told_once_with_its_code_and_reason(
    ending: Any, code: int, reason: str, frame: bool
) -> None:
    play = played()
    connection_id = play.connected()

    actions = ending(play, connection_id)
    again = [
        *play.api.close_received(connection_id, 1000, "too late", play.now_ms),
        *play.api.stop(play.now_ms),
    ]

    (invoke,) = invocations(actions)
    assert invoke.event_type is EventType.DISCONNECT
    assert context(invoke)["disconnectStatusCode"] == code
    assert context(invoke)["disconnectReason"] == reason
    assert [action for action in actions if not isinstance(action, Invoke)] == (
        [Close(connection_id, code, reason)] if frame else []
    )
    assert again == []
    with pytest.raises(GoneError):
        play.post(connection_id)


def test_without_a_disconnect_route_nobody_is_told() -> None:
    play = played(["$default"])

    assert play.api.socket_lost(play.connected(), play.now_ms) == []
    assert len(play.api) == 0


def test_disconnects_can_be_lost() -> None:
    play = played(faults=Faults(lose_disconnects=1.0))
    connection_id = play.connected()

    actions = play.api.delete(connection_id, play.now_ms)

    assert actions == [Close(connection_id, 1000, "Connection Closed Normally")]


@pytest.mark.parametrize("who", ["client", "backend"])
def test_ten_idle_minutes_are_counted_from_the_last_message_either_way(who: str) -> None:
    play = played()
    connection_id = play.connected()

    assert play.later(9 * MINUTE) == []
    if who == "client":
        play.text(connection_id)
    else:
        play.post(connection_id)
    assert play.later(10 * MINUTE - 1) == []
    close, _ = play.later(1)

    assert close == Close(connection_id, 1001, "Going away")


def test_two_hours_are_the_most_however_busy() -> None:
    play = played()
    connection_id = play.connected()

    for _ in range(23):
        play.later(5 * MINUTE)
        play.text(connection_id)
    assert play.later(5 * MINUTE - 1) == []
    close, *_ = play.later(1)

    assert close == Close(connection_id, 1001, "Going away")
    assert play.now_ms == play.api.next_due_ms - Limits().closing_ms  # type: ignore[operator]


def test_a_client_that_takes_no_part_in_the_closing_is_cut_off() -> None:
    play = played()
    connection_id = play.connected()
    play.api.delete(connection_id, play.now_ms)

    assert play.later(Limits().closing_ms - 1) == []
    assert play.later(1) == [Abort(connection_id)]


def test_one_that_closes_in_time_is_left_alone() -> None:
    play = played()
    connection_id = play.connected()
    (_, disconnect) = play.api.delete(connection_id, play.now_ms)
    assert isinstance(disconnect, Invoke)
    play.api.invoke_finished(disconnect, OK, play.now_ms)
    play.api.socket_lost(connection_id, play.now_ms)

    assert play.later(3 * HOUR) == []
    assert (len(play.api), play.api.next_due_ms) == (0, None)


def test_short_connections_are_forgotten_and_long_ones_are_not() -> None:
    play = played(["$default"], limits=Limits(connects_per_second=1e9))
    stays = play.connected()
    most = 0
    for _ in range(5_000):
        play.api.socket_lost(play.connected(), play.now_ms)
        most = max(most, len(play.api._timers))

    assert most < 100
    assert play.later(10 * MINUTE) == [Close(stays, 1001, "Going away")]


def test_stopping_closes_everybody_and_lets_nobody_in() -> None:
    play = played()
    one, other, pending = play.connected(), play.connected(), play.open()
    assert isinstance(pending, Invoke)

    actions = play.api.stop(play.now_ms)
    refusal, disconnect = play.api.invoke_finished(pending, OK, play.now_ms)

    assert [action for action in actions if isinstance(action, Close)] == [
        Close(one, 1001, "Going away"),
        Close(other, 1001, "Going away"),
    ]
    assert len(invocations(actions)) == 2
    # Its $connect said yes, so its $disconnect must be told.
    assert isinstance(refusal, Reject)
    assert refusal.status == 503
    assert isinstance(disconnect, Invoke)
    assert disconnect.event_type is EventType.DISCONNECT
    assert play.open() == refusal


def test_who_is_closed_while_it_is_not_read_is_read_again_to_hear_its_goodbye() -> None:
    play = played(limits=Limits(unanswered_messages=1))
    connection_id = play.connected()
    invoke, pause = play.text(connection_id)
    assert pause == PauseReading(connection_id)

    actions = play.api.delete(connection_id, play.now_ms)

    assert actions[-1] == ResumeReading(connection_id)
    assert isinstance(invoke, Invoke)
    assert play.api.invoke_finished(invoke, OK, play.now_ms) == []


def test_draining_lets_what_has_come_be_answered_and_takes_no_more() -> None:
    play = played()
    busy, idle = play.connected(), play.connected()
    (invoke,) = invocations(play.text(busy))

    assert play.api.drain(play.now_ms) == [PauseReading(busy), PauseReading(idle)]
    assert not play.api.is_idle
    assert isinstance(play.open(), Reject)
    (answer,) = play.api.invoke_finished(invoke, Raised(), play.now_ms)
    assert isinstance(answer, Send), "it is open still, and no client goes on reading it"
    assert play.api.is_idle

    closing, _, resuming, *_ = play.api.stop(play.now_ms)
    assert (closing, resuming) == (Close(busy, 1001, "Going away"), ResumeReading(busy))


# @connections


def test_a_post_is_sent_and_delete_closes_and_get_describes() -> None:
    play = played()
    connection_id = play.connected()
    play.later(1_000)

    assert play.post(connection_id, "für dich".encode()) == [
        Send(connection_id, "für dich".encode())
    ]
    assert play.api.describe(connection_id, play.now_ms) == {
        "connectedAt": "2024-02-09T18:11:43.419Z",
        "identity": {"sourceIp": "192.0.2.1", "userAgent": "wscat/5"},
        "lastActiveAt": "2024-02-09T18:11:44.419Z",
    }


def test_connected_at_stays_the_same_over_a_connections_life() -> None:
    play = played()
    invoke = play.open()
    assert isinstance(invoke, Invoke)
    play.now_ms += 1_000
    play.api.invoke_finished(invoke, OK, play.now_ms)
    connection_id = invoke.connection_id
    (message,) = invocations(play.text(connection_id))
    described = play.api.describe(connection_id, play.now_ms)
    play.now_ms += 1_000
    (disconnect,) = invocations(play.api.socket_lost(connection_id, play.now_ms))

    events = [context(one) for one in (invoke, message, disconnect)]
    assert len({event["connectedAt"] for event in events}) == 1
    assert described["connectedAt"] == "2024-02-09T18:11:43.419Z"
    assert [event["requestTimeEpoch"] - event["connectedAt"] for event in events] == [
        0,
        1_000,
        2_000,
    ]


UNKNOWN = "PJqB0fHsqRcCHlw="


def pending(play: Played) -> str:
    invoke = play.open()
    assert isinstance(invoke, Invoke)
    return invoke.connection_id


def closing(play: Played) -> str:
    connection_id = play.connected()
    play.api.delete(connection_id, play.now_ms)
    return connection_id


def gone(play: Played) -> str:
    connection_id = play.connected()
    play.api.socket_lost(connection_id, play.now_ms)
    return connection_id


@pytest.mark.parametrize("who", [lambda _: UNKNOWN, pending, closing, gone])
@pytest.mark.parametrize("verb", ["post", "get", "delete"])
def test_who_is_not_connected_is_gone(who: Any, verb: str) -> None:
    play = played()
    connection_id = who(play)

    with pytest.raises(GoneError) as raised:
        ask(play, verb, connection_id)
    assert (raised.value.status, raised.value.error_type) == (410, "GoneException")
    assert raised.value.message == ""


@pytest.mark.parametrize(
    "connection_id",
    [
        "",
        "x",
        "PJqB0fHsqRcCHlw",
        "PJqB0fHsqRcCHlw==",
        "PJqB0fHsqRcCHl+=",
        "ä" * 15 + "=",
        "a\n" * 8,
    ],
)
@pytest.mark.parametrize("verb", ["post", "get", "delete", "post too much"])
def test_an_id_that_cannot_be_one_is_a_bad_request(connection_id: str, verb: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        ask(played(), verb, connection_id)
    assert (raised.value.status, raised.value.error_type) == (400, "BadRequestException")
    assert raised.value.message == f"Invalid connectionId: {connection_id}"


def ask(play: Played, verb: str, connection_id: str) -> object:
    if verb == "post":
        return play.post(connection_id)
    if verb == "post too much":
        return play.post(connection_id, bytes(131_073))
    if verb == "get":
        return play.api.describe(connection_id, play.now_ms)
    return play.api.delete(connection_id, play.now_ms)


def test_128_kb_can_be_posted_and_not_a_byte_more() -> None:
    play = played()
    connection_id = play.connected()

    assert len(play.post(connection_id, bytes(131_072))) == 1
    for whom in (connection_id, UNKNOWN):
        with pytest.raises(PayloadTooLargeError) as raised:
            play.post(whom, bytes(131_073))
        assert (raised.value.status, raised.value.error_type) == (413, "PayloadTooLargeException")


def test_what_is_no_text_cannot_be_posted() -> None:
    play = played()

    with pytest.raises(BadRequestError):
        play.post(play.connected(), b"\xff\xfe")


def test_who_does_not_read_gets_no_more_and_counts_as_idle() -> None:
    play = played(limits=Limits(buffer_bytes=1_000))
    connection_id = play.connected()

    play.later(9 * MINUTE)
    with pytest.raises(LimitExceededError) as raised:
        play.post(connection_id, b"xx", buffered_bytes=999)
    assert (raised.value.status, raised.value.error_type) == (429, "LimitExceededException")
    close, *_ = play.later(MINUTE)
    assert close == Close(connection_id, 1001, "Going away")


def test_a_post_that_just_fits_is_taken() -> None:
    play = played(limits=Limits(buffer_bytes=1_000))

    assert len(play.post(play.connected(), b"x", buffered_bytes=999)) == 1


@pytest.mark.parametrize("verb", ["post", "get", "delete"])
def test_the_rate_of_calls_is_limited(verb: str) -> None:
    play = played(limits=Limits(posts_per_second=100, posts_burst=3))
    connection_id = play.connected()

    for _ in range(3):
        play.post(connection_id)
    with pytest.raises(LimitExceededError):
        ask(play, verb, connection_id)
    play.now_ms += 10
    ask(play, verb, connection_id)


def test_every_refusal_is_one_of_the_models() -> None:
    assert {(error.status, error.error_type) for error in ConnectionsApiError.__subclasses__()} >= {
        (400, "BadRequestException"),
        (410, "GoneException"),
        (413, "PayloadTooLargeException"),
        (429, "LimitExceededException"),
    }


# Faults


def test_a_dropped_post_is_accepted_and_never_arrives() -> None:
    play = played(faults=Faults(drop_posts=1.0))

    assert play.post(play.connected()) == []
    assert [action for action in play.later(MINUTE) if isinstance(action, Send)] == []


def test_a_delayed_post_arrives_within_its_delay() -> None:
    play = played(faults=Faults(delay_posts=1.0, delay_ms=50))
    connection_id = play.connected()

    assert play.post(connection_id) == []
    assert play.later(50) == [Send(connection_id, b"x")]


def test_a_reordered_post_arrives_after_the_next() -> None:
    play = played(faults=Faults(reorder_posts=1.0, delay_ms=50))
    connection_id = play.connected()

    actions = [*play.post(connection_id, b"1"), *play.post(connection_id, b"2")]

    assert actions == [Send(connection_id, b"2"), Send(connection_id, b"1")]
    assert play.later(50) == []


def test_a_reordered_post_that_no_other_follows_arrives_late() -> None:
    play = played(faults=Faults(reorder_posts=1.0, delay_ms=50))
    connection_id = play.connected()

    assert play.post(connection_id) == []
    assert play.later(50) == [Send(connection_id, b"x")]


@pytest.mark.parametrize(
    "faults",
    [Faults(delay_ms=50, delay_posts=1.0), Faults(delay_ms=50, reorder_posts=1.0)],
    ids=["delayed", "reordered"],
)
def test_what_is_held_back_for_somebody_who_leaves_is_not_sent(faults: Faults) -> None:
    play = played(faults=faults)
    connection_id = play.connected()
    play.post(connection_id)
    play.api.socket_lost(connection_id, play.now_ms)

    assert play.later(50) == []


def test_faults_are_the_same_for_the_same_seed() -> None:
    def arrived(seed: int) -> list[bool]:
        play = played(faults=Faults(seed=seed, drop_posts=0.5))
        connection_id = play.connected()
        return [bool(play.post(connection_id)) for _ in range(64)]

    assert arrived(1) == arrived(1)
    assert arrived(1) != arrived(2)
    assert 10 < sum(arrived(1)) < 54


# A newer app


def test_connections_outlive_the_app_that_they_began_with() -> None:
    play = played(["$default"])
    connection_id = play.connected()

    play.api.replace_routes(["play", "$disconnect"])

    (message,) = invocations(play.text(connection_id, '{"action": "play"}'))
    (disconnect,) = invocations(play.api.socket_lost(connection_id, play.now_ms))
    assert (message.route_key, disconnect.route_key) == ("play", "$disconnect")


def test_a_handshake_without_host_or_user_agent_has_none_in_its_events() -> None:
    play = played(["$default"])
    action = play.open(dataclasses.replace(HANDSHAKE, headers=()))
    assert isinstance(action, Accept)

    (message,) = invocations(play.text(action.connection_id))

    assert context(message)["identity"] == {"sourceIp": "192.0.2.1"}
    assert context(message)["domainName"] == ""
