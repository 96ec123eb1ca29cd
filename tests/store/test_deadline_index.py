"""Contract of every DeadlineIndex, fake and real."""

from __future__ import annotations

import pytest

from chalicelib.core.commands import Complete, Pause, Switch
from chalicelib.core.rules import deadline_ms
from chalicelib.core.session import Session
from chalicelib.core.setup import Participant, Setup, SyncMode, create_setup
from chalicelib.ports import Deadline, DeadlineIndex, Due
from chalicelib.store.keys import ALL_ALARMS, SessionKeys, deadlines, shard_of_alarms, shard_tag

from .backends import Place
from .sessions import a_setup, new_id, next_of, started


@pytest.fixture
def index(place: Place) -> DeadlineIndex:
    return place.deadlines


def a_setup_of(total_ms: int) -> Setup:
    return create_setup(
        session_id=new_id(),
        sync_mode=SyncMode.PER_PARTICIPANT,
        participants=[Participant("p0", 0, total_ms), Participant("p1", 1, total_ms)],
        total_time_ms=2 * total_ms,
    )


def name_of(setup: Setup, index: DeadlineIndex) -> str:
    return SessionKeys.of(setup.session_id, index.shards).deadlines


def look(index: DeadlineIndex, session: Session, limit: int = 1_000) -> Due:
    return index.due(shard_of_alarms(name_of(session.setup, index)), limit)


def entry_of(index: DeadlineIndex, session: Session) -> Deadline | None:
    """What the index says is due of this very session."""
    found = [
        one for one in look(index, session).deadlines if one.session_id == session.setup.session_id
    ]
    assert len(found) <= 1
    return found[0] if found else None


def overdue(place: Place, total_ms: int = 1_000) -> Session:
    """A session whose clock has run out, not yet settled."""
    session = started(place.store, a_setup_of(total_ms))
    at_ms = deadline_ms(session)
    assert at_ms is not None
    place.wait_until(at_ms)
    return session


def test_next_deadline_is_known_before_it_is_due(place: Place, index: DeadlineIndex) -> None:
    session = started(place.store)
    found = look(index, session)
    at_ms = deadline_ms(session)
    assert at_ms is not None
    assert entry_of(index, session) is None
    assert found.next_ms is not None
    assert found.now_ms < found.next_ms <= at_ms
    assert place.store.now_ms() >= found.now_ms


def test_deadline_is_due_from_its_own_millisecond(place: Place, index: DeadlineIndex) -> None:
    session = overdue(place)
    at_ms = deadline_ms(session)
    assert at_ms is not None
    assert entry_of(index, session) == Deadline(session.setup.session_id, at_ms)


def test_reading_due_deadlines_removes_none(place: Place, index: DeadlineIndex) -> None:
    session = overdue(place)
    assert entry_of(index, session) == entry_of(index, session) is not None


def test_due_deadlines_are_limited_and_earliest_first(place: Place, index: DeadlineIndex) -> None:
    session = overdue(place)
    # Of the same shard, and later: sessions of other tests may stand before both.
    later = a_setup_of(1_000)
    while name_of(later, index) != name_of(session.setup, index):
        later = a_setup_of(1_000)
    other = started(place.store, later)
    at_ms = deadline_ms(other)
    assert at_ms is not None
    place.wait_until(at_ms)
    every = look(index, session).deadlines
    assert [one.at_ms for one in every] == sorted(one.at_ms for one in every)
    assert len(every) >= 2
    assert look(index, session, limit=1).deadlines == every[:1]


def test_commit_moves_or_removes_the_entry(place: Place, index: DeadlineIndex) -> None:
    session = overdue(place)
    settled = next_of(session, Switch(), place.store.now_ms())
    place.store.commit(settled)
    assert entry_of(index, session) is None
    assert place.deadline_ms(session.setup.session_id) == settled.due_ms
    place.store.commit(next_of(settled.session, Complete(), place.store.now_ms()))
    assert place.deadline_ms(session.setup.session_id) is None


def test_entry_without_a_session_is_corrected_away(place: Place, index: DeadlineIndex) -> None:
    session = overdue(place)
    session_id = session.setup.session_id
    place.lose(session_id)
    assert entry_of(index, session) is not None
    index.correct(session_id, None, None)
    assert place.deadline_ms(session_id) is None


def test_entry_that_disagrees_with_its_session_is_corrected(
    place: Place, index: DeadlineIndex
) -> None:
    session = started(place.store)
    session_id = session.setup.session_id
    place.misplace(session_id, 17)
    assert entry_of(index, session) == Deadline(session_id, 17)
    index.correct(session_id, session, deadline_ms(session))
    assert place.deadline_ms(session_id) == deadline_ms(session)
    paused = next_of(session, Pause(), place.store.now_ms())
    place.store.commit(paused)
    place.misplace(session_id, 18)
    index.correct(session_id, paused.session, None)
    assert place.deadline_ms(session_id) is None


def test_correction_based_on_an_older_version_does_nothing(
    place: Place, index: DeadlineIndex
) -> None:
    session = started(place.store)
    session_id = session.setup.session_id
    switched = next_of(session, Switch(), place.store.now_ms())
    place.store.commit(switched)
    index.correct(session_id, session, 17)
    index.correct(session_id, None, None)
    assert place.deadline_ms(session_id) == switched.due_ms


def test_correction_based_on_another_epoch_does_nothing(place: Place, index: DeadlineIndex) -> None:
    former = started(place.store)
    session_id = former.setup.session_id
    place.store.delete(session_id, new_id("command"), b"gone")
    present = started(place.store, former.setup)
    assert former.version == present.version
    index.correct(session_id, former, 17)
    assert place.deadline_ms(session_id) == deadline_ms(present)


def test_newly_created_session_keeps_its_entry(place: Place, index: DeadlineIndex) -> None:
    session = started(place.store, a_setup())
    index.correct(session.setup.session_id, None, None)
    assert place.deadline_ms(session.setup.session_id) == deadline_ms(session)


def test_channel_name_yields_its_shard() -> None:
    assert [shard_of_alarms(deadlines(shard_tag(shard))) for shard in (0, 7, 15, 120)] == [
        0,
        7,
        15,
        120,
    ]
    assert deadlines(shard_tag(3)).startswith(ALL_ALARMS.removesuffix("*"))
