"""Sessions and commits for tests whose content does not matter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from uuid import uuid4

from chalicelib.core.commands import Command, Decision, Start, Switch, apply
from chalicelib.core.rules import due_ms
from chalicelib.core.session import Session, create
from chalicelib.core.setup import Participant, Setup, SyncMode, create_setup
from chalicelib.ports import Commit, Committed, RateLimitCheck, SessionStore, Stale

HOUR_MS = 3_600_000
_numbers = count()


def new_id(kind: str = "session") -> str:
    """An id that no other test, and no earlier run on the same server, has used."""
    return f"{kind}-{next(_numbers)}-{uuid4().hex[:8]}"


def a_setup(
    session_id: str | None = None,
    participants: int = 2,
    warn_at_ms: Sequence[int] = (),
    sync_mode: SyncMode = SyncMode.PER_PARTICIPANT,
) -> Setup:
    return create_setup(
        session_id=session_id or new_id(),
        sync_mode=sync_mode,
        participants=[Participant(f"p{n}", n, 300_000) for n in range(participants)],
        total_time_ms=600_000,
        warn_at_ms=warn_at_ms,
        metadata={"name": "Zürich ♟"},
    )


def creation(session: Session, **changes: object) -> Commit:
    return the_commit(Decision(session), 0, **changes)


def the_commit(decision: Decision, base_version: int, **changes: object) -> Commit:
    session = decision.session
    given: dict[str, object] = {
        "session": session,
        "base_version": base_version,
        "command_id": new_id("command"),
        "events": decision.events,
        "due_ms": due_ms(session),
        "expires_at_ms": session.updated_at_ms + 24 * HOUR_MS,
        "update": f"version {session.version}".encode(),
    }
    return Commit(**{**given, **changes})  # type: ignore[arg-type]


def created(store: SessionStore, setup: Setup | None = None, **changes: object) -> Session:
    """A session that has been created in the store."""
    session = create(setup or a_setup(), new_id("epoch"), store.now_ms())
    assert store.commit(creation(session, **changes)) == Committed(1)
    return session


def next_of(session: Session, command: Command, now_ms: int, **changes: object) -> Commit:
    """The commit that a command makes of a session."""
    return the_commit(apply(session, command, now_ms), session.version, **changes)


def started(store: SessionStore, setup: Setup | None = None) -> Session:
    session = created(store, setup)
    commit = next_of(session, Start(), store.now_ms())
    assert store.commit(commit) == Committed(2)
    return commit.session


def switch(
    store: SessionStore,
    session_id: str,
    command_id: str | None = None,
    limit_check: RateLimitCheck | None = None,
) -> int:
    """Switch as the engine does: again and again until it stands."""
    command_id = command_id or new_id("command")
    loaded = store.load(session_id)
    while True:
        session = loaded.session
        assert session is not None
        decision = apply(session, Switch(), loaded.now_ms)
        commit = the_commit(decision, session.version, command_id=command_id)
        result = store.commit(commit, limit_check)
        if isinstance(result, Stale):
            loaded = result.current
            continue
        return result.version
