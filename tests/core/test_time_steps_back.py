"""A failover can step the store's clock back: no time is lost, and none returns."""

from __future__ import annotations

import pytest

from chalicelib.core.rules import clocks
from chalicelib.core.setup import SyncMode
from tests.core.build import GLOBAL, NOTIFY, PER_CYCLE, PER_PARTICIPANT, SKIP, started
from tests.strategies import TURNS

TEAMS = ["x.a", "y.b"]


@pytest.mark.parametrize("mode", TURNS)
def test_cycle_started_in_the_future_has_lasted_no_time(mode: SyncMode) -> None:
    game = started(mode, TEAMS, time_per_cycle_ms=9_000).switch(5_000)
    full = game.remaining(5_000)
    assert game.remaining(4_000) == full
    assert game.used(4_000) == {"a": 5_000, "b": 0}
    assert game.deadline_ms == game.read(4_000).deadline_ms


@pytest.mark.parametrize("mode", TURNS)
def test_switch_in_the_past_counts_no_time(mode: SyncMode) -> None:
    game = started(mode, TEAMS).switch(5_000).switch(4_000)
    assert game.active == "a"
    assert game.used(6_000) == {"a": 7_000, "b": 0}
    assert game.cycle_counts(6_000) == {"a": 1, "b": 1}


@pytest.mark.parametrize("mode", TURNS)
def test_pause_in_the_past_keeps_earlier_time(mode: SyncMode) -> None:
    game = started(mode, TEAMS).pause(3_000).resume(9_000).pause(8_000)
    assert game.used(8_000) == {"a": 3_000, "b": 0}
    assert game.resume(7_000).used(7_500) == {"a": 3_500, "b": 0}


def test_expired_clock_stays_expired() -> None:
    game = started(PER_CYCLE).read(12_000)
    shown = game.shown(9_000)["a"]
    assert (shown["time_used_ms"], shown["overtime_ms"]) == (10_000, 0)
    assert (shown["time_remaining_ms"], shown["has_expired"]) == (0, True)
    game.switch(9_500)
    assert game.decision.expired_participant_id == "a"
    assert game.used(9_500) == {"a": 10_000, "b": 0}
    assert game.overtime(9_500) == {"a": 0, "b": 0}
    assert game.deadline_ms == 19_500


def test_pause_before_a_passed_deadline_keeps_it_passed() -> None:
    game = started(PER_PARTICIPANT).read(12_000).pause(9_000)
    assert game.session.elapsed_ms == 10_000
    game.resume(20_000)
    assert game.used(21_000) == {"a": 10_000, "b": 0}
    assert game.overtime(21_000) == {"a": 1_000, "b": 0}


def test_end_in_the_past_keeps_the_readings() -> None:
    game = started(PER_PARTICIPANT).switch(5_000).complete(4_000)
    assert game.session.completed_at_ms == 4_000
    assert clocks(game.session, 9_000) == game.clocks(4_000)
    assert game.remaining(4_000) == {"a": 5_000, "b": 10_000}


def test_session_clock_never_exceeds_its_allocation() -> None:
    game = started(GLOBAL, action_on_timeout=NOTIFY, time_per_cycle_ms=8_000)
    assert game.clocks(-5_000).session_remaining_ms == 60_000
    assert game.read(9_000).clocks(7_000).session_remaining_ms == 52_000
    assert game.switch(7_000).clocks(8_000).session_remaining_ms == 51_000


def test_skipped_cycles_stay_skipped() -> None:
    game = started(PER_CYCLE, action_on_timeout=SKIP).read(25_000)
    assert game.active == "a"
    assert game.read(5_000).active == "a"
    assert game.used(5_000) == {"a": 10_000, "b": 10_000}
    assert game.deadline_ms == 30_000
