from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from chalicelib.auth.authenticator import TokenAuthenticator
from chalicelib.broadcast.inline import InlineBroadcaster
from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.rate_limit.limiter import RateLimiter
from chalicelib.settings import Settings
from chalicelib.telemetry.metrics import Telemetry
from chalicelib.websocket.connect_authorizer import ConnectAuthorizer
from chalicelib.websocket.handlers import WebSocketHandlers
from tests.api_docs.conformance import check_server_message
from tests.chess import SESSION, chess
from tests.fakes import (
    FakeConnectionsApi,
    FakeRegistry,
    FakeStore,
    RecordingSink,
    RecordingWelcomeInvoker,
    websocket_event,
)

from ..broadcast.conftest import api as api
from ..broadcast.conftest import stub as stub

ENDPOINT = "https://abc.execute-api.eu-west-1.amazonaws.com/dev"


@dataclass
class Watch:
    """A clock that advances only on sleep; ``meanwhile`` runs during it."""

    seconds: float = 1_000.0
    passes_with_every_look_s: float = 0.0
    meanwhile: list[Callable[[], object]] = field(default_factory=list)

    def monotonic(self) -> float:
        self.seconds += self.passes_with_every_look_s
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.meanwhile:
            self.meanwhile.pop(0)()


@dataclass
class Room:
    """The socket's side of the service, with everything around it in memory."""

    store: FakeStore
    registry: FakeRegistry
    api: FakeConnectionsApi
    welcome_invoker: RecordingWelcomeInvoker
    watch: Watch
    engine: SyncEngine
    new_handlers: Callable[..., WebSocketHandlers]
    sink: RecordingSink
    broadcaster: InlineBroadcaster

    def __post_init__(self) -> None:
        self.sockets = self.new_handlers()

    def authorize_with(
        self,
        open_authenticator: Callable[[], TokenAuthenticator] | None = None,
        allowed_origins: Collection[str] = (),
    ) -> None:
        """Replace the handlers by some that authorize connections so, as a deployment does."""
        authorizer = ConnectAuthorizer(self.store, open_authenticator, allowed_origins)
        self.sockets = self.new_handlers(connect_authorizer=authorizer)

    def event(self, connection_id: str, **more: Any) -> dict[str, Any]:
        return websocket_event(connection_id, self.store.clock_ms, **more)

    def connect(self, connection_id: str, session_id: str) -> int:
        answer = self.sockets.connect(
            self.event(connection_id, queryStringParameters={"sessionId": session_id})
        )
        status: int = answer["statusCode"]
        return status

    def start_session(self) -> None:
        self.engine.create_session(chess())
        self.engine.start_session(SESSION)

    def send_welcome(self) -> None:
        """Send the welcome message to each new connection."""
        while self.welcome_invoker.events:
            self.sockets.send_welcome(self.welcome_invoker.events.pop(0))

    def send(self, connection_id: str, text: str) -> list[Any]:
        """What a message is answered with, held against the contract."""
        before = len(self.api.sent.get(connection_id, []))
        self.sockets.message(self.event(connection_id, body=text))
        answers = self.api.messages(connection_id)[before:]
        for answer in answers:
            check_server_message(answer)
        return answers


def a_room(switches: int = 0, messages: int = 0) -> Room:
    """A room; with so many switches of a session, and messages of a connection, in a second."""
    store, api, welcome_invoker, watch = (
        FakeStore(),
        FakeConnectionsApi(),
        RecordingWelcomeInvoker(),
        Watch(),
    )
    registry = FakeRegistry(store)
    sink = RecordingSink()
    telemetry = Telemetry(sink)
    broadcaster = InlineBroadcaster(registry, lambda: api, telemetry=telemetry)
    engine = SyncEngine(CommitLoop(store, broadcaster=broadcaster, session_ttl_ms=3_600_000))
    new_handlers = partial(
        WebSocketHandlers,
        engine=engine,
        store=store,
        registry=registry,
        api=api,
        limits=RateLimiter(Settings(rate_limit_switch=switches, rate_limit_message=messages)),
        welcome_invoker=welcome_invoker,
        telemetry=telemetry,
        monotonic=watch.monotonic,
        sleep=watch.sleep,
    )
    return Room(
        store, registry, api, welcome_invoker, watch, engine, new_handlers, sink, broadcaster
    )


@pytest.fixture
def room() -> Room:
    return a_room()
