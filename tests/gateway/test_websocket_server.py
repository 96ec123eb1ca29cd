"""The WebSocket gateway with real clients: handshakes, messages and closing."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.request
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus, NegotiationError
from websockets.frames import Opcode
from websockets.sync.client import connect

from chalice_gateway.lambdas import Event, ExecutionEnvironments, LambdaFunction
from chalice_gateway.websocket_limits import Limits, MessageOrder

from .http_serving import LoopFactory
from .websocket_serving import (
    WITHIN_S,
    Backend,
    RawClient,
    context_of,
    failing,
    frame,
    ok,
    reset,
    serving,
)


def echo_to(messages: SimpleQueue[str]) -> Any:
    def handle(event: Event) -> Any:
        messages.put(event["body"])
        return {"statusCode": 200, "body": "must not be echoed"}

    return handle


# Handshakes


def test_client_connects_sends_and_disconnects(loop_factory: LoopFactory) -> None:
    backend = Backend()
    with serving(backend.routes, loop_factory=loop_factory) as served:
        with served.connect() as client:
            begun = backend.connected()
            client.send("hello")
            said = backend.message()
        ended = backend.disconnected()
        served.wait_until_quiet()

        assert served.connection_count() == 0
    assert (begun["eventType"], begun["stage"]) == ("CONNECT", "dev")
    assert begun["domainName"] == f"127.0.0.1:{served.port}"
    assert said["body"] == "hello"
    assert context_of(said)["connectionId"] == begun["connectionId"]
    assert context_of(said)["connectedAt"] == begun["connectedAt"]
    assert ended == (1000, "")


@pytest.mark.parametrize(
    ("handler", "status", "message"),
    [
        (lambda _: {"statusCode": 401}, 401, None),
        (lambda _: {"statusCode": 400, "body": "why"}, 400, None),
        (failing, 502, "Internal server error"),
        (lambda _: "no proxy result", 502, "Internal server error"),
    ],
)
def test_refused_handshake_has_the_status_of_connect(
    handler: Any, status: int, message: str
) -> None:
    backend = Backend(connect=handler)
    with serving(backend.routes) as served:
        with pytest.raises(InvalidStatus) as raised:
            served.connect()
        assert served.connection_count() == 0

    response = raised.value.response
    assert response.status_code == status
    body = bytes(response.body or b"").decode()
    assert (json.loads(body)["message"] if body else None) == message
    assert backend.disconnects.empty()


@pytest.mark.parametrize("path", ["/prod", "/", "/dev/deeper", "/devil"])
def test_other_stage_is_forbidden(path: str) -> None:
    backend = Backend()
    with serving(backend.routes) as served, pytest.raises(InvalidStatus) as raised:
        connect(f"ws://127.0.0.1:{served.port}{path}")

    assert raised.value.response.status_code == 403
    assert bytes(raised.value.response.body or b"") == b'{"message":"Forbidden"}'
    assert backend.connects.empty()


@pytest.mark.parametrize("path", ["/dev/", "/dev?x=1", "/%64ev"])
def test_stage_may_be_percent_encoded(path: str) -> None:
    with serving(Backend().routes) as served, RawClient(served.port) as client:
        assert client.handshake(path=path)[0] == 101


def test_browser_connects() -> None:
    backend = Backend()
    with serving(backend.routes) as served, RawClient(served.port) as client:
        status, headers = client.handshake(
            "Pragma: no-cache",
            "Cache-Control: no-cache",
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Accept: */*",
            "Accept-Encoding: gzip, deflate, br, zstd",
            "Accept-Language: de,en;q=0.5",
            "Origin: https://elsewhere.test",
            "Sec-Fetch-Mode: websocket",
            "Cookie: a=1; b=2",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        )
        event = backend.connects.get(timeout=WITHIN_S)
        # A closed tab sends 1001 without a reason.
        client.send(Opcode.CLOSE, b"\x03\xe9")
        told = backend.disconnected()

    assert status == 101
    assert "sec-websocket-extensions" not in headers
    assert event["headers"]["Origin"] == "https://elsewhere.test"
    assert event["headers"]["Cookie"] == "a=1; b=2"
    assert told == (1001, "")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 426),
        ("GET", "/dev", {}, 426),
        ("GET", "/dev", {"Connection": "Upgrade", "Upgrade": "h2c"}, 426),
        ("GET", "/dev", {"Connection": "Upgrade", "Upgrade": "websocket"}, 400),
        ("POST", "/dev", {}, 403),
        ("DELETE", "/", {}, 403),
    ],
)
def test_request_without_a_handshake_is_rejected(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    backend = Backend()
    with serving(backend.routes) as served:
        client = http.client.HTTPConnection("127.0.0.1", served.port, timeout=WITHIN_S)
        client.request(method, path, headers=headers)
        response = client.getresponse()
        body = response.read()
        client.close()

    assert response.status == status
    if status == 426:
        assert response.headers["Upgrade"] == "websocket"
        assert response.headers["Sec-WebSocket-Version"] == "13"
    if status == 403:
        assert json.loads(body) == {"message": "Forbidden"}
    assert backend.connects.empty()


@pytest.mark.parametrize(("method", "status"), [("GET", 426), ("POST", 403)])
def test_http_1_0_can_not_upgrade(method: str, status: int) -> None:
    backend = Backend()
    with serving(backend.routes) as served, RawClient(served.port) as client:
        client.send_handshake(first_line=f"{method} /dev HTTP/1.0")
        answered, headers = client.answer()
        assert client.is_cut()

    assert (answered, headers["connection"]) == (status, "close")
    assert backend.connects.empty()


def test_invalid_http_is_rejected_as_json() -> None:
    with serving(Backend().routes) as served, RawClient(served.port) as client:
        client.socket.sendall(b"HELLO\r\n\r\n")
        status, headers = client.answer()

    assert (status, headers["content-type"]) == (400, "application/json")


@pytest.mark.parametrize("header", ["Sec-WebSocket-Protocol", "sec-websocket-protocol"])
def test_connect_selects_the_subprotocol(header: str) -> None:
    backend = Backend(connect=lambda _: {"statusCode": 200, "headers": {header: "v2.chat"}})
    with serving(backend.routes) as served:
        with served.connect(subprotocols=["v1.chat", "v2.chat"]) as client:
            assert client.subprotocol == "v2.chat"
        with pytest.raises(NegotiationError):
            served.connect(subprotocols=["v3.chat"])


def test_api_without_routes_accepts_clients_and_forbids_messages() -> None:
    with serving({}) as served, served.connect() as client:
        client.send("{}")
        answer = str(client.recv(WITHIN_S))

    message = json.loads(answer)
    assert answer == (
        '{"message": "Forbidden", "connectionId":"%s", "requestId":"%s"}'  # noqa: UP031
        % (message["connectionId"], message["requestId"])
    )


# Messages


def test_messages_sent_before_connect_has_returned_wait() -> None:
    order: SimpleQueue[str] = SimpleQueue()
    release = threading.Event()

    def slow(_event: Event) -> Any:
        assert release.wait(WITHIN_S)
        order.put("connected")
        return ok(_event)

    backend = Backend(connect=slow, message=echo_to(order))
    with (
        serving(backend.routes, order=MessageOrder.SERIAL) as served,
        RawClient(served.port) as client,
    ):
        early = frame(Opcode.TEXT, b"1") + frame(Opcode.TEXT, b"2")
        client.send_handshake(then=early)
        backend.connected()
        client.send(Opcode.TEXT, b"3")
        release.set()

        assert client.answer()[0] == 101
        assert [order.get(timeout=WITHIN_S) for _ in range(4)] == ["connected", "1", "2", "3"]


@pytest.mark.parametrize("route_key", ["$connect", "$default"])
def test_function_timeout_counts_as_a_failure(route_key: str) -> None:
    answer = threading.Event()

    def wait(_event: Event) -> Any:
        return {"statusCode": 200} if answer.wait(WITHIN_S) else None

    backend = Backend(**{"connect" if route_key == "$connect" else "message": wait})
    routes = backend.routes
    routes[route_key] = replace(routes[route_key], timeout_seconds=0.05)
    with serving(routes) as served:
        if route_key == "$connect":
            with pytest.raises(InvalidStatus) as raised:
                served.connect()
            assert raised.value.response.status_code == 502
        else:
            with served.connect() as client:
                client.send("{}")
                assert json.loads(client.recv(WITHIN_S))["message"] == "Internal server error"
        answer.set()


def test_invoked_functions_do_not_delay_messages() -> None:
    """Welcome messages are sent by invoked functions, in their own environments."""
    release = threading.Event()
    backend = Backend()
    greet = LambdaFunction("app-dev-greet", lambda _event, _context: release.wait(WITHIN_S))
    greetings = ExecutionEnvironments(1)
    with serving(
        backend.routes,
        environments=1,
        functions={greet.name: greet},
        function_environments=greetings,
        credentials=None,
    ) as served:
        for _ in range(3):  # one runs, two wait
            invoke = urllib.request.Request(
                f"http://127.0.0.1:{served.port}/2015-03-31/functions/{greet.name}/invocations",
                data=b"{}",
                headers={"X-Amz-Invocation-Type": "Event"},
            )
            with urllib.request.urlopen(invoke, timeout=WITHIN_S) as taken:
                assert taken.status == 202
        with served.connect() as client:
            client.send("hello")
            assert backend.message()["body"] == "hello"
            assert not release.is_set()
        release.set()
        served.wait_until_quiet()
        served.run(greetings.stop(WITHIN_S))


def test_messages_of_one_connection_run_concurrently() -> None:
    meeting = threading.Barrier(2, timeout=WITHIN_S)
    met: SimpleQueue[int] = SimpleQueue()
    backend = Backend(message=lambda _: met.put(meeting.wait()))
    with serving(backend.routes) as served, served.connect() as client:
        client.send("1")
        client.send("2")

        assert {met.get(timeout=WITHIN_S) for _ in range(2)} == {0, 1}


@pytest.mark.parametrize("most", [1, 2])
def test_environments_limit_concurrent_functions(most: int) -> None:
    release = threading.Event()
    backend = Backend(message=lambda _: release.wait(WITHIN_S))
    with serving(backend.routes, environments=most) as served, served.connect() as client:
        for _ in range(4):
            client.send("{}")
        begun = [backend.message() for _ in range(most)]
        # Once this is answered, all four messages have arrived.
        assert client.ping().wait(WITHIN_S)
        assert backend.messages.empty()
        release.set()
        begun += [backend.message() for _ in range(4 - most)]

    assert len(begun) == 4


# Closing


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (1000, "", (1000, "")),
        (1000, "bye", (1000, "bye")),
        (1001, "", (1001, "")),
        (3999, "mine", (3999, "mine")),
    ],
)
def test_disconnect_has_the_client_s_code_and_reason(
    code: int, reason: str, told: tuple[int, str]
) -> None:
    backend = Backend()
    with serving(backend.routes) as served:
        with served.connect() as client:
            client.close(code, reason)

        assert backend.disconnected() == told


def test_close_without_a_code_is_1005(loop_factory: LoopFactory) -> None:
    backend = Backend()
    with serving(backend.routes, loop_factory=loop_factory) as served:
        with RawClient(served.port) as client:
            client.handshake()
            client.send(Opcode.CLOSE, b"")

            assert client.receive().opcode is Opcode.CLOSE
            assert client.is_cut()
        assert backend.disconnected() == (1005, "Client-side close frame status not set")


def test_lost_connection_is_1006(loop_factory: LoopFactory) -> None:
    backend = Backend()
    with serving(backend.routes, loop_factory=loop_factory) as served:
        with RawClient(served.port) as client:
            client.handshake()

        assert backend.disconnected() == (1006, "")
        served.wait_until_quiet()
        assert served.connection_count() == 0


@pytest.mark.parametrize("limits", [Limits(idle_ms=100), Limits(duration_ms=100)])
def test_limits_apply_on_a_real_clock(limits: Limits, loop_factory: LoopFactory) -> None:
    backend = Backend()
    with serving(backend.routes, limits=limits, loop_factory=loop_factory) as served:
        with served.connect() as client, pytest.raises(ConnectionClosed) as raised:
            client.recv(WITHIN_S)

        assert raised.value.rcvd is not None
        assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (1001, "Going away")
        assert backend.disconnected() == (1001, "Going away")


@pytest.mark.parametrize("how", ["orderly", "reset"])
def test_client_that_leaves_during_connect_gets_a_disconnect(
    how: str, loop_factory: LoopFactory
) -> None:
    release = threading.Event()
    backend = Backend(connect=lambda _: {"statusCode": 200 if release.wait(WITHIN_S) else 500})
    with serving(backend.routes, loop_factory=loop_factory) as served:
        with RawClient(served.port) as client:
            client.send_handshake()
            backend.connected()
            if how == "reset":
                reset(client)
        # The server has noticed the disconnect once it has served a later connection.
        with pytest.raises(InvalidStatus):
            connect(f"ws://127.0.0.1:{served.port}/nowhere")
        release.set()

        assert backend.disconnected() == (1006, "")
        served.wait_until_quiet()
        assert served.connection_count() == 0


# Replaced functions


def test_connections_stay_when_functions_are_replaced() -> None:
    before, after = Backend(), Backend()
    with serving(before.routes) as served:
        with served.connect() as client:
            begun = before.connected()
            served.call(lambda: served.gateway.replace_functions(after.routes))
            client.send("{}")

            assert context_of(after.message())["connectionId"] == begun["connectionId"]
        assert after.disconnected() == (1000, "")
    assert before.messages.empty()


def test_missing_function_of_a_route_counts_as_a_failure() -> None:
    served_routes: dict[str, LambdaFunction] = dict(Backend().routes)
    with serving(served_routes) as served, served.connect() as client:
        # As if the functions were replaced between route selection and invocation.
        del served_routes["$default"]
        client.send("{}")

        assert json.loads(client.recv(WITHIN_S))["message"] == "Internal server error"


# The rate limit


def test_connection_over_the_rate_limit_is_a_429() -> None:
    with (
        serving(Backend().routes, limits=Limits(connects_per_second=1)) as served,
        served.connect(),
        pytest.raises(InvalidStatus) as raised,
    ):
        served.connect()

    assert raised.value.response.status_code == 429
