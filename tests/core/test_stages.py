"""Stages: what a bank holds and shows from one to the next, and which stages are refused.

Participant a runs for each given time, and b, with the other bank, switches at once. The first
stage has ten seconds. Times are in milliseconds.
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.commands import Adjust
from chalicelib.core.errors import InvalidSetup
from chalicelib.core.limits import MAX_CLOCK_MS
from chalicelib.core.setup import Group, Setup
from chalicelib.core.time_controls import (
    Bronstein,
    Byoyomi,
    Delay,
    Fischer,
    Hourglass,
    Stage,
    StageControl,
    Stages,
)
from tests.core.build import (
    END,
    PER_CYCLE,
    PER_GROUP,
    PER_PARTICIPANT,
    TEN_S,
    Game,
    make_participants,
    setup,
    started,
)

FIGURES = ("time_remaining_ms", "delay_remaining_ms", "stage", "cycles_left", "total_time_ms")


def figures(game: Game, name: str, at_ms: int) -> tuple[int | None, ...]:
    view: dict[str, Any] = dict(game.shown(at_ms)[name])
    return tuple(view.get(figure) for figure in FIGURES)


def two_then_rest(
    control: StageControl | None = None, following: StageControl | None = None
) -> Stages:
    """Two cycles in ten seconds, then five seconds for the rest."""
    return Stages((Stage(10_000, 2, control), Stage(5_000, None, following)))


def after_runs(control: Stages, *runs_ms: int, **fields: Any) -> tuple[Game, int]:
    """Let a make these runs; returns the instant at which a is active again."""
    game = started(PER_PARTICIPANT, time_control=control, total_time_ms=TEN_S, **fields)
    now_ms = 0
    for run_ms in runs_ms:
        now_ms += run_ms
        game.switch(now_ms).switch(now_ms)
    return game, now_ms


REPEATING = Stages((Stage(10_000, 2, Fischer(1_000)), Stage(5_000, 3)))
ALONE = Stages((Stage(10_000, 2),))
THREE = Stages((Stage(10_000, 1, Delay(3_000)), Stage(4_000, 1, Bronstein(2_000)), Stage(2_000)))


@pytest.mark.parametrize(
    ("control", "runs_ms", "shown"),
    [
        (two_then_rest(), [], (10_000, None, 1, 2, 10_000)),
        (two_then_rest(), [4_000], (6_000, None, 1, 1, 10_000)),
        (two_then_rest(), [4_000, 5_000], (6_000, None, 2, None, 15_000)),
        # The last millisecond of the stage is in time.
        (two_then_rest(), [4_000, 5_999], (5_001, None, 2, None, 15_000)),
        (two_then_rest(), [0, 0], (15_000, None, 2, None, 15_000)),
        (two_then_rest(), [4_000, 5_000, 1_000], (5_000, None, 2, None, 15_000)),
        # The last run of a stage gets its increment, not that of the next.
        (two_then_rest(Fischer(1_000), Fischer(3_000)), [4_000], (7_000, None, 1, 1, 10_000)),
        (
            two_then_rest(Fischer(1_000), Fischer(3_000)),
            [4_000, 5_000],
            (8_000, None, 2, None, 15_000),
        ),
        (
            two_then_rest(Fischer(1_000), Fischer(3_000)),
            [4_000, 5_000, 2_000],
            (9_000, None, 2, None, 15_000),
        ),
        (two_then_rest(Fischer(1_000, first_increment=True)), [], (11_000, None, 1, 2, 10_000)),
        (two_then_rest(Delay(3_000)), [], (10_000, 3_000, 1, 2, 10_000)),
        (two_then_rest(Delay(3_000)), [4_000], (9_000, 3_000, 1, 1, 10_000)),
        (two_then_rest(Delay(3_000)), [4_000, 3_000], (14_000, None, 2, None, 15_000)),
        (two_then_rest(None, Delay(3_000)), [4_000], (6_000, None, 1, 1, 10_000)),
        (two_then_rest(None, Delay(3_000)), [4_000, 5_000], (6_000, 3_000, 2, None, 15_000)),
        (two_then_rest(None, Delay(3_000)), [4_000, 5_000, 4_000], (5_000, 3_000, 2, None, 15_000)),
        (two_then_rest(Bronstein(3_000)), [2_000, 5_000], (13_000, None, 2, None, 15_000)),
        (REPEATING, [1_000, 1_000], (15_000, None, 2, 3, 15_000)),
        (REPEATING, [1_000, 1_000, 2_000], (13_000, None, 2, 2, 15_000)),
        (REPEATING, [1_000, 1_000, 2_000, 2_000, 2_000], (14_000, None, 2, 3, 20_000)),
        (ALONE, [1_000], (9_000, None, 1, 1, 10_000)),
        (ALONE, [1_000, 1_000], (18_000, None, 1, 2, 20_000)),
        (ALONE, [1_000, 1_000, 1_000, 1_000], (26_000, None, 1, 2, 30_000)),
        (THREE, [4_000], (13_000, None, 2, 1, 14_000)),
        (THREE, [4_000, 3_000], (14_000, None, 3, None, 16_000)),
    ],
)
def test_bank_after_a_number_of_runs(
    control: Stages, runs_ms: list[int], shown: tuple[int | None, ...]
) -> None:
    game, now_ms = after_runs(control, *runs_ms)
    assert figures(game, "a", now_ms) == shown


def test_delay_of_a_stage_falls_before_its_bank() -> None:
    game, now_ms = after_runs(two_then_rest(None, Delay(3_000)), 4_000, 5_000)
    assert figures(game, "a", now_ms + 2_999) == (6_000, 1, 2, None, 15_000)
    assert figures(game, "a", now_ms + 3_001) == (5_999, 0, 2, None, 15_000)
    assert game.deadline_ms == now_ms + 9_000


def test_stage_that_is_not_completed_in_time_adds_nothing() -> None:
    game, now_ms = after_runs(two_then_rest(Fischer(1_000)), 4_000)
    game.switch(now_ms + 7_000, current="a")
    assert game.events[0].at_ms == now_ms + 7_000
    assert figures(game, "a", now_ms + 7_000) == (0, None, 1, 0, 10_000)
    assert game.shown(now_ms + 7_000)["a"]["has_expired"]


def test_expired_bank_shows_the_figures_of_its_stage() -> None:
    delayed, now_ms = after_runs(two_then_rest(Delay(3_000)), 4_000)
    assert figures(delayed.read(now_ms + 12_000), "a", now_ms + 12_000) == (0, 0, 1, 0, 10_000)
    last, now_ms = after_runs(two_then_rest(), 4_000, 5_000)
    assert figures(last.read(now_ms + 6_000), "a", now_ms + 6_000) == (0, None, 2, None, 15_000)


def test_end_of_the_session_completes_no_run() -> None:
    game, now_ms = after_runs(two_then_rest(Fischer(1_000)), 4_000, action_on_timeout=END)
    game.complete(now_ms + 3_000)
    assert figures(game, "a", now_ms + 3_000) == (4_000, None, 1, 1, 10_000)


def test_consecutive_cycles_of_one_participant_count_once() -> None:
    game, _ = after_runs(two_then_rest(Fischer(1_000)))
    game.switch(1_000, to="a").switch(2_000, to="a").switch(3_000, to="b")
    assert figures(game, "a", 3_000) == (8_000, None, 1, 1, 10_000)


def test_undo_takes_back_count_time_and_stage() -> None:
    game, now_ms = after_runs(two_then_rest(Fischer(1_000)), 4_000)
    game.switch(now_ms + 2_000)
    assert figures(game, "a", now_ms + 2_000) == (11_000, None, 2, None, 15_000)
    game.undo(now_ms + 3_000)
    assert figures(game, "a", now_ms + 3_000) == (4_000, None, 1, 1, 10_000)


def test_adjusting_changes_neither_stage_nor_count() -> None:
    game, now_ms = after_runs(two_then_rest(Delay(3_000)), 4_000)
    game.adjust(now_ms + 1_000, 2_000, "a")
    assert figures(game, "a", now_ms + 1_000) == (11_000, 2_000, 1, 1, 12_000)
    game.adjust(now_ms + 4_000, -5_000, "a")
    assert figures(game, "a", now_ms + 4_000) == (5_000, 0, 1, 1, 7_000)


def test_revived_bank_stays_in_its_stage_and_its_run_counts() -> None:
    game, now_ms = after_runs(two_then_rest(Fischer(1_000)), 4_000)
    game.adjust(now_ms + 9_000, 3_000, "a")
    assert figures(game, "a", now_ms + 9_000) == (3_000, None, 1, 1, 13_000)
    game.switch(now_ms + 11_000)
    assert figures(game, "a", now_ms + 11_000) == (7_000, None, 2, None, 18_000)
    first, _ = after_runs(two_then_rest())
    first.adjust(12_000, 3_000, "a")
    assert figures(first, "a", 12_000) == (3_000, None, 1, 2, 13_000)


def test_delay_of_a_revived_run_does_not_start_again() -> None:
    game, now_ms = after_runs(two_then_rest(Delay(3_000)), 4_000)
    game.adjust(now_ms + 14_000, 3_000, "a")
    assert figures(game, "a", now_ms + 14_000) == (3_000, 0, 1, 1, 13_000)
    assert game.deadline_ms == now_ms + 17_000
    game.switch(now_ms + 15_000)
    assert figures(game, "a", now_ms + 15_000) == (7_000, None, 2, None, 18_000)


def test_waiting_bank_is_revived_in_its_stage() -> None:
    game, now_ms = after_runs(two_then_rest(Delay(3_000)), 4_000)
    game.switch(now_ms + 12_000).adjust(now_ms + 13_000, 3_000, "a")
    assert figures(game, "a", now_ms + 13_000) == (3_000, 3_000, 1, 1, 13_000)


def test_stopped_bank_can_be_emptied_as_far_as_a_delay_is_left() -> None:
    game, now_ms = after_runs(two_then_rest(Delay(3_000)), 4_000)
    game.pause(now_ms + 2_999).adjust(now_ms + 3_000, -20_000, "a")
    assert figures(game, "a", now_ms + 3_000) == (0, 1, 1, 1, 1_000)
    spent, now_ms = after_runs(two_then_rest(Delay(3_000)), 4_000)
    refusal = spent.pause(now_ms + 3_000).refused(now_ms + 3_000, Adjust(-20_000, "a"))
    assert refusal.code == "VALIDATION_ERROR"
    waiting, now_ms = after_runs(two_then_rest(Delay(3_000)), 4_000)
    waiting.adjust(now_ms, -10_000, "b")
    assert figures(waiting, "b", now_ms) == (0, 3_000, 1, 1, 0)
    plain = started(PER_PARTICIPANT, time_control=Delay(3_000)).adjust(0, -10_000, "b")
    assert plain.shown(0)["b"]["time_remaining_ms"] == 0


def test_members_of_a_group_share_a_stage() -> None:
    game = started(
        PER_GROUP,
        ["x.a", "y.b", "x.c", "y.d"],
        each_ms=5_000,
        time_control=two_then_rest(Fischer(1_000)),
        total_time_ms=TEN_S,
    )
    game.switch(1_000).switch(2_000).switch(3_000).switch(4_000)
    assert figures(game, "a", 4_000) == (15_000, None, 2, None, 5_000)
    assert figures(game, "c", 4_000) == (15_000, None, 2, None, 5_000)
    assert figures(game, "b", 4_000) == (15_000, None, 2, None, 5_000)
    assert [group["total_time_ms"] for group in game.clocks(4_000).groups] == [15_000, 15_000]


def test_stages_can_be_one_participants_odds() -> None:
    game = started(
        PER_PARTICIPANT,
        time_control=Fischer(2_000),
        own_controls={"b": two_then_rest()},
        total_time_ms=33_000,
    )
    game.switch(1_000).switch(3_000).switch(4_000).switch(6_000)
    assert figures(game, "a", 6_000) == (12_000, None, None, None, 10_000)
    assert figures(game, "b", 6_000) == (11_000, None, 2, None, 15_000)


# Setups

TOO_LONG = (
    "All stages but a repeating last one must sum up to at most 2678400000 ms, got 2678400001"
)


def a_setup(control: Stages, **fields: Any) -> Setup:
    fields = {"total_time_ms": TEN_S, "time_control": control, **fields}
    return setup(PER_PARTICIPANT, **fields)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([Stage(10_000)], "A single stage without cycles is its control: give that instead"),
        (
            [Stage(10_000), Stage(5_000)],
            "Each stage but the last needs cycles; stage 1 has none",
        ),
        (
            [Stage(10_000, 1), Stage(1, None), Stage(1, 1)],
            "Each stage but the last needs cycles; stage 2 has none",
        ),
        (
            [Stage(10_000, 1), Stage(5_000, 1, Fischer(1, first_increment=True))],
            "Only the first stage can have first_increment; stage 2 has it",
        ),
        (
            [Stage(10_000, 1), Stage(MAX_CLOCK_MS - 9_999)],
            TOO_LONG,
        ),
        (
            [Stage(10_000, 1), Stage(MAX_CLOCK_MS - 9_999, 1), Stage(1_000, 1)],
            TOO_LONG,
        ),
    ],
)
def test_impossible_stages_are_refused(stages: list[Stage], message: str) -> None:
    control = Stages(tuple(stages))
    with pytest.raises(InvalidSetup) as refused:
        a_setup(control)
    assert (refused.value.field, str(refused.value)) == ("time_control", message)
    with pytest.raises(InvalidSetup) as refused:
        setup(PER_PARTICIPANT, own_controls={"b": control})
    assert (refused.value.field, str(refused.value)) == ("participants", message)


@pytest.mark.parametrize(
    "stages",
    [
        [Stage(10_000, 1)],
        [Stage(10_000, 1, Fischer(1, first_increment=True)), Stage(1)],
        [Stage(10_000, 1), Stage(MAX_CLOCK_MS - 10_000)],
        [Stage(10_000, 1), Stage(MAX_CLOCK_MS, 1)],
    ],
)
def test_possible_stages_are_accepted(stages: list[Stage]) -> None:
    control = Stages(tuple(stages))
    assert a_setup(control).controls == (control, control)


def test_owners_must_have_the_time_of_the_first_stage() -> None:
    must_be = "total_time_ms must be the time_ms of the first stage, 10000, got "
    for fields, field, got_ms in (
        ({"total_time_ms": 9_999}, "total_time_ms", 9_999),
        ({"each_ms": 10_001}, "participants", 10_001),
    ):
        with pytest.raises(InvalidSetup) as refused:
            a_setup(two_then_rest(), **fields)
        assert refused.value.field == field
        assert str(refused.value) == f"{must_be}{got_ms}; it can be left out"
    with pytest.raises(InvalidSetup) as refused:
        setup(PER_PARTICIPANT, each_ms=1_000, own_controls={"b": two_then_rest()})
    assert refused.value.field == "participants"


def test_groups_must_have_the_time_of_the_first_stage() -> None:
    fields: dict[str, Any] = {"time_control": two_then_rest(), "total_time_ms": TEN_S}
    members = make_participants(["x.a", "y.b", "x.c", "y.d"], 5_000)
    assert setup(PER_GROUP, participants=members, **fields).groups == (
        Group("x", TEN_S),
        Group("y", TEN_S),
    )
    given = [Group("x", TEN_S), Group("y", TEN_S)]
    assert setup(PER_GROUP, participants=members[:2], groups=given, **fields)
    for groups, seated in ((None, members[:3]), ([Group("x", TEN_S), Group("y", 9_999)], members)):
        with pytest.raises(InvalidSetup) as refused:
            setup(PER_GROUP, participants=seated, groups=groups, **fields)
        assert refused.value.field == "groups"


def test_stages_need_banks_and_leave_an_hourglass_alone() -> None:
    with pytest.raises(InvalidSetup):
        setup(PER_CYCLE, time_control=two_then_rest(), total_time_ms=TEN_S)
    with pytest.raises(InvalidSetup):
        setup(PER_PARTICIPANT, time_control=Hourglass(), own_controls={"b": two_then_rest()})
    own = {"b": Byoyomi(1_000, 2)}
    assert a_setup(two_then_rest(), own_controls=own).controls == (two_then_rest(), own["b"])
