"""Sweepers on real servers: whatever races, dies or is lost, each timeout happens once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.core.errors import StoreUnavailable
from chalicelib.core.setup import Participant, SyncMode, TimeoutAction, set_up
from chalicelib.engine import SyncEngine
from chalicelib.settings import Settings
from chalicelib.store.codec import decode_event
from chalicelib.store.keys import SessionKeys
from chalicelib.store.redis_deadlines import RedisDeadlines
from chalicelib.store.redis_store import RedisStore
from chalicelib.store.subscription import alarms
from chalicelib.sweeper import LOOK_AGAIN_SECONDS, Sweeper
from chalicelib.wiring import Services
from tests.fixtures import OpenStore
from tests.servers import (
    Cluster,
    Place,
    Proxy,
    RedisProcess,
    eventually,
    running,
    valkey_binary,
)

ROOT = Path(__file__).parents[2]
CYCLE_MS = 1_000
TTL_MS = 600_000


def start_session(
    engine: SyncEngine,
    mode: SyncMode = SyncMode.PER_CYCLE,
    action: TimeoutAction = TimeoutAction.SKIP_CYCLE,
) -> tuple[str, int]:
    """A session that times out second after second, and when it was started."""
    session_id = str(uuid4())
    engine.create_session(
        set_up(
            session_id=session_id,
            sync_mode=mode,
            participants=[Participant(name, at, CYCLE_MS) for at, name in enumerate("ab")],
            total_time_ms=CYCLE_MS,
            action_on_timeout=action,
        )
    )
    return session_id, engine.start_session(session_id).now_ms


def timeouts(server: Place, session_id: str) -> list[int]:
    """The instants of all timeouts in a session's log."""
    with server.admin() as admin:
        log: Any = admin.xrange(SessionKeys.of(session_id, 16).events)
    events = [decode_event(entry[b"event"]) for _, entry in log]
    return [event.at_ms for event in events if event.type == "participant_expired"]


def expected(started_ms: int, how_many: int) -> list[int]:
    return [started_ms + CYCLE_MS * number for number in range(1, how_many + 1)]


@contextmanager
def sweeping(url: str, *, cluster: bool = False) -> Iterator[Sweeper]:
    services = Services(Settings(redis_url=url, redis_cluster=cluster, broadcast="relay"))
    sweeper = services.sweeper()
    assert sweeper.start()
    try:
        yield sweeper
    finally:
        sweeper.stop()
        services.close(1)


@contextmanager
def sweeper_process(url: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "chalicelib.run_sweeper", "--while-parent"],
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": url, "BROADCAST": "relay"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        yield process
    finally:
        process.kill()
        process.wait(5)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def test_a_sweeper_that_sleeps_is_woken_by_an_earlier_deadline(
    open_store: OpenStore, anywhere: RedisProcess | Cluster
) -> None:
    store = open_store(anywhere.url, cluster=anywhere.is_cluster)
    engine = SyncEngine(store, session_ttl_ms=TTL_MS)
    with sweeping(anywhere.url, cluster=anywhere.is_cluster):
        session_id, started_ms = start_session(engine)
        # Long before it would have looked again by itself.
        eventually(lambda: timeouts(anywhere, session_id), LOOK_AGAIN_SECONDS - 2)
    engine.complete_session(session_id)
    found = timeouts(anywhere, session_id)
    assert found == expected(started_ms, len(found))


@pytest.mark.cluster
def test_a_cluster_is_swept_like_a_single_server(
    open_store: OpenStore, valkey_cluster: Cluster
) -> None:
    store = open_store(valkey_cluster.url, cluster=True)
    engine = SyncEngine(store, session_ttl_ms=TTL_MS)
    with sweeping(valkey_cluster.url, cluster=True):
        ids = [start_session(engine, action=TimeoutAction.NOTIFY)[0] for _ in range(20)]

        def settled() -> bool:
            # A load settles nothing, so only the sweeper can have done it.
            sessions = [store.load(session_id).session for session_id in ids]
            return all(session is not None and session.version == 3 for session in sessions)

        eventually(settled)


def test_however_many_sweep_read_and_command_each_timeout_happens_once_at_its_deadline(
    open_store: OpenStore, valkey: RedisProcess
) -> None:
    engine = SyncEngine(open_store(valkey.url), session_ttl_ms=TTL_MS)
    sessions = [start_session(engine) for _ in range(10)]
    duels = [
        start_session(engine, SyncMode.PER_PARTICIPANT, TimeoutAction.NOTIFY)[0] for _ in range(10)
    ]
    enough = Event()

    def read_and_switch() -> None:
        while not enough.wait(0.002):
            for session_id, _ in sessions:
                engine.get_current_state(session_id)

    readers = [Thread(target=read_and_switch) for _ in range(2)]
    with sweeping(valkey.url), sweeping(valkey.url):
        for reader in readers:
            reader.start()
        for duel in duels:
            engine.switch_cycle(duel)
        eventually(lambda: all(len(timeouts(valkey, one)) >= 3 for one, _ in sessions), 10)
        enough.set()
        for reader in readers:
            reader.join(5)
        for session_id, _ in sessions:
            engine.complete_session(session_id)
    for session_id, started_ms in sessions:
        found = timeouts(valkey, session_id)
        assert found == expected(started_ms, len(found))
    for duel in duels:
        assert len(timeouts(valkey, duel)) == 1


