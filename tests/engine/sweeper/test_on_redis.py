"""Sweepers on real servers."""

from __future__ import annotations

from threading import Event, Thread
from uuid import uuid4

import pytest

from chalicelib.container import Container
from chalicelib.core.setup import Participant, SyncMode, TimeoutAction, create_setup
from chalicelib.engine import sweeper as sweepers
from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.settings import Settings
from chalicelib.store.subscription import deadline_notifications
from tests.fixtures import OpenStore
from tests.servers import Cluster, Proxy, RedisProcess, eventually
from tests.waiting import HUNG_AFTER_S

from .scenarios import TTL_MS, expected, start_session, sweeper_process, sweeping, timeouts


def test_sleeping_sweeper_is_woken_by_an_earlier_deadline(
    open_store: OpenStore, anywhere: RedisProcess | Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By itself it would not look again within this test.
    monkeypatch.setattr(sweepers, "SCAN_EVERY_SECONDS", 3_600)
    store = open_store(anywhere.url, cluster=anywhere.is_cluster)
    engine = SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS))
    with sweeping(anywhere.url, cluster=anywhere.is_cluster):
        session_id, started_ms = start_session(engine)
        eventually(lambda: timeouts(anywhere, session_id))
    engine.complete_session(session_id)
    found = timeouts(anywhere, session_id)
    assert found == expected(started_ms, len(found))


@pytest.mark.cluster
def test_cluster_is_swept_like_a_single_server(
    open_store: OpenStore, valkey_cluster: Cluster
) -> None:
    store = open_store(valkey_cluster.url, cluster=True)
    engine = SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS))
    with sweeping(valkey_cluster.url, cluster=True):
        ids = [start_session(engine, action=TimeoutAction.NOTIFY)[0] for _ in range(20)]

        def settled() -> bool:
            # A load settles nothing, so only the sweeper can have done it.
            sessions = [store.load(session_id).session for session_id in ids]
            return all(session is not None and session.version == 3 for session in sessions)

        eventually(settled)


def test_sweeper_process_ends_on_a_signal_or_without_its_parent(valkey: RedisProcess) -> None:
    with sweeper_process(valkey.url) as sweeper:
        sweeper.terminate()
        assert sweeper.wait(HUNG_AFTER_S) == 0
    with sweeper_process(valkey.url) as sweeper:
        assert sweeper.stdin is not None
        sweeper.stdin.close()
        assert sweeper.wait(HUNG_AFTER_S) == 0


def test_repeatedly_lost_replies_repeat_no_timeout(
    open_store: OpenStore, valkey: RedisProcess, proxy: Proxy
) -> None:
    engine = SyncEngine(CommitLoop(open_store(valkey.url), session_ttl_ms=TTL_MS))
    sessions = [start_session(engine) for _ in range(5)]
    enough = Event()

    def lose() -> None:
        while not enough.wait(0.05):
            proxy.drop_next_reply(to=sessions[0][0].encode())

    loser = Thread(target=lose)
    with sweeping(proxy.url):
        loser.start()
        eventually(lambda: all(len(timeouts(valkey, one)) >= 3 for one, _ in sessions))
        enough.set()
        loser.join(HUNG_AFTER_S)
    for session_id, started_ms in sessions:
        engine.complete_session(session_id)
        found = timeouts(valkey, session_id)
        assert found == expected(started_ms, len(found))


def test_deadline_notification_is_sent_only_for_the_earliest_of_its_shard(
    own_valkey: RedisProcess,
) -> None:
    container = Container(Settings(redis_url=own_valkey.url, shards=1, broadcast="relay"))
    engine = container.engine

    def start_at(allowed_ms: int) -> str:
        session_id = str(uuid4())
        engine.create_session(
            create_setup(
                session_id=session_id,
                sync_mode=SyncMode.PER_PARTICIPANT,
                participants=[Participant(name, at, allowed_ms) for at, name in enumerate("ab")],
                total_time_ms=allowed_ms * 2,
            )
        )
        engine.start_session(session_id)
        return session_id

    with deadline_notifications(container.settings) as notifications:
        first = start_at(60_000)
        assert notifications.next(5.0) == 0
        start_at(90_000)
        # Later than before: a sleeper wakes up too early, and looks.
        engine.pause_session(first)
        engine.resume_session(first)
        assert notifications.next(0.0) is None or notifications.next(0.0) is None
        start_at(30_000)
        assert notifications.next(5.0) == 0
    container.close(1)
