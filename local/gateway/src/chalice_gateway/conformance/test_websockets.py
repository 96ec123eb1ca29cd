"""What a WebSocket API does with handshakes, messages and the ends of connections."""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from .deployment import WITHIN_S, Answer, Deployment, Reports, Rest

KB = 1024
CONNECTION_ID = r"[\w-]{15}="
CLOSE_WITHOUT_A_CODE = b"\x88\x80\0\0\0\0"  # a masked close frame with an empty body
CLOSE_GOING_AWAY = b"\x88\x82\0\0\0\0\x03\xe9"  # the same with 1001, as a browser's closed tab
FRAGMENT_AND_CLOSE = b"\x01\x83\0\0\0\0one" + b"\x88\x82\0\0\0\0\x0f\xa1"
PING_AND_TEXT_IN_TWO_FRAMES = (
    b"\x01\x83\0\0\0\0one",  # the first fragment of a text
    b"\x89\x80\0\0\0\0",  # a ping
    b"\x80\x84\0\0\0\0 two",  # the last fragment
)


def closed(client: ClientConnection) -> int:
    """The code with which the API closes the connection."""
    with pytest.raises(ConnectionClosed) as raised:
        client.recv(WITHIN_S)
    assert raised.value.rcvd is not None
    return raised.value.rcvd.code


def keep_busy(client: ClientConnection, seconds: float) -> None:
    """Send a message every so many seconds, for ever."""
    while True:
        try:
            client.recv(seconds)
        except TimeoutError:
            client.send("still here")


def refused(deployment: Deployment, query: str) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as raised:
        deployment.connect(query)
    return raised.value


def answer_to(sock: socket.socket) -> Answer:
    """The response to a handshake, or another request, sent over a raw socket."""
    response = http.client.HTTPResponse(sock)
    response.begin()
    body = b"" if response.status == 101 else response.read()
    return Answer(response.status, response.headers, body)  # type: ignore[arg-type]


# Handshakes


def test_message_reaches_the_function_and_its_post_the_client(deployment: Deployment) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    ids = []
    for text in ("Hello 1", "Hello 2"):
        with deployment.connect() as client:
            client.send(text)
            assert client.recv(WITHIN_S) == text
            client.send("event")
            ids.append(json.loads(client.recv(WITHIN_S))["requestContext"]["connectionId"])
    assert ids[0] != ids[1]


