"""Sweepers, servers and index entries that fail at the worst instant."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from chalicelib.core.errors import SessionNotFound
from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.sweeper import MAX_PER_SCAN
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.store.keys import SessionKeys
from chalicelib.telemetry import definitions as names
from tests.fakes import RecordingSink
from tests.fixtures import OpenStore
from tests.servers import RedisProcess, eventually, proxy_to, running, valkey_binary
from tests.waiting import HUNG_AFTER_S

from .scenarios import (
    CYCLE_MS,
    SHARDS,
    TTL_MS,
    expected,
    start_session,
    sweeper_process,
    sweeping,
    timeouts,
)

A_TIMEOUT = b"participant_expired"
"""What only the commit of a timeout has in it."""

HOUR_MS = 3_600_000


@pytest.fixture
def engine(open_store: OpenStore, own_valkey: RedisProcess) -> SyncEngine:
    """What sessions are created with, past every proxy, on a server no other client sweeps."""
    return SyncEngine(CommitLoop(open_store(own_valkey.url), session_ttl_ms=TTL_MS))


def all_have(server: RedisProcess, sessions: list[tuple[str, int]], number: int) -> None:
    """Wait until each of them has timed out so often."""
    eventually(lambda: all(len(timeouts(server, one)) >= number for one, _ in sessions))


def each_happened_once(
    engine: SyncEngine, server: RedisProcess, sessions: list[tuple[str, int]]
) -> None:
    for session_id, started_ms in sessions:
        engine.complete_session(session_id)
        found = timeouts(server, session_id)
        assert found == expected(started_ms, len(found))


@pytest.mark.parametrize("fate", ["is lost", "comes late", "was carried out"])
def test_each_timeout_happens_once_if_a_sweeper_and_its_commit_are_killed(
    engine: SyncEngine, own_valkey: RedisProcess, fate: str
) -> None:
    with proxy_to(own_valkey.port) as proxy, sweeper_process(proxy.url) as killed:
        if fate == "was carried out":
            proxy.drop_next_reply(to=A_TIMEOUT, then_hold=True)
        else:
            proxy.hold_requests(that_contain=A_TIMEOUT)
        sessions = [start_session(engine) for _ in range(3)]
        eventually(lambda: proxy.has_dropped or proxy.is_holding)
        killed.kill()
        killed.wait(HUNG_AFTER_S)
        happened = [timeouts(own_valkey, session_id) for session_id, _ in sessions]
        assert any(happened) == (fate == "was carried out")
        if fate == "is lost":
            proxy.refuse()
        with sweeping(own_valkey.url):
            all_have(own_valkey, sessions, 2)
            if fate == "comes late":
                assert proxy.is_holding
                proxy.let_requests_go()
            all_have(own_valkey, sessions, 4)
            each_happened_once(engine, own_valkey, sessions)


def test_each_timeout_happens_once_with_two_sweepers(
    engine: SyncEngine, own_valkey: RedisProcess
) -> None:
    sinks = [RecordingSink(), RecordingSink()]
    with ExitStack() as stack:
        proxies = [stack.enter_context(proxy_to(own_valkey.port)) for _ in sinks]
        for proxy, sink in zip(proxies, sinks, strict=True):
            stack.enter_context(sweeping(proxy.url, sink=sink))
            proxy.hold_requests(that_contain=A_TIMEOUT)
        sessions = [start_session(engine)]
        # Both have read it, both have decided, and neither has committed.
        eventually(lambda: all(proxy.is_holding for proxy in proxies))
        assert not timeouts(own_valkey, sessions[0][0])
        for proxy in proxies:
            proxy.let_requests_go()
        all_have(own_valkey, sessions, 3)
        each_happened_once(engine, own_valkey, sessions)
    assert sum(sink.counts[names.LOST_RACES.name, ()] for sink in sinks) >= 1


def test_sweeper_retries_after_a_lost_reply(engine: SyncEngine, own_valkey: RedisProcess) -> None:
    with proxy_to(own_valkey.port) as proxy, sweeping(proxy.url):
        proxy.drop_next_reply(to=A_TIMEOUT)
        sessions = [start_session(engine)]
        eventually(lambda: proxy.has_dropped)
        all_have(own_valkey, sessions, 3)
        each_happened_once(engine, own_valkey, sessions)


def test_sweeper_continues_after_a_commit_it_gave_up_on(
    engine: SyncEngine, own_valkey: RedisProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with proxy_to(own_valkey.port) as proxy, sweeping(proxy.url):
        proxy.drop_next_reply(to=A_TIMEOUT, then_hold=True)
        sessions = [start_session(engine)]
        eventually(lambda: "sweeper: " in caplog.text)
        assert proxy.has_dropped
        assert len(timeouts(own_valkey, sessions[0][0])) == 1
        proxy.allow()
        all_have(own_valkey, sessions, 3)
        each_happened_once(engine, own_valkey, sessions)


@pytest.mark.parametrize("keeps", [True, False], ids=["with its file", "without one"])
def test_sweeper_continues_after_a_restart_of_the_server(
    open_store: OpenStore, tmp_path: Path, keeps: bool
) -> None:
    options = ("--appendonly", "yes", "--appendfsync", "always") if keeps else ()
    with (
        running(valkey_binary(), tmp_path / "valkey", *options) as server,
        proxy_to(server.port) as proxy,
        sweeping(proxy.url),
    ):
        engine = SyncEngine(CommitLoop(open_store(server.url), session_ttl_ms=TTL_MS))
        proxy.hold_requests(that_contain=A_TIMEOUT)
        sessions = [start_session(engine) for _ in range(3)]
        eventually(lambda: proxy.is_holding)
        server.kill()
        server.start()
        proxy.let_requests_go()
        if not keeps:
            for session_id, _ in sessions:
                with pytest.raises(SessionNotFound):
                    engine.get_current_state(session_id)
            sessions = [start_session(engine) for _ in range(3)]
        all_have(server, sessions, 3)
        each_happened_once(engine, server, sessions)


def index_of(session_id: str) -> str:
    return SessionKeys.of(session_id, SHARDS).deadlines


def test_entries_without_sessions_are_removed_and_delay_no_other(
    engine: SyncEngine, own_valkey: RedisProcess
) -> None:
    missing: list[str] = []
    sessions = [start_session(engine)]
    # More of them than are looked at together, before a session of the same shard.
    while len(missing) < 3 * MAX_PER_SCAN:
        session_id = str(uuid4())
        if index_of(session_id) == index_of(sessions[0][0]):
            missing.append(session_id)
    with own_valkey.admin() as admin:
        admin.zadd(index_of(missing[0]), dict.fromkeys(missing, 1))
        with sweeping(own_valkey.url):
            all_have(own_valkey, sessions, 2)
            each_happened_once(engine, own_valkey, sessions)
            eventually(lambda: not admin.zcard(index_of(missing[0])))


def test_early_entry_is_corrected_and_no_timeout_is_early(
    engine: SyncEngine, own_valkey: RedisProcess
) -> None:
    waits, started_ms = start_session(engine, cycle_ms=HOUR_MS)
    rests, _ = start_session(engine)
    engine.pause_session(rests)
    sessions = [start_session(engine)]
    with own_valkey.admin() as admin, sweeping(own_valkey.url):
        for session_id in (waits, rests, sessions[0][0]):
            admin.zadd(index_of(session_id), {session_id: 1})
        all_have(own_valkey, sessions, 3)
        each_happened_once(engine, own_valkey, sessions)
        eventually(lambda: admin.zscore(index_of(waits), waits) == started_ms + HOUR_MS)
        eventually(lambda: admin.zscore(index_of(rests), rests) is None)
    assert timeouts(own_valkey, waits) == timeouts(own_valkey, rests) == []


@pytest.mark.parametrize("entry_ms", [None, 2**45], ids=["missing", "later than its session"])
def test_late_entry_is_corrected_by_a_read_and_keeps_the_instant(
    engine: SyncEngine, own_valkey: RedisProcess, entry_ms: int | None
) -> None:
    sessions = [start_session(engine)]
    ((session_id, started_ms),) = sessions
    with own_valkey.admin() as admin, sweeping(own_valkey.url):
        admin.zrem(index_of(session_id), session_id)
        if entry_ms is not None:
            admin.zadd(index_of(session_id), {session_id: entry_ms})
        # Commits write the index together with their session, so only another client's
        # hand can have done that; no sweeper can find what is not in it.
        eventually(lambda: engine.get_current_state(session_id).now_ms > started_ms + CYCLE_MS)
        all_have(own_valkey, sessions, 3)
        each_happened_once(engine, own_valkey, sessions)
