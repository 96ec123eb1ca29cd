"""The rights that the documents tell of, and a walk through all that is done with the store."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from chalicelib.auth.policy import Bearer, Role
from chalicelib.container import Services
from chalicelib.core.commands import Switch
from chalicelib.core.errors import Unauthenticated
from chalicelib.core.setup import Participant, SyncMode, set_up
from chalicelib.engine.idempotency import Once
from chalicelib.ports import Committed, Receipt
from chalicelib.settings import Settings
from chalicelib.store.subscription import alarms, subscription

from .sessions import new_id, next_of

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"


def documented() -> list[str]:
    """What an ACL has to grant, as the section about the store lists it."""
    found = re.search(r"^## The store$.*?^```text$(.*?)^```$", OPERATING.read_text(), re.M | re.S)
    assert found is not None
    return found[1].split()


def walk(settings: Settings) -> None:
    """Everything once; raises where something of it is refused."""
    services = Services(settings)
    try:
        services.store.ping()
        with subscription(settings) as updates, alarms(settings) as alarm:
            session_id = _play(services)
            assert updates.next(5) is not None
            assert alarm.next(5) is not None
        _watch(services, session_id)
        _look_after(services, session_id)
        services.engine.delete_session(session_id)
    finally:
        services.close(0)


def _play(services: Services) -> str:
    engine, limits, session_id = services.engine, services.limits, new_id()
    # Only what is due before all others of its shard raises an alarm.
    setup = set_up(
        session_id=session_id,
        sync_mode=SyncMode.PER_PARTICIPANT,
        participants=[Participant(name, place, 10_000) for place, name in enumerate("ab")],
        total_time_ms=20_000,
    )
    engine.create_session(setup)
    engine.start_session(session_id)
    once = Once(new_id("key"), b"switch", lambda outcome: b"%d" % outcome.session.version)
    for is_new in (True, False):
        charge = limits.of_switch(session_id)
        answer = engine.carry_out_once(session_id, Switch(), once, charge=charge)
        assert (answer, charge is not None and charge.is_settled) == (b"3", is_new)
    counted = limits.of_request(new_id())
    engine.get_current_state(session_id, charge=counted)
    assert counted is not None
    assert counted.quota is not None
    logged = engine.get_events(session_id, None, 10)
    assert not engine.get_events(session_id, logged[-1].event_id, 10)
    services.store.keep(session_id, new_id("key"), Receipt(3), 1_000)
    return session_id


def _watch(services: Services, session_id: str) -> None:
    registry, limits = services.connections, services.limits
    staying, leaving = new_id("connection"), new_id("connection")
    for connection_id in (staying, leaving):
        charge = limits.of_message(connection_id)
        heard = registry.watch(session_id, connection_id, "https://here/dev", charge)
        assert (heard.version, charge is not None and charge.quota is not None) == (3, True)
    assert registry.session_of(leaving) == session_id
    assert session_id in set(registry.watched_sessions())
    assert services.fleet.facts().connections >= 2
    _revoke(services, session_id)
    registry.forget(leaving)
    assert [one.connection_id for one in registry.watchers(session_id).watchers] == [staying]


def _revoke(services: Services, session_id: str) -> None:
    guest = Bearer(Role.VIEWER, session_id, new_id("token"), 0, 2**33)
    services.store.admit(session_id, guest)
    services.store.revoke(session_id, guest.token_id, 60_000)
    with suppress(Unauthenticated):
        services.store.load(session_id, bearer=guest)
        raise AssertionError("A token that was revoked holds")


def _look_after(services: Services, session_id: str) -> None:
    deadlines = services.deadlines
    assert any(deadlines.due(shard, 1).next_ms for shard in range(deadlines.shards))
    found = services.store.load(session_id).session
    deadlines.correct(session_id, found, None)
    deadlines.correct(session_id, found, services.store.now_ms() + 60_000)
    assert [one and one.session.version for one in services.engine.settle([session_id])] == [3]
    assert found is not None
    # As what a timeout makes is committed: the session lives no longer for that.
    commit = next_of(found, Switch(), services.store.now_ms(), expires_at_ms=None)
    assert services.store.commit(commit) == Committed(4)
