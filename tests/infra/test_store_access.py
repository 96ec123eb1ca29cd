"""The rights that the template gives the store's user suffice, on a Cluster as ElastiCache's is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import redis

from chalicelib.engine import SyncEngine
from chalicelib.settings import Settings
from chalicelib.store.subscription import alarms, subscription
from chalicelib.wiring import Services
from infra.merging import merged
from tests.servers import HOST, Cluster, ask
from tests.store.sessions import a_setup, new_id

ACCESS: str = merged()["Resources"]["StoreUser"]["Properties"]["AccessString"]
HARM = ("FLUSHALL", "KEYS *", "CONFIG GET *", "ACL LIST", "SHUTDOWN", "CLUSTER RESET")


@pytest.fixture
def guarded(valkey_cluster: Cluster) -> Iterator[Settings]:
    with ExitStack() as stack:
        for node in valkey_cluster.nodes:
            admin = stack.enter_context(node.admin())
            ask(admin, "ACL", "SETUSER", "guest", "reset", ">secret", *ACCESS.split())
            stack.callback(ask, admin, "ACL", "DELUSER", "guest")
        url = f"redis://guest:secret@{HOST}:{valkey_cluster.nodes[0].port}"
        yield Settings(redis_url=url, redis_cluster=True, broadcast="relay")


def test_everything_tickless_does_with_its_store_is_allowed(guarded: Settings) -> None:
    services = Services(guarded)
    engine: SyncEngine = services.engine
    session_id, connection_id = new_id(), new_id("connection")
    try:
        with subscription(guarded) as updates, alarms(guarded) as alarm:
            services.connections.watch(session_id, connection_id, "https://here/dev")
            engine.create_session(a_setup(session_id))
            engine.start_session(session_id)
            assert updates.next(5) is not None
            assert alarm.next(5) is not None
        assert services.connections.session_of(connection_id) == session_id
        assert services.connections.watchers(session_id)
        assert engine.get_current_state(session_id).session.version == 2
        assert any(services.deadlines.due(shard, 1).next_ms for shard in range(16))
        services.connections.forget(connection_id)
        engine.delete_session(session_id)
    finally:
        services.close(0)


@pytest.mark.parametrize("command", HARM)
def test_what_would_harm_the_server_is_not(guarded: Settings, command: str) -> None:
    with (
        redis.Redis.from_url(guarded.redis_url) as guest,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        ask(guest, *command.split())
