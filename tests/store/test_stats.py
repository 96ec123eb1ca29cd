"""Contract of the store's statistics: the fake and Redis, standalone and Cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from chalicelib.core.commands import Cancel, Command, Complete, Pause, Start, Switch
from chalicelib.core.session import Status
from chalicelib.ports import (
    ConnectionRegistry,
    HeartbeatPolicy,
    SessionStore,
    StatsReader,
    StoreStats,
)
from chalicelib.settings import Settings
from chalicelib.store.client import RedisClient
from chalicelib.store.connection_registry import RedisConnections
from chalicelib.store.keys import SessionKeys
from chalicelib.store.session_store import RedisStore
from chalicelib.store.stats import RedisStats
from tests.fakes import FakeRegistry, FakeStats, FakeStore
from tests.servers import redis7_binary, running, running_cluster, valkey_binary
from tests.store.sessions import HOUR_MS, created, next_of, started

SHARDS = 3
HEARTBEAT_POLICY = HeartbeatPolicy()
HERE = "http://127.0.0.1:8001/dev"


@dataclass
class Place:
    store: SessionStore
    registry: ConnectionRegistry
    stats: StatsReader
    server: RedisClient | None = None


@pytest.fixture(params=["fake", "valkey", "redis7", "cluster"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Statistics of nothing yet."""
    if request.param == "fake":
        store = FakeStore()
        registry = FakeRegistry(store)
        yield Place(store, registry, FakeStats(store, registry))
        return
    if request.param == "cluster":
        with running_cluster(valkey_binary(), tmp_path) as cluster:
            yield from on_redis(Settings(redis_url=cluster.url, redis_cluster=True))
        return
    binary = valkey_binary() if request.param == "valkey" else redis7_binary()
    if binary is None:
        pytest.skip("there is no redis-server on PATH")
    with running(binary, tmp_path) as one:
        yield from on_redis(Settings(redis_url=one.url))


def on_redis(settings: Settings) -> Iterator[Place]:
    server = RedisClient(settings)
    yield Place(
        RedisStore(server, SHARDS),
        RedisConnections(server, SHARDS, HEARTBEAT_POLICY, 24 * HOUR_MS),
        RedisStats(server, SHARDS, HEARTBEAT_POLICY),
        server,
    )
    server.close()


def sessions(facts: StoreStats) -> dict[str, int]:
    return {status: number for status, number in facts.sessions.items() if number}


def test_empty_store_has_zero_stats(place: Place) -> None:
    assert place.stats.read() == StoreStats(dict.fromkeys(Status, 0), 0, 0, 0)


def test_every_session_counts_once_under_its_status(place: Place) -> None:
    for _ in range(5):
        created(place.store)
    running_ones = [started(place.store) for _ in range(4)]
    assert sessions(place.stats.read()) == {"pending": 5, "running": 4}

    now_ms = place.store.now_ms()
    place.store.commit(next_of(running_ones[0], Switch(), now_ms))
    place.store.commit(next_of(running_ones[1], Pause(), now_ms, expires_at_ms=None))
    place.store.commit(next_of(running_ones[2], Complete(), now_ms))
    assert sessions(place.stats.read()) == {
        "pending": 5,
        "running": 2,
        "paused": 1,
        "completed": 1,
    }

    place.store.delete(running_ones[0].setup.session_id, uuid4().hex, b"gone")
    assert sessions(place.stats.read())["running"] == 1


@pytest.mark.parametrize("command", [Start(), Cancel()], ids=["running", "cancelled"])
def test_expired_session_is_not_counted_and_forgotten_after_a_day(
    place: Place, command: Command
) -> None:
    session = created(place.store)
    now_ms = place.store.now_ms()
    long_ago_ms = now_ms - 25 * HOUR_MS
    place.store.commit(next_of(session, command, now_ms, expires_at_ms=long_ago_ms))

    assert sessions(place.stats.read()) == {}
    if place.server is not None:
        key = SessionKeys.of(session.setup.session_id, SHARDS).sessions
        # Creating a session in the same shard removes it.
        while SessionKeys.of(created(place.store).setup.session_id, SHARDS).sessions != key:
            pass
        assert place.server.execute("ZSCORE", key, session.setup.session_id) is None


def test_cancelled_is_the_sixth_status_as_the_scripts_assume() -> None:
    # The scripts count on six of them.
    assert list(Status)[5:] == [Status.CANCELLED]


def test_connections_count_until_they_are_silent(place: Place) -> None:
    session_id = created(place.store).setup.session_id
    for connection_id in ("a", "b", "c"):
        place.registry.register(session_id, connection_id, HERE)
    place.registry.register(str(uuid4()), "d", HERE)
    place.registry.register(session_id, "a", HERE)
    assert place.stats.read().connections == 4

    place.registry.deregister("a")
    place.registry.remove(session_id, ["b"])
    assert place.stats.read().connections == 2

    if isinstance(place.store, FakeStore):
        place.store.advance(HEARTBEAT_POLICY.silent_ms + 1)
    else:
        assert place.server is not None
        for shard in range(SHARDS):
            key = f"connected:{{{shard:02}}}"
            for connection_id in place.server.execute("ZRANGE", key, 0, -1):
                place.server.execute("ZINCRBY", key, -HEARTBEAT_POLICY.silent_ms - 1, connection_id)
    assert place.stats.read().connections == 0


def test_unsettled_passed_deadline_is_overdue(place: Place) -> None:
    started(place.store)
    assert place.stats.read().overdue == 0

    for late_ms in (5_000, 60_000):
        now_ms = place.store.now_ms()
        session = created(place.store)
        place.store.commit(next_of(session, Start(), now_ms, due_ms=now_ms - late_ms))

    facts = place.stats.read()
    assert facts.overdue == 2
    assert 60_000 <= facts.overdue_ms < 70_000
