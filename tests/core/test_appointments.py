"""Appointments: sessions that start and end by themselves, and how that can be changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.appointments import GRACE_MS, MAX_AHEAD_MS, Appointments
from chalicelib.core.commands import Finish, Join, Pause, Resume, Start, Update, apply
from chalicelib.core.edits import Patch
from chalicelib.core.errors import AlreadyStarted, InvalidSetup, RuleError
from chalicelib.core.events import Event, SessionExpired, SessionStarted
from chalicelib.core.participants import Joiner
from chalicelib.core.rules import clocks, deadline_ms, due_ms, last_deadline_ms, runs_without_end
from chalicelib.core.session import (
    ENDED,
    Session,
    Simultaneous,
    Status,
    create,
    with_appointments,
)
from chalicelib.core.setup import Permission, Setup, SyncMode, TimeoutAction
from tests.core.build import (
    COUNT_UP,
    END,
    GLOBAL,
    PER_PARTICIPANT,
    SKIP,
    Game,
    game,
    setup,
    started,
    without_appointments,
)
from tests.strategies import EPOCH_MS, TURNS, Step, play, setups, walks

SIMULTANEOUS = SyncMode.SIMULTANEOUS
MODES = pytest.mark.parametrize("mode", [PER_PARTICIPANT, GLOBAL, COUNT_UP, SIMULTANEOUS])


def at(starts_at_ms: int | None = None, ends_at_ms: int | None = None) -> Appointments:
    return Appointments(starts_at_ms, ends_at_ms)


def told(events: tuple[Event, ...]) -> list[tuple[str, int]]:
    return [(event.type, event.at_ms) for event in events]


def states(exam: Game, at_ms: int) -> dict[str, str]:
    return {name: str(view["clock_state"]) for name, view in exam.shown(at_ms).items()}


# The start


@MODES
def test_session_starts_by_itself_at_exactly_that_instant(mode: SyncMode) -> None:
    exam = game(mode, appointments=at(5_000))
    assert exam.status == "pending"
    assert exam.deadline_ms == 5_000
    assert exam.read(4_999).events == ()
    assert exam.read(7_000).events[0].type == "session_started"
    assert exam.events[0].at_ms == exam.session.started_at_ms == 5_000
    assert exam.used(7_000)["a"] == 2_000
    assert exam.session.appointments == at(5_000)


def test_start_that_is_changed_to_now_is_part_of_the_change() -> None:
    exam = game(PER_PARTICIPANT, appointments=at(5_000)).update(3_000, starts_at=3_000)
    assert told(exam.events) == [("session_updated", 3_000), ("session_started", 3_000)]


def test_what_changes_nothing_after_the_start_makes_no_version() -> None:
    exam = game(SIMULTANEOUS, appointments=at(5_000))
    for number, name in enumerate(exam.shown(0)):
        exam.apply_command(1_000 + number, Start(name))
    version = exam.session.version

    exam.apply_command(9_000, Join(Joiner("a")))
    assert exam.session.version == version


def test_start_and_timeouts_that_are_noticed_late_have_their_own_instants() -> None:
    quiz = game(PER_PARTICIPANT, each_ms=1_000, action_on_timeout=SKIP, appointments=at(5_000))
    assert told(quiz.read(60_000).events) == [
        ("session_started", 5_000),
        ("participant_expired", 6_000),
        ("cycle_switched", 6_000),
        ("participant_expired", 7_000),
        ("session_expired", 7_000),
    ]


def test_start_before_the_appointment_clears_it() -> None:
    exam = game(PER_PARTICIPANT, appointments=at(5_000, 9_000)).start(1_000)
    assert exam.session.appointments == at(None, 9_000)
    assert exam.read(5_000).events == ()
    assert exam.used(5_000) == {"a": 4_000, "b": 0}


def test_start_at_the_appointment_finds_a_session_that_has_started() -> None:
    exam = game(PER_PARTICIPANT, appointments=at(5_000))
    assert exam.refused(5_000, Start()).code == "INVALID_STATE_TRANSITION"
    assert told(exam.events) == [("session_started", 5_000)]


@MODES
def test_start_within_the_grace_is_at_the_creation(mode: SyncMode) -> None:
    session = create(setup(mode, appointments=at(1_000)), "epoch", 1_000 + GRACE_MS)
    decision = apply(session, None, 1_000 + GRACE_MS)
    assert told(decision.events) == [("session_started", 1_000 + GRACE_MS)]
    assert decision.session.started_at_ms == 1_000 + GRACE_MS
    assert decision.session.appointments == at(1_000)


def test_session_can_be_cancelled_before_its_appointment() -> None:
    exam = game(PER_PARTICIPANT, appointments=at(5_000, 9_000)).cancel(1_000)
    assert exam.deadline_ms is None
    assert exam.read(20_000).events == ()
    assert exam.status == "cancelled"


# The end


@MODES
def test_running_session_ends_by_itself_at_exactly_that_instant(mode: SyncMode) -> None:
    exam = game(mode, appointments=at(None, 5_000)).start(1_000)
    assert exam.deadline_ms == 5_000
    before = exam.remaining(4_999)
    assert told(exam.read(8_000).events) == [("session_expired", 5_000)]
    assert exam.session.completed_at_ms == 5_000
    assert exam.remaining(8_000)["a"] == before["a"] - 1
    assert exam.expired(8_000) == set()


def test_end_comes_in_a_pause_and_before_the_start_too() -> None:
    paused = game(PER_PARTICIPANT, appointments=at(None, 5_000)).start(1_000).pause(2_000)
    assert paused.deadline_ms == 5_000
    assert told(paused.read(6_000).events) == [("session_expired", 5_000)]
    assert paused.used(6_000) == {"a": 1_000, "b": 0}
    assert paused.cycle_counts(6_000) == {"a": 1, "b": 0}
    pending = game(PER_PARTICIPANT, appointments=at(None, 5_000))
    assert pending.refused(5_000, Start()).code == "INVALID_STATE_TRANSITION"
    assert pending.events == (SessionExpired(5_000, None, 0, 0),)


@pytest.mark.parametrize("mode", [PER_PARTICIPANT, COUNT_UP, SIMULTANEOUS])
@pytest.mark.parametrize("action", TimeoutAction)
def test_end_wins_ties(mode: SyncMode, action: TimeoutAction) -> None:
    fields: dict[str, Any] = {"max_time_ms": 4_000, "action_on_timeout": action}
    exam = game(mode, each_ms=4_000, appointments=at(None, 5_000), **fields).start(1_000)
    assert told(exam.read(5_000).events) == [("session_expired", 5_000)]
    assert exam.expired(5_000) == set()
    assert exam.remaining(5_000)["a"] == 0


@pytest.mark.parametrize("mode", [PER_PARTICIPANT, SIMULTANEOUS])
def test_clock_that_runs_out_a_millisecond_before_the_end_does_so(mode: SyncMode) -> None:
    exam = game(mode, "a", each_ms=3_999, appointments=at(None, 5_000)).start(1_000)
    assert told(exam.read(6_000).events) == [
        ("participant_expired", 4_999),
        ("session_expired", 5_000),
    ]


def test_end_in_overtime_books_it() -> None:
    exam = game(PER_PARTICIPANT, each_ms=1_000, appointments=at(None, 5_000)).start(1_000)
    assert told(exam.read(9_000).events) == [
        ("participant_expired", 2_000),
        ("session_expired", 5_000),
    ]
    assert exam.overtime(9_000) == {"a": 3_000, "b": 0}


def test_clock_that_an_end_stopped_at_zero_runs_out_on_resume() -> None:
    exam = game(SIMULTANEOUS, each_ms=4_000, appointments=at(None, 5_000)).start(1_000)
    exam.read(6_000).reopen(7_000).resume(8_000)
    assert told(exam.events) == [
        ("session_resumed", 8_000),
        ("participant_expired", 8_000),
        ("participant_expired", 8_000),
    ]


def test_taking_time_from_a_clock_that_stands_at_zero_takes_nothing() -> None:
    exam = game(SIMULTANEOUS, each_ms=4_000, appointments=at(None, 5_000)).start(1_000)
    exam.read(6_000).reopen(7_000).adjust(7_500, -1_000)
    assert exam.remaining(7_500) == {"a": 0, "b": 0}


# simultaneous


def test_start_of_one_leaves_the_appointment_for_the_others() -> None:
    exam = game(SIMULTANEOUS, "abc", appointments=at(5_000))
    exam.apply_command(1_000, Start("b"))
    assert exam.deadline_ms == 5_000
    assert told(exam.read(6_000).events) == [("participant_started", 5_000)]
    assert exam.used(6_000) == {"a": 1_000, "b": 5_000, "c": 1_000}
    assert exam.session.appointments == at(5_000)
    assert exam.deadline_ms == 11_000


def test_start_of_all_clears_the_appointment() -> None:
    exam = game(SIMULTANEOUS, "abc", appointments=at(5_000))
    exam.apply_command(1_000, Start("b"))
    exam.start(2_000)
    assert told(exam.events) == [("participant_started", 2_000)]
    assert exam.session.appointments == at()
    assert isinstance(exam.session, Simultaneous)
    assert exam.session.starts_waiting is False


def test_start_without_waiting_clocks_is_no_event_and_no_deadline() -> None:
    exam = game(SIMULTANEOUS, "a", appointments=at(5_000))
    exam.apply_command(1_000, Start("a"))
    assert exam.deadline_ms == 11_000
    assert exam.read(6_000).events == ()


def test_start_that_passes_in_a_pause_comes_with_the_resume() -> None:
    exam = game(SIMULTANEOUS, appointments=at(5_000))
    exam.apply_command(1_000, Start("b"))
    exam.pause(2_000)
    assert exam.deadline_ms is None
    assert exam.read(7_000).events == ()
    assert told(exam.resume(8_000).events) == [
        ("session_resumed", 8_000),
        ("participant_started", 8_000),
    ]
    assert exam.used(9_000) == {"a": 1_000, "b": 2_000}


def test_resume_before_the_start_begins_no_clock_and_at_the_start_all() -> None:
    exam = game(SIMULTANEOUS, appointments=at(5_000))
    exam.apply_command(1_000, Start("b"))
    assert told(exam.pause(2_000).resume(3_000).events) == [("session_resumed", 3_000)]
    assert told(exam.pause(4_000).resume(5_000).events) == [
        ("session_resumed", 5_000),
        ("participant_started", 5_000),
    ]
    assert isinstance(exam.session, Simultaneous)
    assert exam.session.starts_waiting is False


def test_clocks_begin_before_another_runs_out_at_the_same_instant() -> None:
    exam = game(SIMULTANEOUS, each_ms=4_000, action_on_timeout=END, appointments=at(5_000))
    exam.apply_command(1_000, Start("b"))
    assert told(exam.read(5_000).events) == [
        ("participant_started", 5_000),
        ("participant_expired", 5_000),
        ("participant_finished", 5_000),
        ("session_expired", 5_000),
    ]
    assert states(exam, 5_000) == {"a": "stopped", "b": "finished"}


@pytest.mark.parametrize("ends_at_ms", [4_000, 4_999])
def test_session_that_ended_before_the_appointment_leaves_clocks_waiting(ends_at_ms: int) -> None:
    exam = game(
        SIMULTANEOUS, each_ms=ends_at_ms - 1_000, action_on_timeout=END, appointments=at(5_000)
    )
    exam.apply_command(1_000, Start("b"))
    assert told(exam.read(6_000).events)[-1] == ("session_expired", ends_at_ms)
    assert states(exam, 6_000) == {"a": "waiting", "b": "finished"}


def test_waiting_clock_keeps_the_session_open_until_the_appointment() -> None:
    exam = game(SIMULTANEOUS, appointments=at(5_000))
    exam.apply_command(1_000, Start("b"))
    exam.apply_command(2_000, Finish("b"))
    assert (exam.status, exam.deadline_ms) == ("running", 5_000)
    assert states(exam.read(5_000), 5_000) == {"a": "running", "b": "finished"}


@pytest.mark.parametrize("joins_at_ms", [5_000, 7_000])
@pytest.mark.parametrize("starts", [(), ("a", "b")])
def test_clock_that_waits_after_the_appointment_does_not_begin_by_itself(
    starts: tuple[str, ...], joins_at_ms: int
) -> None:
    exam = game(SIMULTANEOUS, appointments=at(5_000))
    for one in starts:
        exam.apply_command(1_000, Start(one))
    exam.join(joins_at_ms, "c")
    assert isinstance(exam.session, Simultaneous)
    assert exam.session.starts_waiting is False
    assert exam.read(8_000).events == ()
    assert states(exam, 8_000) == {"a": "running", "b": "running", "c": "waiting"}


# What a creation may ask for


@pytest.mark.parametrize(
    ("given", "field", "bound", "value"),
    [
        (at(1_000_000 - GRACE_MS - 1), "starts_at", str(GRACE_MS), str(GRACE_MS + 1)),
        (at(1_000_001 + MAX_AHEAD_MS), "starts_at", str(MAX_AHEAD_MS), str(MAX_AHEAD_MS + 1)),
        (at(None, 1_000_001 + MAX_AHEAD_MS), "ends_at", str(MAX_AHEAD_MS), str(MAX_AHEAD_MS + 1)),
        (at(None, 1_000_000), "ends_at", "in the future", "0 ms ago"),
        (at(None, 999_000), "ends_at", "in the future", "1000 ms ago"),
        (at(1_005_000, 1_005_000), "ends_at", "after starts_at", "0 ms before"),
        (at(1_005_000, 1_003_000), "ends_at", "after starts_at", "2000 ms before"),
    ],
)
def test_impossible_appointments_are_refused(
    given: Appointments, field: str, bound: str, value: str
) -> None:
    with pytest.raises(InvalidSetup) as refused:
        create(setup(PER_PARTICIPANT, appointments=given), "epoch", 1_000_000)
    assert refused.value.field == field
    assert bound in str(refused.value)
    assert value in str(refused.value)
    patched = Game(setup(PER_PARTICIPANT)).refused(1_000_000, Update(patch_of(given)))
    assert (type(patched), str(patched)) == (InvalidSetup, str(refused.value))


def patch_of(given: Appointments) -> Patch:
    patch: Patch = {}
    if given.starts_at_ms is not None:
        patch["starts_at"] = given.starts_at_ms
    if given.ends_at_ms is not None:
        patch["ends_at"] = given.ends_at_ms
    return patch


def test_bounds_are_inclusive() -> None:
    create(setup(GLOBAL, appointments=at(MAX_AHEAD_MS - 1, MAX_AHEAD_MS)), "epoch", 0)
    create(setup(GLOBAL, appointments=at(0, GRACE_MS + 1)), "epoch", GRACE_MS)


# Changes


def test_appointments_can_change_before_the_start() -> None:
    exam = game(PER_PARTICIPANT).update(1_000, ends_at=9_000, starts_at=5_000)
    assert exam.events[-1].fields == ("starts_at", "ends_at")  # type: ignore[attr-defined]
    assert exam.session.appointments == at(5_000, 9_000)
    exam.update(2_000, starts_at=6_000)
    assert exam.deadline_ms == 6_000
    exam.update(3_000, starts_at=None)
    assert exam.deadline_ms == 9_000
    exam.update(4_000, ends_at=None)
    assert exam.deadline_ms is None


@MODES
def test_patch_within_the_grace_starts_the_session_at_its_instant(mode: SyncMode) -> None:
    exam = game(mode).update(50_000, starts_at=20_000)
    assert told(exam.events) == [("session_updated", 50_000), ("session_started", 50_000)]
    assert exam.session.started_at_ms == 50_000
    assert exam.session.appointments == at(20_000)
    assert exam.used(51_000)["a"] == 1_000


def test_start_cannot_change_after_it() -> None:
    exam = game(PER_PARTICIPANT, appointments=at(1_000)).read(2_000)
    for value in (None, 5_000):
        refusal = exam.refused(3_000, Update({"starts_at": value}))
        assert isinstance(refusal, AlreadyStarted)
        assert (refusal.code, refusal.command) == ("INVALID_STATE_TRANSITION", "update")
        assert str(refusal) == "Cannot change starts_at of a session that is running"
    same = exam.apply_command(3_000, Update({"starts_at": 1_000}))
    assert (same.refusal, same.events) == (None, ())
    assert started(GLOBAL).apply_command(1_000, Update({"starts_at": None})).refusal is None


def test_end_changes_in_a_running_and_a_paused_session() -> None:
    exam = started(PER_PARTICIPANT).update(1_000, ends_at=5_000)
    assert exam.deadline_ms == 5_000
    exam.pause(2_000).update(3_000, ends_at=7_000)
    assert exam.deadline_ms == 7_000
    exam.update(4_000, ends_at=None).read(9_000)
    assert exam.status == "paused"
    assert exam.deadline_ms is None


def test_new_end_must_be_after_the_start_that_is_there() -> None:
    exam = game(PER_PARTICIPANT, appointments=at(5_000))
    refusal = exam.refused(1_000, Update({"ends_at": 4_000}))
    assert str(refusal) == "ends_at must be after starts_at, got 1000 ms before it"


def test_new_end_closes_undo_and_permissions_leave_it_open() -> None:
    chess = started(PER_PARTICIPANT).switch(1_000)
    assert chess.update(2_000, metadata={"a": 1}).rotation.undo_record is not None
    assert chess.update(3_000, ends_at=90_000).rotation.undo_record is None


def test_ended_session_keeps_its_appointments() -> None:
    exam = game(PER_PARTICIPANT, appointments=at(1_000, 5_000)).read(6_000)
    assert exam.status == "expired"
    assert exam.session.appointments == at(1_000, 5_000)
    refusal = exam.refused(7_000, Update({"ends_at": 9_000}))
    assert refusal.code == "INVALID_STATE_TRANSITION"


def test_permissions_change_at_any_time_before_the_end() -> None:
    exam = started(SIMULTANEOUS).update(1_000, participants_may=["pause", "start"])
    assert exam.session.setup.participants_may == (Permission.START, Permission.PAUSE)
    assert exam.events[-1].fields == ("participants_may",)  # type: ignore[attr-defined]
    assert exam.apply_command(2_000, Pause(requested_by="a")).refusal is None
    exam.update(3_000, participants_may=None)
    assert exam.refused(4_000, Resume(requested_by="a")).code == "FORBIDDEN"
    before = exam.session
    assert exam.apply_command(5_000, Update({"participants_may": []})).session is before


@pytest.mark.parametrize("mode", TURNS)
def test_other_modes_have_no_permissions(mode: SyncMode) -> None:
    names = ("x.a", "y.b") if mode is SyncMode.PER_GROUP else "ab"
    chess = game(mode, names)
    refusal: RuleError = chess.refused(1_000, Update({"participants_may": [Permission.START]}))
    assert isinstance(refusal, InvalidSetup)
    assert refusal.field == "participants_may"
    assert chess.apply_command(2_000, Update({"participants_may": []})).events == ()


# reset and reopen


@MODES
def test_reset_clears_both(mode: SyncMode) -> None:
    exam = game(mode, appointments=at(1_000, 5_000)).read(2_000).reset(3_000)
    assert (exam.status, exam.deadline_ms) == ("pending", None)
    assert exam.session.appointments == at()
    assert exam.read(9_000).events == ()


@MODES
def test_reopen_clears_those_in_the_past(mode: SyncMode) -> None:
    exam = game(mode, appointments=at(1_000, 50_000)).read(2_000).complete(3_000).reopen(4_000)
    assert exam.session.appointments == at(None, 50_000)
    assert (exam.status, exam.deadline_ms) == ("paused", 50_000)
    ended = game(mode, appointments=at(1_000, 5_000)).read(6_000).reopen(7_000)
    assert ended.session.appointments == at()
    assert (ended.status, ended.deadline_ms) == ("paused", None)


@pytest.mark.parametrize(("reopens_at_ms", "is_waiting"), [(3_000, True), (5_000, False)])
def test_reopened_clocks_wait_for_the_start_that_is_to_come(
    reopens_at_ms: int, is_waiting: bool
) -> None:
    exam = game(SIMULTANEOUS, appointments=at(5_000))
    exam.apply_command(1_000, Start("b"))
    reopened = exam.complete(2_000).reopen(reopens_at_ms).session
    assert isinstance(reopened, Simultaneous)
    assert reopened.starts_waiting is is_waiting


def test_session_reopened_before_its_appointment_still_starts() -> None:
    exam = game(SIMULTANEOUS, appointments=at(5_000)).cancel(1_000).reopen(2_000)
    assert exam.deadline_ms == 5_000
    assert exam.read(5_000).status == "running"


def test_clocks_begin_with_the_resume_of_a_reopened_session() -> None:
    exam = game(SIMULTANEOUS, appointments=at(5_000))
    exam.apply_command(1_000, Start("b"))
    exam.complete(2_000).reopen(3_000).resume(6_000)
    assert told(exam.events) == [("session_resumed", 6_000), ("participant_started", 6_000)]


# How long it is kept


def test_session_is_kept_from_its_appointments_on() -> None:
    pending = game(PER_PARTICIPANT, appointments=at(5_000, 9_000)).session
    assert last_deadline_ms(pending, deadline_ms(pending)) == 5_000
    open_end = game(PER_PARTICIPANT, appointments=at(None, 90_000)).start(0).session
    assert not runs_without_end(open_end)
    # Overtime goes on until then.
    assert last_deadline_ms(open_end, deadline_ms(open_end)) == 90_000
    ends = game(PER_PARTICIPANT, action_on_timeout=END, appointments=at(None, 90_000)).start(0)
    assert last_deadline_ms(ends.session, ends.deadline_ms) == 10_000
    assert last_deadline_ms(ends.pause(1_000).session, ends.deadline_ms) == 90_000
    exam = game(SIMULTANEOUS, action_on_timeout=SKIP, appointments=at(50_000))
    exam.apply_command(0, Start("a"))
    assert last_deadline_ms(exam.session, exam.deadline_ms) == 50_000


@MODES
def test_session_that_stands_still_has_no_last_deadline(mode: SyncMode) -> None:
    assert last_deadline_ms(game(mode).session, None) is None
    for playing in (started(mode), game(mode, appointments=at(1_000)).read(2_000)):
        assert last_deadline_ms(playing.pause(3_000).session, None) is None


# Laws

WITH_UPDATES = ["switch", "pause or resume", "adjust", "update", "update", "read"]
CASES = st.one_of(st.tuples(setups(tiny=True), walks(tiny=True)), st.tuples(setups(), walks()))


def appointed(chosen: Setup, appointments: Appointments) -> Session:
    return create(replace(chosen, appointments=appointments), "epoch", EPOCH_MS)


@given(setups(tiny=True), st.integers(1, 60), st.lists(st.integers(0, 90), max_size=6))
def test_session_starts_then_whatever_the_reads(
    chosen: Setup, ahead_ms: int, reads_ms: list[int]
) -> None:
    starts_at_ms, events = EPOCH_MS + ahead_ms, list[Event]()
    session = appointed(chosen, at(starts_at_ms))
    for read_ms in sorted(reads_ms):
        decision = apply(session, None, EPOCH_MS + read_ms)
        session, events = decision.session, [*events, *decision.events]
        assert (session.status is Status.PENDING) == (read_ms < ahead_ms)
    session = apply(session, None, starts_at_ms + 90).session
    assert session.started_at_ms == starts_at_ms
    assert [event.at_ms for event in events if isinstance(event, SessionStarted)] in (
        [],
        [starts_at_ms],
    )
    # From then on it is the session that a command started at that instant.
    by_hand = appointed(chosen, at())
    by_hand = apply(by_hand, Start(), starts_at_ms).session
    by_hand = apply(by_hand, None, starts_at_ms + 90).session
    assert clocks(session, starts_at_ms + 90) == clocks(by_hand, starts_at_ms + 90)
    assert session.status is by_hand.status


@given(CASES, st.integers(0, 60))
def test_end_changes_no_remaining_time_and_no_clock_expires_by_it(
    case: tuple[Setup, list[Step]], ahead_ms: int
) -> None:
    for played in play(*case):
        now_ms = played.now_ms
        session = without_appointments(apply(played.after, None, now_ms).session)
        if session.status in ENDED:
            continue
        ends_ms = now_ms + 1 + ahead_ms
        free = apply(session, None, ends_ms - 1).session
        ending = with_appointments(session, at(None, ends_ms))
        assert clocks(apply(ending, None, ends_ms - 1).session, ends_ms - 1) == clocks(
            free, ends_ms - 1
        )
        if free.status in ENDED:
            continue
        ended = apply(ending, None, ends_ms + 1)
        assert (ended.session.status, ended.session.completed_at_ms) == ("expired", ends_ms)
        assert isinstance(ended.events[-1], SessionExpired)
        before, after = clocks(free, ends_ms), clocks(ended.session, ends_ms + 1)
        assert before.session_remaining_ms == after.session_remaining_ms
        for was, now in zip(before.participants, after.participants, strict=True):
            for name in ("time_remaining_ms", "time_used_ms", "overtime_ms", "has_expired"):
                assert was[name] == now[name]


@given(CASES)
def test_deadline_counts_the_appointments(case: tuple[Setup, list[Step]]) -> None:
    for played in play(*case):
        session = played.after
        alone_ms = deadline_ms(without_appointments(session))
        starts_at_ms, ends_at_ms = session.appointments
        if session.status in ENDED:
            assert deadline_ms(session) is None
            continue
        instants = [one for one in (alone_ms, ends_at_ms) if one is not None]
        if session.status is Status.PENDING and starts_at_ms is not None:
            assert deadline_ms(session) == starts_at_ms
        elif session.setup.sync_mode is not SIMULTANEOUS:
            assert deadline_ms(session) == min(instants, default=None)
        assert (due_ms(session) or played.now_ms + 1) > played.now_ms
