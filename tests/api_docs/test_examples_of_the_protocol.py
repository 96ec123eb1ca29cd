"""The examples in docs/protocol.md match the application, to the millisecond."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.container import Container
from chalicelib.settings import Settings
from chalicelib.websocket.handlers import WebSocketHandlers
from tests.api_docs.conformance import check_server_message
from tests.fakes import (
    FakeConnectionsApi,
    FakeRegistry,
    FakeStore,
    RecordingWelcomeInvoker,
    websocket_event,
)
from tests.rest.client import rest_client

from .examples import Asked, Later, Line, differences, read_examples

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"
NEW_YEAR_MS = 1_767_225_600_000
CONNECTION = "PJqB0fHsqRcCHlw="


class Application:
    """The application on an in-memory store, with one WebSocket client."""

    def __init__(self) -> None:
        self.store = FakeStore(clock_ms=NEW_YEAR_MS)
        self.api = FakeConnectionsApi()
        self.welcome_invoker = RecordingWelcomeInvoker()
        container = Container(Settings(broadcast="inline"))
        vars(container).update(
            store=self.store, connections=FakeRegistry(self.store), connections_api=self.api
        )
        self.sockets = WebSocketHandlers(
            engine=container.engine,
            store=self.store,
            registry=container.connections,
            api=self.api,
            limits=container.limits,
            welcome_invoker=self.welcome_invoker,
            monotonic=lambda: 0.0,
        )
        self.rest = rest_client(container)
        self.session_id = ""
        self._taken = 0

    def ask(self, step: Asked) -> list[str]:
        if step.method == "POST" and step.path == "/v1/sessions":
            self.session_id = step.body["session_id"]
        answer = self.rest.call(step.method, step.path, step.body)
        shown = {"status": step.status, "body": step.answer}
        return differences(shown, {"status": answer.status, "body": answer.json})

    def send(self, message: Any) -> None:
        self.sockets.message(self._event(body=json.dumps(message)))

    def receive(self) -> Any:
        """The next message; the first opens the connection."""
        if not self.api.sent:
            query = {"sessionId": self.session_id}
            assert self.sockets.connect(self._event(queryStringParameters=query)) == {
                "statusCode": 200
            }
            self.sockets.send_welcome(self.welcome_invoker.events.pop())
        message = self.api.messages(CONNECTION)[self._taken]
        self._taken += 1
        check_server_message(message)
        return message

    @property
    def unheard(self) -> list[Any]:
        return self.api.messages(CONNECTION)[self._taken :]

    def _event(self, **more: Any) -> dict[str, Any]:
        return websocket_event(CONNECTION, self.store.clock_ms, **more)


@pytest.fixture
def application() -> Application:
    return Application()


def test_documented_examples_match_the_application(application: Application) -> None:
    steps = list(read_examples(PROTOCOL.read_text()))

    for step in steps:
        match step:
            case Later():
                application.store.advance(step.ms)
            case Asked():
                assert application.ask(step) == [], step
            case Line(is_sent=True):
                assert application.unheard == [], step
                application.send(step.message)
            case Line():
                assert differences(step.message, application.receive()) == [], step
    assert application.unheard == []
    assert sum(isinstance(step, Asked) for step in steps) >= 6
    assert sum(isinstance(step, Line) for step in steps) >= 10
