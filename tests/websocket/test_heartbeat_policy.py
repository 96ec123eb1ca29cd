"""How long a function waits for a throttled client: responses, and the welcome message."""

from __future__ import annotations

import json
from time import monotonic

import pytest

from chalicelib.broadcast.connections_api import ConnectionsApi
from chalicelib.core.setup import Participant
from chalicelib.rate_limit.limiter import RateLimiter
from chalicelib.settings import Settings
from chalicelib.websocket.handlers import WebSocketHandlers
from chalicelib.websocket.poster import THROTTLED_SECONDS
from tests.chess import SESSION, chess
from tests.waiting import Bound

from ..broadcast.connections_api.stub_server import Stub
from .conftest import Room

PING = '{"type":"PING"}'


@pytest.fixture
def sockets(room: Room, api: ConnectionsApi, stub: Stub) -> WebSocketHandlers:
    """The room's, but posting to a server."""
    return WebSocketHandlers(
        engine=room.engine,
        store=room.store,
        registry=room.registry,
        api=api,
        limits=RateLimiter(Settings(rate_limit_switch=0, rate_limit_message=0)),
        welcome_invoker=room.welcome_invoker,
        endpoint=stub.endpoint,
    )


def test_client_that_does_not_read_blocks_a_function_briefly(
    room: Room, sockets: WebSocketHandlers, stub: Stub, bound: Bound
) -> None:
    room.registry.register(SESSION, "deaf", stub.endpoint)
    stub.respond("deaf", *[429] * 10_000)

    began_s = monotonic()
    sockets.message(room.event("deaf", body=PING))

    assert THROTTLED_SECONDS <= monotonic() - began_s < bound(1)


def test_slow_client_gets_time_for_every_page(
    room: Room, sockets: WebSocketHandlers, stub: Stub
) -> None:
    room.engine.create_session(
        chess(participants=[Participant(f"{number:036}", number, 10_000) for number in range(300)])
    )
    room.registry.register(SESSION, "slow", stub.endpoint)
    # Three backoffs come to 350 ms at most, and hardly ever to less than 100.
    refused = 3
    stub.respond("slow", *[answer for _ in range(100) for answer in (*[429] * refused, 200)])

    sockets.message(room.event("slow", body='{"type":"RECONNECT"}'))

    posted = [json.loads(body) for body in stub.bodies("slow")][refused :: refused + 1]
    assert [one["page"] for one in posted] == list(range(1, posted[0]["pages"] + 1))
    assert len(posted) > 1


def test_welcome_message_outlasts_throttling(
    room: Room, sockets: WebSocketHandlers, stub: Stub
) -> None:
    room.registry.register(SESSION, "new", stub.endpoint)
    # Each after a random share of a doubled backoff: a second or so, where an answer has a tenth.
    stub.respond("new", *[429] * 7)

    sockets.send_welcome({"sessionId": SESSION, "connectionId": "new", "endpoint": stub.endpoint})

    assert [b"CONNECTED" in body for body in stub.bodies("new")][-1:] == [True]
