"""When an instance stops or is killed, its clients reconnect and nothing of it remains."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from tests.servers import RedisProcess

from .client import Client, all_until
from .event_log import remembered, watchers
from .instances import Instance, Rest, awaited, children_of, instances, is_running
from .sessions import a_session

GOING_AWAY = 1001


async def an_ending(ending: Instance, staying: Instance, valkey: RedisProcess, how: str) -> None:
    session = a_session()
    session_id = session["session_id"]
    children = children_of(ending.pid)
    assert len(children) == 2
    assert ending.relay_pid in children
    at = [ending]
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(Rest(staying.rest_url))
        await rest.create(session)
        clients = [
            await stack.enter_async_context(Client(lambda: at[0].websocket_url, session_id))
            for _ in range(20)
        ]
        await all_until(clients, lambda client: client.version == 1, why="welcome message")
        names = [client.connection_id for client in clients]
        at[0] = staying
        if how == "kill":
            ending.kill()
        else:
            assert await asyncio.to_thread(ending.stop) == 0
        await all_until(clients, lambda client: client.connections == 2, why="the other instance")
        expected = GOING_AWAY if how == "stop" else None
        assert [client.closes[0][0] for client in clients] == [expected] * 20
        await awaited(lambda: not any(map(is_running, children)))
        await rest.command(session_id, "start")
        await all_until(clients, lambda client: client.version == 2, why="started")
        with valkey.admin() as store:
            left = [name for name in names if name in watchers(store, session_id)]
            # A killed instance deregisters no connection; their records expire.
            assert left == (names if how == "kill" else [])
            assert remembered(store, names) == left


def test_clients_reconnect_to_the_other_instance_and_no_process_remains(
    valkey: RedisProcess, tmp_path: Path, pair: list[Instance]
) -> None:
    with instances(2, valkey.url, tmp_path) as (stopped, killed):
        asyncio.run(an_ending(stopped, pair[1], valkey, "stop"))
        asyncio.run(an_ending(killed, pair[1], valkey, "kill"))
