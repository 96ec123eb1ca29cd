"""Two instances on one store: each client receives every version."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.servers import Cluster, RedisProcess

from .client import FRAME_BYTES, Client, all_until, has_reached
from .conftest import NO_HEARTBEATS, Size
from .instances import Instance, Rest, instances
from .measurements import report
from .sessions import a_session, differences

EACH = 10
AHEAD = 100
"""So many versions the slowest may be behind: what a machine can post a second is no claim here."""


async def every_client_receives_every_version(pair: list[Instance], commands: int) -> None:
    """Commands alternate between the instances, and between REST and the socket."""
    session = a_session()
    session_id = session["session_id"]
    async with AsyncExitStack() as stack:
        rest = [await stack.enter_async_context(Rest(one.rest_url)) for one in pair]
        assert (await rest[0].create(session)).status == 201
        clients = [
            await stack.enter_async_context(Client(one.where, session_id))
            for one in pair
            for _ in range(EACH)
        ]
        await all_until(clients, lambda client: client.version == 1, why="welcome message")
        await rest[0].command(session_id, "start")
        began = time.monotonic()
        for number in range(commands - 1):
            if number % AHEAD == 0:
                await all_until(clients, has_reached(number - AHEAD))
            # Two each by REST and by socket, one of either at each instance.
            if number % 4 < 2:
                answer = await rest[number % 2].command(session_id, "switch")
                assert answer.data["version"] == number + 3
            else:
                version = await clients[EACH * (number % 2)].command("switch")
                assert version == number + 3
        last = commands + 1
        await all_until(clients, lambda client: client.version == last, why="the last version")
        seconds = time.monotonic() - began
        answer = await rest[1].get(session_id)
        for client in clients:
            received = [update["version"] for update in client.received("STATE_UPDATE")]
            assert sorted(received) == list(range(2, last + 1)), "each version once"
            in_order = [version for _, version in client.shown]
            assert in_order == sorted(set(in_order))
            assert in_order[-1] == last
            assert client.snapshot is not None
            assert differences(client.snapshot, answer) == []
            assert (client.connections, client.reconnects) == (1, 0)
            assert client.largest_bytes <= FRAME_BYTES
    report(f"{commands} commands, {2 * EACH} clients: {commands / seconds:.0f} commands/s")


def test_every_client_of_two_instances_receives_every_version_once(
    pair_without_heartbeats: list[Instance], size: Size
) -> None:
    asyncio.run(every_client_receives_every_version(pair_without_heartbeats, size(300, 1_000)))


def test_every_client_receives_every_version_once_with_inline_broadcast(
    valkey: RedisProcess, tmp_path: Path, size: Size
) -> None:
    environment = {**NO_HEARTBEATS, "BROADCAST": "inline"}
    with instances(2, valkey.url, tmp_path, environment=environment) as pair:
        assert [one.relay_pid for one in pair] == [None, None]
        asyncio.run(every_client_receives_every_version(pair, size(100, 1_000)))


@pytest.mark.failover
def test_every_client_receives_every_version_once_on_a_cluster(
    own_cluster: Cluster, tmp_path: Path, size: Size
) -> None:
    environment = {**NO_HEARTBEATS, "REDIS_CLUSTER": "true"}
    with instances(2, own_cluster.url, tmp_path, environment=environment) as pair:
        asyncio.run(every_client_receives_every_version(pair, size(300, 1_000)))


async def newcomers_in_a_flood(pair: list[Instance], newcomers: int) -> None:
    session = a_session()
    session_id = session["session_id"]
    async with AsyncExitStack() as stack:
        rest = [await stack.enter_async_context(Rest(one.rest_url)) for one in pair]
        await rest[0].create(session)
        await rest[0].command(session_id, "start")
        all_connected = asyncio.Event()

        async def flood(one: Rest) -> int:
            switches = 0
            while not all_connected.is_set():
                await one.command(session_id, "switch")
                switches += 1
            return switches

        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            floods = [group.create_task(flood(one)) for one in rest]
            clients = []
            for number in range(newcomers):
                clients.append(
                    await stack.enter_async_context(Client(pair[number % 2].where, session_id))
                )
                if number % 20 == 19:
                    # In waves, so that there is a flood left for the last to meet.
                    await all_until(
                        clients, lambda client: client.snapshot, why="something to show"
                    )
            all_connected.set()
        versions = 2 + sum(task.result() for task in floods)
        seconds = time.monotonic() - began
        answer = await rest[0].get(session_id)
        assert answer.data["version"] == versions
        await all_until(clients, lambda client: client.version == versions, why="the newest")
        # On a busy machine news may come late enough to be asked for, and yet it comes.
        await all_until(clients, has_missed_nothing, why="each version since the welcome message")
        for client in clients:
            assert client.snapshot is not None
            assert differences(client.snapshot, answer) == []
            assert client.connections == 1
    report(f"{newcomers} newcomers within {seconds:.1f} s, {versions} versions meanwhile")


def has_missed_nothing(client: Client) -> bool:
    """Whether it received each version after the welcome message's, without asking for it."""
    welcome_version = client.received("STATE_SYNC")[0]["version"]
    updates = {update["version"] for update in client.received("STATE_UPDATE")}
    assert client.snapshot is not None
    return updates.issuperset(range(welcome_version + 1, client.snapshot.version + 1))


def test_client_that_connects_during_a_flood_of_updates_misses_no_version(
    pair: list[Instance], size: Size
) -> None:
    asyncio.run(newcomers_in_a_flood(pair, size(100, 200)))