def test_a_sweeper_that_is_killed_time_and_again_loses_nothing_and_repeats_nothing(
    open_store: OpenStore, valkey: RedisProcess
) -> None:
    engine = SyncEngine(open_store(valkey.url), session_ttl_ms=TTL_MS)
    sessions = [start_session(engine) for _ in range(50)]
    for enough in (1, 2):
        with sweeper_process(valkey.url) as sweeper:
            # In the midst of a pass: of some sessions the timeout is settled, of others not.
            eventually(lambda: timeouts(valkey, sessions[0][0])[enough - 1 :], 10)  # noqa: B023
            sweeper.kill()
    with sweeping(valkey.url):
        eventually(lambda: all(len(timeouts(valkey, one)) >= 4 for one, _ in sessions), 10)
        for session_id, _ in sessions:
            engine.complete_session(session_id)
    for session_id, started_ms in sessions:
        found = timeouts(valkey, session_id)
        assert found == expected(started_ms, len(found))


def test_a_sweeper_process_ends_when_it_is_told_to_and_when_its_parent_is_gone(
    valkey: RedisProcess,
) -> None:
    with sweeper_process(valkey.url) as sweeper:
        sweeper.terminate()
        assert sweeper.wait(5) == 0
    with sweeper_process(valkey.url) as sweeper:
        assert sweeper.stdin is not None
        sweeper.stdin.close()
        assert sweeper.wait(5) == 0


def test_a_commit_whose_replies_are_all_lost_is_one_timeout(
    open_store: OpenStore, valkey: RedisProcess, proxy: Proxy
) -> None:
    direct = SyncEngine(open_store(valkey.url), session_ttl_ms=TTL_MS)
    session_id, started_ms = start_session(direct, action=TimeoutAction.NOTIFY)
    store = open_store(proxy.url)
    numbers = count()
    unlucky = SyncEngine(
        store, session_ttl_ms=TTL_MS, new_id=lambda: f"{session_id}-sweep-{next(numbers)}"
    )
    eventually(lambda: store.now_ms() >= started_ms + CYCLE_MS)
    proxy.drop_next_reply(to=f"{session_id}-sweep-0".encode())
    proxy.hold_new_connections()
    with pytest.raises(StoreUnavailable):
        unlucky.get_current_state(session_id)
    assert proxy.has_dropped
    proxy.allow()

    with sweeping(proxy.url):
        index = RedisDeadlines(Services(Settings(redis_url=valkey.url)).server, 16)
        eventually(
            lambda: (
                not any(
                    one.session_id == session_id
                    for shard in range(16)
                    for one in index.due(shard, 1_000).deadlines
                )
            )
        )
    assert timeouts(valkey, session_id) == [started_ms + CYCLE_MS]


def test_a_sweeper_whose_replies_are_lost_again_and_again_repeats_nothing(
    open_store: OpenStore, valkey: RedisProcess, proxy: Proxy
) -> None:
    engine = SyncEngine(open_store(valkey.url), session_ttl_ms=TTL_MS)
    sessions = [start_session(engine) for _ in range(5)]
    enough = Event()

    def lose() -> None:
        while not enough.wait(0.05):
            proxy.drop_next_reply(to=sessions[0][0].encode())

    loser = Thread(target=lose)
    with sweeping(proxy.url):
        loser.start()
        eventually(lambda: all(len(timeouts(valkey, one)) >= 3 for one, _ in sessions), 15)
        enough.set()
        loser.join(5)
    for session_id, started_ms in sessions:
        engine.complete_session(session_id)
        found = timeouts(valkey, session_id)
        assert found == expected(started_ms, len(found))


@pytest.mark.parametrize("keeps", [True, False], ids=["with its file", "without one"])
def test_a_server_that_restarts_is_swept_on(
    open_store: OpenStore, tmp_path: Path, keeps: bool
) -> None:
    options = ("--appendonly", "yes", "--appendfsync", "always") if keeps else ()
    with running(valkey_binary(), tmp_path / "valkey") as server:
        server.kill()
        server.start(*options)
        store: RedisStore = open_store(server.url)
        engine = SyncEngine(store, session_ttl_ms=TTL_MS)
        session_id, started_ms = start_session(engine)
        with sweeping(server.url):
            server.kill()
            server.start(*options)
            if not keeps:
                assert store.load(session_id).session is None
                session_id, started_ms = start_session(engine)
            eventually(lambda: len(timeouts(server, session_id)) >= 2, 15)
        found = timeouts(server, session_id)
        assert found == expected(started_ms, len(found))


def test_alarms_are_raised_only_for_a_deadline_earlier_than_all_of_its_shard(
    own_valkey: RedisProcess,
) -> None:
    services = Services(Settings(redis_url=own_valkey.url, shards=1, broadcast="relay"))
    engine = services.engine

    def start_at(allowed_ms: int) -> str:
        session_id = str(uuid4())
        engine.create_session(
            set_up(
                session_id=session_id,
                sync_mode=SyncMode.PER_PARTICIPANT,
                participants=[Participant(name, at, allowed_ms) for at, name in enumerate("ab")],
                total_time_ms=allowed_ms * 2,
            )
        )
        engine.start_session(session_id)
        return session_id

    with alarms(services.settings) as heard:
        first = start_at(60_000)
        assert heard.next(5.0) == 0
        start_at(90_000)
        # Later than before: whoever sleeps wakes up too early, and sees for himself.
        engine.pause_session(first)
        engine.resume_session(first)
        assert heard.next(0.0) is None or heard.next(0.0) is None
        start_at(30_000)
        assert heard.next(5.0) == 0
    services.close(1)