def test_connect_event_has_headers_and_query(deployment: Deployment, reports: Reports) -> None:
    """Source: developer guide, "Integrate a WebSocket API with Lambda": captured events."""
    with deployment.connect(
        "?session=1&x=a%20b&x=", user_agent_header=reports.agent, additional_headers={"X-Own": "1"}
    ):
        event = reports.next("CONNECT")["event"]

    context = event["requestContext"]
    assert list(context) == [
        *("routeKey", "eventType", "extendedRequestId", "requestTime", "messageDirection"),
        *("stage", "connectedAt", "requestTimeEpoch", "identity", "requestId", "domainName"),
        *("connectionId", "apiId"),
    ]
    assert (context["routeKey"], context["messageDirection"]) == ("$connect", "IN")
    assert context["stage"] == deployment.ws_stage
    assert context["requestId"] == context["extendedRequestId"]
    assert context["domainName"] == deployment.host
    assert context["identity"].keys() == {"sourceIp", "userAgent"}
    assert re.fullmatch(CONNECTION_ID, context["connectionId"])
    assert re.fullmatch(r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000", context["requestTime"])
    assert event["queryStringParameters"] == {"session": "1", "x": ""}
    assert event["multiValueQueryStringParameters"] == {"session": ["1"], "x": ["a b", ""]}
    assert event["headers"]["X-Own"] == "1"
    assert event["multiValueHeaders"]["X-Own"] == ["1"]
    assert {"Connection", "Upgrade"}.isdisjoint(event["headers"])
    assert {"X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"} <= set(
        event["headers"]
    )
    assert event["isBase64Encoded"] is False


def test_connect_event_without_a_query_has_no_key_for_it(
    deployment: Deployment, reports: Reports
) -> None:
    """Source: developer guide, "Integrate a WebSocket API with Lambda": captured events."""
    with deployment.connect(user_agent_header=reports.agent):
        event = reports.next("CONNECT")["event"]
    assert event.keys() == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_refused_handshake_has_the_status_of_connect(deployment: Deployment, status: int) -> None:
    """Source: developer guide, "$connect and $disconnect routes"; localstack/localstack 4039."""
    assert refused(deployment, f"?status={status}").response.status_code == status


@pytest.mark.unconfirmed("What reaches the client of a refused `$connect`?")
def test_refused_handshake_has_neither_body_nor_headers_of_connect(
    deployment: Deployment,
) -> None:
    response = refused(deployment, "?status=401").response
    assert b"why" not in bytes(response.body or b"")
    assert "X-Own" not in response.headers


def test_connect_that_fails_is_502(deployment: Deployment) -> None:
    """Source: developer guide, "$connect and $disconnect routes": an integration failure."""
    response = refused(deployment, "?fail=1").response
    assert response.status_code == 502
    assert json.loads(bytes(response.body or b""))["message"] == "Internal server error"


@pytest.mark.unconfirmed("`$connect` takes too long")
@pytest.mark.slow("30 seconds", "--integration-seconds", "1")
def test_connect_that_takes_too_long_is_504(slow_deployment: Deployment) -> None:
    error = refused(slow_deployment, f"?sleep={slow_deployment.too_long_s}")
    assert error.response.status_code == 504


def test_unknown_stage_is_403(deployment: Deployment) -> None:
    """Source: developer guide, "Call a WebSocket API": the stage is part of the URL."""
    url = urlsplit(deployment.ws_url)
    with pytest.raises(InvalidStatus) as raised:
        connect(f"{url.scheme}://{url.netloc}/no-such-stage")
    assert raised.value.response.status_code == 403
    assert json.loads(bytes(raised.value.response.body or b"")) == {"message": "Forbidden"}


def test_plain_get_is_426(deployment: Deployment, rest: Rest) -> None:
    """Source: RFC 9110, 15.5.22: what a resource that needs an upgrade answers."""
    assert rest.get(deployment.endpoint).status == 426


def test_connect_selects_the_subprotocol(deployment: Deployment) -> None:
    """Source: developer guide, "$connect route that requires a WebSocket subprotocol"."""
    offered = ["v1.chat", "v2.chat"]
    with deployment.connect("?protocol=v2.chat", subprotocols=offered) as client:
        assert client.subprotocol == "v2.chat"
    with deployment.connect(subprotocols=offered) as client:
        assert client.subprotocol is None


def test_accept_key_is_computed(deployment: Deployment) -> None:
    """Source: RFC 6455, 1.3: the example."""
    with deployment.raw_socket() as sock:
        sock.sendall(deployment.handshake())
        answer = answer_to(sock)
    assert answer.status == 101
    assert answer.headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.unconfirmed("Does it negotiate extensions, such as compression?")
def test_no_extension_is_negotiated(deployment: Deployment) -> None:
    with deployment.connect(compression="deflate") as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


@pytest.mark.unconfirmed("A `Sec-WebSocket-Version` other than 13")
@pytest.mark.parametrize("version", ["8", "14", "13, 8"])
def test_other_version_is_426_with_the_supported_version(
    deployment: Deployment, version: str
) -> None:
    with deployment.raw_socket() as sock:
        sock.sendall(deployment.handshake(version=version))
        answer = answer_to(sock)
    assert (answer.status, answer.headers["Sec-WebSocket-Version"]) == (426, "13")


@pytest.mark.unconfirmed("A handshake over HTTP/1.0")
def test_http_1_0_can_not_upgrade(deployment: Deployment) -> None:
    with deployment.raw_socket() as sock:
        sock.sendall(deployment.handshake(http="1.0"))
        assert answer_to(sock).status == 426


# Messages


def test_message_event_has_the_raw_text_and_no_headers(deployment: Deployment) -> None:
    """Source: developer guide, "Integrate a WebSocket API with Lambda": captured events."""
    with deployment.connect() as client:
        client.send("event é")
        event = json.loads(client.recv(WITHIN_S))

    assert event.keys() == {"requestContext", "body", "isBase64Encoded"}
    assert (event["body"], event["isBase64Encoded"]) == ("event é", False)
    context = event["requestContext"]
    assert list(context)[:3] == ["routeKey", "messageId", "eventType"]
    assert (context["routeKey"], context["eventType"]) == ("$default", "MESSAGE")
    assert re.fullmatch(CONNECTION_ID, context["messageId"])


@pytest.mark.parametrize("text", ['{"action": "unknown"}', '{"other": 1}', "[1]", "no JSON"])
def test_message_without_a_route_of_its_own_goes_to_default(
    deployment: Deployment, text: str
) -> None:
    """Source: developer guide, "Routes for WebSocket APIs": $default."""
    with deployment.connect() as client:
        client.send(text)
        assert client.recv(WITHIN_S) == text


@pytest.mark.unconfirmed("An `action` that is no string, or `$connect` and the like")
@pytest.mark.parametrize("action", ["$connect", "$disconnect", "$default", 1, None, ["a"]])
def test_strange_action_goes_to_default(deployment: Deployment, action: object) -> None:
    text = json.dumps({"action": action})
    with deployment.connect() as client:
        client.send(text)
        assert client.recv(WITHIN_S) == text


def test_failed_message_is_answered_and_the_connection_stays(deployment: Deployment) -> None:
    """Source: captured frames."""
    with deployment.connect() as client:
        client.send("fail")
        text = str(client.recv(WITHIN_S))
        answer = json.loads(text)
        assert text == (
            f'{{"message": "Internal server error", "connectionId":"{answer["connectionId"]}",'
            f' "requestId":"{answer["requestId"]}"}}'
        )
        client.send("still there")
        assert client.recv(WITHIN_S) == "still there"


@pytest.mark.slow("30 seconds", "--integration-seconds", "1")
def test_message_that_takes_too_long_is_answered(slow_deployment: Deployment) -> None:
    """Source: developer guide, "Quotas for WebSocket APIs": integration timeout 29 s."""
    with slow_deployment.connect() as client:
        client.send(f"sleep {slow_deployment.too_long_s}")
        assert json.loads(client.recv(WITHIN_S))["message"] == "Endpoint request timed out"


def test_result_of_a_message_is_discarded(deployment: Deployment) -> None:
    """Source: developer guide, "Set up a route response": it needs one to be returned."""
    with deployment.connect() as client:
        for text in ("return", "then"):
            client.send(text)
            assert client.recv(WITHIN_S) == ("sent" if text == "return" else text)


def test_message_of_128_kb_in_frames_of_32_kb_arrives(deployment: Deployment) -> None:
    """Source: developer guide, "Quotas for WebSocket APIs": message and frame size."""
    text = "length ".ljust(128 * KB, "x")
    with deployment.connect() as client:
        client.send(text[at : at + 32 * KB] for at in range(0, len(text), 32 * KB))
        assert client.recv(WITHIN_S) == str(128 * KB)


def test_message_over_128_kb_closes_with_1009(deployment: Deployment) -> None:
    """Source: developer guide, "Quotas for WebSocket APIs": message size, close code 1009."""
    with deployment.connect() as client:
        client.send("x" * 32 * KB for _ in range(5))
        assert closed(client) == 1009


def test_frame_over_32_kb_closes_with_1009(deployment: Deployment) -> None:
    """Source: developer guide, "Quotas for WebSocket APIs": frame size, close code 1009."""
    with deployment.connect() as client:
        client.send("x" * (32 * KB + 1))
        assert closed(client) == 1009


def test_binary_frame_closes_with_1003(deployment: Deployment) -> None:
    """Source: developer guide, "Binary media types for WebSocket APIs": close code 1003."""
    with deployment.connect() as client:
        client.send(b"binary")
        assert closed(client) == 1003


def test_control_frames_may_come_within_a_message(deployment: Deployment) -> None:
    """Source: RFC 6455, 5.4 and 5.5.2."""
    with deployment.connect() as client:
        client.socket.sendall(b"".join(PING_AND_TEXT_IN_TWO_FRAMES))
        assert client.recv(WITHIN_S) == "one two"


def test_ping_is_answered_without_the_function(deployment: Deployment) -> None:
    """Source: RFC 6455, 5.5.2; developer guide, "Routes for WebSocket APIs": messages only."""
    with deployment.connect() as client:
        assert client.ping("fail").wait(WITHIN_S)
        client.send("the only answer")
        assert client.recv(WITHIN_S) == "the only answer"


# Ends


def test_close_within_a_message_is_answered_with_its_code(deployment: Deployment) -> None:
    """Source: RFC 6455, 5.4 and 5.5.1."""
    with deployment.connect() as client:
        client.socket.sendall(FRAGMENT_AND_CLOSE)
        assert closed(client) == 4001


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (CLOSE_WITHOUT_A_CODE, (1005, "Client-side close frame status not set")),
        (CLOSE_GOING_AWAY, (1001, "")),
    ],
)
def test_disconnect_has_the_client_s_code(
    deployment: Deployment, reports: Reports, frame: bytes, told: tuple[int, str]
) -> None:
    """Source: developer guide, "$connect and $disconnect routes"; captured events."""
    with deployment.connect(user_agent_header=reports.agent) as client:
        reports.next("CONNECT")
        client.socket.sendall(frame)
        assert reports.disconnected() == told


