"""What is lost if the store evicts keys; docs/operating.md explains how to prevent it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.container import Container
from chalicelib.core.commands import Switch
from chalicelib.core.errors import SessionNotFound
from chalicelib.core.setup import SyncMode
from chalicelib.engine.idempotency import IdempotentRequest
from chalicelib.settings import Settings
from chalicelib.store.keys import SessionKeys, deadlines, shard_tag
from tests.engine.sweeper.scenarios import start_session
from tests.servers import RedisProcess

ONCE = IdempotentRequest("key", b"switch", lambda outcome: str(outcome.session.version).encode())


@pytest.fixture
def container(own_valkey: RedisProcess) -> Iterator[Container]:
    container = Container(Settings(redis_url=own_valkey.url, broadcast="relay"))
    yield container
    container.close(0)


def evict(server: RedisProcess, *keys: str) -> None:
    with server.admin() as admin:
        assert admin.delete(*keys)


def test_evicted_session_is_gone(container: Container, own_valkey: RedisProcess) -> None:
    session_id, _ = start_session(container.engine)

    evict(own_valkey, SessionKeys.of(session_id, container.settings.shards).session)

    with pytest.raises(SessionNotFound):
        container.engine.get_current_state(session_id)


def test_evicted_record_lets_a_repeated_command_apply_twice(
    container: Container, own_valkey: RedisProcess
) -> None:
    session_id, _ = start_session(container.engine, SyncMode.PER_PARTICIPANT, total_ms=60_000)
    first = container.engine.execute_idempotent(session_id, Switch(), ONCE)
    assert container.engine.execute_idempotent(session_id, Switch(), ONCE) == first

    evict(own_valkey, SessionKeys.of(session_id, container.settings.shards).reply("key"))

    assert container.engine.execute_idempotent(session_id, Switch(), ONCE) != first


def test_evicted_index_leaves_timeouts_to_reads(
    container: Container, own_valkey: RedisProcess
) -> None:
    session_id, started_ms = start_session(container.engine)

    evict(own_valkey, *(deadlines(shard_tag(shard)) for shard in range(container.settings.shards)))

    assert container.stats.read().overdue == 0
    while (outcome := container.engine.get_current_state(session_id)).session.version == 2:
        assert outcome.now_ms < started_ms + 5_000
    assert outcome.events[0].at_ms == started_ms + 300
