"""Clock views: which clocks run, what stays at the end, what clients compute from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core import time_controls as tc
from chalicelib.core.rules import changed_positions, clocks
from chalicelib.core.setup import Participant, SyncMode, TimeoutAction
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
    counted_on,
    game,
    started,
    stopped_views,
)

TEAMS = ["x.a", "x.b", "y.c"]
CONTROLS: list[tc.TimeControl] = [
    tc.Fischer(0),
    tc.Fischer(2_000),
    tc.Delay(3_000),
    tc.Bronstein(3_000),
    tc.Byoyomi(4_000, 3),
    tc.Canadian(9_000, 3),
    tc.Hourglass(),
]
ANY: list[tuple[SyncMode, dict[str, Any]]] = [
    *((PER_PARTICIPANT, {"time_control": control}) for control in CONTROLS),
    *((PER_GROUP, {"time_control": control}) for control in CONTROLS),
    (PER_CYCLE, {}),
    (PER_CYCLE, {"time_per_cycle_ms": 8_000}),
    (GLOBAL, {}),
    (GLOBAL, {"time_per_cycle_ms": 8_000}),
    (COUNT_UP, {}),
    (COUNT_UP, {"max_time_ms": 12_000}),
]
any_clock = pytest.mark.parametrize(("mode", "fields"), ANY, ids=str)


def playing(mode: SyncMode, fields: dict[str, Any], action: TimeoutAction = NOTIFY) -> Game:
    names = ["x.a", "y.b"] if fields.get("time_control") == tc.Hourglass() else TEAMS
    return started(mode, names, action_on_timeout=action, **fields)


def test_participant_view_has_all_fields() -> None:
    seated = [Participant("a", 4, 9_000, "x"), Participant("b", 5, 9_000)]
    view = started(PER_PARTICIPANT, participants=seated, time_control=tc.Delay(2_000)).shown(3_000)
    assert view["a"] == {
        "participant_id": "a",
        "participant_index": 4,
        "group_id": "x",
        "total_time_ms": 9_000,
        "time_used_ms": 3_000,
        "time_remaining_ms": 8_000,
        "delay_remaining_ms": 0,
        "overtime_ms": 0,
        "cycle_count": 0,
        "is_active": True,
        "is_running": True,
        "has_expired": False,
    }
    assert view["b"] == {
        "participant_id": "b",
        "participant_index": 5,
        "total_time_ms": 9_000,
        "time_used_ms": 0,
        "time_remaining_ms": 9_000,
        "delay_remaining_ms": 2_000,
        "overtime_ms": 0,
        "cycle_count": 0,
        "is_active": False,
        "is_running": False,
        "has_expired": False,
    }


def test_participants_are_shown_in_rotation_order() -> None:
    seated = [Participant("a", 2, 9_000), Participant("b", 1, 9_000)]
    shown = game(COUNT_UP, participants=seated).clocks(0).participants
    assert [view["participant_id"] for view in shown] == ["b", "a"]


# Which clocks move


@pytest.mark.parametrize(
    ("mode", "running"),
    [
        (PER_PARTICIPANT, {"b"}),
        (PER_GROUP, {"a", "b"}),
        (PER_CYCLE, {"b"}),
        (GLOBAL, {"a", "b", "c"}),
        (COUNT_UP, {"b"}),
    ],
)
def test_running_clocks_are_those_that_show_the_active_clock(
    mode: SyncMode, running: set[str]
) -> None:
    waiting = game(mode, TEAMS)
    assert waiting.running(500) == set()
    shown = waiting.start(500).switch(1_000)
    assert shown.running(2_000) == running
    assert {name for name, view in shown.shown(2_000).items() if view["is_active"]} == {"b"}
    assert shown.pause(2_000).running(3_000) == set()
    assert {name for name, view in shown.shown(3_000).items() if view["is_active"]} == {"b"}
    assert shown.resume(3_000).running(4_000) == running
    assert shown.complete(4_000).running(5_000) == set()
    assert not any(view["is_active"] for view in shown.shown(5_000).values())


@pytest.mark.parametrize("mode", [PER_PARTICIPANT, PER_GROUP, PER_CYCLE, GLOBAL, COUNT_UP])
def test_in_overtime_no_clock_moves(mode: SyncMode) -> None:
    overdue = started(
        mode, ["x.a", "y.b"], time_per_cycle_ms=10_000, max_time_ms=10_000, action_on_timeout=NOTIFY
    )
    assert overdue.running(9_999) != set()
    assert overdue.running(10_000) == set()


# When something will run out next


@any_clock
def test_stopped_session_has_no_deadline(mode: SyncMode, fields: dict[str, Any]) -> None:
    assert game(mode, ["x.a", "y.b"], **fields).deadline_ms is None
    assert playing(mode, fields).pause(1_000).deadline_ms is None
    assert playing(mode, fields).complete(1_000).deadline_ms is None
    unlimited = mode is COUNT_UP and not fields
    assert (playing(mode, fields).deadline_ms is None) == unlimited


@pytest.mark.parametrize(
    ("total_ms", "cycle_ms", "deadline_ms"),
    [(60_000, 20_000, 45_000), (40_000, 20_000, 40_000), (40_000, None, 40_000)],
)
def test_in_global_the_deadline_is_that_of_the_clock_that_runs_out_first(
    total_ms: int, cycle_ms: int | None, deadline_ms: int
) -> None:
    shared = started(GLOBAL, total_time_ms=total_ms, time_per_cycle_ms=cycle_ms)
    assert shared.switch(10_000).switch(25_000).deadline_ms is not None
    assert shared.deadline_ms == deadline_ms


# What stands at the end


@any_clock
@pytest.mark.parametrize(
    ("switches_ms", "at_ms"),
    [
        ([], 0),
        ([], 1_000),
        ([], 11_500),
        ([1_500], 1_500),
        ([1_500], 2_999),
        ([1_500, 4_000], 9_999),
        ([1_500, 4_000, 9_000], 13_000),
        ([1_500], 55_000),
    ],
    ids=str,
)
def test_readings_at_the_end_are_kept(
    mode: SyncMode, fields: dict[str, Any], switches_ms: list[int], at_ms: int
) -> None:
    shown = playing(mode, fields)
    for switch_ms in switches_ms:
        shown.switch(switch_ms)
    shown.read(at_ms)
    before, active = shown.clocks(at_ms), shown.active
    shown.complete(at_ms)
    for later_ms in (at_ms, at_ms + 1, at_ms + 100_000):
        after = clocks(shown.session, later_ms)
        assert stopped_views(after.participants) == stopped_views(before.participants, active)
        assert after.groups == before.groups
        assert after.session_remaining_ms == before.session_remaining_ms


@any_clock
def test_readings_are_kept_when_a_paused_session_ends(
    mode: SyncMode, fields: dict[str, Any]
) -> None:
    shown = playing(mode, fields).switch(1_000).pause(5_500)
    before = shown.clocks(5_500)
    after = shown.complete(8_000).clocks(9_000)
    assert stopped_views(after.participants) == stopped_views(before.participants, "b")
    assert after.groups == before.groups


@any_clock
@pytest.mark.parametrize("action", [END, SKIP])
def test_readings_are_kept_when_a_clock_ends_the_session(
    mode: SyncMode, fields: dict[str, Any], action: TimeoutAction
) -> None:
    shown = playing(mode, fields, action).switch(1_000)
    while (deadline_ms := shown.deadline_ms) is not None and shown.session.version < 20:
        just_before, active = clocks(shown.session, deadline_ms - 1), shown.active
        shown.read(deadline_ms)
    if shown.status == "running":
        # A stopwatch without a limit, or cycles that go round for ever.
        assert mode is COUNT_UP or (mode is PER_CYCLE and action is SKIP)
        return
    assert shown.status == "expired"
    after = clocks(shown.session, shown.session.updated_at_ms + 5_000)
    for view, earlier in zip(after.participants, just_before.participants, strict=True):
        assert earlier["time_remaining_ms"] - view["time_remaining_ms"] == earlier["is_running"]
        assert view["cycle_count"] - earlier["cycle_count"] == (view["participant_id"] == active)


# The client's formula


@any_clock
@pytest.mark.parametrize("from_ms", [2_000, 2_500, 4_999, 9_000])
@pytest.mark.parametrize("since_ms", [0, 1, 700, 3_333, 8_000])
def test_client_countdown_matches_a_new_view(
    mode: SyncMode, fields: dict[str, Any], from_ms: int, since_ms: int
) -> None:
    shown = playing(mode, fields).switch(2_000).read(from_ms)
    deadline_ms = shown.deadline_ms
    if deadline_ms is not None and from_ms + since_ms > deadline_ms:
        since_ms = deadline_ms - from_ms
    later = shown.shown(from_ms + since_ms)
    for name, view in shown.shown(from_ms).items():
        expected = counted_on(dict(view), since_ms, mode)
        assert later[name]["time_remaining_ms"] == expected["time_remaining_ms"]
        if mode is COUNT_UP:
            assert later[name]["time_used_ms"] == expected["time_used_ms"]


def test_client_clock_stands_during_a_delay() -> None:
    view = dict(started(PER_PARTICIPANT, time_control=tc.Delay(3_000)).shown(1_000)["a"])
    shown = [counted_on(view, ms, PER_PARTICIPANT)["time_remaining_ms"] for ms in (0, 2_000, 2_500)]
    assert shown == [10_000, 10_000, 9_500]


def test_group_clock_follows_its_active_members_delay() -> None:
    shown = started(PER_GROUP, TEAMS, time_control=tc.Delay(3_000)).switch(2_000, "b")
    assert shown.clocks(3_000).groups[0]["time_remaining_ms"] == 20_000
    assert shown.clocks(4_000).groups[0]["time_remaining_ms"] == 19_000
    assert shown.shown(2_500)["b"]["delay_remaining_ms"] == 500


# Some of the clocks


def test_changed_positions_are_those_with_a_cycle_in_between() -> None:
    two = started(PER_CYCLE, "abcd", action_on_timeout=SKIP)
    assert changed_positions(two.session, two.session) == [0]
    assert changed_positions(two.session, two.pause(1_000).session) == [0]
    assert changed_positions(two.session, two.resume(2_000).switch(3_000, "d").session) == [0, 3]
    before = two.session
    assert changed_positions(before, two.read(32_999).session) == [0, 1, 3]
    waiting = game(PER_CYCLE, "abcd")
    assert changed_positions(waiting.session, waiting.session) == []


@pytest.mark.parametrize(
    ("mode", "changed"),
    # One participant per shared bank is enough, and the active one is always included.
    [(PER_PARTICIPANT, {0: [0], 1: [0, 1], 3: [0, 3]}), (PER_GROUP, {0: [0], 1: [0, 2]})],
)
def test_bank_that_changes_outside_any_cycle_is_among_the_changed(
    mode: SyncMode, changed: dict[int, list[int]]
) -> None:
    session = started(mode, ["x.a", "x.b", "y.c", "y.d"]).rotation
    for bank, positions in changed.items():
        banks = list(session.banks)
        banks[bank] = banks[bank]._replace(main_ms=banks[bank].main_ms + 1)
        after = replace(session, banks=tuple(banks))
        assert changed_positions(session, after) == positions


def test_adjusted_session_clock_before_the_start_changes_one_position() -> None:
    waiting = game(GLOBAL, "abcd").session
    assert changed_positions(waiting, replace(waiting, total_time_ms=1)) == [0]


def test_clocks_of_some_positions_equal_those_of_all() -> None:
    session = started(PER_GROUP, TEAMS).switch(1_000).session
    every, some = clocks(session, 3_000), clocks(session, 3_000, [2, 0])
    assert some.participants == [every.participants[2], every.participants[0]]
    assert (some.groups, some.session_remaining_ms) == (every.groups, None)
    assert clocks(session, 3_000, []).participants == []
