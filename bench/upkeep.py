"""From a switch to a screen, while the relay goes through the sessions that are watched.

Switches are sent at their time whether or not those before have arrived: one
that waited for the last could meet each sweep only once, however long it takes.
The crowd is lines on lists of the store: nothing is posted to them, but each sweep
reads them. They are registered as last seen in a day, so that none is silent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from uuid import uuid4

import redis

from chalicelib.settings import Settings
from chalicelib.store.keys import SessionKeys

from .delivery import Switching, connection_of
from .http_client import Connection
from .lab import Lab, Stack
from .measure import Block, Contender, Progress, Samples, latency_ratio, take_turns
from .plan import Plan
from .report import Check, Result, Row
from .sessions import aged, creation
from .watchers import Watchers, watching

ALONE, BESIDE = "switch to delivery, between sweeps", "switch to delivery, during sweeps"
DAY_MS = 86_400_000

SWEPT_EVERY_MS = 500
"""After so long without a sweep there is another."""

SWITCHED_EVERY_NS = 10_000_000


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    swept_often = {"HEARTBEAT_INTERVAL_MS": str(SWEPT_EVERY_MS)}
    with ExitStack() as parts:
        stack = parts.enter_context(lab.another_app("swept", swept_often))
        watchers = parts.enter_context(watching())
        contenders = {
            name: Contender(
                partial(_switch_in_time, _switching(parts, lab, one, watchers)),
                {"relay": one.relay_cpu_seconds, "valkey": lab.valkey_cpu_seconds},
            )
            for name, one in ((ALONE, lab.app), (BESIDE, stack))
        }
        progress(f"{plan.watched_sessions} watched sessions")
        parts.enter_context(_crowd(lab.valkey.url, stack, plan.watched_sessions))
        samples = take_turns(
            contenders,
            rounds=plan.upkeep_rounds,
            count=plan.upkeep_count,
            budget_seconds=plan.budget_seconds,
            progress=progress,
        )
    p95_ms = samples[BESIDE].p95_ms
    return Result(
        "upkeep",
        "A relay that sweeps",
        f"Two `python -m local` on one store with {plan.watched_sessions:,} watched sessions, and a"
        " client each, as above; a switch every 10 ms, whatever has been heard of those before. The"
        " relay of the one looks for silent connections every 30 s, that of the other"
        f" {SWEPT_EVERY_MS} ms after it has last been through.",
        [_row(ALONE, samples), _row(BESIDE, samples)],
        [
            Check(
                "switch to delivery, during sweeps, p95",
                f"{p95_ms:.2f} ms",
                "< 50 ms",
                p95_ms < 50,
                "<= 2 x that between sweeps",
                p95_ms <= 2 * samples[ALONE].p95_ms,
            )
        ],
    )


def _switching(parts: ExitStack, lab: Lab, stack: Stack, watchers: Watchers) -> Switching:
    connection = Connection(stack.port)
    parts.callback(connection.close)
    session_id = aged(lab.valkey.url, creation(2))
    watchers.open(session_id, stack.watching(session_id), 1)
    connection_id = connection_of(watchers, session_id)
    # It will say nothing more, and must not be taken for silent.
    with redis.Redis.from_url(lab.valkey.url) as client:
        _put_on_list(client, stack, session_id, connection_id)
    return Switching(connection, watchers, session_id)


def _switch_in_time(switching: Switching, count: int) -> Block:
    began_ns = time.monotonic_ns()
    sent = {}
    for number in range(count):
        due_ns = began_ns + number * SWITCHED_EVERY_NS
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        # As seen by its reader, should the one before have taken long.
        sent[switching.switch()] = due_ns
    arrivals_ns = {
        version: switching.watchers.arrivals_ns(switching.session_id, version) for version in sent
    }
    latencies_ms = [(arrivals_ns[version][0] - due_ns) / 1e6 for version, due_ns in sent.items()]
    return Block(latencies_ms, (time.monotonic_ns() - began_ns) / 1e9)


@contextmanager
def _crowd(redis_url: str, stack: Stack, count: int) -> Iterator[None]:
    session_ids = [str(uuid4()) for _ in range(count)]
    with redis.Redis.from_url(redis_url) as client:
        with client.pipeline(transaction=False) as together:
            for session_id in session_ids:
                _put_on_list(together, stack, session_id, uuid4().hex)
            together.execute()
        try:
            yield
        finally:
            client.unlink(*map(_list_of, session_ids))


def _put_on_list(client: redis.Redis, stack: Stack, session_id: str, connection_id: str) -> None:
    last_seen_at_ms = int(time.time() * 1000) + DAY_MS
    client.hset(
        _list_of(session_id),
        connection_id,
        f"{last_seen_at_ms} {last_seen_at_ms} {stack.management_url}",
    )


def _list_of(session_id: str) -> str:
    return SessionKeys.of(session_id, Settings().shards).connections


def _row(name: str, samples: dict[str, Samples]) -> Row:
    found = samples[name]
    return {
        "what": name,
        "count": found.count,
        "p50_ms": found.p50_ms,
        "p95_ms": found.p95_ms,
        "relay_cpu_ms": found.cpu_ms("relay"),
        "valkey_cpu_ms": found.cpu_ms("valkey"),
        "floor": ALONE if name == BESIDE else None,
        "ratio": latency_ratio(found, samples[ALONE]) if name == BESIDE else None,
    }
