"""Adjustments: an operator adds time to a clock, or removes some."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core import events as ev
from chalicelib.core import time_controls as tc
from chalicelib.core.commands import Adjust
from chalicelib.core.errors import InvalidAdjustment
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
)

TEAMS = ["x.a", "y.b", "x.c"]


def refused(playing: Game, at_ms: int, command: Adjust) -> tuple[str, str]:
    refusal = playing.refused(at_ms, command)
    assert isinstance(refusal, InvalidAdjustment)
    assert refusal.code == "VALIDATION_ERROR"
    return refusal.field, str(refusal)


# Which clock


def test_adjusts_a_participants_bank() -> None:
    playing = started(PER_PARTICIPANT).adjust(1_000, 5_000, "b").adjust(2_000, -3_000, "a")
    assert playing.remaining(2_000) == {"a": 5_000, "b": 15_000}
    assert [view["total_time_ms"] for view in playing.clocks(2_000).participants] == [7_000, 15_000]
    assert playing.events == (ev.TimeAdjusted(2_000, "a", None, -3_000, None),)
    assert playing.deadline_ms == 7_000


def test_adjusts_a_groups_bank() -> None:
    playing = started(PER_GROUP, TEAMS).adjust(1_000, 5_000, group="x")
    assert playing.remaining(1_000) == {"a": 24_000, "b": 10_000, "c": 24_000}
    assert playing.clocks(1_000).groups[0]["total_time_ms"] == 25_000
    assert [view["total_time_ms"] for view in playing.clocks(0).participants] == [10_000] * 3
    assert playing.events == (ev.TimeAdjusted(1_000, None, "x", 5_000, None),)


def test_global_adjusts_the_session_clock_only() -> None:
    playing = started(GLOBAL, time_per_cycle_ms=10_000).adjust(1_000, -55_000)
    assert playing.clocks(1_000).session_remaining_ms == 4_000
    assert (playing.session.total_time_ms, playing.deadline_ms) == (5_000, 5_000)
    playing.adjust(2_000, 50_000)
    assert (playing.session.total_time_ms, playing.deadline_ms) == (55_000, 10_000)


def test_per_cycle_adjusts_the_current_cycle_only() -> None:
    playing = started(PER_CYCLE).adjust(1_000, 5_000)
    assert playing.remaining(1_000) == {"a": 14_000, "b": 10_000}
    assert playing.deadline_ms == 15_000
    assert playing.switch(2_000, "a").remaining(2_000) == {"a": 10_000, "b": 10_000}
    assert playing.session.setup.cycle_lengths_ms[0] == 10_000


@pytest.mark.parametrize(
    ("mode", "command", "field", "message"),
    [
        (COUNT_UP, Adjust(1), "delta_ms", "count_up sessions have no clock to adjust"),
        (COUNT_UP, Adjust(1, "a"), "delta_ms", "count_up sessions have no clock to adjust"),
        (
            PER_PARTICIPANT,
            Adjust(1),
            "participant_id",
            "participant_id is required to choose the clock",
        ),
        (PER_PARTICIPANT, Adjust(1, "z"), "participant_id", "z is not part of this session"),
        (
            PER_PARTICIPANT,
            Adjust(1, "a", "x"),
            "group_id",
            "per_participant sessions have no group clocks; leave group_id out",
        ),
        (PER_GROUP, Adjust(1), "group_id", "group_id is required to choose the clock"),
        (PER_GROUP, Adjust(1, None, "z"), "group_id", "z is not part of this session"),
        (
            PER_GROUP,
            Adjust(1, "a", "x"),
            "participant_id",
            "per_group sessions have no participant clocks; leave participant_id out",
        ),
        (
            PER_CYCLE,
            Adjust(1, "a"),
            "participant_id",
            "per_cycle sessions have no participant clocks; leave participant_id out",
        ),
        (
            PER_CYCLE,
            Adjust(1, None, "x"),
            "group_id",
            "per_cycle sessions have no group clocks; leave group_id out",
        ),
        (
            GLOBAL,
            Adjust(1, "a"),
            "participant_id",
            "global sessions have no participant clocks; leave participant_id out",
        ),
        (
            GLOBAL,
            Adjust(1, None, "x"),
            "group_id",
            "global sessions have no group clocks; leave group_id out",
        ),
    ],
)
def test_clock_that_the_mode_does_not_have_is_rejected(
    mode: Any, command: Adjust, field: str, message: str
) -> None:
    refusal = refused(started(mode, TEAMS), 1_000, command)
    assert refusal[0] == field
    assert refusal[1].startswith(message)


def test_pending_session_has_no_cycle_to_adjust() -> None:
    refusal = refused(game(PER_CYCLE), 1_000, Adjust(1))
    assert refusal == ("delta_ms", "No cycle to adjust: the session has not started")
    assert game(PER_PARTICIPANT).adjust(0, 5, "b").remaining(0) == {"a": 10_000, "b": 10_005}
    assert game(GLOBAL).adjust(0, -5).clocks(0).session_remaining_ms == 59_995


def test_reason_goes_into_the_log() -> None:
    playing = started(PER_PARTICIPANT)
    playing.apply_command(1_000, Adjust(500, "a", reason="phone rang"))
    assert playing.events == (ev.TimeAdjusted(1_000, "a", None, 500, "phone rang"),)


# Taking


def test_removal_stops_at_zero_and_the_clock_runs_out_at_once() -> None:
    playing = started(PER_PARTICIPANT).adjust(4_000, -9_000, "a")
    assert playing.events == (
        ev.TimeAdjusted(4_000, "a", None, -6_000, None),
        ev.ParticipantExpired(4_000, "a", None, NOTIFY, None),
    )
    assert (playing.used(5_000), playing.overtime(5_000)) == (
        {"a": 4_000, "b": 0},
        {"a": 1_000, "b": 0},
    )


def test_removing_all_time_at_the_start_of_a_cycle() -> None:
    playing = started(PER_CYCLE, action_on_timeout=SKIP).switch(3_000).adjust(3_000, -10_000)
    assert (playing.active, playing.used(3_000)) == ("a", {"a": 3_000, "b": 0})
    assert playing.cycle_counts(3_000) == {"a": 1, "b": 1}


@pytest.mark.parametrize("mode", [PER_PARTICIPANT, PER_GROUP, PER_CYCLE])
def test_removal_to_zero_applies_the_timeout_action(mode: Any) -> None:
    target = {"per_participant": ("a", None), "per_group": (None, "x")}.get(mode, (None, None))
    skipped = started(mode, TEAMS, action_on_timeout=SKIP).adjust(1_000, -90_000, *target)
    assert skipped.active == "b"
    ended = started(mode, TEAMS, action_on_timeout=END).adjust(1_000, -90_000, *target)
    assert (ended.status, ended.session.completed_at_ms) == ("expired", 1_000)


def test_session_clock_adjusted_to_zero_ends_the_session() -> None:
    playing = started(GLOBAL).adjust(1_000, -60_000)
    assert playing.events == (
        ev.TimeAdjusted(1_000, None, None, -59_000, None),
        ev.SessionExpired(1_000, "a", 1_000, 0),
    )


def test_session_clock_runs_in_the_overtime_of_a_cycle_too() -> None:
    playing = started(GLOBAL, time_per_cycle_ms=10_000).read(12_000).adjust(12_000, -60_000)
    assert (playing.status, playing.session.completed_at_ms) == ("expired", 12_000)


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (started(PER_PARTICIPANT), Adjust(-10_000, "b")),
        (started(PER_PARTICIPANT).pause(1_000), Adjust(-9_000, "a")),
        (started(PER_PARTICIPANT).read(10_000), Adjust(-1, "a")),
        (started(PER_PARTICIPANT, time_control=tc.Delay(500)).pause(1_000), Adjust(-9_500, "a")),
        (game(PER_PARTICIPANT), Adjust(-10_000, "a")),
        (started(PER_GROUP, TEAMS), Adjust(-10_000, None, "y")),
        (started(PER_CYCLE).pause(1_000), Adjust(-9_000)),
        (started(PER_CYCLE).read(10_000), Adjust(-1)),
        (started(PER_CYCLE).read(10_000).pause(11_000), Adjust(-1)),
        (started(GLOBAL).pause(1_000), Adjust(-59_000)),
        (game(GLOBAL), Adjust(-60_000)),
    ],
)
def test_stopped_clock_cannot_be_adjusted_to_zero(given: Game, command: Adjust) -> None:
    playing = copy(given)
    before, at_ms = playing.session, 11_000 if playing.session.version > 2 else 1_000
    refusal = refused(playing, at_ms, command)
    assert refusal == ("delta_ms", "A stopped clock must keep some time")
    assert playing.session is before
    if not playing.expired(at_ms):
        less = Adjust(command.delta_ms + 1, command.participant_id, command.group_id)
        assert playing.apply_command(at_ms, less).refusal is None


def test_removal_keeps_periods_and_blocks() -> None:
    for control, left_ms in [(tc.Byoyomi(2_000, 3), 6_000), (tc.Canadian(5_000, 2), 5_000)]:
        playing = started(PER_PARTICIPANT, time_control=control).adjust(1_000, -30_000, "a")
        assert [event.type for event in playing.events] == ["time_adjusted"]
        assert playing.remaining(1_000)["a"] == left_ms
        assert playing.shown(1_000)["a"]["main_remaining_ms"] == 0
        # There was nothing more to take, of a clock that waits neither.
        playing.switch(1_500).adjust(2_000, -5, "a")
        assert playing.events == (ev.TimeAdjusted(2_000, "a", None, 0, None),)


def test_removal_keeps_the_delay() -> None:
    playing = started(PER_PARTICIPANT, time_control=tc.Delay(3_000)).adjust(1_000, -30_000, "a")
    assert [event.type for event in playing.events] == ["time_adjusted"]
    assert (playing.remaining(1_000)["a"], playing.deadline_ms) == (0, 3_000)
    # Made within the delay, the next run has that much once more.
    assert playing.switch(2_000).switch(2_500).deadline_ms == 5_500
    # Past the delay, the bank is all there is.
    late = started(PER_PARTICIPANT, time_control=tc.Delay(3_000)).adjust(5_000, -30_000, "a")
    assert late.events[0] == ev.TimeAdjusted(5_000, "a", None, -8_000, None)
    assert late.expired(5_000) == {"a"}


def test_stopped_clock_can_be_left_with_its_delay_alone() -> None:
    playing = started(PER_PARTICIPANT, time_control=tc.Delay(3_000)).pause(2_999)
    for name in "ab":
        playing.adjust(5_000, -30_000, name)
    assert playing.remaining(5_000) == {"a": 0, "b": 0}
    playing.resume(6_000)
    assert (playing.expired(6_000), playing.deadline_ms) == (set(), 6_001)
    assert playing.switch(6_000).deadline_ms == 9_000


@pytest.mark.parametrize("status", ["pending", "running", "paused"])
def test_clock_can_be_set_to_31_days_and_not_to_more(status: str) -> None:
    most_ms = 31 * 86_400_000
    for mode, names, adjusted in (
        (PER_PARTICIPANT, "ab", {"participant_id": "b"}),
        (PER_GROUP, TEAMS, {"group_id": "y"}),
        (GLOBAL, "ab", {}),
        (PER_CYCLE, "ab", {}),
    ):
        if mode is PER_CYCLE and status == "pending":
            continue
        playing = game(mode, names)
        if status != "pending":
            playing.start(0)
        if status == "paused":
            playing.pause(1_000)
        left_ms = 60_000 if mode is GLOBAL else 10_000
        if mode in (GLOBAL, PER_CYCLE) and status != "pending":
            left_ms -= 1_000
        more = Adjust(
            most_ms - left_ms + 1, adjusted.get("participant_id"), adjusted.get("group_id")
        )
        before = playing.session
        assert refused(playing, 1_000, more) == (
            "delta_ms",
            "A clock can be set to at most 2678400000 ms; this would be 2678400001",
        )
        assert playing.session is before
        fitting = replace(more, delta_ms=more.delta_ms - 1)
        assert playing.apply_command(1_000, fitting).refusal is None
        # However much it has, it can be lowered.
        assert playing.apply_command(1_000, replace(more, delta_ms=-1)).refusal is None


def test_revived_clock_has_at_most_31_days() -> None:
    most_ms = 31 * 86_400_000
    playing = started(PER_PARTICIPANT, time_control=tc.Fischer(5_000)).read(10_000)
    assert refused(playing, 11_000, Adjust(most_ms + 1, "a"))[0] == "delta_ms"
    assert playing.adjust(11_000, most_ms, "a").remaining(11_000)["a"] == most_ms


def test_clock_that_increments_lifted_above_31_days_can_be_lowered() -> None:
    most_ms = 31 * 86_400_000
    playing = started(PER_PARTICIPANT, each_ms=most_ms, time_control=tc.Fischer(5_000)).switch(0)
    assert playing.remaining(0)["a"] == most_ms + 5_000
    assert playing.adjust(0, -1, "a").remaining(0)["a"] == most_ms + 4_999
    assert refused(playing, 0, Adjust(1, "a"))[0] == "delta_ms"


def test_increments_can_be_removed_but_allocation_is_never_negative() -> None:
    playing = started(PER_PARTICIPANT, time_control=tc.Fischer(60_000))
    playing.switch(1_000).adjust(2_000, -40_000, "a")
    assert playing.remaining(2_000)["a"] == 29_000
    assert playing.shown(2_000)["a"]["total_time_ms"] == 0


# Giving


def test_time_added_in_a_period_restores_the_period() -> None:
    playing = started(PER_PARTICIPANT, time_control=tc.Byoyomi(2_000, 3)).adjust(15_000, 4_000, "a")
    view = playing.shown(15_000)["a"]
    assert (view["main_remaining_ms"], view["period_remaining_ms"], view["periods_left"]) == (
        0,
        1_000,
        3,
    )
    assert playing.deadline_ms == 20_000


@pytest.mark.parametrize(
    ("control", "shown"),
    [
        (tc.Fischer(2_000), {"time_remaining_ms": 4_000}),
        (tc.Delay(3_000), {"time_remaining_ms": 4_000, "delay_remaining_ms": 0}),
        (tc.Bronstein(3_000), {"time_remaining_ms": 4_000}),
        (tc.Byoyomi(1_000, 2), {"main_remaining_ms": 4_000, "periods_left": 0}),
        (tc.Canadian(1_000, 2), {"main_remaining_ms": 4_000, "cycles_left": 0}),
        (tc.Hourglass(), {"time_remaining_ms": 4_000}),
    ],
)
def test_expired_clock_given_time_continues_from_now(
    control: tc.TimeControl, shown: dict[str, int]
) -> None:
    playing = started(PER_PARTICIPANT, time_control=control).read(20_000)
    used_ms = playing.used(20_000)["a"]
    playing.adjust(20_000, 4_000, "a")
    assert playing.expired(20_000) == set()
    assert playing.running(20_000) == {"a"}
    view = playing.shown(20_000)["a"]
    assert {**view, **shown} == view
    assert view["time_remaining_ms"] == 4_000
    assert view["total_time_ms"] == 14_000
    assert playing.deadline_ms == 24_000
    # The overtime so far stays; what follows is used, and then it runs out again.
    assert playing.overtime(21_000)["a"] == 20_000 - used_ms
    assert playing.used(21_000)["a"] == used_ms + 1_000
    playing.read(25_000)
    assert playing.expired(25_000) == {"a"}
    assert playing.overtime(25_000)["a"] == 21_000 - used_ms
    assert playing.switch(26_000).events == (
        ev.CycleSwitched(26_000, "a", "b", used_ms + 4_000, 22_000 - used_ms),
    )


@pytest.mark.parametrize(
    ("control", "left_ms"),
    [(tc.Fischer(2_000), 5_000), (tc.Delay(2_000), 3_000), (tc.Bronstein(2_000), 5_000)],
)
def test_revived_clock_after_its_run(control: tc.TimeControl, left_ms: int) -> None:
    playing = started(PER_PARTICIPANT, time_control=control).adjust(20_000, 4_000, "a")
    assert playing.switch(21_000).remaining(21_000)["a"] == left_ms


def test_hourglass_total_after_a_revival() -> None:
    playing = started(PER_PARTICIPANT, time_control=tc.Hourglass()).adjust(12_000, 4_000, "a")
    playing.switch(13_000)
    assert playing.remaining(13_000) == {"a": 3_000, "b": 10_000 + 11_000}


def test_expired_waiting_clock_rejoins_the_rotation() -> None:
    playing = started(PER_PARTICIPANT, "abc", time_control=tc.Delay(500)).switch(11_000)
    assert playing.expired(11_000) == {"a"}
    playing.adjust(12_000, 4_000, "a")
    assert playing.remaining(12_000)["a"] == 4_000
    assert playing.shown(12_000)["a"]["delay_remaining_ms"] == 500
    assert playing.switch(13_000).switch(14_000).active == "a"
    assert playing.deadline_ms == 18_500
    assert playing.overtime(14_000)["a"] == 500


def test_revived_group_rejoins_with_all_members() -> None:
    playing = started(PER_GROUP, TEAMS).adjust(25_000, 1_000, group="x")
    assert playing.expired(25_000) == set()
    assert playing.remaining(25_000) == {"a": 1_000, "b": 10_000, "c": 1_000}


def test_group_revived_in_its_second_members_cycle() -> None:
    playing = (
        started(PER_GROUP, ["x.a", "x.c", "y.b"]).switch(4_000).adjust(25_000, 1_000, None, "x")
    )
    assert playing.remaining(25_000)["c"] == 1_000
    assert playing.deadline_ms == 26_000


def test_expired_cycle_given_time_continues() -> None:
    playing = started(PER_CYCLE).adjust(13_000, 2_000)
    assert (playing.remaining(13_000)["a"], playing.deadline_ms) == (2_000, 15_000)
    assert playing.read(16_000).overtime(16_000)["a"] == 4_000
    assert playing.used(16_000)["a"] == 12_000
    assert playing.rotation.cycle is not None
    assert playing.rotation.cycle.length_ms == 12_000


def test_paused_clock_given_time_stays_paused() -> None:
    playing = started(PER_PARTICIPANT).read(12_000).pause(13_000).adjust(20_000, 4_000, "a")
    assert (playing.remaining(30_000)["a"], playing.deadline_ms) == (4_000, None)
    assert playing.overtime(30_000)["a"] == 3_000
    assert playing.resume(40_000).deadline_ms == 44_000


def test_store_clock_stepping_back_keeps_used_time_and_overtime() -> None:
    playing = started(PER_PARTICIPANT).adjust(20_000, 4_000, "a").read(15_000)
    assert (playing.used(15_000)["a"], playing.overtime(15_000)["a"]) == (10_000, 10_000)
    assert playing.remaining(15_000)["a"] == 4_000
    assert playing.switch(16_000).used(16_000)["a"] == 10_000
