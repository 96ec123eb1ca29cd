"""What the engine notes of its work: the version that stands, and none that never did."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from chalicelib.core import errors
from chalicelib.core.commands import Cancel, Pause, Start, Switch
from chalicelib.engine.idempotency import IdempotentRequest
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.telemetry.log_context import log_context
from tests.chess import SESSION, chess

from .conftest import TTL_MS, RacedStore

NUMBERS = count()
# No two answers are the same: each says another instant.
ONCE = IdempotentRequest("key", b"asked", lambda _: str(next(NUMBERS)).encode())


@pytest.fixture
def engine(store: RacedStore) -> SyncEngine:
    engine = SyncEngine(store, session_ttl_ms=TTL_MS)
    engine.create_session(chess())
    engine.start_session(SESSION)
    return engine


def epoch(store: RacedStore) -> str:
    return store.commits[0].session.epoch


def noted_of(call: Callable[[], object]) -> dict[str, Any]:
    """What is noted of a call, whatever becomes of it."""
    with log_context() as log_keys:
        try:
            call()
        except errors.TicklessError as error:
            log_keys["code"] = type(error).__name__
    return log_keys


def meanwhile(call: Callable[[], object]) -> Callable[[], object]:
    """Another client's call, whose notes are not ours."""
    return lambda: noted_of(call)


@pytest.mark.parametrize("idempotency", [ONCE, None])
def test_what_was_committed_is_noted(
    engine: SyncEngine, store: RacedStore, idempotency: IdempotentRequest | None
) -> None:
    def switch() -> object:
        if idempotency is None:
            return engine.switch_cycle(SESSION)
        return engine.execute_idempotent(SESSION, Switch(), idempotency)

    assert noted_of(switch) == {"epoch": epoch(store), "version": 3}


def test_a_command_that_loses_to_another_notes_no_version(
    engine: SyncEngine, store: RacedStore
) -> None:
    store.intruders = [meanwhile(lambda: engine_of(store).execute(SESSION, Cancel()))]

    log_keys = noted_of(lambda: engine.execute_idempotent(SESSION, Pause(), ONCE))

    assert log_keys == {"code": "Conflict"}


def test_a_commit_that_fails_notes_no_version(engine: SyncEngine, store: RacedStore) -> None:
    store.intruders = [lambda: setattr(store, "away", True)]

    log_keys = noted_of(lambda: engine.execute_idempotent(SESSION, Pause(), ONCE))

    assert log_keys == {"code": "StoreUnavailable"}


def test_a_refusal_notes_the_timeout_that_it_committed_and_nothing_else(
    engine: SyncEngine, store: RacedStore
) -> None:
    assert noted_of(lambda: engine.start_session(SESSION)) == {"code": "InvalidTransition"}

    store.advance(10_000)
    late = noted_of(lambda: engine.start_session(SESSION))

    assert late == {"epoch": epoch(store), "version": 3, "code": "InvalidTransition"}


def test_what_is_shown_is_noted_and_so_is_what_a_log_belongs_to(
    engine: SyncEngine, store: RacedStore
) -> None:
    shown = {"epoch": epoch(store), "version": 2}

    assert noted_of(lambda: engine.get_current_state(SESSION)) == shown
    assert noted_of(lambda: engine.get_events(SESSION, None, 10)) == shown
    assert noted_of(lambda: engine.create_session(chess())) == shown


def test_an_answer_given_before_notes_the_version_it_tells_of(
    engine: SyncEngine, store: RacedStore
) -> None:
    engine.execute_idempotent(SESSION, Switch(), ONCE)
    engine.pause_session(SESSION)

    again = noted_of(lambda: engine.execute_idempotent(SESSION, Switch(), ONCE))

    assert again == {"epoch": epoch(store), "version": 3, "repeated": True}


def test_of_two_equal_requests_that_race_one_is_noted_as_repeated(
    engine: SyncEngine, store: RacedStore
) -> None:
    other = engine_of(store)
    store.intruders = [meanwhile(lambda: other.execute_idempotent(SESSION, Switch(), ONCE))]

    log_keys = noted_of(lambda: engine.execute_idempotent(SESSION, Switch(), ONCE))

    assert log_keys == {"epoch": epoch(store), "version": 3, "repeated": True}


def test_a_commit_whose_own_reply_was_lost_is_noted_as_made(
    engine: SyncEngine, store: RacedStore
) -> None:
    store.repeats = True

    log_keys = noted_of(lambda: engine.execute_idempotent(SESSION, Switch(), ONCE))

    assert log_keys == {"epoch": epoch(store), "version": 3}


def test_a_deletion_that_comes_again_made_no_version(engine: SyncEngine) -> None:
    def delete() -> None:
        engine.delete_session(SESSION, idempotency=ONCE)

    assert [noted_of(delete), noted_of(delete)] == [{}, {"repeated": True}]


def test_another_request_under_the_same_key_notes_nothing(engine: SyncEngine) -> None:
    engine.execute_idempotent(SESSION, Switch(), ONCE)
    other = IdempotentRequest("key", b"another", ONCE.respond)

    log_keys = noted_of(lambda: engine.execute_idempotent(SESSION, Start(), other))

    assert log_keys == {"code": "IdempotencyKeyReused"}


def engine_of(store: RacedStore) -> SyncEngine:
    return SyncEngine(store, session_ttl_ms=TTL_MS)
