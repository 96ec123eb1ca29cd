"""Slots move from node to node under load: nothing is lost, nothing happens twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from redis.crc import key_slot

from chalicelib.core.errors import StoreUnavailable
from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.store.keys import SessionKeys, shard_tag
from tests.e2e.measurements import report
from tests.fixtures import OpenStore
from tests.servers import Cluster, RedisProcess, valkey_binary

from .load import SHARDS, Players, a_session, audit, more
from .slot_migration import between_two, joined_by_another, move_at_once, move_key_by_key, owner_of

pytestmark = pytest.mark.failover

TTL_MS = 600_000
SESSIONS = 48

WAYS: dict[str, Callable[[Cluster, int, RedisProcess], None]] = {
    "at once": move_at_once,
    "key by key": move_key_by_key,
}


@pytest.mark.parametrize("way", WAYS)
def test_commands_succeed_while_every_slot_moves_to_a_new_node(
    own_cluster: Cluster, open_store: OpenStore, tmp_path: Path, way: str
) -> None:
    engine = SyncEngine(
        CommitLoop(open_store(own_cluster.url, cluster=True), session_ttl_ms=TTL_MS)
    )
    ids = [a_session(engine) for _ in range(SESSIONS)]
    slots = [key_slot(shard_tag(shard).encode()) for shard in range(SHARDS)]
    with (
        joined_by_another(own_cluster, valkey_binary(), tmp_path / "newcomer") as newcomer,
        Players([engine] * 6, ids) as players,
    ):
        more(players, 50)
        for slot in slots:
            WAYS[way](own_cluster, slot, newcomer)
            more(players, 20)
        assert all(owner_of(own_cluster, slot) is newcomer for slot in slots)
        players.stop()
        ledger = players.ledger
        assert ledger.surprises == []
        found = audit(engine, own_cluster, ids)
    assert ledger.acknowledged.keys() <= found.keys()
    report(f"{way}: {len(ledger.acknowledged)} acknowledged, {ledger.refusals} refused")


def test_commits_to_a_slot_left_half_moved_are_refused_until_it_has_moved(
    own_cluster: Cluster, open_store: OpenStore
) -> None:
    engine = SyncEngine(
        CommitLoop(open_store(own_cluster.url, cluster=True), session_ttl_ms=TTL_MS)
    )
    session_id = a_session(engine)
    slot = key_slot(SessionKeys.of(session_id, SHARDS).session.encode())
    giver = owner_of(own_cluster, slot)
    taker = next(node for node in own_cluster.nodes if node is not giver)
    with between_two(own_cluster, slot, taker) as move_one:
        assert move_one()
        with pytest.raises(StoreUnavailable, match="TTL exhausted"):
            engine.switch_cycle(session_id)
        while move_one():
            pass
    assert engine.switch_cycle(session_id).session.version == 3
