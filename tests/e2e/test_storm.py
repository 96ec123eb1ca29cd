"""Many come and go within seconds, again and again, and nothing of them stays."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial

import redis

from tests.servers import RedisProcess

from .client import Client, all_until, has_reached
from .conftest import Size
from .figures import tell
from .instances import (
    Instance,
    Rest,
    awaited,
    descriptors_of,
    resident_mb,
    threads_of,
)
from .records import remembered, watchers
from .sessions import a_session

TOLERATED_MB = 8.0
TOLERATED_DESCRIPTORS = 16
MOST_DESCRIPTORS = 400
"""An instance keeps its connections to the store and to @connections, as many as have ever been
wanted at once; ten storms of a thousand have come to 350, whenever they came to it."""


@dataclass(frozen=True)
class Footprint:
    """What a process holds."""

    descriptors: int
    threads: int
    resident_mb: float

    @classmethod
    def of(cls, pid: int) -> Footprint:
        return cls(descriptors_of(pid), threads_of(pid), resident_mb(pid))


def all_forgotten(store: redis.Redis, names: list[str]) -> bool:
    return not remembered(store, names)


async def a_storm(pair: list[Instance], store: redis.Redis, many: int, rounds: int) -> None:
    session = a_session()
    session_id = session["session_id"]
    pids = [pid for one in pair for pid in one.pids]
    prints: list[dict[int, Footprint]] = []
    async with Rest(pair[0].rest_url) as rest:
        await rest.create(session)
        await rest.command(session_id, "start")
        for _ in range(rounds):
            began = time.monotonic()
            clients = [
                Client(pair[number % 2].where, session_id, keeps_messages=False)
                for number in range(many)
            ]
            for client in clients:
                await client.__aenter__()
            await all_until(clients, lambda client: client.held, 60, "a greeting")
            version = (await rest.command(session_id, "switch")).data["version"]
            await all_until(clients, has_reached(version), 60, "the newest")
            names = [client.connection_id for client in clients]
            # Half of them say goodbye.
            for client in clients[::2]:
                client.vanish()
            await asyncio.gather(*(client.leave() for client in clients[1::2]))
            seconds = time.monotonic() - began
            await awaited(lambda: not watchers(store, session_id), 30)
            await awaited(partial(all_forgotten, store, names), 30)
            prints.append({pid: Footprint.of(pid) for pid in pids})
            tell(f"{many} within {seconds:.1f} s: {[prints[-1][pid] for pid in pids]}")
    for pid in pids:
        early, last = prints[rounds // 2][pid], prints[-1][pid]
        is_relay = pid in [one.relay_pid for one in pair]
        most = early.descriptors + TOLERATED_DESCRIPTORS if is_relay else MOST_DESCRIPTORS
        assert last.descriptors <= most, pid
        assert last.threads <= early.threads + 4, pid
        assert last.resident_mb <= early.resident_mb + TOLERATED_MB, pid


def test_who_comes_and_goes_leaves_nothing_behind(
    pair: list[Instance], valkey: RedisProcess, size: Size
) -> None:
    with valkey.admin() as store:
        asyncio.run(a_storm(pair, store, size(250, 1_000), size(3, 10)))
