"""Soft close: switches shortly before the end of a session clock put the end off."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from chalicelib.core import events as ev
from chalicelib.core.commands import Switch
from chalicelib.core.errors import InvalidSetup
from chalicelib.core.session import Rotation
from chalicelib.core.setup import Setup, SoftClose, SyncMode
from tests.core.build import GLOBAL, SKIP, Game, setup, started
from tests.strategies import Step, play, setups, walks


def an_auction(soft_close: SoftClose, **fields: Any) -> Game:
    """A minute for all, started at 0."""
    return started(GLOBAL, "abc", soft_close=soft_close, **fields)


def left(game: Game, at_ms: int) -> int | None:
    return game.clocks(at_ms).session_remaining_ms


def test_switch_leaves_at_least_the_time_asked_for() -> None:
    game = an_auction(SoftClose(20_000)).switch(40_000)
    assert (left(game, 40_000), [event.type for event in game.events]) == (
        20_000,
        ["cycle_switched"],
    )
    game.switch(40_001)
    assert game.events == (
        ev.CycleSwitched(40_001, "b", "c", 1, 0),
        ev.TimeExtended(40_001, 1),
    )
    assert (left(game, 40_001), game.deadline_ms) == (20_000, 60_001)
    game.switch(60_000)
    assert game.events[1] == ev.TimeExtended(60_000, 19_999)
    assert (left(game, 60_000), game.session.total_time_ms) == (20_000, 80_000)
    assert game.remaining(60_000) == {"a": 20_000, "b": 20_000, "c": 20_000}


def test_switch_at_the_deadline_comes_too_late() -> None:
    game = an_auction(SoftClose(20_000))
    assert game.refused(60_000, Switch()).code == "INVALID_STATE_TRANSITION"
    assert (game.status, game.session.completed_at_ms) == ("expired", 60_000)
    assert game.session.total_time_ms == 60_000


def test_extensions_end_at_their_cap() -> None:
    game = an_auction(SoftClose(20_000, 25_000)).switch(59_000)
    assert game.events[1] == ev.TimeExtended(59_000, 19_000)
    game.switch(78_000)
    assert game.events[1] == ev.TimeExtended(78_000, 6_000)
    assert left(game, 78_000) == 7_000
    game.switch(80_000)
    assert [event.type for event in game.events] == ["cycle_switched"]
    assert (left(game, 80_000), game.session.total_time_ms) == (5_000, 85_000)


def test_pauses_and_adjustments_are_no_extensions() -> None:
    game = an_auction(SoftClose(20_000, 1_000)).pause(50_000).adjust(51_000, 500).resume(60_000)
    assert left(game, 60_000) == 10_500
    game.switch(60_000)
    assert game.events[1] == ev.TimeExtended(60_000, 1_000)
    assert left(game, 60_000) == 11_500


def test_skipped_cycles_extend_nothing() -> None:
    game = an_auction(SoftClose(20_000), time_per_cycle_ms=25_000, action_on_timeout=SKIP)
    game.read(50_001)
    assert [event.type for event in game.events] == [
        "participant_expired",
        "cycle_switched",
        "participant_expired",
        "cycle_switched",
    ]
    assert left(game, 50_001) == 9_999


def test_undo_takes_the_extension_back() -> None:
    game = an_auction(SoftClose(20_000, 25_000)).switch(45_000).switch(50_000).undo(52_000)
    assert (left(game, 52_000), game.session.total_time_ms) == (13_000, 65_000)
    # What was taken back can be given again.
    game.switch(64_000)
    assert game.events[1] == ev.TimeExtended(64_000, 19_000)
    game.switch(83_999)
    assert game.events[1] == ev.TimeExtended(83_999, 1_000)


def test_undo_after_the_deadline_that_was_put_off_ends_the_session_then() -> None:
    game = an_auction(SoftClose(20_000)).switch(59_000).undo(63_000)
    assert [(event.type, event.at_ms) for event in game.events] == [
        ("switch_undone", 63_000),
        ("session_expired", 60_000),
    ]
    assert (game.status, game.session.completed_at_ms) == ("expired", 60_000)


def test_extension_past_a_mark_lets_it_warn_again() -> None:
    game = an_auction(SoftClose(20_000), warn_at_ms=[15_000]).switch(50_000)
    assert [(event.type, event.at_ms) for event in game.events] == [
        ("time_warning", 45_000),
        ("cycle_switched", 50_000),
        ("time_extended", 50_000),
    ]
    assert [event.at_ms for event in game.read(55_000).events] == [55_000]


def test_undone_extension_lets_marks_warn_that_it_put_off() -> None:
    game = an_auction(SoftClose(20_000), warn_at_ms=[15_000, 5_000]).read(50_000).switch(52_000)
    game.read(57_000).undo(58_000)
    assert [(event.type, event.at_ms) for event in game.events] == [
        ("switch_undone", 58_000),
        ("time_warning", 55_000),
    ]


@pytest.mark.parametrize("mode", [mode for mode in SyncMode if mode is not GLOBAL])
def test_other_modes_have_no_session_clock_to_extend(mode: SyncMode) -> None:
    names = ["x.a", "y.b"]
    with pytest.raises(InvalidSetup) as refused:
        setup(mode, names, soft_close=SoftClose(1_000))
    assert (refused.value.field, str(refused.value)) == (
        "soft_close",
        f"{mode} sessions have no session clock to extend; use global",
    )


@given(setups(modes=[GLOBAL], tiny=True), walks(tiny=True))
def test_no_switch_leaves_less_than_the_time_asked_for_while_the_cap_allows(
    setup: Setup, walk: list[Step]
) -> None:
    soft_close = setup.soft_close or SoftClose(0)
    cap_ms = soft_close.max_extension_ms
    for played in play(setup, walk):
        before, after = played.before, played.after
        assert isinstance(before, Rotation)
        assert isinstance(after, Rotation)
        extensions = [one for one in played.decision.events if isinstance(one, ev.TimeExtended)]
        grown_ms = sum(one.delta_ms for one in extensions)
        assert len(extensions) <= 1
        assert cap_ms is None or after.extended_ms <= cap_ms
        if not isinstance(played.command, Switch):
            assert not extensions
            continue
        assert after.extended_ms == before.extended_ms + grown_ms
        assert after.total_time_ms == before.total_time_ms + grown_ms
        if played.decision.refusal is None:
            left_ms = after.total_time_ms - after.elapsed_ms
            assert left_ms >= soft_close.extend_to_ms or after.extended_ms == cap_ms
