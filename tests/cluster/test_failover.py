"""A server falls under load: what its replica had is there, once, and everything goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.crc import key_slot

from chalicelib.core.errors import StoreUnavailable
from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.ports import SessionStore
from chalicelib.store.keys import SessionKeys
from tests.e2e.measurements import report
from tests.engine.sweeper.scenarios import expected, start_session, sweeping, timeouts
from tests.failover import Failover, replicated
from tests.fixtures import OpenStore
from tests.servers import Cluster, RedisProcess, ask, eventually, valkey_binary

from .load import SHARDS, Players, a_session, audit, more

pytestmark = pytest.mark.failover

PLAYERS = 6
SESSIONS = 36
MANY = 150
BACK_WITHIN_S = 5
TTL_MS = 600_000

FALLS: dict[str, Callable[[RedisProcess], None]] = {
    "killed": RedisProcess.kill,
    "silent": RedisProcess.freeze,
}


@pytest.fixture
def engines(store: Failover, open_store: OpenStore) -> list[SyncEngine]:
    """For each player one; they share two connections to the store, as in two processes."""
    stores = [open_store(store.url, cluster=store.is_cluster) for _ in range(2)]
    engines = [SyncEngine(CommitLoop(one, session_ttl_ms=TTL_MS)) for one in stores]
    return engines * (PLAYERS // len(engines))


def at_risk(store: Failover, session_id: str) -> bool:
    return store.is_at_risk(SessionKeys.of(session_id, SHARDS).session)


@pytest.mark.parametrize("fall", FALLS)
def test_replicated_commits_survive_once_and_clients_and_sweepers_go_on(
    store: Failover, engines: list[SyncEngine], fall: str
) -> None:
    ids = [a_session(engines[0]) for _ in range(SESSIONS)]
    assert any(at_risk(store, one) for one in ids)
    swept = [start_session(engines[0]) for _ in range(6)]
    with (
        sweeping(store.url, cluster=store.is_cluster),
        Players(engines, ids) as players,
    ):
        more(players, MANY)
        players.confirm(store)
        more(players, MANY)
        players.confirm(store)
        assert len(players.ledger.confirmed) >= MANY
        fell_at = time.monotonic()
        FALLS[fall](store.doomed)
        eventually(lambda: players.ledger.refusals, 5)
        store.take_over()
        took_over_at = time.monotonic()
        players.phase = "second"
        more(players, 1)
        back_after_s = time.monotonic() - took_over_at
        more(players, MANY)
        settled = {one: len(timeouts(store, one)) for one, _ in swept}
        eventually(lambda: all(len(timeouts(store, one)) > settled[one] + 1 for one in settled), 15)
    ledger = players.ledger
    assert ledger.surprises == []
    found = audit(engines[0], store, ids)
    assert ledger.confirmed <= found.keys()
    lost = ledger.acknowledged.keys() - found.keys()
    assert [one for one in lost if not at_risk(store, ledger.acknowledged[one])] == []
    assert [one for one in lost if one.startswith("second")] == []
    for session_id, started_ms in swept:
        instants = timeouts(store, session_id)
        assert instants == expected(started_ms, len(instants)), "each timeout once, at its instant"
    report(
        f"{len(ledger.acknowledged)} acknowledged, {len(lost)} of them lost,"
        f" {ledger.refusals} refused; took over after {took_over_at - fell_at:.2f} s,"
        f" back {back_after_s:.2f} s later"
    )
    assert back_after_s < BACK_WITHIN_S


def test_only_commits_that_were_not_replicated_are_lost(
    tmp_path: Path, open_store: OpenStore
) -> None:
    with replicated(valkey_binary(), tmp_path) as store:
        engine = SyncEngine(CommitLoop(open_store(store.url), session_ttl_ms=TTL_MS))
        ids = [a_session(engine) for _ in range(SESSIONS)]
        with Players([engine] * PLAYERS, ids) as players:
            more(players, MANY)
            players.confirm(store)
            store.part()
            players.phase = "apart"
            more(players, MANY)
            apart = {one for one in players.ledger.acknowledged if one.startswith("apart")}
            store.doomed.kill()
            store.take_over()
            players.phase = "after"
            more(players, MANY)
        assert players.ledger.surprises == []
        found = audit(engine, store, ids)
        acknowledged = players.ledger.acknowledged.keys()
        assert players.ledger.confirmed <= found.keys()
        assert not apart & found.keys()
        assert {one for one in acknowledged if one.startswith("after")} <= found.keys()
        report(f"{len(acknowledged)} acknowledged, {len(acknowledged - found.keys())} lost")


def test_sessions_on_other_nodes_go_on_without_full_coverage(
    own_cluster: Cluster, open_store: OpenStore
) -> None:
    store = open_store(own_cluster.url, cluster=True)
    engine = SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS))
    for node in own_cluster.nodes:
        with node.admin() as admin:
            admin.config_set("cluster-require-full-coverage", "no")
    started = {start_session(engine)[0] for _ in range(SESSIONS)}
    # The last node has no replica, and no node takes over.
    others, fallen = own_cluster.nodes[:-1], own_cluster.nodes[-1]
    slots = {one: key_slot(SessionKeys.of(one, SHARDS).session.encode()) for one in started}
    gone = {one for one, slot in slots.items() if slot >= own_cluster.bounds[2]}
    assert 0 < len(gone) < SESSIONS
    with sweeping(own_cluster.url, cluster=True):
        fallen.kill()
        with others[0].admin() as admin:
            eventually(lambda: int(ask(admin, "CLUSTER INFO")["cluster_slots_fail"]), 10)
        before = {one: engine.get_current_state(one).session.version for one in started - gone}
        eventually(lambda: all(version(store, one) > was for one, was in before.items()))
        for session_id in gone:
            with pytest.raises(StoreUnavailable):
                engine.get_current_state(session_id)


def version(store: SessionStore, session_id: str) -> int:
    session = store.load(session_id).session
    return session.version if session is not None else 0
