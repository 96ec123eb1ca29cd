"""What an arbiter corrects: whose turn it is, an end that came too early, a whole session."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import errors
from chalicelib.core import events as ev
from chalicelib.core.commands import (
    Complete,
    Finish,
    Pause,
    Reopen,
    Reset,
    SetTurn,
    Switch,
    Undo,
    apply,
)
from chalicelib.core.rules import clocks
from chalicelib.core.session import Rotation, Session, Status, create
from chalicelib.core.setup import SyncMode
from chalicelib.core.time_controls import Byoyomi, Fischer
from tests.core.build import (
    COUNT_UP,
    END,
    GLOBAL,
    NOTIFY,
    PER_CYCLE,
    PER_GROUP,
    PER_PARTICIPANT,
    SKIP,
    Game,
    game,
    started,
    without_appointments,
)
from tests.strategies import EPOCH_MS, TURNS, sessions

SIMULTANEOUS = SyncMode.SIMULTANEOUS
ANY = st.one_of(sessions(tiny=True), sessions())
GAPS_MS = st.integers(0, 50) | st.integers(0, 10**9)


def facts(session: Session) -> Session:
    if isinstance(session, Rotation):
        session = replace(session, undo_record=None)
    return replace(session, version=0, updated_at_ms=0)


# set_turn


def test_set_turn_books_the_cycle_and_stays_paused() -> None:
    match = started(PER_PARTICIPANT, "abc").pause(4_000).set_turn(9_000, "c")
    assert match.events == (ev.CycleSwitched(9_000, "a", "c", 4_000, 0),)
    assert (match.status, match.active, match.deadline_ms) == ("paused", "c", None)
    assert match.running(9_000) == set()
    assert match.used(20_000) == {"a": 4_000, "b": 0, "c": 0}
    assert match.cycle_counts(20_000) == {"a": 1, "b": 0, "c": 0}
    assert match.rotation.cycle == (2, None, 0, None, None, 0)
    assert match.resume(20_000).deadline_ms == 30_000
    assert match.remaining(21_000) == {"a": 6_000, "b": 10_000, "c": 9_000}


def test_set_turn_applies_the_time_control() -> None:
    match = started(PER_PARTICIPANT, time_control=Fischer(3_000)).pause(4_000).set_turn(5_000, "b")
    assert match.remaining(6_000) == {"a": 9_000, "b": 10_000}


def test_set_turn_gives_a_full_cycle() -> None:
    quiz = started(PER_CYCLE, time_per_cycle_ms=8_000).pause(5_000).set_turn(6_000, "b")
    assert quiz.remaining(7_000) == {"a": 8_000, "b": 8_000}
    assert quiz.resume(7_000).deadline_ms == 15_000


def test_set_turn_books_overtime() -> None:
    match = started(PER_PARTICIPANT).pause(12_500).set_turn(13_000, "b")
    assert match.events == (ev.CycleSwitched(13_000, "a", "b", 10_000, 2_500),)
    assert match.overtime(13_000) == {"a": 2_500, "b": 0}


@pytest.mark.parametrize("paused_ms", [4_000, 11_000])
def test_set_turn_to_the_active_one_changes_nothing(paused_ms: int) -> None:
    match = started(PER_PARTICIPANT).pause(paused_ms)
    before = match.session
    match.set_turn(12_000, "a")
    assert match.session is before
    assert match.events == ()


def test_set_turn_checks_the_named_one_as_a_switch_does() -> None:
    match = started(PER_PARTICIPANT).switch(11_000).pause(12_000)
    assert isinstance(match.refused(13_000, SetTurn("stranger")), errors.UnknownParticipant)
    assert isinstance(match.refused(13_000, SetTurn("a")), errors.ParticipantExpired)
    assert match.active == "b"


def test_set_turn_cannot_be_undone_and_ends_an_undo() -> None:
    match = started(PER_PARTICIPANT).switch(1_000).pause(2_000).set_turn(2_500, "a").resume(3_000)
    assert isinstance(match.refused(3_000, Undo()), errors.NothingToUndo)


def test_switch_from_paused_stays_refused() -> None:
    match = started(PER_PARTICIPANT).pause(1_000)
    assert isinstance(match.refused(2_000, Switch("b")), errors.InvalidTransition)


# reopen


@pytest.mark.parametrize("end", ["complete", "cancel"])
@pytest.mark.parametrize("mode", TURNS)
def test_reopened_session_is_paused_as_it_stood(mode: SyncMode, end: str) -> None:
    names = ["x.a", "y.b", "x.c"]
    match = started(mode, names, time_per_cycle_ms=9_000).switch(1_000).switch(3_000)
    paused = facts(apply(match.session, Pause(), 7_000).session)
    getattr(match, end)(7_000).reopen(500_000)
    assert match.events == (ev.SessionReopened(500_000),)
    assert facts(match.session) == paused
    assert match.session.version == 6
    assert (match.status, match.active) == ("paused", "c")


@given(ANY, GAPS_MS, GAPS_MS)
def test_complete_and_reopen_equal_a_pause(session: Session, gap_ms: int, later_ms: int) -> None:
    now_ms = session.updated_at_ms + gap_ms
    running = apply(session, None, now_ms).session
    if running.status is not Status.RUNNING:
        return
    ended = apply(running, Complete(), now_ms).session
    reopened = apply(ended, Reopen(), now_ms + later_ms).session
    assert facts(reopened) == facts(apply(running, Pause(), now_ms).session)


@given(ANY, GAPS_MS)
def test_reopen_changes_what_is_shown_only_by_the_standing_cycle(
    session: Session, gap_ms: int
) -> None:
    now_ms = session.updated_at_ms + gap_ms
    ended = apply(session, Complete(), now_ms).session
    if ended.completed_at_ms is None or not isinstance(ended, Rotation):
        return
    reopened = apply(ended, Reopen(), now_ms).session
    cycle = reopened.active_cycle
    assert reopened.completed_at_ms is None
    assert (reopened.status is Status.PAUSED) == (reopened.started_at_ms is not None)
    for position, (before, after) in enumerate(
        zip(clocks(ended, now_ms).participants, clocks(reopened, now_ms).participants, strict=True)
    ):
        is_active = cycle is not None and position == cycle.position
        counted = before["cycle_count"] - is_active
        assert after == {**before, "cycle_count": counted, "is_active": is_active}


def test_reopened_clock_that_had_run_out_stands_at_0_until_it_is_given_time() -> None:
    match = started(PER_PARTICIPANT, action_on_timeout=END).read(10_400)
    assert match.status == "expired"
    match.reopen(60_000)
    assert (match.status, match.active) == ("paused", "a")
    assert match.remaining(60_000) == {"a": 0, "b": 10_000}
    assert match.expired(60_000) == {"a"}
    assert match.used(60_000) == {"a": 10_000, "b": 0}
    match.adjust(61_000, 5_000, "a").resume(62_000)
    assert match.deadline_ms == 67_000
    assert match.remaining(63_000) == {"a": 4_000, "b": 10_000}


def test_reopened_overtime_goes_on() -> None:
    match = started(PER_PARTICIPANT, action_on_timeout=NOTIFY).complete(12_000).reopen(30_000)
    match.resume(40_000)
    assert match.deadline_ms is None
    assert match.overtime(41_000) == {"a": 3_000, "b": 0}


def test_reopened_group_keeps_the_time_of_its_run() -> None:
    control = Byoyomi(2_000, 3)
    match = started(PER_GROUP, ["x.a", "x.b", "y.c"], each_ms=4_000, time_control=control)
    match.switch(5_000).complete(9_000).reopen(20_000)
    assert match.rotation.banks[0].run_ms == 5_000
    # 8 s of main time, and 1 s of the first period.
    assert match.shown(20_000)["b"]["periods_left"] == 3
    assert match.shown(20_000)["b"]["period_remaining_ms"] == 1_000
    assert match.resume(20_000).deadline_ms == 25_000


def test_reopened_when_no_participant_had_time_left() -> None:
    match = started(PER_PARTICIPANT, action_on_timeout=SKIP).read(30_000)
    assert match.session.completed_at_ms == 20_000
    match.reopen(40_000)
    assert (match.status, match.active) == ("paused", "b")
    assert match.cycle_counts(40_000) == {"a": 1, "b": 0}
    match.adjust(41_000, 1_000, "a").set_turn(42_000, "a").resume(43_000)
    assert (match.active, match.deadline_ms) == ("a", 44_000)


def test_reopened_stopwatch_at_its_limit_stays_there() -> None:
    watch = started(COUNT_UP, max_time_ms=5_000).read(6_000).reopen(7_000)
    assert watch.used(7_000) == {"a": 5_000, "b": 0}
    assert watch.expired(7_000) == {"a"}


def test_reopened_before_the_start_is_pending() -> None:
    match = game(PER_PARTICIPANT).cancel(1_000).reopen(2_000)
    assert (match.status, match.active) == ("pending", None)
    assert match.session.completed_at_ms is None
    assert match.start(3_000).deadline_ms == 13_000


def test_global_session_clock_at_0_ends_the_session_again_on_resume() -> None:
    auction = started(GLOBAL).read(60_000).reopen(61_000)
    assert auction.clocks(61_000).session_remaining_ms == 0
    auction.resume(62_000)
    assert auction.events == (
        ev.SessionResumed(62_000),
        ev.SessionExpired(62_000, "a", 60_000, 0),
    )
    assert (auction.status, auction.session.completed_at_ms) == ("expired", 62_000)
    assert auction.cycle_counts(62_000) == {"a": 1, "b": 0}
    auction.reopen(63_000).adjust(64_000, 2_500).resume(65_000)
    assert (auction.status, auction.deadline_ms) == ("running", 67_500)


def test_simultaneous_sessions_have_no_turn_to_set() -> None:
    exam = game(SIMULTANEOUS).start(0).pause(1_000)
    refusal = exam.refused(2_000, SetTurn("b"))
    assert isinstance(refusal, errors.InvalidCommand)
    assert refusal.field == "sync_mode"


def states(exam: Game, at_ms: int) -> dict[str, str]:
    return {name: view["clock_state"].value for name, view in exam.shown(at_ms).items()}


def test_reopened_simultaneous_clocks_are_what_they_were() -> None:
    exam = game(SIMULTANEOUS, "abc").start(0)
    exam.apply_command(1_000, Pause(participant_id="b"))
    exam.apply_command(2_000, Finish("c"))
    exam.complete(4_000)
    assert states(exam, 5_000) == {"a": "stopped", "b": "stopped", "c": "finished"}
    exam.reopen(5_000)
    assert (exam.status, exam.session.completed_at_ms) == ("paused", None)
    assert states(exam, 5_000) == {"a": "running", "b": "paused", "c": "finished"}
    assert exam.used(6_000) == {"a": 4_000, "b": 1_000, "c": 2_000}
    assert exam.resume(7_000).deadline_ms == 13_000


def test_reopened_clock_whose_timeout_ended_the_session_runs_in_overtime() -> None:
    exam = game(SIMULTANEOUS, action_on_timeout=END).start(0).read(10_000).reopen(20_000)
    assert states(exam, 20_000) == {"a": "running", "b": "running"}
    assert exam.expired(20_000) == {"a", "b"}
    assert exam.resume(20_000).deadline_ms is None
    assert exam.overtime(21_500) == {"a": 1_500, "b": 1_500}
    assert exam.adjust(22_000, 3_000, "a").deadline_ms == 25_000
    assert exam.refused(22_000, Reopen()).code == "INVALID_STATE_TRANSITION"


def test_reopened_clock_that_finished_by_its_own_timeout_stays_finished() -> None:
    exam = game(SIMULTANEOUS, action_on_timeout=SKIP).start(0).read(10_000)
    assert exam.status == "expired"
    exam.reopen(20_000).resume(21_000)
    assert states(exam, 30_000) == {"a": "finished", "b": "finished"}
    # It stays open until the next finish.
    assert (exam.status, exam.deadline_ms) == ("running", None)


def test_reopened_simultaneous_session_that_never_started_is_pending() -> None:
    exam = game(SIMULTANEOUS).cancel(1_000).reopen(2_000)
    assert exam.status == "pending"
    assert states(exam, 2_000) == {"a": "waiting", "b": "waiting"}


# reset


@given(ANY, GAPS_MS)
def test_reset_equals_a_new_session(session: Session, gap_ms: int) -> None:
    now_ms = session.updated_at_ms + gap_ms
    reset = apply(session, Reset(), now_ms)
    again = without_appointments(create(session.setup, session.epoch, EPOCH_MS))
    assert facts(reset.session) == facts(again)
    assert reset.events[-1] == ev.SessionReset(now_ms)
    assert reset.session.version == session.version + 1
    assert reset.session.updated_at_ms == now_ms


def test_reset_takes_adjustments_back() -> None:
    auction = started(GLOBAL).adjust(1_000, 5_000).reset(9_000)
    assert auction.session.total_time_ms == 60_000
    assert auction.session.started_at_ms is None
    assert auction.clocks(9_000).session_remaining_ms == 60_000
    assert auction.start(10_000).deadline_ms == 70_000


def test_reset_settles_what_was_due_first() -> None:
    match = started(PER_PARTICIPANT, action_on_timeout=END).reset(30_000)
    assert [event.type for event in match.events] == [
        "participant_expired",
        "session_expired",
        "session_reset",
    ]
    assert match.session.completed_at_ms is None
    assert match.expired(30_000) == set()


def test_reset_of_an_unused_session_is_a_version_too() -> None:
    match = game(PER_PARTICIPANT).reset(4_000)
    assert (match.status, match.session.version, match.session.created_at_ms) == ("pending", 2, 0)
