"""Whatever gets lost, a client that follows the protocol ends with the state that GET returns.

Each client needs one heartbeat that gets through; ``heartbeats`` says what that
is. Their heartbeats are short, as a deployment may choose, and all else about
them is as the contract has it. Times here are only those at which a test gives up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import cast

import pytest
import redis

from chalicelib.ports import HeartbeatPolicy
from tests.servers import Proxy, RedisProcess, ask, proxy_to, running, valkey_binary
from tests.waiting import HUNG_AFTER_S

from .client import Client, all_until
from .conftest import Size
from .event_log import remembered, watchers
from .heartbeats import heartbeats_needed
from .instances import Answer, Instance, Rest, awaited, instances, is_running
from .measurements import report
from .sessions import a_session, agrees

HEARTBEAT_POLICY = HeartbeatPolicy(heartbeat_ms=2_000)
SHORT_HEARTBEATS = {"HEARTBEAT_INTERVAL_MS": str(HEARTBEAT_POLICY.heartbeat_ms)}
GIVE_UP_AFTER_S = 90

LOSING_NONE = 1
"""Heartbeats that a client needs at most where all of one gets through."""

LOSING_A_TENTH = 5
"""Of a hundred thousand clients one needs more, where a tenth of the answers is lost."""

LOSING_PAGES = 40
"""Of sixteen pages all come once in five or six times; of three thousand clients one needs more."""

UNHEARD = 5
LOSSES = {
    "seed": 7,
    "drop_posts": 0.1,
    "delay_posts": 0.2,
    "reorder": 0.2,
    "delay_ms": 200,
    "lose_disconnects": 0.5,
}


async def converge(
    what: str,
    rest: Rest,
    session_id: str,
    clients: Sequence[Client],
    at_most: int = LOSING_NONE,
) -> None:
    """Wait until each client shows what GET does, and look how they came to."""
    answer = await persist(rest, "GET", f"sessions/{session_id}")
    since_ms = (await persist(rest, "GET", "time")).body["timestamp_ms"]

    def like_get(client: Client) -> bool:
        if client.snapshot is not None and answer.status == 200:
            place = (client.snapshot.state["session_id"], client.version)
            if place != (session_id, answer.data["version"]):
                return False
        return agrees(client.snapshot, answer)

    await all_until(list(clients), like_get, GIVE_UP_AFTER_S, "what GET shows")
    needed = heartbeats_needed(clients, since_ms)
    report(f"{what}: clients by heartbeats needed {dict(sorted(needed.items()))}")
    assert max(needed) <= at_most, what


async def persist(rest: Rest, method: str, path: str, body: object = None) -> Answer:
    """Ask again while the store or the instance can't be reached."""
    async with asyncio.timeout(HUNG_AFTER_S):
        while True:
            with suppress(OSError, EOFError):
                answer = await rest.call(method, path, body)
                if answer.status != 503:
                    return answer
            await asyncio.sleep(0.05)


async def command(rest: Rest, session_id: str, name: str, **body: object) -> Answer:
    return await persist(rest, "POST", f"sessions/{session_id}/{name}", body or None)


def a_client(instance: Instance, session_id: str) -> Client:
    # CONNECTED may be among what is lost.
    return Client(instance.where, session_id, heartbeat_s=HEARTBEAT_POLICY.heartbeat_ms / 1000)


async def losses(pair: list[Instance], valkey: RedisProcess, switches: int, watching: int) -> None:
    random = Random(1)
    small, large, renewed = a_session(), a_session(1_000, "global"), a_session()
    sessions = [one["session_id"] for one in (small, large, renewed)]
    async with AsyncExitStack() as stack:
        rest = [await stack.enter_async_context(Rest(one.rest_url)) for one in pair]
        watched = {
            session_id: [
                await stack.enter_async_context(a_client(pair[number % 2], session_id))
                for number in range(3 if session_id == large["session_id"] else watching)
            ]
            for session_id in sessions
        }
        for session in (small, large, renewed):
            assert (await rest[0].create(session)).status == 201
            await rest[0].command(session["session_id"], "start")
        fickle = [
            await stack.enter_async_context(a_client(pair[number % 2], small["session_id"]))
            for number in range(10)
        ]
        await all_until(fickle, lambda client: client.snapshot, why="welcome message")
        # Of some, CONNECTED was lost, too.
        names = [client.connection_id for client in fickle if client.connection_id]
        for number in range(switches):
            here = random.choice(rest)
            await here.command(random.choice(sessions), "switch")
            if number == switches // 2:
                await here.delete(renewed["session_id"])
                assert (await here.create(renewed)).status == 201
                await here.command(renewed["session_id"], "start")
        for what, session_id in zip(("small", "large", "renewed"), sessions, strict=True):
            at_most = LOSING_PAGES if what == "large" else LOSING_A_TENTH
            await converge(what, rest[0], session_id, watched[session_id], at_most)
        for client in fickle:
            client.vanish()
        await nothing_outlives_its_connection(valkey, small["session_id"], names)


async def nothing_outlives_its_connection(
    server: RedisProcess, session_id: str, gone: list[str]
) -> None:
    """No client closes their connections, and nothing is posted that could find them gone."""
    assert gone
    with server.admin() as store:
        assert set(remembered(store, gone, HEARTBEAT_POLICY)) <= set(gone), "each for a while only"
        await awaited(lambda: not set(gone) & set(watchers(store, session_id)), GIVE_UP_AFTER_S)
        await awaited(lambda: not remembered(store, gone, HEARTBEAT_POLICY), GIVE_UP_AFTER_S)