def test_disconnect_event_has_four_headers_and_no_body(
    deployment: Deployment, reports: Reports
) -> None:
    """Source: developer guide, "$connect and $disconnect routes"; captured events."""
    with deployment.connect(user_agent_header=reports.agent):
        connected = reports.next("CONNECT")["event"]["requestContext"]
    event = reports.next("DISCONNECT")["event"]

    context = event["requestContext"]
    assert list(context) == [
        *("routeKey", "disconnectStatusCode", "eventType", "extendedRequestId", "requestTime"),
        *("messageDirection", "disconnectReason", "stage", "connectedAt", "requestTimeEpoch"),
        *("identity", "requestId", "domainName", "connectionId", "apiId"),
    ]
    for name in ("connectionId", "connectedAt", "apiId", "domainName", "stage"):
        assert context[name] == connected[name]
    headers = {
        "Host": deployment.host,
        "x-api-key": "",
        "X-Forwarded-For": "",
        "x-restapi": "",
    }
    assert event["headers"] == headers
    assert event["multiValueHeaders"] == {name: [headers[name]] for name in headers}
    assert event.keys() == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}


@pytest.mark.unconfirmed("What `$disconnect` reports of a code and reason of the client's own")
def test_disconnect_has_the_client_s_own_code_and_reason(
    deployment: Deployment, reports: Reports
) -> None:
    with deployment.connect(user_agent_header=reports.agent) as client:
        reports.next("CONNECT")
        client.close(4001, "enough")
    assert reports.disconnected() == (4001, "enough")


