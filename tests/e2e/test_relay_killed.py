"""The relay is killed under load: clients stay connected and end up current."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from local.supervision import RESTART_DELAYS_SECONDS
from local.worker_processes import START_SECONDS
from tests.servers import RedisProcess
from tests.waiting import Bound

from .client import Client, all_until, has_reached
from .conftest import Size
from .instances import Instance, Rest, awaited, instances
from .measurements import report
from .sessions import a_session, agrees

SESSIONS = 8
KILLS = 3

REFRESHED_WITHIN_S = 3.0
"""A relay that listens goes through a handful of sessions at once; the rest is a margin."""

HEARTBEAT_MS = 300_000
"""Longer than the test: no heartbeat helps a client to converge."""


async def command(rest: Rest, session_ids: list[str], enough: asyncio.Event) -> None:
    while not enough.is_set():
        for session_id in session_ids:
            await rest.command(session_id, "switch")


async def kill_relay(instance: Instance) -> None:
    killed = instance.relay_pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    # Its successor is there, though it may be long before it listens.
    await awaited(lambda: instance.relay_pid not in (None, killed))


async def scenario(instance: Instance, watching_each: int, bound: Bound) -> None:
    sessions = [a_session() for _ in range(SESSIONS)]
    session_ids = [session["session_id"] for session in sessions]
    async with Rest(instance.rest_url) as rest, Rest(instance.rest_url) as asking:
        for session in sessions:
            await rest.create(session)
            await rest.command(session["session_id"], "start")
        clients = [
            Client(instance.where, session_id, heartbeat_s=HEARTBEAT_MS / 1000)
            for session_id in session_ids
            for _ in range(watching_each)
        ]
        for client in clients:
            await client.__aenter__()
        await all_until(clients, lambda client: client.snapshot, why="welcome message")

        for kill in range(KILLS):
            enough = asyncio.Event()
            commanding = asyncio.create_task(command(rest, session_ids, enough))
            first = [client.version for client in clients]
            # Under way: each client has received some of it.
            await all_until(clients, has_reached(max(first) + 2), why="commands")
            await kill_relay(instance)
            enough.set()
            await commanding
            # Nothing more happens: only a snapshot can contain what was missed.
            quiet_s = time.monotonic()
            newest = {one: await asking.get(one) for one in session_ids}
            await asyncio.gather(
                *(
                    client.until(
                        has_reached(newest[client.session_id].data["version"]),
                        bound(RESTART_DELAYS_SECONDS[kill] + START_SECONDS + REFRESHED_WITHIN_S),
                        f"the newest after kill {kill + 1}",
                    )
                    for client in clients
                )
            )
            report(
                f"kill {kill + 1}: {len(clients)} clients at the newest version"
                f" {time.monotonic() - quiet_s:.2f} s after the last command"
            )
            assert all(agrees(client.snapshot, newest[client.session_id]) for client in clients)

        # No client was cut off, and none had to ask.
        assert {client.connections for client in clients} == {1}
        assert [close for client in clients for close in client.closes] == []
        assert sum(client.reconnects for client in clients) == 0
        assert all(client.kinds["STATE_SYNC"] >= 1 + KILLS for client in clients)
        await asyncio.gather(*(client.leave() for client in clients))


def test_clients_are_current_after_a_killed_relay_is_replaced(
    valkey: RedisProcess, tmp_path: Path, size: Size, bound: Bound
) -> None:
    heartbeat = {"HEARTBEAT_INTERVAL_MS": str(HEARTBEAT_MS)}
    with instances(1, valkey.url, tmp_path, environment=heartbeat) as (instance,):
        asyncio.run(scenario(instance, size(4, 50), bound))
