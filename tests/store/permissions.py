"""The documented rights, and a walk through every operation of the store."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from chalicelib.auth.policy import Bearer, Role
from chalicelib.container import Container
from chalicelib.core.commands import Switch
from chalicelib.core.errors import Unauthenticated
from chalicelib.core.setup import Participant, SyncMode, create_setup
from chalicelib.engine.idempotency import IdempotentRequest
from chalicelib.ports import Committed, ConnectionContext, IdempotencyRecord
from chalicelib.settings import Settings
from chalicelib.store.subscription import deadline_notifications, subscription

from .sessions import new_id, next_of

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"


def documented() -> list[str]:
    """What an ACL has to grant, as the section about the store lists it."""
    found = re.search(r"^## The store$.*?^```text$(.*?)^```$", OPERATING.read_text(), re.M | re.S)
    assert found is not None
    return found[1].split()


def walk(settings: Settings) -> None:
    """Everything once; raises where something of it is refused."""
    container = Container(settings)
    try:
        container.store.ping()
        with subscription(settings) as updates, deadline_notifications(settings) as alarm:
            session_id = _play(container)
            assert updates.next(5) is not None
            assert alarm.next(5) is not None
        _watch(container, session_id)
        _look_after(container, session_id)
        container.engine.delete_session(session_id)
    finally:
        container.close(0)


def _play(container: Container) -> str:
    engine, limits, session_id = container.engine, container.limits, new_id()
    # Only what is due before all others of its shard raises an alarm.
    setup = create_setup(
        session_id=session_id,
        sync_mode=SyncMode.PER_PARTICIPANT,
        participants=[Participant(name, place, 10_000) for place, name in enumerate("ab")],
        total_time_ms=20_000,
    )
    engine.create_session(setup)
    engine.start_session(session_id)
    idempotency = IdempotentRequest(
        new_id("key"), b"switch", lambda outcome: b"%d" % outcome.session.version
    )
    for is_new in (True, False):
        limit_check = limits.for_switch(session_id)
        answer = engine.execute_idempotent(
            session_id, Switch(), idempotency, limit_check=limit_check
        )
        assert (answer, limit_check is not None and limit_check.is_resolved) == (b"3", is_new)
    counted = limits.for_request(new_id())
    engine.get_current_state(session_id, limit_check=counted)
    assert counted is not None
    assert counted.quota is not None
    logged = engine.get_events(session_id, None, 10)
    assert not engine.get_events(session_id, logged[-1].event_id, 10)
    container.store.save_response(session_id, new_id("key"), IdempotencyRecord(3), 1_000)
    return session_id


def _watch(container: Container, session_id: str) -> None:
    registry, limits = container.connections, container.limits
    staying, leaving = new_id("connection"), new_id("connection")
    for connection_id in (staying, leaving):
        registry.register(session_id, connection_id, "https://here/dev")
        assert registry.renew(connection_id) == ConnectionContext(session_id)
        limit_check = limits.for_message(connection_id)
        heartbeat = registry.record_heartbeat(
            session_id, connection_id, "https://here/dev", limit_check
        )
        assert heartbeat is not None
        assert heartbeat.version == 3
        assert limit_check is not None
        assert limit_check.quota is not None
    assert registry.session_of(leaving) == session_id
    assert session_id in set(registry.sessions_with_connections())
    assert container.stats.read().connections >= 2
    _revoke(container, session_id)
    registry.deregister(leaving)
    assert [one.connection_id for one in registry.connections_of(session_id).connections] == [
        staying
    ]


def _revoke(container: Container, session_id: str) -> None:
    bearer = Bearer(Role.VIEWER, session_id, new_id("token"), 0, 2**33)
    container.store.authorize(session_id, bearer)
    container.store.revoke(session_id, bearer.token_id, 60_000)
    with suppress(Unauthenticated):
        container.store.load(session_id, bearer=bearer)
        raise AssertionError("A token that was revoked holds")


def _look_after(container: Container, session_id: str) -> None:
    deadlines = container.deadlines
    assert any(deadlines.due(shard, 1).next_ms for shard in range(deadlines.shards))
    found = container.store.load(session_id).session
    deadlines.correct(session_id, found, None)
    deadlines.correct(session_id, found, container.store.now_ms() + 60_000)
    assert [one and one.session.version for one in container.engine.settle_many([session_id])] == [
        3
    ]
    assert found is not None
    # As what a timeout makes is committed: the session lives no longer for that.
    commit = next_of(found, Switch(), container.store.now_ms(), expires_at_ms=None)
    assert container.store.commit(commit) == Committed(4)
