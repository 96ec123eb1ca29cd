"""Undo: an undone switch leaves no trace; examples and a property."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.core import events as ev
from chalicelib.core.commands import Adjust, Pause, Resume, Switch, Undo, apply
from chalicelib.core.errors import InvalidTransition, NothingToUndo
from chalicelib.core.session import Rotation, Session, Status
from chalicelib.core.setup import SyncMode
from chalicelib.core.time_controls import (
    Bronstein,
    Byoyomi,
    Canadian,
    Delay,
    Fischer,
    Hourglass,
)
from tests.core.build import END, NOTIFY, PER_CYCLE, PER_PARTICIPANT, SKIP, started
from tests.strategies import TURNS, sessions

CONTROLS = [
    Fischer(2_000, 9_000),
    Delay(500),
    Bronstein(500),
    Byoyomi(2_000, 3),
    Canadian(5_000, 2),
    Hourglass(),
]


def facts(session: Session) -> Session:
    assert isinstance(session, Rotation)
    return replace(session, version=0, updated_at_ms=0, undo_record=None)


@given(st.one_of(sessions(tiny=True), sessions()), st.integers(0, 50), st.integers(0, 10_000))
def test_switch_and_undo_equal_no_switch(session: Session, gap_ms: int, since_ms: int) -> None:
    assume(isinstance(session, Rotation))
    switched_ms = session.updated_at_ms + gap_ms
    session = apply(session, None, switched_ms).session
    switched = apply(session, Switch(), switched_ms).session
    undone_ms = switched_ms + since_ms
    if switched.status is not Status.RUNNING or apply(switched, None, undone_ms).events:
        return
    undone = apply(switched, Undo(), undone_ms)
    untouched = apply(session, None, undone_ms)
    assert facts(undone.session) == facts(untouched.session)
    assert undone.events[0].type == "switch_undone"
    assert undone.events[1:] == untouched.events


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.type)
def test_undo_restores_banks_and_counts_the_time_since(control: Any) -> None:
    playing = started(PER_PARTICIPANT, time_control=control).switch(1_000).switch(3_000)
    before = playing.session
    playing.switch(5_000, "b").undo(6_000)
    assert facts(playing.session) == facts(before)
    assert playing.used(6_000) == {"a": 4_000, "b": 2_000}
    assert playing.events == (ev.SwitchUndone(6_000, "b", "a"),)


@pytest.mark.parametrize("mode", TURNS)
def test_undo_works_in_every_mode(mode: SyncMode) -> None:
    playing = started(mode, ["x.a", "y.b", "x.c"], time_per_cycle_ms=9_000).pause(500).resume(700)
    before = playing.session
    for successor in "abc":
        playing.switch(2_000, successor).undo(3_000)
        assert facts(playing.session) == facts(before)


def test_timeouts_since_the_switch_apply_at_their_deadlines() -> None:
    playing = started(PER_PARTICIPANT).switch(8_000).undo(12_000)
    assert playing.events == (
        ev.SwitchUndone(12_000, "b", "a"),
        ev.ParticipantExpired(10_000, "a", None, NOTIFY, None),
    )
    assert playing.overtime(12_000) == {"a": 2_000, "b": 0}
    skipped = started(PER_PARTICIPANT, action_on_timeout=SKIP).switch(8_000).undo(12_000)
    assert (skipped.active, skipped.used(12_000)) == ("b", {"a": 10_000, "b": 2_000})
    ended = started(PER_PARTICIPANT, action_on_timeout=END).switch(8_000).undo(12_000)
    assert (ended.status, ended.session.completed_at_ms) == ("expired", 10_000)


def test_cycle_in_overtime_continues_in_overtime() -> None:
    playing = started(PER_PARTICIPANT).switch(11_000).undo(12_000)
    assert [event.type for event in playing.events] == ["switch_undone"]
    assert (playing.expired(12_000), playing.overtime(12_000)["a"]) == ({"a"}, 2_000)


def test_undo_is_allowed_for_ten_seconds() -> None:
    playing = started(PER_PARTICIPANT, each_ms=60_000).switch(1_000)
    refusal = playing.refused(11_001, Undo())
    assert isinstance(refusal, NothingToUndo)
    assert refusal.code == "INVALID_STATE_TRANSITION"
    assert str(refusal) == (
        "Cannot undo a session that is running: "
        "no switch in the last 10000 ms, or a command or timeout followed it"
    )
    assert playing.undo(11_000).active == "a"


def test_only_the_last_switch_can_be_undone() -> None:
    game = started(PER_PARTICIPANT)
    game.refused(1, Undo())
    game.switch(100).undo(200).refused(201, Undo())
    game.switch(300)
    for command in (Adjust(5, "a"), Adjust(-5, "b")):
        session = game.session
        game.apply_command(400, command)
        assert isinstance(game.refused(401, Undo()), NothingToUndo)
        game.session = session
    game.apply_command(400, Pause())
    assert not isinstance(game.refused(401, Undo()), NothingToUndo)
    game.apply_command(402, Resume())
    assert isinstance(game.refused(403, Undo()), NothingToUndo)


def test_rejected_command_does_not_prevent_undo() -> None:
    playing = started(PER_PARTICIPANT).switch(1_000)
    playing.refused(1_500, Resume())
    assert playing.undo(2_000).active == "a"


@pytest.mark.parametrize("action", [NOTIFY, SKIP])
def test_timeout_prevents_undo(action: Any) -> None:
    playing = started(PER_CYCLE, action_on_timeout=action).switch(1_000)
    assert isinstance(playing.refused(11_000, Undo()), NothingToUndo)
    # A skipped cycle is no switch.
    assert isinstance(playing.refused(11_001, Undo()), NothingToUndo)


def test_switch_that_ended_the_session_cannot_be_undone() -> None:
    playing = started(PER_PARTICIPANT, "a").switch(11_000)
    assert isinstance(playing.refused(11_001, Undo()), InvalidTransition)
    assert playing.rotation.undo_record is None
    completed = started(PER_PARTICIPANT).switch(1_000).complete(1_500)
    assert completed.rotation.undo_record is None


def test_undo_works_when_the_store_clock_steps_back() -> None:
    playing = started(PER_PARTICIPANT).switch(5_000).undo(4_000)
    assert playing.used(4_000) == {"a": 4_000, "b": 0}
