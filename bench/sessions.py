"""The sessions that are measured, as the requests that create them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from chalicelib.core.clock_blocks import make_blocks
from chalicelib.core.commands import Decision
from chalicelib.core.rules import due_ms
from chalicelib.core.session import Rotation, Session, Simultaneous, Tally
from chalicelib.core.setup import Setup, SyncMode
from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.ports import Broadcaster, Commit
from chalicelib.schemas.creation import CreateSession
from chalicelib.schemas.requests import read
from chalicelib.settings import Settings
from chalicelib.store.client import RedisClient
from chalicelib.store.session_store import RedisStore

# The longest there is: no clock may run out while it is measured.
TIME_MS = 86_400_000
GROUPS = 10
HOUR_MS = 3_600_000

# A thousand of these are well below what a session may last.
LONGEST_PAST_MS = 60_000


def creation(participants: int, mode: SyncMode = SyncMode.PER_PARTICIPANT) -> bytes:
    """The body of a request for a session with an id of its own."""
    groups = [str(uuid4()) for _ in range(min(participants, GROUPS))]
    members = []
    for position in range(participants):
        member: dict[str, Any] = {"participant_id": str(uuid4()), "total_time_ms": TIME_MS}
        if mode is SyncMode.PER_GROUP:
            member["group_id"] = groups[position % len(groups)]
        members.append(member)
    body = {
        "session_id": str(uuid4()),
        "sync_mode": mode.value,
        "total_time_ms": TIME_MS,
        "participants": members,
    }
    return json.dumps(body).encode()


def session_id_of(creation: bytes) -> str:
    return str(json.loads(creation)["session_id"])


def setup_of(creation: bytes) -> Setup:
    return read(CreateSession, creation).setup()


def started(engine: SyncEngine, creation: bytes) -> str:
    """The id of a session that has been created and runs."""
    session_id = engine.create_session(setup_of(creation)).session.setup.session_id
    engine.start_session(session_id)
    return session_id


def aged(redis_url: str, creation: bytes) -> str:
    """The id of a session that runs and in which each participant has had cycles already.

    A new session is flattering: all participants' times are the same and mostly 0,
    and the store writes what is the same only once.
    """
    with store_on(redis_url) as store:
        session_id = started(_engine(store), creation)
        session = store.load(session_id).session
        match session:
            case Rotation():
                store.commit(_next_version(_with_a_past(session)))
            case Simultaneous():
                store.commit(_next_version(_with_different_clocks(session)))
            case _:
                raise LookupError(session_id)
    return session_id


def _with_a_past(session: Rotation) -> Rotation:
    # The same past in every run.
    chance = random.Random(1)
    tallies = tuple(
        Tally(chance.randint(1_000, LONGEST_PAST_MS), 0, chance.randint(1, 60))
        for _ in session.tallies
    )
    banks = tuple(
        bank._replace(main_ms=bank.main_ms - chance.randint(1_000, LONGEST_PAST_MS))
        for bank in session.banks
    )
    return replace(
        session,
        version=session.version + 1,
        tallies=tallies,
        banks=banks,
        elapsed_ms=sum(tally.time_used_ms for tally in tallies),
    )


def _with_different_clocks(session: Simultaneous) -> Simultaneous:
    chance = random.Random(1)
    clocks = [
        clock._replace(used_ms=chance.randint(1_000, LONGEST_PAST_MS), overtime_ms=0)
        for block in session.blocks
        for clock in block.clocks
    ]
    return replace(
        session,
        version=session.version + 1,
        blocks=make_blocks(clocks, session.setup.warn_at_ms, session.elapsed_ms),
    )


def _next_version(session: Session) -> Commit:
    return Commit(
        session=session,
        base_version=session.version - 1,
        command_id=uuid4().hex,
        events=(),
        due_ms=due_ms(session),
        expires_at_ms=None,
        update=b"{}",
    )


def creation_commit(decision: Decision) -> Commit:
    """What writes a session that has a past, although no store has seen it before."""
    session = decision.session
    return Commit(
        session=session,
        base_version=0,
        command_id=uuid4().hex,
        events=decision.events,
        due_ms=due_ms(session),
        expires_at_ms=session.created_at_ms + HOUR_MS,
        update=b"{}",
    )


@contextmanager
def store_on(redis_url: str) -> Iterator[RedisStore]:
    """The store as the application builds it."""
    settings = Settings(redis_url=redis_url)
    server = RedisClient(settings)
    try:
        yield RedisStore(server, shards=settings.shards)
    finally:
        server.close()


class Pushes:
    """A Broadcaster that keeps what it is given, and posts nothing."""

    def __init__(self) -> None:
        self.updates: list[bytes] = []

    def broadcast(self, session_id: str, message: bytes) -> None:
        del session_id
        self.updates.append(message)

    def broadcast_and_close(self, session_id: str, final_message: bytes) -> None:
        self.broadcast(session_id, final_message)

    def close_revoked(self, session_id: str) -> None:
        """No client is connected."""


def _engine(store: RedisStore, broadcaster: Broadcaster | None = None) -> SyncEngine:
    session_ttl_ms = Settings().session_ttl_seconds * 1000
    return SyncEngine(CommitLoop(store, broadcaster=broadcaster, session_ttl_ms=session_ttl_ms))


@contextmanager
def engine_on(redis_url: str, broadcaster: Broadcaster | None = None) -> Iterator[SyncEngine]:
    """The engine as the application builds it; it broadcasts through the store by default."""
    with store_on(redis_url) as store:
        yield _engine(store, broadcaster)
