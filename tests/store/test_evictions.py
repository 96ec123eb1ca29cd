"""What would be lost if the store evicted keys; docs/operating.md says so, and how it does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.container import Services
from chalicelib.core.commands import Switch
from chalicelib.core.errors import SessionNotFound
from chalicelib.core.setup import SyncMode
from chalicelib.engine.idempotency import Once
from chalicelib.settings import Settings
from chalicelib.store.keys import SessionKeys, deadlines, shard_tag
from tests.engine.sweeper.scenarios import start_session
from tests.servers import RedisProcess

ONCE = Once("key", b"switch", lambda outcome: str(outcome.session.version).encode())


@pytest.fixture
def services(own_valkey: RedisProcess) -> Iterator[Services]:
    services = Services(Settings(redis_url=own_valkey.url, broadcast="relay"))
    yield services
    services.close(0)


def evict(server: RedisProcess, *keys: str) -> None:
    with server.admin() as admin:
        assert admin.delete(*keys)


def test_an_evicted_session_is_gone(services: Services, own_valkey: RedisProcess) -> None:
    session_id, _ = start_session(services.engine)

    evict(own_valkey, SessionKeys.of(session_id, services.settings.shards).session)

    with pytest.raises(SessionNotFound):
        services.engine.get_current_state(session_id)


def test_an_evicted_answer_lets_a_command_that_comes_again_count_twice(
    services: Services, own_valkey: RedisProcess
) -> None:
    session_id, _ = start_session(services.engine, SyncMode.PER_PARTICIPANT, total_ms=60_000)
    first = services.engine.carry_out_once(session_id, Switch(), ONCE)
    assert services.engine.carry_out_once(session_id, Switch(), ONCE) == first

    evict(own_valkey, SessionKeys.of(session_id, services.settings.shards).reply("key"))

    assert services.engine.carry_out_once(session_id, Switch(), ONCE) != first


def test_an_evicted_index_leaves_the_clocks_of_its_shard_to_whoever_asks(
    services: Services, own_valkey: RedisProcess
) -> None:
    session_id, started_ms = start_session(services.engine)

    evict(own_valkey, *(deadlines(shard_tag(shard)) for shard in range(services.settings.shards)))

    assert services.fleet.facts().overdue == 0
    while (outcome := services.engine.get_current_state(session_id)).session.version == 2:
        assert outcome.now_ms < started_ms + 5_000
    assert outcome.events[0].at_ms == started_ms + 300
