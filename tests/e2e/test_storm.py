"""Many clients connect and leave within seconds, repeatedly, and leave nothing behind."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

import redis

from tests.servers import RedisProcess

from .client import Client, all_until, has_reached
from .conftest import Size
from .event_log import connections_of
from .instances import (
    Instance,
    Rest,
    awaited,
    descriptors_of,
    resident_mb,
    threads_of,
)
from .measurements import report
from .raw_handshake import address_of, handshake, reset
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


async def connect_and_leave(where: str, session_id: str, chance: random.Random) -> None:
    """Hang up before the handshake is answered: in the midst of it, or while $connect runs."""
    request = handshake(where, session_id)
    if chance.random() < 0.2:
        request = request[: chance.randrange(len(request))]
    patience_s = chance.choice([0.0, 0.02, 0.1]) * chance.random()
    closes_cleanly = chance.random() < 0.5
    _, writer = await asyncio.open_connection(*address_of(where))
    writer.write(request)
    await asyncio.sleep(patience_s)
    if closes_cleanly:
        writer.close()
    else:
        reset(writer)


async def a_storm(pair: list[Instance], store: redis.Redis, many: int, rounds: int) -> None:
    session = a_session()
    session_id = session["session_id"]
    pids = [pid for one in pair for pid in one.pids]
    prints: list[dict[int, Footprint]] = []
    chance = random.Random(1)
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
            callers = [
                connect_and_leave(pair[number % 2].where(), session_id, chance)
                for number in range(many // 2)
            ]
            await asyncio.gather(*callers)
            await all_until(clients, lambda client: client.snapshot, why="welcome message")
            version = (await rest.command(session_id, "switch")).data["version"]
            await all_until(clients, has_reached(version), why="the newest")
            # Half of them close their connection.
            for client in clients[::2]:
                client.vanish()
            await asyncio.gather(*(client.leave() for client in clients[1::2]))
            seconds = time.monotonic() - began
            await awaited(lambda: not connections_of(store, session_id), 30, every_s=0.2)
            prints.append({pid: Footprint.of(pid) for pid in pids})
            report(
                f"{many}, and {len(callers)} who left at once, within {seconds:.1f} s:"
                f" {[prints[-1][pid] for pid in pids]}"
            )
    # The first storm fills pools, which are kept.
    for pid in pids:
        early, last = prints[rounds // 2][pid], prints[-1][pid]
        is_relay = pid in [one.relay_pid for one in pair]
        most = early.descriptors + TOLERATED_DESCRIPTORS if is_relay else MOST_DESCRIPTORS
        assert last.descriptors <= most, pid
        assert last.threads <= early.threads + 4, pid
        assert last.resident_mb <= early.resident_mb + TOLERATED_MB, pid


def test_clients_that_come_and_go_leave_nothing_behind(
    pair: list[Instance], valkey: RedisProcess, size: Size
) -> None:
    with valkey.admin() as store:
        asyncio.run(a_storm(pair, store, size(250, 1_000), size(3, 10)))
