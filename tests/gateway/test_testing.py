"""A gateway under test: its clients, faults and clock."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from chalice.app import Chalice

from chalice_gateway.errors import StartupError
from chalice_gateway.testing import (
    FunctionFailed,
    HandshakeRefused,
    RunningGateway,
    VirtualClock,
    running_gateway,
)
from chalice_gateway.websocket_limits import Limits


class RelayApp(Chalice):
    """An app with the events that it has got."""

    def __init__(self) -> None:
        super().__init__("relay", configure_logs=False)
        self.events: list[Any] = []
        self.released = threading.Event()


def relay_app() -> RelayApp:  # noqa: C901 - one function of each kind
    """An app whose clients tell it what to post to whom."""
    app = RelayApp()
    app.experimental_feature_flags.add("WEBSOCKETS")
    app.websocket_api.session = boto3.session.Session()

    @app.route("/hello")
    def hello() -> Any:
        return {"hello": "world"}

    @app.on_ws_connect()
    def connect(event: Any) -> Any:
        query = event.to_dict().get("queryStringParameters") or {}
        app.events.append("connect")
        if "refuse" in query:
            return {"statusCode": 403, "body": "no"}
        offered = "Sec-WebSocket-Protocol" in event.to_dict()["headers"]
        return {
            "statusCode": 200,
            "headers": {"Sec-WebSocket-Protocol": "v1"} if offered else {},
        }

    @app.on_ws_message()
    def message(event: Any) -> Any:
        app.events.append(event.body)
        body = event.json_body
        if "wait" in body:
            app.released.wait(10)
        for each in body.get("echo", []):
            app.websocket_api.send(event.connection_id, each)
        if "close" in body:
            app.websocket_api.close(event.connection_id)

    @app.on_ws_disconnect()
    def disconnect(event: Any) -> None:
        context = event.to_dict()["requestContext"]
        app.events.append(context["disconnectStatusCode"])

    @app.schedule("rate(1 hour)")
    def hourly(event: Any) -> None:
        app.events.append(f"hourly {event.time[14:]}")

    @app.lambda_function()
    def plain(event: Any, context: Any) -> Any:
        if event == "fail":
            raise ValueError("as asked")
        return {"got": event, "name": context.function_name}

    return app


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> RelayApp:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return relay_app()


@pytest.fixture
def gateway(app: RelayApp) -> Iterator[RunningGateway]:
    with running_gateway(app) as gateway:
        yield gateway


def test_rest_and_sockets_are_on_real_ports(gateway: RunningGateway) -> None:
    assert httpx.get(f"{gateway.rest_url}/hello").json() == {"hello": "world"}
    client = gateway.connect(subprotocols=["v0", "v1"])
    assert client.subprotocol == "v1"
    client.send_json({"echo": ["a", "{}"]})
    assert sorted([client.receive(), client.receive()]) == ["a", "{}"]
    assert gateway.ws_url == gateway.endpoint_url.replace("http", "ws")


def test_environment_and_threads_are_those_of_before(app: RelayApp) -> None:
    before = dict(os.environ), set(threading.enumerate()), list(sys.path), Path.cwd()
    with running_gateway(app) as gateway:
        client = gateway.connect()
        client.send_json({"echo": ["a"]})
        client.receive()
        assert os.environ["AWS_LAMBDA_FUNCTION_NAME"].endswith("-dev")

    assert (dict(os.environ), set(threading.enumerate()), list(sys.path), Path.cwd()) == before


def test_app_object_can_be_served_again(app: RelayApp) -> None:
    for _ in range(2):
        with running_gateway(app) as gateway:
            client = gateway.connect()
            client.send_json({"echo": ["a"]})
            assert client.receive() == "a"
    assert app.events == ["connect", '{"echo": ["a"]}', 1000] * 2


def test_app_of_a_folder_is_loaded_for_each_gateway(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from chalice import Chalice\napp = Chalice('counter', configure_logs=False)\nruns = []\n"
        "@app.lambda_function()\ndef count(event, context):\n    runs.append(1)\n"
        "    return len(runs)\n"
    )
    before = sys.modules.get("app")
    for _ in range(2):
        with running_gateway(str(tmp_path)) as gateway:
            assert [gateway.invoke("count") for _ in range(2)] == [1, 2]
            assert Path.cwd() == tmp_path
    assert sys.modules.get("app") is before


def test_app_that_can_not_be_served_is_an_error_of_the_test(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"There is no app\.py"), running_gateway(tmp_path):
        pass


def test_apps_of_earlier_tests_do_not_count(app: RelayApp, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each Chalice app appends to it, and botocore sends it in a header of at most 10,240 bytes.
    monkeypatch.setenv("AWS_EXECUTION_ENV", f"AWS_Lambda_python3.13{' aws-chalice/1.0' * 1_000}")
    with running_gateway(app) as gateway:
        client = gateway.connect()
        client.send_json({"echo": ["a"]})
        assert client.receive() == "a"
        assert os.environ["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13 aws-chalice/1.0"
    assert len(os.environ["AWS_EXECUTION_ENV"]) > 10_240


def test_options_are_those_of_the_gateway(app: RelayApp) -> None:
    with running_gateway(app, limits=Limits(idle_ms=1000), stage="prod") as gateway:
        client = gateway.connect()
        gateway.clock.advance(seconds=1)
        assert client.closed() == (1001, "Going away")
        assert gateway.invoke("plain", 1)["name"] == "relay-prod-plain"


# The client


def test_refused_handshake_has_its_status(gateway: RunningGateway) -> None:
    with pytest.raises(HandshakeRefused, match="refused with 403") as refused:
        gateway.connect("?refuse=1")
    assert refused.value.status == 403


def test_missing_message_fails_with_what_has_come(gateway: RunningGateway) -> None:
    client = gateway.connect()
    with pytest.raises(AssertionError, match=r"no message within 0\.01 s, and none before"):
        client.receive(0.01)
    client.send_json({"echo": ["a"]})
    assert client.receive() == "a"
    with pytest.raises(AssertionError, match=r"within 0\.01 s, after 1, of which the last: 'a'"):
        client.receive_json(0.01)


def test_message_that_is_not_json_fails(gateway: RunningGateway) -> None:
    client = gateway.connect()
    client.send_json({"echo": ["a"]})
    with pytest.raises(AssertionError, match="not JSON: 'a'"):
        client.receive_json()


def test_silence_is_known_once_all_functions_have_finished(
    app: RelayApp, gateway: RunningGateway
) -> None:
    sender, other = gateway.connect(), gateway.connect()
    for number in range(20):
        sender.send_json({"nothing": number})
    other.assert_silent()
    assert len(app.events) == 22

    sender.send_json({"echo": ["a"]})
    with pytest.raises(AssertionError, match="received 'a' instead of nothing"):
        sender.assert_silent()


def test_function_that_never_ends_fails_the_test(app: RelayApp) -> None:
    with running_gateway(app) as gateway:
        client = gateway.connect()
        gateway.timeout_seconds = 0.2
        client.send_json({"wait": True})
        try:
            with pytest.raises(TimeoutError):
                client.assert_silent()
        finally:
            app.released.set()


def test_closed_connection_fails_what_needs_an_open_one(gateway: RunningGateway) -> None:
    client = gateway.connect()
    with pytest.raises(AssertionError, match=r"still open after 0\.01 s"):
        client.closed(0.01)
    client.send_json({"echo": ["unread"], "close": True})

    assert client.closed() == (1000, "Connection Closed Normally")
    with pytest.raises(AssertionError, match=r"closed with .*code=1000.* instead of a message"):
        client.receive()
    with pytest.raises(AssertionError, match="closed with"):
        client.assert_silent()
    with pytest.raises(AssertionError, match="can't send: closed with"):
        client.send("x")


def test_client_that_closes_or_vanishes_has_left(app: RelayApp, gateway: RunningGateway) -> None:
    polite, lost = gateway.connect(), gateway.connect()
    connection_id = gateway.connection_id(lost)
    polite.close(4001, "bye")
    lost.vanish()
    gateway.settle()

    assert app.events[2:] == [4001, 1006]
    with pytest.raises(AssertionError, match="not connected"):
        gateway.connection_id(lost)
    with pytest.raises(gateway.connections.exceptions.GoneException):
        gateway.connections.get_connection(ConnectionId=connection_id)


def test_connections_client_posts_and_closes(gateway: RunningGateway) -> None:
    first, second = gateway.connect(), gateway.connect()
    gateway.connections.post_to_connection(
        ConnectionId=gateway.connection_id(second), Data=b'{"a": 1}'
    )
    assert second.receive_json() == {"a": 1}
    first.assert_silent()
    gateway.connections.delete_connection(ConnectionId=gateway.connection_id(second))
    assert second.closed() == (1000, "Connection Closed Normally")


# Functions


def test_functions_are_invoked_with_an_event_or_a_sample(
    app: RelayApp, gateway: RunningGateway
) -> None:
    assert gateway.invoke("plain", {"a": 1}) == {"got": {"a": 1}, "name": "relay-dev-plain"}
    gateway.invoke("hourly")
    assert app.events[0].startswith("hourly ")
    with pytest.raises(FunctionFailed, match="ValueError: as asked") as failed:
        gateway.invoke("plain", "fail")
    assert failed.value.payload["errorType"] == "ValueError"
    with pytest.raises(StartupError, match="There is no function none"):
        gateway.invoke("none")


# Faults


def posts_of(gateway: RunningGateway, count: int) -> list[str]:
    """What arrives of ``count`` posts, one after another."""
    client = gateway.connect()
    connection_id = gateway.connection_id(client)
    for number in range(count):
        gateway.connections.post_to_connection(
            ConnectionId=connection_id, Data=str(number).encode()
        )
    gateway.clock.advance(seconds=1)
    gateway.connections.post_to_connection(ConnectionId=connection_id, Data=b"end")
    received = []
    with gateway.faults():
        gateway.connections.post_to_connection(ConnectionId=connection_id, Data=b"last")
    while (text := client.receive()) != "last":
        received.append(text)
    return received


def test_dropped_posts_are_the_same_for_a_seed(gateway: RunningGateway) -> None:
    found = []
    for seed in (1, 1, 2):
        with gateway.faults(seed=seed, drop_posts=0.5):
            found.append(posts_of(gateway, 20))

    assert found[0] == found[1] != found[2]
    assert 3 < len(found[0]) < 18
    assert posts_of(gateway, 3) == ["0", "1", "2", "end"]


def test_reordered_posts_all_arrive(gateway: RunningGateway) -> None:
    with gateway.faults(seed=1, reorder=0.5):
        found = posts_of(gateway, 20)

    assert set(found) >= {str(number) for number in range(20)}
    assert found != sorted(found, key=lambda text: 99 if text == "end" else int(text))


def test_lost_disconnects_do_not_reach_the_app(app: RelayApp, gateway: RunningGateway) -> None:
    client = gateway.connect()
    with gateway.faults(lose_disconnects=1):
        client.close()
    gateway.settle()

    assert app.events == ["connect"]


def test_gone_breaks_the_connection_before_a_post(app: RelayApp, gateway: RunningGateway) -> None:
    client = gateway.connect()
    connection_id = gateway.connection_id(client)
    gone = gateway.connections.exceptions.GoneException
    with gateway.faults(gone=1), pytest.raises(gone):
        gateway.connections.post_to_connection(ConnectionId=connection_id, Data=b"x")

    assert client.closed() == (1006, "")
    gateway.settle()
    assert app.events == ["connect", 1006]
    with pytest.raises(gone):
        gateway.connections.post_to_connection(ConnectionId=connection_id, Data=b"x")


def test_messages_can_be_shuffled_by_seed(app: RelayApp, gateway: RunningGateway) -> None:
    orders = []
    for seed in (1, 1):
        app.events.clear()
        client = gateway.connect()
        with gateway.faults(seed=seed, message_order="shuffled"):
            for number in range(10):
                client.send_json({"n": number})
            gateway.settle()
        orders.append([json.loads(text)["n"] for text in app.events[1:]])

    assert sorted(orders[0]) == list(range(10))
    assert orders[0] != list(range(10))


# The clock


def test_advancing_closes_after_ten_minutes_and_after_two_hours(
    app: RelayApp, gateway: RunningGateway
) -> None:
    idle, busy = gateway.connect(), gateway.connect()
    gateway.clock.advance(minutes=9, seconds=58)
    busy.send_json({"echo": ["a"]})
    assert busy.receive() == "a"
    idle.assert_silent()
    gateway.clock.advance(seconds=2)
    assert idle.closed() == (1001, "Going away")

    for _ in range(12):
        gateway.clock.advance(minutes=9)
        busy.send_json({})
        busy.assert_silent()
    gateway.clock.advance(minutes=2)
    assert busy.closed() == (1001, "Going away")
    assert app.events.count(1001) == 2


def test_schedules_run_at_their_times(app: RelayApp, gateway: RunningGateway) -> None:
    gateway.clock.advance(hours=3, minutes=1)

    assert [event[:6] for event in app.events] == ["hourly"] * 3
    # Each exactly an hour after the one before.
    assert len(set(app.events)) == 1


def test_time_goes_on_by_itself_and_never_back() -> None:
    clock = VirtualClock()
    before = clock.now()
    with pytest.raises(ValueError, match="Time can't go back"):
        clock.advance(seconds=-1)
    assert timedelta() <= clock.now() - before < timedelta(minutes=1)


def test_signatures_stay_valid_when_time_is_advanced(gateway: RunningGateway) -> None:
    gateway.clock.advance(hours=5)
    client = gateway.connect()
    gateway.connections.post_to_connection(
        ConnectionId=gateway.connection_id(client), Data=b"signed"
    )
    assert client.receive() == "signed"
