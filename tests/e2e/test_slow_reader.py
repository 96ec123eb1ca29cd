"""Inline broadcast, and a client that keeps its connection open and reads nothing."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from statistics import median

import redis

from chalicelib.broadcast.connections_api import (
    ConnectionsApi,
    Credentials,
    DeliveryStatus,
    Post,
    open_connections_api,
)
from tests.servers import RedisProcess
from tests.waiting import Bound

from .client import Client, all_until, has_reached
from .conftest import NO_HEARTBEATS
from .event_log import watchers
from .instances import Instance, Rest, awaited, instances
from .measurements import report
from .raw_handshake import address_of, handshake
from .sessions import a_session

SWITCHES = 12
QUICK = 8

WAITS_AT_MOST_S = 1.5
"""Half of what a fan-out may take: the patience with a limit, and a busy machine's share."""


@contextmanager
def a_deaf_client(where: str, session_id: str) -> Iterator[None]:
    """A connection whose client sends the handshake and then never reads."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(address_of(where))
        deaf.sendall(handshake(where, session_id))
        # Only seen to be there: before the answer to the handshake nothing can be posted.
        deaf.recv(1, socket.MSG_PEEK)
        yield


def fill(api: ConnectionsApi, endpoint: str, connection_id: str) -> None:
    """Post to a client until not even a short message finds room."""
    for size in (65_536, 4_096, 64):
        outcome = DeliveryStatus.DELIVERED
        while outcome is not DeliveryStatus.LIMITED:
            post = Post(endpoint, connection_id, b" " * size, inf)
            (outcome,) = api.post_all([post], 10, 0.2)
            assert outcome in (DeliveryStatus.DELIVERED, DeliveryStatus.LIMITED)


async def switched(rest: Rest, session_id: str) -> tuple[int, list[float]]:
    """The newest version, and how long the switching client has waited for each answer."""
    waited_s, version = [], 0
    for _ in range(SWITCHES):
        began_s = time.monotonic()
        version = (await rest.command(session_id, "switch")).data["version"]
        waited_s.append(time.monotonic() - began_s)
    return version, waited_s


async def scenario(inline: Instance, store: redis.Redis, api: ConnectionsApi, bound: Bound) -> None:
    session = a_session()
    session_id = session["session_id"]
    async with Rest(inline.rest_url) as rest:
        await rest.create(session)
        await rest.command(session_id, "start")
        clients = [Client(inline.where, session_id) for _ in range(QUICK)]
        for client in clients:
            await client.__aenter__()
        await all_until(clients, lambda client: client.snapshot, why="welcome message")
        _, before_s = await switched(rest, session_id)
        known = watchers(store, session_id).keys()

        with a_deaf_client(inline.websocket_url, session_id):
            await awaited(lambda: watchers(store, session_id).keys() - known)
            (deaf,) = watchers(store, session_id).keys() - known
            endpoint = inline.websocket_url.replace("ws", "http", 1)
            await asyncio.to_thread(fill, api, endpoint, deaf)

            version, after_s = await switched(rest, session_id)

            # No other client has missed anything, or had to ask.
            await all_until(clients, has_reached(version), why="the newest")
            assert {client.version for client in clients} == {version}
            assert sum(client.reconnects for client in clients) == 0
            assert deaf in watchers(store, session_id)
        await asyncio.gather(*(client.leave() for client in clients))
    report(
        f"a switch with a deaf client: {median(after_s):.3f} s, at most {max(after_s):.3f} s,"
        f" {median(after_s) / median(before_s):.0f} times the {median(before_s):.4f} s without"
    )
    assert max(after_s) < bound(WAITS_AT_MOST_S)


def test_client_that_does_not_read_delays_no_command_until_the_deadline(
    valkey: RedisProcess, tmp_path: Path, bound: Bound
) -> None:
    api = open_connections_api("us-east-1", Credentials("local", "local"))
    environment = {**NO_HEARTBEATS, "BROADCAST": "inline"}
    try:
        with (
            valkey.admin() as store,
            instances(1, valkey.url, tmp_path, environment=environment) as (inline,),
        ):
            asyncio.run(scenario(inline, store, api, bound))
    finally:
        api.close(0)
