"""Which version the engine puts into the log context of a request."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from chalicelib.core import errors
from chalicelib.core.commands import Cancel, Pause, Start, Switch
from chalicelib.engine.commit_loop import CommitLoop
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
    engine = SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS))
    engine.create_session(chess())
    engine.start_session(SESSION)
    return engine


def epoch(store: RacedStore) -> str:
    return store.commits[0].session.epoch


def noted_of(call: Callable[[], object]) -> dict[str, Any]:
    """The log context of a call, whether it succeeds or fails."""
    with log_context() as log_keys:
        try:
            call()
        except errors.TicklessError as error:
            log_keys["code"] = type(error).__name__
    return log_keys


def meanwhile(call: Callable[[], object]) -> Callable[[], object]:
    """Another client's call, which has a log context of its own."""
    return lambda: noted_of(call)


@pytest.mark.parametrize("idempotency", [ONCE, None])
def test_committed_version_is_in_the_log_context(
    engine: SyncEngine, store: RacedStore, idempotency: IdempotentRequest | None
) -> None:
    def switch() -> object:
        if idempotency is None:
            return engine.switch_cycle(SESSION)
        return engine.execute_idempotent(SESSION, Switch(), idempotency)

    assert noted_of(switch) == {"epoch": epoch(store), "version": 3}


def test_command_that_loses_a_race_has_no_version_in_its_log_context(
    engine: SyncEngine, store: RacedStore
) -> None:
    store.intruders = [meanwhile(lambda: engine_of(store).execute(SESSION, Cancel()))]

    log_keys = noted_of(lambda: engine.execute_idempotent(SESSION, Pause(), ONCE))

    assert log_keys == {"code": "Conflict"}


def test_failed_commit_has_no_version_in_its_log_context(
    engine: SyncEngine, store: RacedStore
) -> None:
    store.intruders = [lambda: setattr(store, "away", True)]

    log_keys = noted_of(lambda: engine.execute_idempotent(SESSION, Pause(), ONCE))

    assert log_keys == {"code": "StoreUnavailable"}


def test_refusal_has_only_the_version_of_its_timeout_in_its_log_context(
    engine: SyncEngine, store: RacedStore
) -> None:
    assert noted_of(lambda: engine.start_session(SESSION)) == {"code": "InvalidTransition"}

    store.advance(10_000)
    late = noted_of(lambda: engine.start_session(SESSION))

    assert late == {"epoch": epoch(store), "version": 3, "code": "InvalidTransition"}


def test_shown_version_is_in_the_log_context(engine: SyncEngine, store: RacedStore) -> None:
    shown = {"epoch": epoch(store), "version": 2}

    assert noted_of(lambda: engine.get_current_state(SESSION)) == shown
    assert noted_of(lambda: engine.get_events(SESSION, None, 10)) == shown
    assert noted_of(lambda: engine.create_session(chess())) == shown


def test_repeated_response_has_its_version_in_the_log_context(
    engine: SyncEngine, store: RacedStore
) -> None:
    engine.execute_idempotent(SESSION, Switch(), ONCE)
    engine.pause_session(SESSION)

    again = noted_of(lambda: engine.execute_idempotent(SESSION, Switch(), ONCE))

    assert again == {"epoch": epoch(store), "version": 3, "repeated": True}


def test_repeated_racing_request_is_marked_in_the_log_context(
    engine: SyncEngine, store: RacedStore
) -> None:
    other = engine_of(store)
    store.intruders = [meanwhile(lambda: other.execute_idempotent(SESSION, Switch(), ONCE))]

    log_keys = noted_of(lambda: engine.execute_idempotent(SESSION, Switch(), ONCE))

    assert log_keys == {"epoch": epoch(store), "version": 3, "repeated": True}


def test_commit_whose_reply_was_lost_is_not_marked_as_repeated(
    engine: SyncEngine, store: RacedStore
) -> None:
    store.repeats = True

    log_keys = noted_of(lambda: engine.execute_idempotent(SESSION, Switch(), ONCE))

    assert log_keys == {"epoch": epoch(store), "version": 3}


def test_repeated_deletion_is_marked_in_the_log_context(engine: SyncEngine) -> None:
    def delete() -> None:
        engine.delete_session(SESSION, idempotency=ONCE)

    assert [noted_of(delete), noted_of(delete)] == [{}, {"repeated": True}]


def test_reused_key_has_no_version_in_its_log_context(engine: SyncEngine) -> None:
    engine.execute_idempotent(SESSION, Switch(), ONCE)
    other = IdempotentRequest("key", b"another", ONCE.respond)

    log_keys = noted_of(lambda: engine.execute_idempotent(SESSION, Start(), other))

    assert log_keys == {"code": "IdempotencyKeyReused"}


def engine_of(store: RacedStore) -> SyncEngine:
    return SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS))
