"""Contract of every SessionStore, fake and real."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.core.commands import Complete, Decision, Pause, Resume, Start, Switch, Update, apply
from chalicelib.core.events import (
    ParticipantExpired,
    SessionCreated,
    SessionExpired,
    TimeoutsSkipped,
)
from chalicelib.core.session import create
from chalicelib.core.setup import SyncMode, TimeoutAction
from chalicelib.ports import Committed, IdempotencyRecord, Loaded, LoggedEvent, SessionStore, Stale

from .backends import Place
from .sessions import (
    HOUR_MS,
    a_setup,
    created,
    creation,
    new_id,
    next_of,
    started,
    switch,
    the_commit,
)


def test_missing_session_is_none_with_the_time(store: SessionStore) -> None:
    before_ms = store.now_ms()
    loaded = store.load(new_id())
    assert loaded.session is None
    assert before_ms <= loaded.now_ms <= store.now_ms()


def test_session_is_loaded_as_committed(store: SessionStore) -> None:
    session = started(store)
    assert store.load(session.setup.session_id).session == session


def test_setup_is_written_when_a_commit_says_so(store: SessionStore) -> None:
    session = created(store)
    update = Update({"message": {"text": "Tea"}, "metadata": {"a": [1, None]}})
    decision = apply(session, update, store.now_ms())
    assert store.commit(the_commit(decision, 1, writes_setup=True)) == Committed(2)
    loaded = store.load(session.setup.session_id)
    assert loaded.session == decision.session
    assert loaded.session is not None
    assert loaded.session.setup.was_requested_as(session.setup)
    # Later commits keep it.
    assert store.commit(next_of(decision.session, Start(), store.now_ms())) == Committed(3)
    again = store.load(session.setup.session_id).session
    assert again is not None
    assert again.setup == decision.session.setup
    assert store.read_events(session.setup.session_id, None, 10) is not None


def test_second_creation_is_stale_and_gets_the_current_session(store: SessionStore) -> None:
    session = created(store)
    rival = create(session.setup, new_id("epoch"), store.now_ms())
    result = store.commit(creation(rival))
    assert isinstance(result, Stale)
    assert result.current.session == session
    assert store.load(session.setup.session_id).session == session


def test_commit_from_an_older_version_is_stale_and_gets_the_current_session(
    place: Place, store: SessionStore
) -> None:
    session = started(store)
    first = next_of(session, Switch(), store.now_ms())
    second = next_of(session, Pause(), store.now_ms())
    assert store.commit(first) == Committed(3)
    before_ms = store.now_ms()
    result = store.commit(second)
    assert isinstance(result, Stale)
    assert result.current.session == first.session
    assert before_ms <= result.current.now_ms <= store.now_ms()
    assert place.published(session.setup.session_id)[-1] == b"version 3"


def test_commit_to_a_deleted_session_is_stale(store: SessionStore) -> None:
    session = started(store)
    store.delete(session.setup.session_id, new_id("command"), b"gone")
    result = store.commit(next_of(session, Switch(), store.now_ms()))
    assert isinstance(result, Stale)
    assert result.current.session is None


def test_commit_never_continues_another_version_of_the_same_number(place: Place) -> None:
    # One was made and lost with a server that fell, the other one has been made since.
    session = created(place.store)
    lost = next_of(session, Start(), place.store.now_ms())
    kept = next_of(session, Start(), place.store.now_ms() + 1)
    assert place.store.commit(kept) == Committed(2)

    follows_lost = next_of(
        lost.session,
        Switch(),
        place.store.now_ms(),
        base_updated_at_ms=lost.session.updated_at_ms,
    )
    result = place.store.commit(follows_lost)
    assert isinstance(result, Stale)
    assert result.current.session == kept.session

    follows_kept = next_of(
        kept.session,
        Switch(),
        place.store.now_ms() + 1,
        base_updated_at_ms=kept.session.updated_at_ms,
    )
    assert place.store.commit(follows_kept) == Committed(3)


def test_commit_never_continues_another_epoch_at_the_same_version(store: SessionStore) -> None:
    former = started(store)
    store.delete(former.setup.session_id, new_id("command"), b"gone")
    present = started(store, former.setup)
    assert former.version == present.version
    result = store.commit(next_of(former, Switch(), store.now_ms()))
    assert isinstance(result, Stale)
    assert result.current.session == present


def test_repeated_commit_returns_its_version(place: Place, store: SessionStore) -> None:
    session = started(store)
    session_id = session.setup.session_id
    commit = next_of(session, Switch(), store.now_ms())
    assert store.commit(commit) == Committed(3)
    switch(store, session_id)
    assert store.commit(commit) == Committed(3, IdempotencyRecord(3))
    assert place.published(session_id) == [f"version {n}".encode() for n in (1, 2, 3, 4)]
    assert [version for version, _ in place.log(session_id)] == [2, 3, 4]


def test_repeated_creation_is_recognised(store: SessionStore) -> None:
    commit = creation(create(a_setup(), new_id("epoch"), store.now_ms()))
    assert store.commit(commit) == Committed(1)
    assert store.commit(commit) == Committed(1, IdempotencyRecord(1))


def test_command_ids_of_different_sessions_are_independent(store: SessionStore) -> None:
    command_id = new_id("command")
    created(store, command_id=command_id)
    created(store, command_id=command_id)


def test_stale_commit_leaves_no_trace_of_its_command(store: SessionStore) -> None:
    session = started(store)
    command_id = new_id("command")
    late = next_of(session, Switch(), store.now_ms(), command_id=command_id)
    switch(store, session.setup.session_id)
    assert isinstance(store.commit(late), Stale)
    assert switch(store, session.setup.session_id, command_id) == 4


def test_index_has_the_deadline_while_there_is_one(place: Place, store: SessionStore) -> None:
    session = created(store)
    session_id = session.setup.session_id
    assert place.deadline_ms(session_id) is None
    running = next_of(session, Start(), store.now_ms())
    store.commit(running)
    assert place.deadline_ms(session_id) == running.due_ms
    paused = next_of(running.session, Pause(), store.now_ms())
    store.commit(paused)
    assert place.deadline_ms(session_id) is None
    store.commit(next_of(paused.session, Resume(), store.now_ms()))
    assert place.deadline_ms(session_id) is not None
    store.delete(session_id, new_id("command"), b"gone")
    assert place.deadline_ms(session_id) is None


def test_each_version_is_logged_with_its_events_and_published_once(
    place: Place, store: SessionStore
) -> None:
    session = create(a_setup(), new_id("epoch"), store.now_ms())
    session_id = session.setup.session_id
    events = (SessionCreated(session.created_at_ms),)
    store.commit(the_commit(Decision(session, events), 0))
    running = next_of(session, Start(), store.now_ms())
    store.commit(running)
    store.commit(next_of(running.session, Complete(), store.now_ms()))
    log = place.log(session_id)
    assert [(version, event["type"]) for version, event in log] == [
        (1, "session_created"),
        (2, "session_started"),
        (3, "session_completed"),
    ]
    assert log[1][1] == {
        "type": "session_started",
        "at_ms": running.session.started_at_ms,
        "active_participant_id": "p0",
    }
    assert place.published(session_id) == [b"version 1", b"version 2", b"version 3"]


def test_update_is_published_unchanged(place: Place, store: SessionStore) -> None:
    session = created(store, update=bytes(range(256)))
    assert place.published(session.setup.session_id) == [bytes(range(256))]


def test_command_renews_a_session(place: Place, store: SessionStore) -> None:
    session = created(store)
    later_ms = session.created_at_ms + 48 * HOUR_MS
    store.commit(next_of(session, Start(), store.now_ms(), expires_at_ms=later_ms))
    assert place.expires_at_ms(session.setup.session_id) == later_ms


def test_settling_does_not_renew_a_session(place: Place, store: SessionStore) -> None:
    session = created(store)
    expires_at_ms = place.expires_at_ms(session.setup.session_id)
    assert expires_at_ms == session.created_at_ms + 24 * HOUR_MS
    store.commit(next_of(session, Start(), store.now_ms(), expires_at_ms=None))
    assert place.expires_at_ms(session.setup.session_id) == expires_at_ms


def test_session_can_have_no_expiry(place: Place, store: SessionStore) -> None:
    session = created(store, expires_at_ms=None)
    store.commit(next_of(session, Start(), store.now_ms(), expires_at_ms=None))
    assert place.expires_at_ms(session.setup.session_id) is None
    assert store.load(session.setup.session_id).session is not None


def test_expired_session_can_be_created_again(place: Place, store: SessionStore) -> None:
    expires_at_ms = store.now_ms() + 30
    session = created(store, expires_at_ms=expires_at_ms)
    session_id = session.setup.session_id
    place.wait_until(expires_at_ms + 1)
    assert store.load(session_id).session is None
    assert isinstance(store.commit(next_of(session, Start(), store.now_ms())), Stale)
    successor = started(store, session.setup)
    assert store.load(session_id).session == successor
    assert [version for version, _ in place.log(session_id)] == [2]


def test_what_ended_a_session_is_known_for_a_day(place: Place, store: SessionStore) -> None:
    deleted, expired = started(store), created(store, expires_at_ms=store.now_ms() + 30)
    store.delete(deleted.setup.session_id, new_id("command"), b"final message")
    place.wait_until(store.now_ms() + 31)

    assert store.load(deleted.setup.session_id).ending == "deleted"
    assert store.load(expired.setup.session_id).ending == "expired"
    assert store.load(new_id()).ending is None
    # Deleting what has ended makes a difference only to what is said of it.
    for session in (deleted, expired):
        store.delete(session.setup.session_id, new_id("command"), b"final message")
        assert store.load(session.setup.session_id).ending == "deleted"
    assert started(store, deleted.setup) == store.load(deleted.setup.session_id).session
    assert store.load(deleted.setup.session_id).ending is None


@pytest.mark.parametrize("ended_ms", [-23 * HOUR_MS, -25 * HOUR_MS])
def test_session_that_expired_over_a_day_ago_is_forgotten(
    store: SessionStore, ended_ms: int
) -> None:
    session = created(store, expires_at_ms=store.now_ms() + ended_ms)

    loaded = store.load(session.setup.session_id)
    assert loaded.session is None
    assert loaded.ending == ("expired" if ended_ms == -23 * HOUR_MS else None)


def test_session_that_was_evicted_has_not_ended(place: Place, store: SessionStore) -> None:
    session = created(store)
    place.lose(session.setup.session_id)

    assert store.load(session.setup.session_id).ending is None


def test_deleted_session_loses_its_log_and_is_announced(place: Place, store: SessionStore) -> None:
    session = started(store)
    session_id = session.setup.session_id
    store.delete(session_id, new_id("command"), b"final message")
    assert store.load(session_id).session is None
    assert place.log(session_id) == []
    assert place.published(session_id)[-1] == b"final message"


def test_deleting_a_missing_session_publishes_nothing(place: Place, store: SessionStore) -> None:
    session_id = new_id()
    store.delete(session_id, new_id("command"), b"final message")
    assert place.published(session_id) == []


def test_repeated_delete_spares_a_newer_session(place: Place, store: SessionStore) -> None:
    session = created(store)
    session_id, command_id = session.setup.session_id, new_id("command")
    store.delete(session_id, command_id, b"final message")
    successor = created(store, session.setup)
    store.delete(session_id, command_id, b"final message")
    assert store.load(session_id).session == successor
    assert place.published(session_id).count(b"final message") == 1


def test_deleted_session_can_be_created_again_with_its_own_log(
    place: Place, store: SessionStore
) -> None:
    session = started(store)
    store.delete(session.setup.session_id, new_id("command"), b"final message")
    successor = started(store, session.setup)
    assert successor.epoch != session.epoch
    assert [version for version, _ in place.log(session.setup.session_id)] == [2]


def test_ids_can_contain_any_allowed_character(store: SessionStore) -> None:
    session = created(store, a_setup(f"{{a}}:b {new_id()} é♟"))
    assert store.load(session.setup.session_id).session == session


def test_thousand_participants_are_stored_like_two(store: SessionStore) -> None:
    session = started(store, a_setup(participants=1000))
    assert store.load(session.setup.session_id).session == session


def test_commit_carries_as_many_events_as_it_has(place: Place, store: SessionStore) -> None:
    session = started(store)
    decision = apply(session, Switch(), store.now_ms())
    many = replace(decision, events=decision.events * 102)
    store.commit(the_commit(many, session.version))
    assert len(place.log(session.setup.session_id)) == 1 + 102


def test_clock_does_not_go_backwards(store: SessionStore) -> None:
    readings = [store.now_ms(), store.load(new_id()).now_ms, store.now_ms()]
    assert readings == sorted(readings)


def test_available_store_answers_ping(store: SessionStore) -> None:
    store.ping()


def test_loading_changes_nothing(store: SessionStore) -> None:
    session = started(store)
    first = store.load(session.setup.session_id)
    second = store.load(session.setup.session_id)
    assert replace(first, now_ms=0) == replace(second, now_ms=0) == Loaded(session, 0)


def test_event_log_is_read_completely_in_pages(place: Place, store: SessionStore) -> None:
    session_id = started(store).setup.session_id
    for _ in range(6):
        switch(store, session_id)
    whole = store.read_events(session_id, None, 100)
    assert whole is not None
    assert [(one.version, one.event.type) for one in whole] == [
        (version, event["type"]) for version, event in place.log(session_id)
    ]
    pages: list[LoggedEvent] = []
    while page := store.read_events(session_id, pages[-1].event_id if pages else None, 3):
        assert len(page) <= 3
        pages += page
    assert pages == whole


def test_logged_events_are_the_events_that_were_committed(store: SessionStore) -> None:
    session = started(store)
    events = (
        ParticipantExpired(5, "p0", None, TimeoutAction.SKIP_CYCLE, {"to": ["whom", 1]}),
        TimeoutsSkipped(7, 12, "p1"),
        SessionExpired(8, None, 3, 4),
    )
    decision = replace(apply(session, Switch(), store.now_ms()), events=events)
    store.commit(the_commit(decision, session.version))
    logged = store.read_events(session.setup.session_id, None, 100)
    assert logged is not None
    assert tuple(one.event for one in logged[-3:]) == events
    assert {one.version for one in logged[-3:]} == {3}


def test_missing_session_has_no_event_log(store: SessionStore) -> None:
    assert store.read_events(new_id(), None, 10) is None
    session_id = started(store).setup.session_id
    store.delete(session_id, new_id("command"), b"gone")
    assert store.read_events(session_id, None, 10) is None


def test_page_after_the_last_event_is_empty(store: SessionStore) -> None:
    session_id = started(store).setup.session_id
    (last,) = store.read_events(session_id, None, 10) or ()
    assert store.read_events(session_id, last.event_id, 10) == []
    switch(store, session_id)
    (next_one,) = store.read_events(session_id, last.event_id, 10) or ()
    assert next_one.version == 3
    far = f"{2**63 - 1}-{2**63 - 1}"
    assert store.read_events(session_id, far, 10) == []


def test_load_many_loads_each_session_as_load_does(store: SessionStore) -> None:
    sessions = [started(store) for _ in range(3)]
    ids = [session.setup.session_id for session in sessions]
    loaded = store.load_many([ids[0], new_id(), ids[2], ids[1]])
    assert [one.session for one in loaded] == [sessions[0], None, sessions[2], sessions[1]]
    assert all(one.now_ms <= store.now_ms() for one in loaded)
    assert list(store.load_many([])) == []


def test_commit_many_applies_each_commit_separately(place: Place, store: SessionStore) -> None:
    sessions = [started(store) for _ in range(3)]
    commits = [next_of(session, Switch(), store.now_ms()) for session in sessions]
    assert store.commit(commits[0]) == Committed(3)
    switch(store, sessions[1].setup.session_id)
    results = store.commit_many(commits)
    assert results[0] == Committed(3, IdempotencyRecord(3))
    assert isinstance(results[1], Stale)
    assert results[1].current == replace(
        store.load(sessions[1].setup.session_id), now_ms=results[1].current.now_ms
    )
    assert results[2] == Committed(3)
    assert place.deadline_ms(sessions[2].setup.session_id) == commits[2].due_ms


def test_log_of_many_simultaneous_clocks_keeps_the_start(store: SessionStore) -> None:
    setup = a_setup(participants=600, sync_mode=SyncMode.SIMULTANEOUS)
    setup = replace(setup, action_on_timeout=TimeoutAction.SKIP_CYCLE)
    session = started(store, setup)
    # Each runs out and is finished.
    commit = the_commit(apply(session, None, store.now_ms() + HOUR_MS), session.version)

    assert store.commit(commit) == Committed(3)

    assert len(commit.events) == 1_201
    log = store.read_events(session.setup.session_id, None, 10)
    assert log is not None
    assert [entry.event.type for entry in log[:3]] == [
        "session_started",
        "participant_expired",
        "participant_finished",
    ]
