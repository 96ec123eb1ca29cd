"""Contract of every SessionStore: idempotency records."""

from __future__ import annotations

from chalicelib.core.commands import Start, Switch
from chalicelib.core.session import create
from chalicelib.ports import Committed, Deleted, IdempotencyRecord, SessionStore, Stale

from .backends import Place
from .sessions import a_setup, created, creation, new_id, next_of, started

KEPT = IdempotencyRecord(3, b"fingerprint", b"200 [] with spaces, \x00 and \xff\nand lines", "e1")
LONG_MS = 60_000


def test_commit_stores_its_idempotency_record_unchanged(store: SessionStore) -> None:
    session, key = started(store), new_id("key")
    session_id = session.setup.session_id
    commit = next_of(session, Switch(), store.now_ms(), command_id=key, record=KEPT)
    assert store.load(session_id, key).record is None

    assert store.commit(commit) == Committed(3)

    assert store.load(session_id, key).record == KEPT
    assert store.load(session_id).record is None
    assert store.load(session_id, new_id("key")).record is None


def test_second_commit_of_one_id_gets_the_record_of_the_first(store: SessionStore) -> None:
    session, key = started(store), new_id("key")
    first = next_of(session, Switch(), store.now_ms(), command_id=key, record=KEPT)
    other = IdempotencyRecord(3, b"another", b"answer")
    second = next_of(session, Switch(), store.now_ms(), command_id=key, record=other)
    store.commit(first)

    assert store.commit(second) == Committed(3, KEPT)


def test_commit_without_a_record_stores_its_version(store: SessionStore) -> None:
    commit = creation(create(a_setup(), new_id("epoch"), store.now_ms()))
    store.commit(commit)

    found = store.load(commit.session.setup.session_id, commit.command_id)

    assert found.record == IdempotencyRecord(1)


def test_record_is_kept_for_the_requested_time(place: Place, store: SessionStore) -> None:
    session, key = created(store), new_id("key")
    session_id = session.setup.session_id
    commit = next_of(
        session,
        Start(),
        store.now_ms(),
        command_id=key,
        record=IdempotencyRecord(2, b"f", b"a"),
        keep_ms=50,
    )
    store.commit(commit)
    store.save_response(session_id, "kept", IdempotencyRecord(2, b"f", b"a"), 50)

    place.wait_until(store.now_ms() + 60)

    assert store.load(session_id, key).record is None
    assert store.load(session_id, "kept").record is None


def test_record_outlives_its_session(store: SessionStore) -> None:
    session, key = started(store), new_id("key")
    session_id = session.setup.session_id
    store.commit(next_of(session, Switch(), store.now_ms(), command_id=key, record=KEPT))
    store.delete(session_id, new_id("command"), b"gone")

    found = store.load(session_id, key)

    assert (found.session, found.record) == (None, KEPT)


def test_stale_commit_stores_no_record(store: SessionStore) -> None:
    session, key = started(store), new_id("key")
    late = next_of(session, Switch(), store.now_ms(), command_id=key, record=KEPT)
    store.commit(next_of(session, Switch(), store.now_ms()))

    assert isinstance(store.commit(late), Stale)
    assert store.load(session.setup.session_id, key).record is None


def test_first_saved_response_is_kept(store: SessionStore) -> None:
    session_id, key = new_id(), new_id("key")
    other = IdempotencyRecord(9, b"another", b"answer")

    assert store.save_response(session_id, key, KEPT, LONG_MS) == KEPT
    assert store.save_response(session_id, key, other, LONG_MS) == KEPT
    assert store.load(session_id, key).record == KEPT


def test_delete_reports_whether_the_session_existed(store: SessionStore) -> None:
    session_id = created(store).setup.session_id

    assert store.delete(session_id, new_id("command"), b"gone") == Deleted(True)
    assert store.delete(session_id, new_id("command"), b"gone") == Deleted(False)


def test_repeated_delete_gets_the_record_of_the_first(store: SessionStore) -> None:
    session_id, key = created(store).setup.session_id, new_id("key")
    record = IdempotencyRecord(0, b"fingerprint")
    store.delete(session_id, key, b"gone", record=record, keep_ms=LONG_MS)

    assert store.delete(session_id, key, b"gone") == Deleted(False, record)
    assert store.load(session_id, key).record == record


def test_conditional_delete_deletes_no_other_version(place: Place, store: SessionStore) -> None:
    session = created(store)
    session_id = session.setup.session_id
    running = next_of(session, Start(), store.now_ms())
    store.commit(running)

    late = store.delete(session_id, new_id("command"), b"gone", base=session)

    assert isinstance(late, Stale)
    assert late.current.session == running.session
    assert b"gone" not in place.published(session_id)
    command_id = new_id("command")
    assert store.delete(session_id, command_id, b"gone", base=running.session) == Deleted(True)
    nothing = store.delete(session_id, new_id("command"), b"gone", base=running.session)
    assert isinstance(nothing, Stale)
    assert nothing.current.session is None
