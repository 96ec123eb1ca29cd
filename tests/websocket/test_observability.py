"""Metrics and log lines of the functions that are not routes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import app as tickless
from chalice_gateway.lambdas import LambdaContext, LambdaFunction
from chalicelib.container import Container
from chalicelib.settings import Settings
from chalicelib.telemetry import definitions as names
from chalicelib.telemetry.log_context import LogValue, log_keys
from chalicelib.telemetry.metrics import Telemetry
from tests.chess import SESSION
from tests.fakes import FakeStats, RecordingSink

from .conftest import Room, a_room

A_MINUTE = {
    "version": "0",
    "id": "1",
    "account": "123456789012",
    "time": "2026-01-01T00:00:00Z",
    "region": "eu-west-1",
    "resources": [],
    "source": "aws.events",
    "detail-type": "Scheduled Event",
    "detail": {},
}
EVENTS = Path(__file__).parents[1] / "events"


@pytest.fixture
def container(room: Room, monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
    # Lambda's own; Chalice insists on it.
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    container = tickless.container
    before = dict(vars(container))
    vars(container).clear()
    vars(container).update(
        settings=Settings(),
        websocket=room.sockets,
        engine=room.engine,
        telemetry=Telemetry(room.sink),
        stats=FakeStats(room.store, room.registry),
    )
    yield container
    vars(container).clear()
    vars(container).update(before)


def invoke(name: str, event: dict[str, Any]) -> Any:
    handler = tickless.app.handler_map[name]
    return handler(event, LambdaContext(LambdaFunction(name, handler)))


def an_event(kind: str, **more: Any) -> dict[str, Any]:
    event = json.loads((EVENTS / f"websocket_{kind}.json").read_text())
    event["requestContext"]["connectionId"] = "c1"
    return {**event, **more}


def messages(sink: RecordingSink) -> dict[tuple[str, ...], int]:
    return {
        labels: number
        for (name, labels), number in sink.counts.items()
        if name == names.MESSAGES.name
    }


def test_messages_are_counted_by_type_and_outcome(room: Room, container: Container) -> None:
    invoke("connect", an_event("connect", queryStringParameters={"sessionId": "missing"}))
    invoke("connect", an_event("connect", queryStringParameters={"sessionId": SESSION}))
    switch = {"type": "COMMAND", "id": "1", "command": "switch"}
    for text in ("{", json.dumps({"type": "PING"}), json.dumps(switch)):
        invoke("message", an_event("message", body=text))
    invoke("disconnect", an_event("disconnect"))

    assert messages(room.sink) == {
        ("CONNECT", "400"): 1,
        ("CONNECT", "OK"): 1,
        ("INVALID", "INVALID_JSON"): 1,
        ("PING", "OK"): 1,
        ("COMMAND", "SESSION_NOT_FOUND"): 1,
        ("DISCONNECT", "OK"): 1,
    }
    assert (names.SWITCH_SECONDS.name, ("websocket",)) not in room.sink.observed
    assert room.sink.flushes == 6


def test_refused_messages_are_counted_by_their_type(container: Container) -> None:
    room = a_room(messages=3)
    container.__dict__.update(websocket=room.sockets, telemetry=Telemetry(room.sink))
    invoke("connect", an_event("connect", queryStringParameters={"sessionId": SESSION}))
    for message in ({"type": "COMMAND"}, {"type": ["PING"]}, {"type": "DANCE"}):
        invoke("message", an_event("message", body=json.dumps(message)))
    for text in ('{"type": "PING"}', '{"type": "DANCE"}', "[]", "{"):
        invoke("message", an_event("message", body=text))

    assert messages(room.sink) == {
        ("CONNECT", "OK"): 1,
        ("COMMAND", "VALIDATION_ERROR"): 1,
        ("INVALID", "UNKNOWN_TYPE"): 2,
        ("PING", "RATE_LIMIT_EXCEEDED"): 1,
        ("INVALID", "RATE_LIMIT_EXCEEDED"): 3,
    }


def test_repeatedly_acknowledged_switch_is_measured_once(room: Room, container: Container) -> None:
    room.start_session()
    invoke("connect", an_event("connect", queryStringParameters={"sessionId": SESSION}))
    switch = json.dumps({"type": "COMMAND", "id": "1", "command": "switch"})
    for _ in range(2):
        invoke("message", an_event("message", body=switch))

    assert messages(room.sink)["COMMAND", "OK"] == 2
    assert len(room.sink.observed[names.SWITCH_SECONDS.name, ("websocket",)]) == 1


def test_message_of_a_swept_connection_is_counted_separately(
    room: Room, container: Container
) -> None:
    invoke("message", an_event("message", body="{}"))

    assert messages(room.sink) == {("INVALID", "SWEPT"): 1}


def test_failing_function_is_counted_and_raises(room: Room, container: Container) -> None:
    room.registry.lists = None  # type: ignore[assignment]

    with pytest.raises(AttributeError):
        invoke("connect", an_event("connect", queryStringParameters={"sessionId": SESSION}))

    assert messages(room.sink) == {("CONNECT", "INTERNAL_ERROR"): 1}
    assert room.sink.flushes == 1


class ContextHandler(logging.Handler):
    """Keeps what is known of the work at hand when a line is written, and the line."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, dict[str, LogValue]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, dict(log_keys())))


def test_only_the_last_log_line_of_a_message_has_its_code(
    room: Room, container: Container, caplog: pytest.LogCaptureFixture
) -> None:
    log, handler = logging.getLogger("tickless"), ContextHandler()
    caplog.set_level("INFO", log.name)
    room.store.away = True
    log.addHandler(handler)
    try:
        query = {"queryStringParameters": {"sessionId": SESSION}}
        assert invoke("connect", an_event("connect", **query)) == {"statusCode": 503}
    finally:
        log.removeHandler(handler)

    assert [(level, facts.get("code")) for level, facts in handler.lines] == [
        ("WARNING", None),
        ("INFO", "503"),
    ]


def test_greet_and_sweep_flush_their_metrics(room: Room, container: Container) -> None:
    invoke("greet", {"sessionId": SESSION, "connectionId": "c1", "endpoint": "https://x/dev"})
    assert room.sink.flushes == 1

    container.__dict__["sweeper"] = Finished
    invoke("sweep", A_MINUTE)
    assert room.sink.flushes == 2
    assert room.sink.found == {names.OVERDUE.name: 0, names.OVERDUE_SECONDS.name: 0.0}


def test_unavailable_store_leaves_overdue_metrics_out(room: Room, container: Container) -> None:
    container.__dict__["sweeper"] = Finished
    room.store.away = True

    invoke("sweep", A_MINUTE)

    assert (room.sink.found, room.sink.flushes) == ({}, 1)


class Finished:
    """A sweeper that has nothing left to do."""

    def work_while_due(self, remaining_ms: int) -> None:
        assert remaining_ms > 0