@pytest.mark.unconfirmed("What `$disconnect` reports for a broken connection")
def test_broken_connection_is_1006(deployment: Deployment, reports: Reports) -> None:
    with deployment.raw_socket() as sock:
        sock.sendall(deployment.handshake(agent=reports.agent))
        assert answer_to(sock).status == 101
        reports.next("CONNECT")
        # Closing sends a reset instead of the end of the stream.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert reports.disconnected() == (1006, "")


@pytest.mark.unconfirmed("What it reports for one closed for breaking the protocol")
def test_disconnect_has_the_gateway_s_own_code(deployment: Deployment, reports: Reports) -> None:
    with deployment.connect(user_agent_header=reports.agent) as client:
        reports.next("CONNECT")
        client.send(b"binary")
        with pytest.raises(ConnectionClosed) as raised:
            client.recv(WITHIN_S)
    sent = raised.value.rcvd
    assert sent is not None
    assert reports.disconnected() == (sent.code, sent.reason)


@pytest.mark.unconfirmed("The client leaves while `$connect` runs")
def test_client_that_leaves_during_connect_gets_a_disconnect(
    deployment: Deployment, reports: Reports
) -> None:
    with deployment.raw_socket() as sock:
        sock.sendall(deployment.handshake("?sleep=1", agent=reports.agent))
        reports.next("CONNECT")
    assert reports.disconnected() == (1006, "")


def test_refused_client_gets_no_disconnect(deployment: Deployment, reports: Reports) -> None:
    """Source: developer guide, "$connect and $disconnect routes": no connection was made."""
    with pytest.raises(InvalidStatus):
        deployment.connect("?status=403", user_agent_header=reports.agent)
    reports.next("CONNECT")
    # Had there been a DISCONNECT, it would have come first.
    with deployment.connect(user_agent_header=reports.agent):
        reports.next("CONNECT")


@pytest.mark.slow("ten minutes", "--idle-seconds", "1")
def test_idle_connection_is_closed_with_1001(slow_deployment: Deployment) -> None:
    """Source: developer guide, "Quotas for WebSocket APIs": idle timeout; captured events."""
    with slow_deployment.connect(ping_interval=None) as client:
        with pytest.raises(ConnectionClosed) as raised:
            client.recv(11 * 60)
        assert raised.value.rcvd is not None
        assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (1001, "Going away")


@pytest.mark.unconfirmed("Does a ping keep a connection from being idle?")
@pytest.mark.slow("ten minutes", "--idle-seconds", "1")
def test_ping_does_not_keep_a_connection_from_being_idle(slow_deployment: Deployment) -> None:
    seconds = 0.2 if slow_deployment.is_local else 60
    with slow_deployment.connect(ping_interval=seconds) as client:
        with pytest.raises(ConnectionClosed) as raised:
            client.recv(11 * 60)
        assert raised.value.rcvd is not None
        assert raised.value.rcvd.code == 1001


@pytest.mark.slow("two hours", "--duration-seconds", "1")
def test_connection_is_closed_after_two_hours(slow_deployment: Deployment) -> None:
    """Source: developer guide, "Quotas for WebSocket APIs": connection duration."""
    seconds = 0.2 if slow_deployment.is_local else 300
    with slow_deployment.connect() as client, pytest.raises(ConnectionClosed) as raised:
        keep_busy(client, seconds)
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 1001