@pytest.mark.parametrize("broadcast", ["relay", pytest.param("inline", marks=pytest.mark.failover)])
def test_clients_converge_although_posts_and_disconnects_are_lost(
    valkey: RedisProcess, tmp_path: Path, size: Size, broadcast: str
) -> None:
    environment = {**SHORT_HEARTBEATS, "BROADCAST": broadcast}
    faults = ("--faults", json.dumps(LOSSES))
    with instances(2, valkey.url, tmp_path, *faults, environment=environment) as pair:
        asyncio.run(losses(pair, valkey, size(100, 600), size(6, 40)))


@contextmanager
def durable(directory: Path) -> Iterator[RedisProcess]:
    options = ("--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0")
    with running(valkey_binary(), directory, *options) as server:
        yield server


async def calamities(
    pair: list[Instance], proxy: Proxy, first: RedisProcess, second: RedisProcess, many: int
) -> None:
    doomed, survivor = pair
    at = [doomed]
    session = a_session(5)
    session_id = session["session_id"]
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(Rest(survivor.rest_url))
        await rest.create(session)
        await rest.command(session_id, "start")
        bereft = [
            await stack.enter_async_context(Client(lambda: at[0].websocket_url, session_id))
            for _ in range(many)
        ]
        others = [
            await stack.enter_async_context(Client(survivor.where, session_id))
            for _ in range(many // 10)
        ]
        clients = bereft + others
        await all_until(clients, lambda client: client.version == 2, why="welcome message")
        orphans = [client.connection_id for client in bereft]

        at[0] = survivor
        its_relay = doomed.relay_pid
        assert its_relay is not None
        doomed.kill()
        for _ in range(20):
            await command(rest, session_id, "switch")
        await converge("an instance killed", rest, session_id, clients)
        await awaited(lambda: not is_running(its_relay))
        assert {client.connections for client in bereft} == {2}
        assert {client.connections for client in others} == {1}
        await nothing_outlives_its_connection(first, session_id, orphans)

        first.kill()
        await asyncio.to_thread(first.start)
        for _ in range(20):
            await command(rest, session_id, "switch")
        await converge("the store restarted", rest, session_id, clients)

        behind = await fall_behind(rest, session_id, clients, first, second)
        proxy.lead_to(second.port)
        proxy.cut()
        answer = await persist(rest, "GET", f"sessions/{session_id}")
        assert answer.data["version"] == behind
        await converge("the store behind", rest, session_id, clients)

        # Once more, and now the lost versions are made again, differently, before
        # a client can have noticed that they were lost.
        behind = await fall_behind(rest, session_id, clients, second, first)
        proxy.lead_to(first.port)
        proxy.cut()
        for _ in range(UNHEARD):
            successor = {"next_participant_id": session["participants"][0]["participant_id"]}
            answer = await command(rest, session_id, "switch", **successor)
        assert answer.data["version"] == behind + UNHEARD
        await converge("versions made twice", rest, session_id, clients)
        await command(rest, session_id, "switch")
        await converge("and on", rest, session_id, clients)

        # Another client's, under the same id: versions count from 1 again.
        await persist(rest, "DELETE", f"sessions/{session_id}")
        assert (await persist(rest, "POST", "sessions", session)).status == 201
        await converge("created again", rest, session_id, clients)

        # Nothing was persisted: neither the session nor its connections are known any more.
        first.kill()
        await asyncio.to_thread(first.start, "--appendonly", "no")
        await converge("the store restarted, empty", rest, session_id, clients)
        assert (await persist(rest, "POST", "sessions", session)).status == 201
        await converge("created a third time", rest, session_id, clients)
        await persist(rest, "DELETE", f"sessions/{session_id}")
        await converge("deleted", rest, session_id, clients)


async def fall_behind(
    rest: Rest,
    session_id: str,
    clients: Sequence[Client],
    ahead: RedisProcess,
    behind: RedisProcess,
) -> int:
    """Make one server a replica of the other and have it miss the latest; the version it has."""
    with behind.admin() as replica, ahead.admin() as primary:
        ask(replica, "REPLICAOF", "127.0.0.1", ahead.port)
        await awaited(lambda: is_in_step(replica))
        version: int = (await command(rest, session_id, "switch")).data["version"]
        assert ask(primary, "WAIT", 1, 5_000) == 1
        ask(replica, "REPLICAOF", "NO", "ONE")
    for _ in range(UNHEARD):
        await command(rest, session_id, "switch")
    last = version + UNHEARD
    await all_until(list(clients), lambda client: client.version == last, why="the lost ones")
    return version


def is_in_step(replica: redis.Redis) -> bool:
    facts = cast(dict[str, object], replica.info("replication"))
    return facts.get("master_link_status") == "up"


@pytest.mark.failover
def test_clients_converge_after_a_kill_a_restart_and_a_failover(tmp_path: Path, size: Size) -> None:
    with (
        durable(tmp_path / "first") as first,
        durable(tmp_path / "second") as second,
        proxy_to(first.port) as proxy,
        instances(2, proxy.url, tmp_path, environment=SHORT_HEARTBEATS) as pair,
    ):
        asyncio.run(calamities(pair, proxy, first, second, size(40, 100)))
