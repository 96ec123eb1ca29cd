"""Sync modes: which clock runs, when it runs out, and how a switch affects it."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.commands import Switch
from chalicelib.core.errors import ParticipantExpired
from chalicelib.core.setup import Group, Participant, SyncMode
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
    game,
    started,
)
from tests.strategies import TURNS

TEAMS = ["x.a", "x.b", "y.c"]
UNEQUAL = [Participant("a", 0, 4_000), Participant("b", 1, 10_000)]


# Before the start


@pytest.mark.parametrize(
    ("mode", "fields", "remaining"),
    [
        (PER_PARTICIPANT, {}, {"a": 4_000, "b": 10_000}),
        (PER_CYCLE, {}, {"a": 4_000, "b": 10_000}),
        (PER_CYCLE, {"time_per_cycle_ms": 3_000}, {"a": 3_000, "b": 3_000}),
        (GLOBAL, {}, {"a": 60_000, "b": 60_000}),
        (GLOBAL, {"time_per_cycle_ms": 3_000}, {"a": 3_000, "b": 3_000}),
        (GLOBAL, {"time_per_cycle_ms": 70_000}, {"a": 60_000, "b": 60_000}),
        (COUNT_UP, {}, {"a": 4_000, "b": 10_000}),
        (COUNT_UP, {"max_time_ms": 5_000}, {"a": 5_000, "b": 5_000}),
    ],
)
def test_before_the_start_every_clock_is_full(
    mode: SyncMode, fields: dict[str, Any], remaining: dict[str, int]
) -> None:
    waiting = game(mode, participants=UNEQUAL, **fields)
    assert waiting.remaining(99_000) == remaining
    assert waiting.used(99_000) == {"a": 0, "b": 0}
    assert waiting.start(99_000).remaining(99_000) == remaining


@pytest.mark.parametrize("mode", TURNS)
def test_switch_ends_the_cycle_and_the_next_in_rotation_begins(mode: SyncMode) -> None:
    playing = started(mode, TEAMS)
    assert playing.active == "a"
    assert playing.switch(2_000).active == "b"
    assert playing.switch(5_000).active == "c"
    assert playing.switch(9_000).active == "a"
    assert playing.used(10_000) == {"a": 3_000, "b": 3_000, "c": 4_000}
    assert playing.cycle_counts(10_000) == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize("mode", TURNS)
def test_named_successor_is_next_and_rotation_continues_from_there(mode: SyncMode) -> None:
    playing = started(mode, ["x.a", "y.b", "x.c", "y.d"])
    assert playing.switch(1_000, "c").active == "c"
    assert playing.switch(2_000).active == "d"
    assert playing.switch(3_000).active == "a"


@pytest.mark.parametrize("mode", TURNS)
def test_naming_the_active_participant_as_next_counts_as_a_cycle(mode: SyncMode) -> None:
    playing = started(mode, TEAMS).switch(2_000, "a").switch(3_000, "a")
    assert playing.active == "a"
    assert playing.cycle_counts(3_000)["a"] == 2
    assert playing.used(3_500)["a"] == 3_500


@pytest.mark.parametrize("mode", TURNS)
def test_single_participant_follows_themself(mode: SyncMode) -> None:
    playing = started(mode, ["x.a"]).switch(2_000)
    assert (playing.active, playing.cycle_counts(2_000)) == ("a", {"a": 1})


@pytest.mark.parametrize("mode", TURNS)
def test_running_changes_no_allocation(mode: SyncMode) -> None:
    playing = started(mode, TEAMS, each_ms=4_000, action_on_timeout=SKIP)
    allocated = {name: view["total_time_ms"] for name, view in playing.shown(5_000).items()}
    assert allocated == {"a": 4_000, "b": 4_000, "c": 4_000}
    assert playing.session.total_time_ms == 60_000


# per_participant


def test_per_participant_only_the_active_bank_runs() -> None:
    playing = started(PER_PARTICIPANT).switch(3_000)
    assert playing.remaining(7_000) == {"a": 7_000, "b": 6_000}
    assert playing.switch(7_000).remaining(9_000) == {"a": 5_000, "b": 6_000}


def test_per_participant_a_bank_runs_out_over_all_its_cycles() -> None:
    playing = started(PER_PARTICIPANT).switch(3_000).switch(4_000)
    assert playing.deadline_ms == 11_000
    assert playing.expired(11_000) == {"a"}


# per_group


def test_per_group_members_show_and_use_the_groups_time_but_their_own_count() -> None:
    playing = started(PER_GROUP, TEAMS).switch(3_000)
    assert playing.remaining(5_000) == {"a": 15_000, "b": 15_000, "c": 10_000}
    assert playing.used(5_000) == {"a": 3_000, "b": 2_000, "c": 0}


def test_per_group_members_expire_together() -> None:
    playing = started(PER_GROUP, TEAMS).switch(3_000)
    assert playing.deadline_ms == 20_000
    assert playing.expired(19_999) == set()
    assert playing.expired(20_000) == {"a", "b"}
    assert playing.switch(20_500).active == "c"
    assert playing.overtime(20_500) == {"a": 0, "b": 500, "c": 0}
    assert isinstance(playing.refused(21_000, Switch("a")), ParticipantExpired)


def test_per_group_view_has_each_groups_time() -> None:
    own = [Group("y", 8_000), Group("x", 5_000)]
    playing = started(PER_GROUP, TEAMS, groups=own)
    assert playing.clocks(2_000).groups == [
        {
            "group_id": "y",
            "total_time_ms": 8_000,
            "time_remaining_ms": 8_000,
            "has_expired": False,
        },
        {
            "group_id": "x",
            "total_time_ms": 5_000,
            "time_remaining_ms": 3_000,
            "has_expired": False,
        },
    ]
    assert [
        (group["time_remaining_ms"], group["has_expired"]) for group in playing.clocks(9_000).groups
    ] == [(8_000, False), (0, True)]


@pytest.mark.parametrize("mode", sorted(set(SyncMode) - {PER_GROUP}))
def test_only_per_group_shows_groups(mode: SyncMode) -> None:
    assert started(mode, TEAMS).clocks(1_000).groups == []


# per_cycle


def test_per_cycle_nothing_carries_over() -> None:
    playing = started(PER_CYCLE, time_per_cycle_ms=5_000)
    assert playing.remaining(2_000) == {"a": 3_000, "b": 5_000}
    assert playing.switch(2_000).remaining(3_000) == {"a": 5_000, "b": 4_000}
    assert playing.switch(4_000).remaining(4_000) == {"a": 5_000, "b": 5_000}
    assert playing.deadline_ms == 9_000


def test_per_cycle_without_a_length_a_cycle_lasts_its_participants_own_time() -> None:
    playing = started(PER_CYCLE, participants=UNEQUAL, action_on_timeout=SKIP)
    assert playing.deadline_ms == 4_000
    assert playing.read(4_000).active == "b"
    assert playing.remaining(5_000) == {"a": 4_000, "b": 9_000}
    assert playing.deadline_ms == 14_000


def test_per_cycle_participant_succeeding_themself_starts_full() -> None:
    playing = started(PER_CYCLE).switch(4_000, "a")
    assert playing.remaining(5_000) == {"a": 9_000, "b": 10_000}


# global


def test_global_all_participants_show_one_clock_that_a_switch_keeps() -> None:
    playing = started(GLOBAL).switch(20_000)
    assert playing.remaining(25_000) == {"a": 35_000, "b": 35_000}
    assert playing.clocks(25_000).session_remaining_ms == 35_000
    assert playing.used(25_000) == {"a": 20_000, "b": 5_000}
    assert playing.deadline_ms == 60_000


def test_global_the_session_clock_ends_the_session_whatever_the_action() -> None:
    for action in (NOTIFY, SKIP, END):
        playing = started(GLOBAL, action_on_timeout=action).read(61_000)
        assert (playing.status, playing.session.completed_at_ms) == ("expired", 60_000)
        assert playing.expired(61_000) == set()
        assert playing.used(61_000) == {"a": 60_000, "b": 0}


def test_global_the_cycle_clock_restarts_with_every_cycle() -> None:
    playing = started(GLOBAL, time_per_cycle_ms=5_000).switch(3_000)
    assert playing.remaining(3_000) == {"a": 5_000, "b": 5_000}
    assert playing.remaining(4_000) == {"a": 4_000, "b": 4_000}
    assert playing.clocks(4_000).session_remaining_ms == 56_000
    assert playing.deadline_ms == 8_000


def test_global_all_participants_show_the_smaller_clock() -> None:
    playing = started(GLOBAL, time_per_cycle_ms=50_000).switch(40_000)
    assert playing.remaining(41_000) == {"a": 19_000, "b": 19_000}
    assert playing.deadline_ms == 60_000


def test_global_the_session_clock_stands_while_paused() -> None:
    playing = started(GLOBAL).pause(10_000).resume(100_000)
    assert playing.remaining(101_000) == {"a": 49_000, "b": 49_000}
    assert playing.deadline_ms == 150_000


@pytest.mark.parametrize("mode", sorted(set(SyncMode) - {GLOBAL}))
def test_only_global_has_a_session_clock(mode: SyncMode) -> None:
    assert started(mode, TEAMS).clocks(1_000).session_remaining_ms is None


# count_up


def test_count_up_each_stopwatch_runs_on_from_where_it_was() -> None:
    playing = started(COUNT_UP).switch(3_000).switch(4_000)
    assert playing.used(9_000) == {"a": 8_000, "b": 1_000}


def test_count_up_runs_out_at_its_limit_over_all_cycles() -> None:
    playing = started(COUNT_UP, max_time_ms=5_000).switch(3_000).switch(4_000)
    assert playing.remaining(4_500) == {"a": 1_500, "b": 4_000}
    assert playing.deadline_ms == 6_000
    assert playing.read(6_000).status == "expired"
    assert playing.expired(6_000) == {"a"}


def test_count_up_without_a_limit_never_runs_out() -> None:
    playing = started(COUNT_UP)
    assert playing.deadline_ms is None
    assert playing.read(99_000).status == "running"
    assert playing.used(99_000) == {"a": 99_000, "b": 0}
    assert playing.remaining(99_000) == {"a": 0, "b": 10_000}
    assert playing.expired(99_000) == set()
    assert playing.switch(99_000).switch(99_001).active == "a"


def test_count_up_a_limit_above_the_allocation_counts_instead_of_it() -> None:
    playing = started(COUNT_UP, max_time_ms=20_000)
    assert playing.remaining(15_000) == {"a": 5_000, "b": 20_000}


# Pauses


@pytest.mark.parametrize("mode", TURNS)
@pytest.mark.parametrize("length_ms", [0, 1, 60_000, 10**9])
def test_pause_of_any_length_keeps_the_cycles_time(mode: SyncMode, length_ms: int) -> None:
    playing = started(mode, TEAMS, time_per_cycle_ms=9_000, max_time_ms=9_500).switch(1_000)
    undisturbed = playing.deadline_ms
    assert undisturbed is not None
    before = playing.remaining(4_000)
    playing.pause(4_000)
    assert playing.deadline_ms is None
    assert playing.remaining(4_000 + length_ms) == before
    playing.resume(4_000 + length_ms)
    assert playing.remaining(4_000 + length_ms) == before
    assert playing.deadline_ms == undisturbed + length_ms
    assert playing.pause(5_000 + length_ms).resume(8_000 + length_ms).used(8_500 + length_ms)[
        "b"
    ] == (3_000 + 1_000 + 500)


def test_pause_keeps_overtime() -> None:
    playing = started(PER_PARTICIPANT).pause(12_000).resume(50_000)
    assert playing.overtime(53_000) == {"a": 5_000, "b": 0}
    assert playing.used(53_000) == {"a": 10_000, "b": 0}
    assert playing.switch(53_000).overtime(53_000) == {"a": 5_000, "b": 0}


# Odds


def test_each_clock_runs_under_its_owners_control() -> None:
    playing = started(
        PER_PARTICIPANT, own_controls={"b": Byoyomi(2_000, 3)}, time_control=Fischer(1_000)
    )
    assert playing.switch(4_000).remaining(4_000) == {"a": 7_000, "b": 16_000}
    assert playing.deadline_ms == 20_000
    playing.switch(15_000)
    assert playing.remaining(15_000) == {"a": 7_000, "b": 6_000}
    assert playing.shown(15_000)["b"]["periods_left"] == 3
    assert "periods_left" not in playing.shown(15_000)["a"]
    playing.adjust(15_000, 500, "b")
    assert playing.shown(15_000)["b"]["main_remaining_ms"] == 500
    playing.read(40_000)
    assert playing.shown(40_000)["a"]["time_remaining_ms"] == 0
