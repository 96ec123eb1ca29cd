"""What timeouts cost: how late they are reported, and what it takes to find that none is due.

Everything is on this machine, so the store's clock is the bench's: a lag is the
wall clock at which a message arrives, less the deadline that it reports. The
crowd and the pending deadlines have a store of their own, which no other benchmark
sweeps.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
from websockets.asyncio.client import connect as open_socket

from chalicelib.core.commands import Start, apply
from chalicelib.core.session import create
from chalicelib.core.setup import Participant, SyncMode, TimeoutAction, create_setup
from chalicelib.ports import Commit
from chalicelib.settings import Settings
from chalicelib.store.client import RedisClient
from chalicelib.store.deadline_index import RedisDeadlines
from chalicelib.store.keys import ALL_UPDATES, deadlines, shard_tag
from chalicelib.store.session_store import RedisStore
from local.embedded_valkey import EmbeddedValkey, embedded_valkey

from .http_client import Connection, request
from .lab import ROOT, Lab, Stack
from .machine import cpu_seconds
from .measure import Block, Contender, Progress, Samples, latency_ratio, percentile, take_turns
from .plan import Plan
from .report import Check, Result, Row
from .sessions import HOUR_MS, creation_commit

SHARDS = 16
AT_ONCE = 32
CYCLE_MS = 10_000
FILLED_A_SECOND = 2_000
"""A machine that creates fewer sessions than this begins with a backlog, and says so."""


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    lags_ms = asyncio.run(_screens(lab.app, plan.screens, progress))
    with embedded_valkey(lab.directory / "swept") as server:
        looks = _looks(server, plan, progress)
        crowds = {
            count: _crowd(server, lab.directory, plan, count, progress) for count in plan.sweepers
        }
    reported_twice = sum(crowd.reported_twice for crowd in crowds.values())
    return Result(
        "sweep",
        "Timeouts without a request",
        f"Screens: `python -m local`, {plan.screens} sessions with a clock of a second or two and a"
        " client each, from a deadline to its update at the client. Crowd: so many sessions that"
        " skip cycle after cycle of 10 s, with 1 or 2 sweeper processes, from a deadline to its"
        " update on the session's channel; CPU is of the sweepers, for each timeout. Looks: every"
        f" one of {SHARDS} shards asked what is due, with so many deadlines to come and none due.",
        [
            _lag_row("deadline to screen", lags_ms),
            *(crowd.row(count) for count, crowd in crowds.items()),
            *_look_rows(looks),
        ],
        _checks(lags_ms, crowds, looks),
        sound=reported_twice == 0,
    )


def _lag_row(what: str, lags_ms: list[float]) -> Row:
    return {
        "what": what,
        "count": len(lags_ms),
        "p50_ms": percentile(lags_ms, 50),
        "p95_ms": percentile(lags_ms, 95),
    }


def _look_rows(looks: dict[str, Samples]) -> Iterator[Row]:
    (first, floor), *_ = looks.items()
    for name, samples in looks.items():
        yield {
            "what": name,
            "count": samples.count,
            "p50_ms": samples.p50_ms,
            "p95_ms": samples.p95_ms,
            "valkey_cpu_ms": samples.cpu_ms("valkey"),
            "floor": None if samples is floor else first,
            "ratio": None if samples is floor else latency_ratio(samples, floor),
        }


def _checks(
    lags_ms: list[float], crowds: dict[int, _Crowd], looks: dict[str, Samples]
) -> list[Check]:
    screen_ms = percentile(lags_ms, 95)
    alone = next(iter(crowds.values()))
    crowd_ms = percentile(alone.lags_ms, 95)
    reported_twice = sum(crowd.reported_twice for crowd in crowds.values())
    (_, floor), *_, (most, samples) = looks.items()
    growth = latency_ratio(samples, floor)
    return [
        Check(
            "deadline to screen, p95",
            f"{screen_ms:.1f} ms",
            "<= 100 ms",
            screen_ms <= 100,
            "<= 20 ms",
            screen_ms <= 20,
        ),
        Check(
            f"lag with {alone.per_second:,.0f} timeouts a second, one sweeper, p95",
            f"{crowd_ms:.0f} ms{alone.backlog}",
            "<= 1,000 ms",
            crowd_ms <= 1_000,
            "<= 200 ms",
            crowd_ms <= 200,
        ),
        Check("timeouts told twice", str(reported_twice), "0", reported_twice == 0),
        Check(f"{most}, compared with none", f"{growth:.2f} x", "does not grow", growth < 1.5),
    ]


# Screens


async def _screens(stack: Stack, count: int, progress: Progress) -> list[float]:
    """Clocks of a second or two, each watched by a client of its own."""
    progress(f"{count} screens")
    async with asyncio.timeout(60), asyncio.TaskGroup() as watching:
        tasks = [watching.create_task(_watch(stack, 2_000 + 10 * one)) for one in range(count)]
    return [task.result() for task in tasks]


async def _watch(stack: Stack, allowed_ms: int) -> float:
    session_id = str(uuid4())
    session: dict[str, Any] = {
        "session_id": session_id,
        "sync_mode": "per_participant",
        "total_time_ms": allowed_ms,
        "participants": [
            {"participant_id": str(uuid4()), "total_time_ms": allowed_ms} for _ in range(2)
        ],
    }
    async with open_socket(stack.watching(session_id), proxy=None) as socket:
        await socket.recv()
        # One at a time, and while no clock runs yet: this is not what is measured.
        connection = Connection(stack.port)
        connection.exchange(request("POST", "/v1/sessions", json.dumps(session).encode()))
        connection.exchange(request("POST", f"/v1/sessions/{session_id}/start", b"{}"))
        connection.close()
        async for text in socket:
            arrived_ms = time.time() * 1000
            for event in json.loads(text).get("events", ()):
                if event["type"] == "participant_expired":
                    return arrived_ms - _instant_ms(event["at"])
    raise RuntimeError(f"The socket of {session_id} was closed")


def _instant_ms(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp() * 1000


# Looks


def _looks(server: EmbeddedValkey, plan: Plan, progress: Progress) -> dict[str, Samples]:
    """What one look at every shard costs, by how many deadlines are to come."""
    progress("looks")
    store = RedisClient(Settings(redis_url=server.url))
    contenders = {}
    for number, pending in enumerate(plan.pending):
        # A set of keys of its own for each, so that they can take turns.
        first_shard = number * SHARDS
        index = RedisDeadlines(store, first_shard + SHARDS)
        _fill(store, first_shard, pending)
        contenders[f"one look, {pending:,} to come"] = Contender(
            _Looking(index, range(first_shard, first_shard + SHARDS)).do,
            {"valkey": lambda: cpu_seconds(server.pid)},
        )
    samples = take_turns(
        contenders,
        rounds=plan.look_rounds,
        count=plan.look_count,
        budget_seconds=plan.budget_seconds,
        progress=progress,
    )
    store.execute("FLUSHALL")
    store.close()
    return samples


def _fill(store: RedisClient, first_shard: int, pending: int) -> None:
    far_ms = int(time.time() * 1000) + HOUR_MS
    for shard in range(SHARDS):
        here = range(shard, pending, SHARDS)
        for first in range(0, len(here), 1_000):
            words: list[str | int] = []
            for number in here[first : first + 1_000]:
                words += [far_ms + number, str(uuid4())]
            store.execute("ZADD", deadlines(shard_tag(first_shard + shard)), *words)


@dataclass(frozen=True, slots=True)
class _Looking:
    index: RedisDeadlines
    shards: range

    def do(self, count: int) -> Block:
        latencies_ms = []
        began = time.perf_counter()
        for _ in range(count):
            before = time.perf_counter()
            for shard in self.shards:
                self.index.due(shard, AT_ONCE)
            latencies_ms.append((time.perf_counter() - before) * 1000)
        return Block(latencies_ms, time.perf_counter() - began)


# The crowd


@dataclass(slots=True)
class _Crowd:
    """What was received from a crowd of sessions while it was measured."""

    lags_ms: list[float] = field(default_factory=list)
    reported_twice: int = 0
    seconds: float = 0.0
    sweepers_cpu_seconds: float = 0.0
    backlog: str = ""
    _seen: set[tuple[str, str]] = field(default_factory=set)

    @property
    def per_second(self) -> float:
        return len(self.lags_ms) / self.seconds

    def record(self, update: dict[str, Any], arrived_ms: float) -> None:
        for event in update["events"]:
            if event["type"] == "participant_expired":
                # A session's clocks run out one after another, never two at one instant.
                timeout = update["sessionId"], event["at"]
                self.reported_twice += timeout in self._seen
                self._seen.add(timeout)
                self.lags_ms.append(arrived_ms - _instant_ms(event["at"]))

    def row(self, sweepers: int) -> Row:
        return {
            **_lag_row(f"crowd, {sweepers} sweeper{'s' if sweepers > 1 else ''}", self.lags_ms),
            "per_second": self.per_second,
            "cpu_ms": self.sweepers_cpu_seconds * 1000 / len(self.lags_ms),
        }


def _crowd(
    server: EmbeddedValkey, directory: Path, plan: Plan, sweepers: int, progress: Progress
) -> _Crowd:
    store = RedisStore(client := RedisClient(Settings(redis_url=server.url)), SHARDS)
    # Their first deadlines come when all are there, spread over one cycle.
    begin_ms = store.now_ms() + 1_000 + plan.crowd_sessions * 1_000 // FILLED_A_SECOND
    for first in range(0, plan.crowd_sessions, 100):
        progress(f"{sweepers} sweepers, {first} sessions of {plan.crowd_sessions}")
        starts_ms = [
            begin_ms - CYCLE_MS + number * CYCLE_MS // plan.crowd_sessions
            for number in range(first, min(first + 100, plan.crowd_sessions))
        ]
        store.commit_many([_running_session(start_ms) for start_ms in starts_ms])
    crowd = _Crowd(backlog=", begun with a backlog" if store.now_ms() > begin_ms else "")
    with (
        _sweeping(server.url, sweepers, directory / "sweepers.log") as pids,
        redis.Redis.from_url(server.url) as subscriber,
        subscriber.pubsub() as subscription,
    ):
        subscription.psubscribe(ALL_UPDATES)
        from_s = max(begin_ms / 1000, time.time()) + plan.crowd_warm_up_seconds
        _listen(subscription, until_s=from_s, crowd=None)
        progress(f"{sweepers} sweepers, {plan.crowd_seconds:.0f} s")
        cpu_before, began = _cpu_seconds(pids), time.time()
        _listen(subscription, until_s=from_s + plan.crowd_seconds, crowd=crowd)
        crowd.seconds = time.time() - began
        crowd.sweepers_cpu_seconds = _cpu_seconds(pids) - cpu_before
    client.execute("FLUSHALL")
    client.close()
    return crowd


def _listen(subscription: redis.client.PubSub, until_s: float, crowd: _Crowd | None) -> None:
    while time.time() < until_s:
        message = subscription.get_message(timeout=0.2)
        if crowd is not None and message is not None and message["type"] == "pmessage":
            crowd.record(json.loads(message["data"]), time.time() * 1000)


def _cpu_seconds(pids: list[int]) -> float:
    return sum(cpu_seconds(pid) or 0.0 for pid in pids)


def _running_session(start_ms: int) -> Commit:
    """A creation of a session that has run since ``start_ms`` and skips cycle after cycle."""
    setup = create_setup(
        session_id=str(uuid4()),
        sync_mode=SyncMode.PER_CYCLE,
        participants=[Participant(str(uuid4()), position, CYCLE_MS) for position in range(2)],
        total_time_ms=CYCLE_MS,
        action_on_timeout=TimeoutAction.SKIP_CYCLE,
    )
    return creation_commit(apply(create(setup, uuid4().hex, start_ms), Start(), start_ms))


@contextmanager
def _sweeping(url: str, count: int, log: Path) -> Iterator[list[int]]:
    """So many sweeper processes; their process ids."""
    variables = {**os.environ, "REDIS_URL": url, "SHARDS": str(SHARDS), "BROADCAST": "relay"}
    started: list[subprocess.Popen[bytes]] = []
    try:
        with log.open("ab") as output:
            for _ in range(count):
                process = subprocess.Popen(
                    [sys.executable, "-m", "chalicelib.workers.sweeper"],
                    cwd=ROOT,
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
            if process.stdout is not None:
                process.stdout.close()
