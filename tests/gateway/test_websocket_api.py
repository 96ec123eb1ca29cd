"""The WebSocket API state machine, on a manual clock."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from chalice_gateway.connections_api_errors import (
    BadRequestError,
    ConnectionsApiError,
    GoneError,
    LimitExceededError,
    PayloadTooLargeError,
)
from chalice_gateway.websocket_limits import (
    Faults,
    Limits,
    MessageOrder,
    TokenBucket,
)
from chalice_gateway.websocket_outputs import (
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

from .api_harness import ALL, HANDSHAKE, OK, ApiHarness, api_harness, context, invocations

MINUTE = 60_000
HOUR = 60 * MINUTE
ERROR = '{{"message": "{}", "connectionId":"{}", "requestId":"{}"}}'


# Handshakes


def test_handshake_invokes_connect() -> None:
    output = api_harness().open()

    assert isinstance(output, Invoke)
    assert (output.event_type, output.route_key) == (EventType.CONNECT, "$connect")


def test_handshake_is_accepted_without_a_connect_route() -> None:
    output = api_harness(["$default"]).open()

    assert output == Accept("connection-0001=", None)


@pytest.mark.parametrize("status", [200, 204, 299])
def test_any_2xx_accepts_the_client(status: int) -> None:
    harness = api_harness()
    invoke = harness.open()
    assert isinstance(invoke, Invoke)

    assert harness.api.invoke_finished(invoke, Returned({"statusCode": status}), 0) == [
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
def test_subprotocol_is_that_of_connect(result: dict[str, Any]) -> None:
    harness = api_harness()
    invoke = harness.open()
    assert isinstance(invoke, Invoke)

    (output,) = harness.api.invoke_finished(invoke, Returned(result), 0)

    expected = "chat" if "chat" in json.dumps(result) else None
    assert output == Accept(invoke.connection_id, expected)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 500, 502, 504])
def test_other_status_reaches_the_client_unchanged(status: int) -> None:
    harness = api_harness()

    assert harness.refused(Returned({"statusCode": status, "body": "why"})) == Reject(status)
    assert len(harness.api) == 0


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
def test_failed_connect_is_answered_by_the_gateway(
    outcome: InvokeResult, status: int, message: str
) -> None:
    refusal = api_harness().refused(outcome)

    assert refusal.status == status
    assert refusal.body.decode() == ERROR.format(message, "connection-0001=", "request-1")


def test_500_connections_per_second_are_accepted() -> None:
    harness = api_harness(["$default"])

    at_once = [harness.open() for _ in range(501)]
    harness.now_ms += 10
    later = [harness.open() for _ in range(6)]

    assert [isinstance(output, Accept) for output in at_once] == [True] * 500 + [False]
    assert isinstance(refusal := at_once[-1], Reject)
    assert refusal.status == 429
    assert [isinstance(output, Accept) for output in later] == [True] * 5 + [False]


def test_token_bucket_ignores_a_clock_that_steps_back() -> None:
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
def test_action_selects_the_route(routes: tuple[str, ...], text: str, route_key: str) -> None:
    harness = api_harness(routes)

    (output,) = harness.text(harness.connected(), text)

    assert isinstance(output, Invoke)
    assert (output.event_type, output.route_key) == (EventType.MESSAGE, route_key)
    assert output.event["body"] == text
    assert context(output)["routeKey"] == route_key


@pytest.mark.parametrize("text", ['{"action": "sing"}', "no JSON"])
@pytest.mark.parametrize("routes", [("$connect",), ("play",), ()])
def test_message_without_a_route_is_forbidden_and_the_client_stays(
    routes: tuple[str, ...], text: str
) -> None:
    harness = api_harness(routes)
    connection_id = harness.connected()

    (output,) = harness.text(connection_id, text)

    assert isinstance(output, Send)
    message = json.loads(output.data)
    assert output.data.decode() == ERROR.format("Forbidden", connection_id, message["requestId"])
    assert harness.post(connection_id) == [Send(connection_id, b"x")]


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
def test_only_failed_messages_are_answered(outcome: InvokeResult, message: str | None) -> None:
    harness = api_harness()
    connection_id = harness.connected()
    (invoke,) = invocations(harness.text(connection_id))

    outputs = harness.api.invoke_finished(invoke, outcome, harness.now_ms)

    expected = ERROR.format(message, connection_id, invoke.request_id).encode()
    assert outputs == ([] if message is None else [Send(connection_id, expected)])


def test_failures_are_not_sent_to_a_client_that_has_left() -> None:
    harness = api_harness()
    connection_id = harness.connected()
    (message,) = invocations(harness.text(connection_id))
    (disconnect,) = invocations(harness.api.socket_lost(connection_id, harness.now_ms))

    assert harness.api.invoke_finished(message, Raised(), harness.now_ms) == []
    assert harness.api.invoke_finished(disconnect, Raised(), harness.now_ms) == []
    assert len(harness.api) == 0


def test_messages_are_invoked_at_once_by_default() -> None:
    harness = api_harness()
    connection_id = harness.connected()

    outputs = [*harness.text(connection_id, "1"), *harness.text(connection_id, "2")]

    assert [invoke.event["body"] for invoke in invocations(outputs)] == ["1", "2"]


def test_concurrent_messages_are_limited_but_disconnect_is_not() -> None:
    harness = api_harness(limits=Limits(concurrent_messages=2))
    connection_id = harness.connected()
    first, second = invocations(
        [*harness.text(connection_id, "1"), *harness.text(connection_id, "2")]
    )

    assert harness.text(connection_id, "3") == []
    (third,) = invocations(harness.api.invoke_finished(second, OK, harness.now_ms))
    assert third.event["body"] == "3"
    (leaving,) = invocations(harness.api.close_received(connection_id, 1000, "", harness.now_ms))
    assert leaving.event_type is EventType.DISCONNECT
    harness.api.socket_lost(connection_id, harness.now_ms)
    for invoke in (first, third, leaving):
        assert harness.api.invoke_finished(invoke, OK, harness.now_ms) == []
    assert len(harness.api) == 0


def test_serial_messages_wait_for_the_previous_one_and_disconnect_is_last() -> None:
    harness = api_harness(order=MessageOrder.SERIAL)
    connection_id = harness.connected()
    (first,) = invocations(harness.text(connection_id, "1"))

    assert harness.text(connection_id, "2") == []
    assert harness.api.close_received(connection_id, 1000, "", harness.now_ms) == []
    assert harness.api.socket_lost(connection_id, harness.now_ms) == []
    (second,) = invocations(harness.api.invoke_finished(first, Raised(), harness.now_ms))
    (last,) = invocations(harness.api.invoke_finished(second, OK, harness.now_ms))
    assert (second.event["body"], last.event_type) == ("2", EventType.DISCONNECT)
    assert harness.api.invoke_finished(last, OK, harness.now_ms) == []
    assert len(harness.api) == 0


def test_serial_connections_are_independent() -> None:
    harness = api_harness(order=MessageOrder.SERIAL)
    one, other = harness.connected(), harness.connected()

    assert len(invocations([*harness.text(one), *harness.text(other)])) == 2


def test_shuffled_messages_arrive_in_another_order() -> None:
    harness = api_harness(order=MessageOrder.SHUFFLED)
    connection_id = harness.connected()
    sent = [str(number) for number in range(20)]

    for text in sent:
        assert harness.text(connection_id, text) == []
    outputs = invocations(harness.advance(Limits().shuffle_ms))

    came = [invoke.event["body"] for invoke in outputs]
    assert sorted(came) == sorted(sent)
    assert came != sent
    for invoke in outputs:
        harness.api.invoke_finished(invoke, OK, harness.now_ms)


def test_reading_pauses_until_half_of_the_messages_are_answered() -> None:
    harness = api_harness(limits=Limits(unanswered_messages=4))
    connection_id = harness.connected()

    outputs = [output for _ in range(4) for output in harness.text(connection_id)]
    assert outputs[-1] == PauseReading(connection_id)
    # A message that was read before the pause is handled.
    outputs += harness.text(connection_id)
    answers = [
        harness.api.invoke_finished(invoke, OK, harness.now_ms) for invoke in invocations(outputs)
    ]

    assert answers == [[], [], [ResumeReading(connection_id)], [], []]


# Closing


def test_messages_after_closing_are_ignored() -> None:
    harness = api_harness()
    connection_id = harness.connected()
    harness.api.delete(connection_id, harness.now_ms)

    assert harness.text(connection_id) == []
    assert harness.api.binary_received(connection_id, harness.now_ms) == []


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
        (lambda p, c: p.advance(10 * MINUTE), 1001, "Going away", True),
        (lambda p, c: p.api.stop(p.now_ms), 1001, "Going away", True),
    ],
    ids=["no code", "browser", "client", "own code", "broken", "binary", "delete", "idle", "stop"],
)  # fmt: skip
def test_disconnect_runs_once_with_code_and_reason(
    ending: Any, code: int, reason: str, frame: bool
) -> None:
    harness = api_harness()
    connection_id = harness.connected()

    outputs = ending(harness, connection_id)
    again = [
        *harness.api.close_received(connection_id, 1000, "too late", harness.now_ms),
        *harness.api.stop(harness.now_ms),
    ]

    (invoke,) = invocations(outputs)
    assert invoke.event_type is EventType.DISCONNECT
    assert context(invoke)["disconnectStatusCode"] == code
    assert context(invoke)["disconnectReason"] == reason
    assert [output for output in outputs if not isinstance(output, Invoke)] == (
        [Close(connection_id, code, reason)] if frame else []
    )
    assert again == []
    with pytest.raises(GoneError):
        harness.post(connection_id)


def test_no_disconnect_without_its_route() -> None:
    harness = api_harness(["$default"])

    assert harness.api.socket_lost(harness.connected(), harness.now_ms) == []
    assert len(harness.api) == 0


def test_disconnects_can_be_lost() -> None:
    harness = api_harness(faults=Faults(lose_disconnects=1.0))
    connection_id = harness.connected()

    outputs = harness.api.delete(connection_id, harness.now_ms)

    assert outputs == [Close(connection_id, 1000, "Connection Closed Normally")]


@pytest.mark.parametrize("who", ["client", "backend"])
def test_idle_timeout_counts_from_the_last_message_in_either_direction(who: str) -> None:
    harness = api_harness()
    connection_id = harness.connected()

    assert harness.advance(9 * MINUTE) == []
    if who == "client":
        harness.text(connection_id)
    else:
        harness.post(connection_id)
    assert harness.advance(10 * MINUTE - 1) == []
    close, _ = harness.advance(1)

    assert close == Close(connection_id, 1001, "Going away")


def test_connection_closes_after_two_hours() -> None:
    harness = api_harness()
    connection_id = harness.connected()

    for _ in range(23):
        harness.advance(5 * MINUTE)
        harness.text(connection_id)
    assert harness.advance(5 * MINUTE - 1) == []
    close, *_ = harness.advance(1)

    assert close == Close(connection_id, 1001, "Going away")
    assert harness.now_ms == harness.api.next_due_ms - Limits().closing_ms  # type: ignore[operator]


def test_client_without_a_close_frame_is_aborted() -> None:
    harness = api_harness()
    connection_id = harness.connected()
    harness.api.delete(connection_id, harness.now_ms)

    assert harness.advance(Limits().closing_ms - 1) == []
    assert harness.advance(1) == [Abort(connection_id)]


def test_client_that_closes_in_time_is_not_aborted() -> None:
    harness = api_harness()
    connection_id = harness.connected()
    (_, disconnect) = harness.api.delete(connection_id, harness.now_ms)
    assert isinstance(disconnect, Invoke)
    harness.api.invoke_finished(disconnect, OK, harness.now_ms)
    harness.api.socket_lost(connection_id, harness.now_ms)

    assert harness.advance(3 * HOUR) == []
    assert (len(harness.api), harness.api.next_due_ms) == (0, None)


def test_timers_of_short_connections_are_removed() -> None:
    harness = api_harness(["$default"], limits=Limits(connects_per_second=1e9))
    stays = harness.connected()
    most = 0
    for _ in range(5_000):
        harness.api.socket_lost(harness.connected(), harness.now_ms)
        most = max(most, harness.api.timer_count)

    assert most < 100
    assert harness.advance(10 * MINUTE) == [Close(stays, 1001, "Going away")]


def test_stop_closes_all_connections_and_accepts_none() -> None:
    harness = api_harness()
    one, other, pending = harness.connected(), harness.connected(), harness.open()
    assert isinstance(pending, Invoke)

    outputs = harness.api.stop(harness.now_ms)
    refusal, disconnect = harness.api.invoke_finished(pending, OK, harness.now_ms)

    assert [output for output in outputs if isinstance(output, Close)] == [
        Close(one, 1001, "Going away"),
        Close(other, 1001, "Going away"),
    ]
    assert len(invocations(outputs)) == 2
    # Its $connect accepted it, so its $disconnect must run.
    assert isinstance(refusal, Reject)
    assert refusal.status == 503
    assert isinstance(disconnect, Invoke)
    assert disconnect.event_type is EventType.DISCONNECT
    assert harness.open() == refusal


def test_closing_a_paused_connection_resumes_reading() -> None:
    harness = api_harness(limits=Limits(unanswered_messages=1))
    connection_id = harness.connected()
    invoke, pause = harness.text(connection_id)
    assert pause == PauseReading(connection_id)

    outputs = harness.api.delete(connection_id, harness.now_ms)

    assert outputs[-1] == ResumeReading(connection_id)
    assert isinstance(invoke, Invoke)
    assert harness.api.invoke_finished(invoke, OK, harness.now_ms) == []


def test_drain_answers_pending_messages_and_accepts_no_more() -> None:
    harness = api_harness()
    busy, idle = harness.connected(), harness.connected()
    (invoke,) = invocations(harness.text(busy))

    assert harness.api.drain(harness.now_ms) == [PauseReading(busy), PauseReading(idle)]
    assert not harness.api.is_idle
    assert isinstance(harness.open(), Reject)
    (answer,) = harness.api.invoke_finished(invoke, Raised(), harness.now_ms)
    assert isinstance(answer, Send), "the connection is still open"
    assert harness.api.is_idle

    closing, _, resuming, *_ = harness.api.stop(harness.now_ms)
    assert (closing, resuming) == (Close(busy, 1001, "Going away"), ResumeReading(busy))


# @connections


def test_post_sends_and_get_describes() -> None:
    harness = api_harness()
    connection_id = harness.connected()
    harness.advance(1_000)

    assert harness.post(connection_id, "für dich".encode()) == [
        Send(connection_id, "für dich".encode())
    ]
    assert harness.api.describe(connection_id, harness.now_ms) == {
        "connectedAt": "2024-02-09T18:11:43.419Z",
        "identity": {"sourceIp": "192.0.2.1", "userAgent": "wscat/5"},
        "lastActiveAt": "2024-02-09T18:11:44.419Z",
    }


def test_connected_at_is_the_same_in_all_events() -> None:
    harness = api_harness()
    invoke = harness.open()
    assert isinstance(invoke, Invoke)
    harness.now_ms += 1_000
    harness.api.invoke_finished(invoke, OK, harness.now_ms)
    connection_id = invoke.connection_id
    (message,) = invocations(harness.text(connection_id))
    described = harness.api.describe(connection_id, harness.now_ms)
    harness.now_ms += 1_000
    (disconnect,) = invocations(harness.api.socket_lost(connection_id, harness.now_ms))

    events = [context(one) for one in (invoke, message, disconnect)]
    assert len({event["connectedAt"] for event in events}) == 1
    assert described["connectedAt"] == "2024-02-09T18:11:43.419Z"
    assert [event["requestTimeEpoch"] - event["connectedAt"] for event in events] == [
        0,
        1_000,
        2_000,
    ]


UNKNOWN = "PJqB0fHsqRcCHlw="


def pending(harness: ApiHarness) -> str:
    invoke = harness.open()
    assert isinstance(invoke, Invoke)
    return invoke.connection_id


def closing(harness: ApiHarness) -> str:
    connection_id = harness.connected()
    harness.api.delete(connection_id, harness.now_ms)
    return connection_id


def gone(harness: ApiHarness) -> str:
    connection_id = harness.connected()
    harness.api.socket_lost(connection_id, harness.now_ms)
    return connection_id


@pytest.mark.parametrize("who", [lambda _: UNKNOWN, pending, closing, gone])
@pytest.mark.parametrize("verb", ["post", "get", "delete"])
def test_connection_that_is_not_open_is_gone(who: Any, verb: str) -> None:
    harness = api_harness()
    connection_id = who(harness)

    with pytest.raises(GoneError) as raised:
        ask(harness, verb, connection_id)
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
def test_invalid_connection_id_is_a_bad_request(connection_id: str, verb: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        ask(api_harness(), verb, connection_id)
    assert (raised.value.status, raised.value.error_type) == (400, "BadRequestException")
    assert raised.value.message == f"Invalid connectionId: {connection_id}"


def ask(harness: ApiHarness, verb: str, connection_id: str) -> object:
    if verb == "post":
        return harness.post(connection_id)
    if verb == "post too much":
        return harness.post(connection_id, bytes(131_073))
    if verb == "get":
        return harness.api.describe(connection_id, harness.now_ms)
    return harness.api.delete(connection_id, harness.now_ms)


def test_post_over_128_kb_is_too_large() -> None:
    harness = api_harness()
    connection_id = harness.connected()

    assert len(harness.post(connection_id, bytes(131_072))) == 1
    for whom in (connection_id, UNKNOWN):
        with pytest.raises(PayloadTooLargeError) as raised:
            harness.post(whom, bytes(131_073))
        assert (raised.value.status, raised.value.error_type) == (413, "PayloadTooLargeException")


def test_post_must_be_utf8() -> None:
    harness = api_harness()

    with pytest.raises(BadRequestError):
        harness.post(harness.connected(), b"\xff\xfe")


def test_refused_posts_do_not_count_as_activity() -> None:
    harness = api_harness(limits=Limits(buffer_bytes=1_000))
    connection_id = harness.connected()

    harness.advance(9 * MINUTE)
    with pytest.raises(LimitExceededError) as raised:
        harness.post(connection_id, b"xx", buffered_bytes=999)
    assert (raised.value.status, raised.value.error_type) == (429, "LimitExceededException")
    close, *_ = harness.advance(MINUTE)
    assert close == Close(connection_id, 1001, "Going away")


def test_post_that_fits_the_buffer_is_accepted() -> None:
    harness = api_harness(limits=Limits(buffer_bytes=1_000))

    assert len(harness.post(harness.connected(), b"x", buffered_bytes=999)) == 1


@pytest.mark.parametrize("verb", ["post", "get", "delete"])
def test_call_rate_is_limited(verb: str) -> None:
    harness = api_harness(limits=Limits(posts_per_second=100, posts_burst=3))
    connection_id = harness.connected()

    for _ in range(3):
        harness.post(connection_id)
    with pytest.raises(LimitExceededError):
        ask(harness, verb, connection_id)
    harness.now_ms += 10
    ask(harness, verb, connection_id)


def test_errors_are_those_of_the_service_model() -> None:
    assert {(error.status, error.error_type) for error in ConnectionsApiError.__subclasses__()} >= {
        (400, "BadRequestException"),
        (410, "GoneException"),
        (413, "PayloadTooLargeException"),
        (429, "LimitExceededException"),
    }


# Faults


def test_dropped_post_never_arrives() -> None:
    harness = api_harness(faults=Faults(drop_posts=1.0))

    assert harness.post(harness.connected()) == []
    assert [output for output in harness.advance(MINUTE) if isinstance(output, Send)] == []


def test_delayed_post_arrives_within_its_delay() -> None:
    harness = api_harness(faults=Faults(delay_posts=1.0, delay_ms=50))
    connection_id = harness.connected()

    assert harness.post(connection_id) == []
    assert harness.advance(50) == [Send(connection_id, b"x")]


def test_reordered_post_arrives_after_the_next() -> None:
    harness = api_harness(faults=Faults(reorder=1.0, delay_ms=50))
    connection_id = harness.connected()

    outputs = [*harness.post(connection_id, b"1"), *harness.post(connection_id, b"2")]

    assert outputs == [Send(connection_id, b"2"), Send(connection_id, b"1")]
    assert harness.advance(50) == []


def test_reordered_post_without_a_next_arrives_late() -> None:
    harness = api_harness(faults=Faults(reorder=1.0, delay_ms=50))
    connection_id = harness.connected()

    assert harness.post(connection_id) == []
    assert harness.advance(50) == [Send(connection_id, b"x")]


@pytest.mark.parametrize(
    "faults",
    [Faults(delay_ms=50, delay_posts=1.0), Faults(delay_ms=50, reorder=1.0)],
    ids=["delayed", "reordered"],
)
def test_held_post_for_a_closed_connection_is_not_sent(faults: Faults) -> None:
    harness = api_harness(faults=faults)
    connection_id = harness.connected()
    harness.post(connection_id)
    harness.api.socket_lost(connection_id, harness.now_ms)

    assert harness.advance(50) == []


def test_faults_are_repeatable_with_the_same_seed() -> None:
    def arrived(seed: int) -> list[bool]:
        harness = api_harness(faults=Faults(seed=seed, drop_posts=0.5))
        connection_id = harness.connected()
        return [bool(harness.post(connection_id)) for _ in range(64)]

    assert arrived(1) == arrived(1)
    assert arrived(1) != arrived(2)
    assert 10 < sum(arrived(1)) < 54


# Replaced routes


def test_replaced_routes_apply_to_open_connections() -> None:
    harness = api_harness(["$default"])
    connection_id = harness.connected()

    harness.api.replace_routes(["play", "$disconnect"])

    (message,) = invocations(harness.text(connection_id, '{"action": "play"}'))
    (disconnect,) = invocations(harness.api.socket_lost(connection_id, harness.now_ms))
    assert (message.route_key, disconnect.route_key) == ("play", "$disconnect")


def test_events_omit_a_missing_host_and_user_agent() -> None:
    harness = api_harness(["$default"])
    output = harness.open(dataclasses.replace(HANDSHAKE, headers=()))
    assert isinstance(output, Accept)

    (message,) = invocations(harness.text(output.connection_id))

    assert context(message)["identity"] == {"sourceIp": "192.0.2.1"}
    assert context(message)["domainName"] == ""
