"""Time controls: what each uses, gives back and shows.

In the tables, participant a runs for each given time, and b, with the other bank, switches at once.
Times are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from chalicelib.core import time_controls as tc
from chalicelib.core.setup import Group, SyncMode
from tests.core.build import END, NOTIFY, PER_GROUP, PER_PARTICIPANT, SKIP, Game, started

FIGURES = (
    "time_remaining_ms",
    "delay_remaining_ms",
    "main_remaining_ms",
    "period_remaining_ms",
    "periods_left",
    "cycles_left",
)
SUDDEN_DEATH = tc.Fischer(0)


def readings(game: Game, name: str, at_ms: int) -> tuple[int, ...]:
    """What a clock shows, in the order of FIGURES, without values its control lacks."""
    view: dict[str, Any] = dict(game.shown(at_ms)[name])
    return tuple(view[figure] for figure in FIGURES if figure in view)


def after_runs(control: tc.TimeControl, runs_ms: Iterable[int], **fields: Any) -> tuple[Game, int]:
    """Let a make these runs; returns the instant at which a is active again."""
    game, now_ms = started(PER_PARTICIPANT, time_control=control, **fields), 0
    for run_ms in runs_ms:
        now_ms += run_ms
        game.switch(now_ms).switch(now_ms)
    return game, now_ms


@pytest.mark.parametrize(
    ("control", "runs_ms", "shown"),
    [
        (SUDDEN_DEATH, [3_000], (7_000,)),
        (SUDDEN_DEATH, [3_000, 6_999], (1,)),
        (tc.Fischer(2_000), [3_000], (9_000,)),
        (tc.Fischer(2_000), [1_000], (11_000,)),
        (tc.Fischer(2_000), [0, 0, 0], (16_000,)),
        (tc.Fischer(2_000, first_increment=True), [], (12_000,)),
        (tc.Fischer(2_000, first_increment=True), [11_999], (2_001,)),
        (tc.Fischer(2_000, 11_000, first_increment=True), [], (11_000,)),
        (tc.Fischer(2_000, 9_000, first_increment=True), [], (10_000,)),
        (tc.Fischer(2_000), [9_999], (2_001,)),
        (tc.Fischer(2_000, max_bank_ms=10_500), [1_000], (10_500,)),
        (tc.Fischer(2_000, max_bank_ms=11_000), [1_000], (11_000,)),
        (tc.Fischer(2_000, max_bank_ms=11_001), [1_000], (11_000,)),
        (tc.Fischer(2_000, max_bank_ms=9_500), [1_000], (9_500,)),
        # The cap takes nothing away from a bank that holds more.
        (tc.Fischer(2_000, max_bank_ms=5_000), [1_000], (9_000,)),
        (tc.Fischer(2_000, max_bank_ms=5_000), [1_000, 5_000], (5_000,)),
        (tc.Fischer(2_000, max_bank_ms=5_000), [1_000, 8_000], (3_000,)),
        (tc.Delay(3_000), [2_000], (10_000, 3_000)),
        (tc.Delay(3_000), [3_000], (10_000, 3_000)),
        (tc.Delay(3_000), [3_001], (9_999, 3_000)),
        (tc.Delay(3_000), [5_000, 1_000, 4_000], (7_000, 3_000)),
        (tc.Delay(3_000), [12_999], (1, 3_000)),
        (tc.Bronstein(3_000), [2_000], (10_000,)),
        (tc.Bronstein(3_000), [3_000], (10_000,)),
        (tc.Bronstein(3_000), [5_000], (8_000,)),
        (tc.Bronstein(3_000), [9_999], (3_001,)),
        (tc.Byoyomi(5_000, 3), [4_000], (21_000, 6_000, 5_000, 3)),
        (tc.Byoyomi(5_000, 3), [10_000], (15_000, 0, 5_000, 3)),
        (tc.Byoyomi(5_000, 3), [12_000], (15_000, 0, 5_000, 3)),
        (tc.Byoyomi(5_000, 3), [14_999], (15_000, 0, 5_000, 3)),
        (tc.Byoyomi(5_000, 3), [15_000], (10_000, 0, 5_000, 2)),
        (tc.Byoyomi(5_000, 3), [24_999], (5_000, 0, 5_000, 1)),
        (tc.Byoyomi(5_000, 3), [12_000, 4_999], (15_000, 0, 5_000, 3)),
        (tc.Byoyomi(5_000, 3), [12_000, 5_000, 5_001], (5_000, 0, 5_000, 1)),
        (tc.Byoyomi(1, 3), [4_000], (6_003, 6_000, 1, 3)),
        (tc.Canadian(20_000, 2), [4_000], (26_000, 6_000, 20_000, 2)),
        # Main time used up to the last millisecond is no overtime yet.
        (tc.Canadian(20_000, 2), [10_000], (20_000, 0, 20_000, 2)),
        (tc.Canadian(20_000, 2), [10_001], (19_999, 0, 19_999, 1)),
        (tc.Canadian(20_000, 2), [12_000], (18_000, 0, 18_000, 1)),
        (tc.Canadian(20_000, 2), [12_000, 17_999], (20_000, 0, 20_000, 2)),
        # From an empty main time every run counts, even one of no length.
        (tc.Canadian(20_000, 2), [10_000, 0], (20_000, 0, 20_000, 1)),
        (tc.Canadian(20_000, 2), [10_000, 0, 0], (20_000, 0, 20_000, 2)),
        (tc.Canadian(20_000, 3), [12_000, 3_000], (15_000, 0, 15_000, 1)),
        (tc.Canadian(20_000, 1), [15_000, 19_999], (20_000, 0, 20_000, 1)),
        (tc.Hourglass(), [3_000], (7_000,)),
        (tc.Hourglass(), [3_000, 2_000], (5_000,)),
    ],
)
def test_bank_after_a_number_of_runs(
    control: tc.TimeControl, runs_ms: list[int], shown: tuple[int, ...]
) -> None:
    game, now_ms = after_runs(control, runs_ms)
    assert readings(game, "a", now_ms) == shown
    assert game.used(now_ms)["a"] == sum(runs_ms)


@pytest.mark.parametrize(
    ("control", "earlier_runs_ms", "into_run_ms", "shown"),
    [
        (SUDDEN_DEATH, [], 4_000, (6_000,)),
        (tc.Fischer(2_000), [3_000], 4_000, (5_000,)),
        (tc.Delay(3_000), [], 0, (10_000, 3_000)),
        (tc.Delay(3_000), [], 1_000, (10_000, 2_000)),
        (tc.Delay(3_000), [], 3_000, (10_000, 0)),
        (tc.Delay(3_000), [], 3_001, (9_999, 0)),
        (tc.Delay(3_000), [5_000], 4_000, (7_000, 0)),
        (tc.Delay(3_000), [], 12_999, (1, 0)),
        (tc.Bronstein(3_000), [4_000], 1_000, (8_000,)),
        (tc.Byoyomi(5_000, 3), [], 0, (25_000, 10_000, 5_000, 3)),
        (tc.Byoyomi(5_000, 3), [], 9_999, (15_001, 1, 5_000, 3)),
        (tc.Byoyomi(5_000, 3), [], 10_000, (15_000, 0, 5_000, 3)),
        (tc.Byoyomi(5_000, 3), [], 10_001, (14_999, 0, 4_999, 3)),
        (tc.Byoyomi(5_000, 3), [], 14_999, (10_001, 0, 1, 3)),
        (tc.Byoyomi(5_000, 3), [], 15_000, (10_000, 0, 5_000, 2)),
        (tc.Byoyomi(5_000, 3), [], 24_999, (1, 0, 1, 1)),
        (tc.Byoyomi(5_000, 3), [12_000], 6_000, (9_000, 0, 4_000, 2)),
        (tc.Canadian(20_000, 2), [], 4_000, (26_000, 6_000, 20_000, 2)),
        (tc.Canadian(20_000, 2), [], 10_000, (20_000, 0, 20_000, 2)),
        (tc.Canadian(20_000, 2), [], 13_000, (17_000, 0, 17_000, 2)),
        (tc.Canadian(20_000, 2), [12_000], 17_999, (1, 0, 1, 1)),
        (tc.Hourglass(), [], 4_000, (6_000,)),
    ],
)
def test_reading_of_a_running_clock(
    control: tc.TimeControl, earlier_runs_ms: list[int], into_run_ms: int, shown: tuple[int, ...]
) -> None:
    game, now_ms = after_runs(control, earlier_runs_ms)
    assert readings(game, "a", now_ms + into_run_ms) == shown


@pytest.mark.parametrize(
    ("control", "earlier_runs_ms", "lasts_ms"),
    [
        (SUDDEN_DEATH, [], 10_000),
        (tc.Fischer(2_000), [3_000], 9_000),
        (tc.Delay(3_000), [], 13_000),
        (tc.Delay(3_000), [5_000], 11_000),
        (tc.Bronstein(3_000), [], 10_000),
        (tc.Byoyomi(5_000, 3), [], 25_000),
        (tc.Byoyomi(5_000, 3), [15_000], 10_000),
        (tc.Canadian(20_000, 2), [], 30_000),
        (tc.Canadian(20_000, 2), [12_000], 18_000),
        (tc.Canadian(20_000, 2), [12_000, 1_000], 20_000),
        (tc.Hourglass(), [4_000], 6_000),
    ],
)
@pytest.mark.parametrize("action", [NOTIFY, SKIP, END])
def test_clock_runs_out_in_the_exact_millisecond(
    control: tc.TimeControl, earlier_runs_ms: list[int], lasts_ms: int, action: str
) -> None:
    game, now_ms = after_runs(control, earlier_runs_ms, action_on_timeout=action)
    deadline_ms = now_ms + lasts_ms
    assert game.deadline_ms == deadline_ms
    assert game.expired(deadline_ms - 1) == set()
    assert readings(game, "a", deadline_ms - 1)[0] == 1
    assert game.expired(deadline_ms) == {"a"}
    assert set(readings(game, "a", deadline_ms)) == {0}
    assert set(readings(game, "a", deadline_ms + 90_000)) == {0}


# A run


@pytest.mark.parametrize(
    ("control", "while_running", "after"),
    [
        # b takes over from a within the group after 4 s, and c from b after 12 s.
        (tc.Fischer(2_000), (15_000,), (10_000,)),
        (tc.Delay(3_000), (18_000, 0), (11_000, 3_000)),
        (tc.Bronstein(3_000), (15_000,), (11_000,)),
        (tc.Byoyomi(5_000, 3), (30_000, 15_000, 5_000, 3), (23_000, 8_000, 5_000, 3)),
        (tc.Canadian(5_000, 2), (20_000, 15_000, 5_000, 2), (13_000, 8_000, 5_000, 2)),
        (tc.Hourglass(), (15_000,), (8_000,)),
    ],
)
def test_members_of_one_group_in_turn_are_one_run(
    control: tc.TimeControl, while_running: tuple[int, ...], after: tuple[int, ...]
) -> None:
    game = started(PER_GROUP, ["x.a", "x.b", "y.c", "y.d"], time_control=control)
    game.switch(4_000, "b")
    assert readings(game, "b", 5_000) == while_running
    game.switch(12_000, "c")
    assert readings(game, "a", 12_000) == readings(game, "b", 12_000) == after
    assert game.used(12_000) == {"a": 4_000, "b": 8_000, "c": 0, "d": 0}


@pytest.mark.parametrize(
    ("control", "after"),
    [
        (tc.Fischer(2_000), (6_000,)),
        (tc.Delay(3_000), (7_000, 3_000)),
        (tc.Bronstein(3_000), (7_000,)),
        (tc.Byoyomi(3_000, 2), (10_000, 4_000, 3_000, 2)),
        (tc.Canadian(3_000, 2), (7_000, 4_000, 3_000, 2)),
        (tc.Hourglass(), (4_000,)),
    ],
)
def test_participant_succeeding_themself_continues_the_run(
    control: tc.TimeControl, after: tuple[int, ...]
) -> None:
    game = started(PER_PARTICIPANT, time_control=control)
    game.switch(2_000, "a").switch(4_000, "a").switch(6_000, "b")
    assert readings(game, "a", 6_000) == after
    assert game.cycle_counts(6_000) == {"a": 3, "b": 0}


def test_run_over_several_cycles_keeps_its_deadline() -> None:
    game = started(PER_PARTICIPANT, time_control=tc.Delay(3_000))
    for at_ms in (0, 1_000, 2_500, 9_000):
        assert game.switch(at_ms, "a").deadline_ms == 13_000


def test_periods_run_on_across_a_group() -> None:
    game = started(PER_GROUP, ["x.a", "x.b", "y.c"], time_control=tc.Byoyomi(5_000, 3))
    # 20 s of main time; 3 s of the first period are gone when b takes over.
    game.switch(23_000, "b")
    assert readings(game, "b", 23_000) == (12_000, 0, 2_000, 3)
    assert readings(game, "b", 25_000) == (10_000, 0, 5_000, 2)
    game.switch(27_000, "c")
    assert readings(game, "a", 27_000) == (10_000, 0, 5_000, 2)


def test_block_counts_a_run_across_a_group_once() -> None:
    game = started(PER_GROUP, ["x.a", "x.b", "y.c"], time_control=tc.Canadian(9_000, 2))
    game.switch(21_000, "b").switch(22_000, "a").switch(23_000, "c")
    assert readings(game, "a", 23_000) == (6_000, 0, 6_000, 1)


def test_block_is_refilled_after_a_run_across_a_group() -> None:
    game = started(PER_GROUP, ["x.a", "x.b", "y.c"], time_control=tc.Canadian(9_000, 1))
    game.switch(21_000, "b").switch(23_000, "c")
    assert readings(game, "a", 23_000) == (9_000, 0, 9_000, 1)
    game.switch(24_000, "b")
    assert readings(game, "b", 26_000) == (7_000, 0, 7_000, 1)


def test_next_run_across_a_group_starts_from_the_banks_new_state() -> None:
    for control, left in [
        (tc.Fischer(0), (13_000,)),
        (tc.Delay(1_000), (15_000, 0)),
        (tc.Bronstein(1_000), (14_000,)),
        (tc.Byoyomi(5_000, 2), (23_000, 13_000, 5_000, 2)),
        (tc.Canadian(5_000, 2), (18_000, 13_000, 5_000, 2)),
        (tc.Hourglass(), (13_000,)),
    ]:
        game = started(PER_GROUP, ["x.a", "x.b", "y.c"], time_control=control)
        game.switch(2_000, "b").switch(4_000, "c").switch(4_000, "a")
        assert readings(game, "a", 7_000) == left


def test_last_remaining_participant_continues_one_run() -> None:
    game = started(PER_PARTICIPANT, time_control=tc.Fischer(2_000), action_on_timeout=SKIP)
    # a is out at 10 s, and from then on b is followed by b.
    game.switch(11_000).switch(12_000).switch(13_000)
    assert game.active == "b"
    assert game.remaining(13_000) == {"a": 0, "b": 7_000}
    assert game.deadline_ms == 20_000


def test_time_is_given_back_only_when_another_bank_takes_over() -> None:
    game = started(PER_PARTICIPANT, time_control=tc.Fischer(2_000))
    assert game.switch(4_000, "a").remaining(4_000) == {"a": 6_000, "b": 10_000}


def test_pause_does_not_end_a_run() -> None:
    game = started(PER_PARTICIPANT, time_control=tc.Delay(3_000))
    game.pause(2_000).resume(50_000)
    assert readings(game, "a", 50_500) == (10_000, 500)
    assert game.switch(53_000).remaining(53_000) == {"a": 8_000, "b": 10_000}


def test_increment_without_a_time_control_is_fischers() -> None:
    game = started(PER_PARTICIPANT, increment_ms=2_000)
    assert game.switch(3_000).remaining(3_000) == {"a": 9_000, "b": 10_000}


# The hourglass


def test_hourglass_transfers_when_the_other_side_takes_over() -> None:
    game = started(PER_PARTICIPANT, time_control=tc.Hourglass())
    assert game.remaining(3_000) == {"a": 7_000, "b": 10_000}
    assert game.switch(3_000).remaining(3_000) == {"a": 7_000, "b": 13_000}
    assert game.switch(8_000).remaining(8_000) == {"a": 12_000, "b": 8_000}


def test_hourglass_of_two_groups_passes_on_the_whole_run() -> None:
    game = started(PER_GROUP, ["x.a", "x.b", "y.c"], time_control=tc.Hourglass())
    game.switch(3_000, "b").switch(5_000, "c")
    assert game.remaining(5_000) == {"a": 15_000, "b": 15_000, "c": 15_000}


def test_expired_hourglass_side_transfers_what_it_held() -> None:
    game = started(PER_PARTICIPANT, time_control=tc.Hourglass())
    # Five seconds of overtime are in neither bank.
    game.switch(15_000)
    assert game.remaining(15_000) == {"a": 0, "b": 20_000}
    assert game.overtime(15_000) == {"a": 5_000, "b": 0}


def test_expired_side_of_an_hourglass_gains_nothing() -> None:
    game = started(PER_PARTICIPANT, time_control=tc.Hourglass(), action_on_timeout=SKIP)
    game.switch(14_000)
    assert game.active == "b"
    assert game.remaining(14_000) == {"a": 0, "b": 16_000}
    assert game.remaining(30_000) == {"a": 0, "b": 0}


def test_run_that_expired_over_several_cycles_transfers_all() -> None:
    groups = [Group("x", 10_000), Group("y", 4_000)]
    game = started(PER_GROUP, ["x.a", "x.b", "y.c"], time_control=tc.Hourglass(), groups=groups)
    game.switch(7_000, "b").switch(12_000, "c")
    assert game.remaining(12_000) == {"a": 0, "b": 0, "c": 14_000}


# Expired banks


@pytest.mark.parametrize(
    "control",
    [
        tc.Fischer(2_000),
        tc.Delay(3_000),
        tc.Bronstein(3_000),
        tc.Byoyomi(1_000, 1),
        tc.Canadian(1_000, 1),
    ],
)
@pytest.mark.parametrize("mode", [PER_PARTICIPANT, PER_GROUP])
def test_expired_bank_shows_zeros_and_gains_nothing(
    control: tc.TimeControl, mode: SyncMode
) -> None:
    game = started(mode, ["x.a", "y.b"], time_control=control)
    assert set(readings(game, "a", 14_000)) == {0}
    game.switch(15_000).switch(16_000)
    assert game.active == "b"
    assert set(readings(game, "a", 16_000)) == {0}
    assert set(readings(game, "a", 60_000)) == {0}


def test_bank_without_periods_shows_none() -> None:
    # Nothing but time given to a clock that had run out leads to such a bank.
    assert tc.Byoyomi(5_000, 3).reading(tc.Bank(10_000, 4_000), 1_000) == {
        "time_remaining_ms": 3_000,
        "main_remaining_ms": 3_000,
        "period_remaining_ms": 0,
        "periods_left": 0,
    }


def test_hourglass_alone_transfers() -> None:
    controls = [
        SUDDEN_DEATH,
        tc.Delay(1),
        tc.Bronstein(1),
        tc.Byoyomi(1_000, 1),
        tc.Canadian(1_000, 1),
    ]
    assert not any(control.transfers for control in controls)
    assert tc.Hourglass().transfers
