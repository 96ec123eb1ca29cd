"""Commands: allowed statuses, order of checks, effects and versions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.core import errors
from chalicelib.core import events as ev
from chalicelib.core.commands import (
    Adjust,
    Cancel,
    Command,
    Complete,
    Pause,
    Reopen,
    Reset,
    Resume,
    SetTurn,
    Start,
    Switch,
    Undo,
)
from chalicelib.core.session import Status, reset
from chalicelib.core.setup import SyncMode
from tests.core.build import (
    END,
    PER_CYCLE,
    PER_PARTICIPANT,
    SKIP,
    Game,
    game,
    started,
)
from tests.strategies import TURNS

COMMANDS: list[Command] = [
    Start(),
    Switch(),
    Pause(),
    Resume(),
    Complete(),
    Cancel(),
    Adjust(1_000),
    Undo(),
    SetTurn("b"),
    Reopen(),
    Reset(),
]


def in_status(status: str) -> Game:
    """A session in this status at 10 s."""
    match status:
        case "pending":
            return game(PER_CYCLE)
        case "running":
            return started(PER_CYCLE).switch(8_000)
        case "paused":
            return started(PER_CYCLE).pause(4_000)
        case "expired":
            return started(PER_CYCLE, action_on_timeout=END).read(10_000)
        case "completed":
            return started(PER_CYCLE).complete(4_000)
    return started(PER_CYCLE).cancel(4_000)


ALLOWED: dict[str, dict[str, str]] = {
    "start": {"pending": "running"},
    "switch": {"running": "running"},
    "pause": {"running": "paused"},
    "resume": {"paused": "running"},
    "complete": {
        "pending": "completed",
        "running": "completed",
        "paused": "completed",
        "completed": "completed",
    },
    "cancel": {
        "pending": "cancelled",
        "running": "cancelled",
        "paused": "cancelled",
        "cancelled": "cancelled",
    },
    "adjust": {"running": "running", "paused": "paused"},
    "undo": {"running": "running"},
    "set_turn": {"paused": "paused"},
    "reopen": {"expired": "paused", "completed": "paused", "cancelled": "paused"},
    "reset": dict.fromkeys(map(str, Status), "pending"),
}


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_status_allows_the_command_or_is_named_in_the_refusal(
    command: Command, status: str
) -> None:
    playing = in_status(status)
    before = playing.session
    decision = playing.apply_command(10_000, command)
    if (command.name, status) == ("adjust", "pending"):
        # Allowed, but in per_cycle there is nothing yet to adjust.
        assert isinstance(decision.refusal, errors.InvalidAdjustment)
        return
    leads_to = ALLOWED[command.name].get(status)
    if leads_to is not None:
        assert decision.refusal is None
        assert playing.status == leads_to
        return
    assert isinstance(decision.refusal, errors.InvalidTransition)
    assert (decision.refusal.command, decision.refusal.status) == (command.name, status)
    assert str(decision.refusal).startswith(f"Cannot {command.name} a session that is {status}")
    assert playing.session is before
    assert decision.events == ()


# The order of checks


@pytest.mark.parametrize("command", [Switch("stranger", "stranger"), Pause("stranger")])
def test_status_is_checked_before_participants(command: Command) -> None:
    for playing in (game(PER_PARTICIPANT), started(PER_PARTICIPANT).pause(500)):
        assert isinstance(playing.refused(1_000, command), errors.InvalidTransition)


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (
            Switch("stranger", "b"),
            errors.StaleCycle,
            "Participant b is not active; the active one is a",
        ),
        (Switch("b", "b"), errors.StaleCycle, "Participant b is not active; the active one is a"),
        (
            Switch(None, "stranger"),
            errors.StaleCycle,
            "Participant stranger is not active; the active one is a",
        ),
        (Pause("b"), errors.StaleCycle, "Participant b is not active; the active one is a"),
        (
            Switch("stranger", "a"),
            errors.UnknownParticipant,
            "Participant stranger is not part of this session",
        ),
        (
            Switch("stranger"),
            errors.UnknownParticipant,
            "Participant stranger is not part of this session",
        ),
        (Switch("a", "a"), errors.ParticipantExpired, "The clock of participant a has run out"),
    ],
)
def test_active_is_checked_before_successor_and_its_time(
    command: Command, refusal: type[errors.RuleError], message: str
) -> None:
    # a, who is active, is in overtime.
    raised = started(PER_PARTICIPANT).refused(11_000, command)
    assert type(raised) is refusal
    assert str(raised) == message


def test_errors_carry_their_data() -> None:
    stale = errors.StaleCycle("b", "a")
    assert (stale.code, stale.expected_id, stale.active_id) == ("STALE_CYCLE", "b", "a")
    unknown = errors.UnknownParticipant("next_participant_id", "x")
    assert (unknown.code, unknown.participant_id) == ("VALIDATION_ERROR", "x")
    refusal = started(PER_PARTICIPANT).refused(1_000, Switch(next_participant_id="x"))
    assert vars(refusal) == vars(unknown)
    assert str(errors.NotPermitted()) == "The token does not allow this request"
    assert errors.ParticipantWithdrawn("x").participant_id == "x"
    expired = errors.ParticipantExpired("x")
    assert (expired.code, expired.participant_id) == ("PARTICIPANT_EXPIRED", "x")
    for transition in (
        errors.InvalidTransition("start", "paused"),
        errors.NothingToUndo("start", "paused", 5),
        errors.AlreadyStarted("start", "paused"),
        errors.InvalidClockTransition("start", "x", "paused"),
    ):
        assert transition.code == "INVALID_STATE_TRANSITION"
        assert (transition.command, transition.status) == ("start", "paused")
    taken = errors.TurnTaken("a")
    assert (taken.expected_id, taken.active_id) == ("a", "a")
    assert str(taken) == "The turn is already that of participant a"
    conflict = errors.Conflict(1, 2)
    assert (conflict.expected_version, conflict.actual_version) == (1, 2)
    assert str(conflict) == "Another request changed the session; the command no longer applies"
    failed = errors.PreconditionFailed({1}, 2)
    assert failed.code == "PRECONDITION_FAILED"
    assert (failed.expected_version, failed.actual_version) == (1, 2)
    assert str(failed) == "The session is at version 2, not 1"
    gone = errors.PreconditionFailed({1, 2}, None)
    assert (gone.expected_version, gone.actual_version) == (None, None)
    assert str(gone) == "The session is gone, not as expected"
    limited = errors.RateLimited("sessions", 3)
    assert (limited.scope, limited.retry_after_seconds) == ("sessions", 3)
    assert str(limited) == "Too many requests; try again in 3 s"
    assert (
        str(errors.IdempotencyKeyReused())
        == "This key was used with a different request; use a new key per request"
    )
    assert str(errors.SessionNotFound("x")) == "Session x does not exist"
    for ending, message in (
        ("deleted", "Session x was deleted"),
        ("expired", "Session x has expired, because it was not used"),
    ):
        missing = errors.SessionNotFound("x", ending)  # type: ignore[arg-type]
        assert (missing.ending, str(missing)) == (ending, message)
    assert (
        str(errors.SessionExists("x")) == "Session x exists already, created by a different request"
    )


def test_current_participant_id_can_name_the_active_participant() -> None:
    playing = started(PER_PARTICIPANT).switch(1_000, "b", current="a").pause(2_000, current="b")
    assert (playing.status, playing.active) == ("paused", "b")


# Effects and events


def test_start() -> None:
    playing = game(PER_CYCLE, "ab").start(500)
    assert playing.events == (ev.SessionStarted(500, "a"),)
    assert playing.session.started_at_ms == 500
    assert playing.rotation.cycle is not None
    assert (playing.rotation.cycle.started_at_ms, playing.rotation.cycle.elapsed_ms) == (500, 0)


def test_switch() -> None:
    playing = started(PER_CYCLE).switch(4_000)
    assert playing.events == (ev.CycleSwitched(4_000, "a", "b", 4_000, 0),)
    assert playing.session.started_at_ms == 0
    assert playing.rotation.cycle is not None
    assert (playing.rotation.cycle.started_at_ms, playing.rotation.cycle.elapsed_ms) == (4_000, 0)


def test_pause_and_resume() -> None:
    playing = started(PER_CYCLE)
    assert playing.pause(4_000).events == (ev.SessionPaused(4_000),)
    assert playing.rotation.cycle is not None
    assert (playing.rotation.cycle.started_at_ms, playing.rotation.cycle.elapsed_ms) == (
        None,
        4_000,
    )
    assert playing.resume(9_000).events == (ev.SessionResumed(9_000),)
    assert (playing.rotation.cycle.started_at_ms, playing.rotation.cycle.elapsed_ms) == (
        9_000,
        4_000,
    )
    playing.pause(9_500)
    assert playing.rotation.cycle.elapsed_ms == 4_500
    assert playing.session.elapsed_ms == 4_500


def test_paused_time_is_not_counted() -> None:
    playing = started(PER_CYCLE).pause(4_000).resume(9_000).switch(10_000)
    assert playing.events == (ev.CycleSwitched(10_000, "a", "b", 5_000, 0),)


def test_complete_counts_the_running_cycle() -> None:
    playing = started(PER_CYCLE).complete(4_000)
    assert playing.events == (ev.SessionCompleted(4_000, "a", 4_000, 0),)
    assert (playing.active, playing.session.completed_at_ms) == (None, 4_000)
    assert playing.cycle_counts(4_000) == {"a": 1, "b": 0}
    assert playing.used(9_000) == {"a": 4_000, "b": 0}


def test_complete_while_paused_counts_the_time_before_the_pause() -> None:
    playing = started(PER_CYCLE).pause(4_000).complete(9_000)
    assert playing.events == (ev.SessionCompleted(9_000, "a", 4_000, 0),)
    assert playing.session.elapsed_ms == 4_000


def test_complete_in_overtime_reports_overtime() -> None:
    playing = started(PER_CYCLE).read(10_000).complete(12_000)
    assert playing.events == (ev.SessionCompleted(12_000, "a", 10_000, 2_000),)


def test_complete_of_a_pending_session_counts_nothing() -> None:
    playing = game(PER_CYCLE).complete(4_000)
    assert playing.events == (ev.SessionCompleted(4_000, None, 0, 0),)
    assert playing.cycle_counts(4_000) == {"a": 0, "b": 0}
    assert (playing.session.completed_at_ms, playing.session.started_at_ms) == (4_000, None)


@pytest.mark.parametrize("repeat", [Game.complete, Game.cancel])
def test_repeated_end_makes_no_version(repeat: Callable[[Game, int], Game]) -> None:
    playing = repeat(started(PER_CYCLE), 4_000)
    once = playing.session
    assert repeat(playing, 9_000).session is once
    assert playing.events == ()


def test_cancel_counts_the_running_cycle() -> None:
    playing = started(PER_CYCLE).cancel(4_000)
    assert playing.events == (ev.SessionCancelled(4_000, "a", 4_000, 0),)
    assert (playing.active, playing.session.completed_at_ms) == (None, 4_000)


def test_reset_keeps_what_is_not_of_the_clocks() -> None:
    again = reset(started(PER_CYCLE).switch(4_000).session)
    assert (again.epoch, again.version, again.created_at_ms, again.updated_at_ms) == (
        "epoch",
        3,
        0,
        4_000,
    )


# Versions


def test_every_command_makes_one_version() -> None:
    playing = started(PER_CYCLE)
    assert playing.session.version == 2
    versions = [
        playing.switch(1_000).session.version,
        playing.pause(2_000).session.version,
        playing.resume(3_000).session.version,
        playing.complete(4_000).session.version,
    ]
    assert versions == [3, 4, 5, 6]
    assert (playing.session.created_at_ms, playing.session.updated_at_ms) == (0, 4_000)


def test_due_timeouts_and_a_command_read_or_refusal_make_one_version() -> None:
    commanded, refused, read = (started(PER_CYCLE, action_on_timeout=SKIP) for _ in range(3))
    commanded.switch(35_000)
    refused.refused(35_000, Resume())
    read.read(35_000)
    for playing, switches in ((commanded, 1), (refused, 0), (read, 0)):
        assert (playing.session.version, playing.session.updated_at_ms) == (3, 35_000)
        assert len(playing.events) == 3 * 2 + switches


def test_read_or_rejected_command_with_nothing_due_returns_the_same_object() -> None:
    playing = started(PER_CYCLE)
    before = playing.session
    assert playing.read(9_999).session is before
    playing.refused(9_999, Resume())
    assert playing.session is before
    assert playing.events == ()


@pytest.mark.parametrize("mode", TURNS)
def test_epoch_and_setup_never_change(mode: SyncMode) -> None:
    playing = game(mode, ["x.a", "y.b"])
    before = playing.session
    after = playing.start(1).switch(2).pause(3).resume(4).complete(5).session
    assert (after.epoch, after.setup) == (before.epoch, before.setup)
