"""Idempotent requests: a repetition has no further effect and gets the first response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from chalicelib.core import errors
from chalicelib.core.commands import Complete, Pause, Resume, Start, Switch
from chalicelib.engine.commit_loop import CommandResult, CommitLoop
from chalicelib.engine.idempotency import IdempotentRequest, fingerprint
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.ports import RateLimitCheck
from chalicelib.rate_limit.limiter import SECOND_US, Limit
from tests.chess import BEN, SESSION, chess
from tests.fakes import FakeStore

from .conftest import TTL_MS, RacedStore

DAY_MS = 24 * 60 * 60_000
NewRequest = Callable[..., IdempotentRequest]


@dataclass
class Clerk:
    """Writes answers, each of them different, and remembers for which versions."""

    answered: list[int] = field(default_factory=list)

    def answer(self, outcome: CommandResult) -> bytes:
        self.answered.append(outcome.session.version)
        return f"answer {len(self.answered)}: {outcome.session.version}".encode()


@dataclass
class RecordingBroadcaster:
    """A broadcaster that records its messages."""

    messages: list[bytes] = field(default_factory=list)
    closed: int = 0

    def broadcast(self, _: str, message: bytes) -> None:
        self.messages.append(message)

    def broadcast_and_close(self, _: str, __: bytes) -> None:
        self.closed += 1

    def close_revoked(self, _: str) -> None:
        """No caller here has a token."""


@pytest.fixture
def clerk() -> Clerk:
    return Clerk()


@pytest.fixture
def idempotency(clerk: Clerk) -> NewRequest:
    def made(key: str = "key", asked: bytes = b"{}") -> IdempotentRequest:
        return IdempotentRequest(key, fingerprint("ask", asked), clerk.answer, DAY_MS)

    return made


@pytest.fixture
def engine(store: RacedStore) -> SyncEngine:
    engine = SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS))
    engine.create_session(chess())
    return engine


def version(engine: SyncEngine) -> int:
    return engine.get_current_state(SESSION).session.version


def test_repeated_command_is_applied_once_with_the_same_response(
    engine: SyncEngine, idempotency: NewRequest
) -> None:
    first = engine.execute_idempotent(SESSION, Start(), idempotency())
    engine.switch_cycle(SESSION)

    assert engine.execute_idempotent(SESSION, Start(), idempotency()) == first == b"answer 1: 2"
    assert version(engine) == 3


def test_key_expires_after_a_day(
    engine: SyncEngine, store: RacedStore, idempotency: NewRequest
) -> None:
    engine.execute_idempotent(SESSION, Start(), idempotency())
    store.keep_for_ever(SESSION)
    store.advance(DAY_MS - 1)
    assert engine.execute_idempotent(SESSION, Start(), idempotency()) == b"answer 1: 2"

    store.advance(1)
    with pytest.raises(errors.InvalidTransition):
        engine.execute_idempotent(SESSION, Start(), idempotency())


def test_reused_key_is_refused_and_changes_nothing(
    engine: SyncEngine, idempotency: NewRequest
) -> None:
    engine.execute_idempotent(SESSION, Start(), idempotency(asked=b"start"))

    for call in (
        lambda: engine.execute_idempotent(SESSION, Switch(), idempotency(asked=b"switch")),
        lambda: engine.create_session_idempotent(chess(), idempotency(asked=b"create")),
        lambda: engine.delete_session(SESSION, idempotency=idempotency(asked=b"delete")),
    ):
        with pytest.raises(errors.IdempotencyKeyReused):
            call()
    assert version(engine) == 2


def test_second_of_two_racing_requests_under_one_key_is_refused(
    engine: SyncEngine,
    rival: SyncEngine,
    store: RacedStore,
    idempotency: NewRequest,
) -> None:
    engine.start_session(SESSION)
    store.intruders = [
        lambda: rival.execute_idempotent(SESSION, Pause(), idempotency(asked=b"pause"))
    ]

    with pytest.raises(errors.IdempotencyKeyReused):
        engine.execute_idempotent(SESSION, Switch(), idempotency(asked=b"switch"))

    assert version(engine) == 3


def test_one_of_two_equal_racing_requests_is_applied_and_both_get_its_response(
    rival: SyncEngine, store: RacedStore, idempotency: NewRequest
) -> None:
    broadcaster = RecordingBroadcaster()
    engine = SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS, broadcaster=broadcaster))
    engine.create_session(chess())
    engine.start_session(SESSION)
    before = list(broadcaster.messages)
    theirs: list[bytes] = []
    store.intruders = [
        lambda: theirs.append(rival.execute_idempotent(SESSION, Switch(), idempotency()))
    ]

    ours = engine.execute_idempotent(SESSION, Switch(), idempotency())

    assert [ours] == theirs
    assert version(engine) == 3
    # The engine that committed it broadcasts it; ours did not.
    assert broadcaster.messages == before


def test_equal_racing_switches_count_once_against_the_limit(
    engine: SyncEngine,
    rival: SyncEngine,
    idempotency: NewRequest,
    store: RacedStore,
) -> None:
    engine.start_session(SESSION)
    charges = [RateLimitCheck("switch", SESSION, Limit(1, SECOND_US)) for _ in range(3)]
    theirs: list[bytes] = []
    store.intruders = [
        lambda: theirs.append(
            rival.execute_idempotent(SESSION, Switch(), idempotency(), limit_check=charges[1])
        )
    ]

    ours = engine.execute_idempotent(SESSION, Switch(), idempotency(), limit_check=charges[0])

    assert [ours] == theirs
    with pytest.raises(errors.RateLimited):
        engine.execute(SESSION, Switch(), limit_check=charges[2])


def test_commit_whose_reply_was_lost_is_broadcast(
    store: RacedStore, idempotency: NewRequest
) -> None:
    broadcaster = RecordingBroadcaster()
    engine = SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS, broadcaster=broadcaster))
    engine.create_session(chess())
    store.repeats = True

    assert engine.execute_idempotent(SESSION, Start(), idempotency()) == b"answer 1: 2"
    assert len(broadcaster.messages) == 2


def test_refused_command_can_be_retried_under_its_key(
    engine: SyncEngine, store: RacedStore, idempotency: NewRequest
) -> None:
    engine.start_session(SESSION)
    store.advance(10_000)
    with pytest.raises(errors.InvalidTransition):
        engine.execute_idempotent(SESSION, Resume(), idempotency())
    engine.pause_session(SESSION)

    assert engine.execute_idempotent(SESSION, Resume(), idempotency()) == b"answer 1: 5"
    assert engine.get_current_state(SESSION).state["status"] == "running"


def test_repeated_command_without_effect_has_the_same_response(
    engine: SyncEngine, idempotency: NewRequest
) -> None:
    engine.complete_session(SESSION)
    first = engine.execute_idempotent(SESSION, Complete(), idempotency())
    engine.delete_session(SESSION)
    engine.create_session(chess())

    assert engine.execute_idempotent(SESSION, Complete(), idempotency()) == first
    assert engine.get_current_state(SESSION).state["status"] == "pending"


def test_racing_commands_without_effect_have_the_same_response(
    engine: SyncEngine,
    rival: SyncEngine,
    store: RacedStore,
    idempotency: NewRequest,
) -> None:
    engine.complete_session(SESSION)
    theirs: list[bytes] = []

    class Overtaken(FakeStore):
        def __getattribute__(self, name: str) -> object:
            if name == "save_response":
                theirs.append(rival.execute_idempotent(SESSION, Complete(), idempotency()))
            return getattr(store, name)

    slow = SyncEngine(CommitLoop(Overtaken(), session_ttl_ms=TTL_MS))

    assert [slow.execute_idempotent(SESSION, Complete(), idempotency())] == theirs


def test_key_outlives_the_session_it_was_used_on(
    engine: SyncEngine, idempotency: NewRequest
) -> None:
    first = engine.execute_idempotent(SESSION, Start(), idempotency())
    engine.delete_session(SESSION)
    assert engine.execute_idempotent(SESSION, Start(), idempotency()) == first

    engine.create_session(chess())
    assert engine.execute_idempotent(SESSION, Start(), idempotency()) == first
    assert engine.get_current_state(SESSION).state["status"] == "pending"


def test_key_is_checked_before_the_version(engine: SyncEngine, idempotency: NewRequest) -> None:
    first = engine.execute_idempotent(SESSION, Start(), idempotency(), expected_versions={1})

    assert (
        engine.execute_idempotent(SESSION, Start(), idempotency(), expected_versions={1}) == first
    )


@pytest.mark.parametrize("exists", [False, True])
def test_repeated_creation_has_the_first_response(
    engine: SyncEngine, idempotency: NewRequest, exists: bool
) -> None:
    session_id = SESSION if exists else BEN
    setup = chess(session_id=session_id)
    first = engine.create_session_idempotent(setup, idempotency())
    engine.start_session(session_id)

    assert engine.create_session_idempotent(setup, idempotency()) == first == b"answer 1: 1"


def test_repeated_deletion_spares_a_newer_session(
    store: RacedStore, idempotency: NewRequest
) -> None:
    broadcaster = RecordingBroadcaster()
    engine = SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS, broadcaster=broadcaster))
    engine.create_session(chess())
    engine.delete_session(SESSION, idempotency=idempotency())
    engine.create_session(chess())
    engine.delete_session(SESSION, idempotency=idempotency())

    assert version(engine) == 1
    assert broadcaster.closed == 1


def test_deletion_can_require_a_version(
    engine: SyncEngine, rival: SyncEngine, store: RacedStore
) -> None:
    with pytest.raises(errors.PreconditionFailed):
        engine.delete_session(SESSION, expected_versions={2})
    store.before_delete = lambda: rival.start_session(SESSION)
    with pytest.raises(errors.PreconditionFailed) as refused:
        engine.delete_session(SESSION, expected_versions={1})
    assert refused.value.actual_version == 2

    engine.delete_session(SESSION, expected_versions={2})
    with pytest.raises(errors.PreconditionFailed, match="gone"):
        engine.delete_session(SESSION, expected_versions={2})


def test_keys_of_different_sessions_are_independent(
    engine: SyncEngine, idempotency: NewRequest
) -> None:
    engine.create_session(chess(session_id=BEN))

    assert engine.execute_idempotent(SESSION, Start(), idempotency()) == b"answer 1: 2"
    assert engine.execute_idempotent(BEN, Start(), idempotency()) == b"answer 2: 2"
