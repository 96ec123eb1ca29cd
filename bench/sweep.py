"""What timeouts cost: ``python -m bench.sweep`` prints how late they are, in three situations.

Everything is bounded and on this machine, so that the store's clock is the
bench's: a lag is the wall clock at which a message arrives less the deadline
that it tells of.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
from websockets.asyncio.client import connect as open_socket

from chalicelib.core.rules import Start, apply
from chalicelib.core.session import create
from chalicelib.core.setup import Participant, SyncMode, TimeoutAction, set_up
from chalicelib.core.timeouts import due_ms
from chalicelib.ports import Commit
from chalicelib.settings import Settings
from chalicelib.store.client import connect
from chalicelib.store.keys import ALL_UPDATES
from chalicelib.store.redis_deadlines import RedisDeadlines
from chalicelib.store.redis_store import RedisStore
from local.embedded import embedded_server
from local.stack import Options, running

from .machine import cpu_seconds
from .measure import percentile

SHARDS = 16
HOUR_MS = 3_600_000
SCREENS = 100
CROWD = 10_000
CYCLE_MS = 10_000
WARM_UP_SECONDS = 3.0
PENDING = (0, 1_000, 10_000, 100_000)
PASSES = 200


@dataclass(frozen=True, slots=True)
class Lag:
    """How late so many timeouts were."""

    count: int
    p50_ms: float
    p95_ms: float
    worst_ms: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Lag:
        return cls(len(values), percentile(values, 50), percentile(values, 95), max(values))

    def __str__(self) -> str:
        return (
            f"{self.count:6} timeouts, after the deadline:"
            f" p50 {self.p50_ms:6.1f} ms, p95 {self.p95_ms:6.1f} ms, worst {self.worst_ms:6.1f} ms"
        )


def running_session(start_ms: int, cycle_ms: int) -> Commit:
    """A creation of a session that has run since ``start_ms`` and skips cycle after cycle."""
    setup = set_up(
        session_id=str(uuid4()),
        sync_mode=SyncMode.PER_CYCLE,
        participants=[Participant(str(uuid4()), position, cycle_ms) for position in range(2)],
        total_time_ms=cycle_ms,
        time_per_cycle_ms=cycle_ms,
        action_on_timeout=TimeoutAction.SKIP_CYCLE,
    )
    decision = apply(create(setup, uuid4().hex, start_ms), Start(), start_ms)
    session = decision.session
    return Commit(
        session=session,
        base_version=0,
        command_id=uuid4().hex,
        events=decision.events,
        due_ms=due_ms(session),
        expires_at_ms=start_ms + HOUR_MS,
        update=b"{}",
    )


@contextmanager
def sweepers(url: str, count: int, log: Path) -> Iterator[list[int]]:
    """So many sweeper processes; their process ids."""
    started: list[subprocess.Popen[bytes]] = []
    variables = {**os.environ, "REDIS_URL": url, "SHARDS": str(SHARDS), "BROADCAST": "relay"}
    try:
        with log.open("ab") as output:
            for _ in range(count):
                process = subprocess.Popen(
                    [sys.executable, "-m", "chalicelib.run_sweeper"],
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=output,
                )
                started.append(process)
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(5)


def crowd(url: str, server_pid: int, log: Path, sweeper_count: int, seconds: float) -> str:
    """10,000 sessions of which 1,000 time out in every second."""
    server = connect(Settings(redis_url=url))
    server.execute("FLUSHALL")
    store = RedisStore(server, SHARDS)
    # Their first deadlines come when all are there, spread over one cycle.
    begin_ms = store.now_ms() + 15_000
    for number in range(CROWD):
        store.commit(running_session(begin_ms - CYCLE_MS + number * CYCLE_MS // CROWD, CYCLE_MS))
    late = store.now_ms() > begin_ms
    lags: list[float] = []
    settled: list[float] = []
    seen: set[tuple[str, str, str]] = set()
    twice = 0
    with (
        sweepers(url, sweeper_count, log) as pids,
        redis.Redis.from_url(url) as client,
        client.pubsub() as heard,
    ):
        heard.psubscribe(ALL_UPDATES)
        measure_from = max(begin_ms / 1000, time.time()) + WARM_UP_SECONDS
        measure_until = measure_from + seconds
        before: list[float] = []
        while (now := time.time()) < measure_until:
            if not before and now >= measure_from:
                before = [cpu_seconds(pid) or 0.0 for pid in (server_pid, *pids)]
            message = heard.get_message(timeout=0.2)
            if message is None or message["type"] != "pmessage":
                continue
            arrived_ms = time.time() * 1000
            if arrived_ms < measure_from * 1000:
                continue
            update = json.loads(message["data"])
            for event in update["events"]:
                if event["type"] == "participant_expired":
                    key = (update["sessionId"], event["at"], event["participant_id"])
                    twice += key in seen
                    seen.add(key)
                    lags.append(arrived_ms - from_iso(event["at"]))
                    settled.append(update["timestamp"] - from_iso(event["at"]))
        spent = [
            ((cpu_seconds(pid) or 0.0) - was) / seconds * 100
            for pid, was in zip((server_pid, *pids), before, strict=True)
        ]
    server.close()
    note = " (filled too slowly: begun with a backlog)" if late else ""
    share = ", ".join(f"{one:.0f} %" for one in spent[1:])
    return "\n  ".join(
        (
            f"{Lag.of(lags)} until told",
            f"{Lag.of(settled)} until settled",
            f"{len(lags) / seconds:.0f}/s, told twice: {twice}{note}",
            f"CPU: store {spent[0]:.0f} %, sweepers {share}",
        )
    )


def look(url: str, pending: int) -> str:
    """The cost of looking at every shard when so many deadlines are to come and none is due."""
    server = connect(Settings(redis_url=url))
    server.execute("FLUSHALL")
    index = RedisDeadlines(server, SHARDS)
    far_ms = int(time.time() * 1000) + HOUR_MS
    for shard in range(SHARDS):
        here = range(shard, pending, SHARDS)
        for first in range(0, len(here), 1_000):
            words: list[str | int] = []
            for number in here[first : first + 1_000]:
                words += [far_ms + number, str(uuid4())]
            server.execute("ZADD", f"deadlines:{{{shard:02}}}", *words)
    for shard in range(SHARDS):
        index.due(shard, 32)
    server.execute("CONFIG", "RESETSTAT")
    took_ms = []
    for _ in range(PASSES):
        before = time.perf_counter()
        for shard in range(SHARDS):
            index.due(shard, 32)
        took_ms.append((time.perf_counter() - before) * 1000)
    text = server.execute("INFO", "commandstats")
    stats = {
        line.split(":")[0]: line
        for line in (text.decode() if isinstance(text, bytes) else str(text)).splitlines()
    }
    each_us = float(stats["cmdstat_evalsha"].split("usec_per_call=")[1].split(",")[0])
    server.close()
    return (
        f"{pending:7} deadlines to come: one pass over {SHARDS} shards"
        f" p50 {percentile(took_ms, 50):5.2f} ms, p95 {percentile(took_ms, 95):5.2f} ms,"
        f" in the store {each_us * SHARDS:4.0f} us"
    )


async def screens(folder: Path, count: int) -> str:
    """The local stack: clocks of a second or two, each watched by a client of its own."""
    os.chdir(Path(__file__).parent.parent)
    options = Options(port=0, ws_port=0, data_dir=folder / "stack")
    async with running(options) as stack:
        lags: list[float] = []

        async def watch(number: int) -> None:
            session_id = str(uuid4())
            allowed_ms = 2_000 + number * 10
            session: dict[str, Any] = {
                "session_id": session_id,
                "sync_mode": "per_participant",
                "total_time_ms": allowed_ms * 2,
                "participants": [
                    {"participant_id": str(uuid4()), "total_time_ms": allowed_ms} for _ in range(2)
                ],
            }
            url = f"{stack.websocket_url}?sessionId={session_id}"
            async with open_socket(url, proxy=None) as socket:
                await socket.recv()
                await post(stack.rest_url, "/v1/sessions", session)
                await post(stack.rest_url, f"/v1/sessions/{session_id}/start", None)
                async for text in socket:
                    arrived_ms = time.time() * 1000
                    for event in json.loads(text).get("events", ()):
                        if event["type"] == "participant_expired":
                            lags.append(arrived_ms - from_iso(event["at"]))
                            return

        async with asyncio.timeout(60), asyncio.TaskGroup() as watching:
            for number in range(count):
                watching.create_task(watch(number))
    return str(Lag.of(lags))


async def post(base: str, path: str, body: object) -> None:
    """One request over a connection of its own; these are not what is measured."""
    host, _, port = base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    payload = b"" if body is None else json.dumps(body).encode()
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n".encode()
        + payload
    )
    answer = await reader.read()
    writer.close()
    assert answer.split(b" ", 2)[1] in (b"200", b"201"), answer[:300]


def from_iso(instant: str) -> float:
    from datetime import datetime  # noqa: PLC0415

    return datetime.fromisoformat(instant).timestamp() * 1000


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.sweep", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the crowd is watched")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tickless-bench-") as name:
        folder = Path(name)
        with embedded_server(folder / "valkey") as server:
            print("Looking, with nothing due")
            for pending in PENDING:
                print("  " + look(server.url, pending), flush=True)
            for count in (1, 2):
                print(f"{CROWD} running sessions, 1,000 timeouts a second, {count} sweeper(s)")
                print(
                    "  " + crowd(server.url, server.pid, folder / "log", count, options.seconds),
                    flush=True,
                )
        print(f"From the deadline to the screen: the local stack, {SCREENS} sessions and clients")
        print("  " + asyncio.run(screens(folder, SCREENS)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
