"""The scenario of each picture: commands and their times.

Participants are A, B, C in rotation order. A scenario contains no clock values. A note may
refer to fields of the view, as ``{periods_left}``, which are replaced by their values at
that instant, durations in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.commands import (
    Adjust,
    Command,
    Finish,
    Join,
    Pause,
    Resume,
    Start,
    Switch,
    Undo,
    UpdateParticipant,
    Withdraw,
)
from chalicelib.core.participants import Joiner


@dataclass(frozen=True, slots=True)
class Note:
    """A label on one clock at ``at_ms``."""

    at_ms: int
    participant_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """Commands with their times, in order; the session is created at ``since_ms``.

    0 is the session's start: by a command, or at its ``starts_at``.
    """

    until_ms: int
    steps: tuple[tuple[int, Command], ...]
    notes: tuple[Note, ...] = ()
    since_ms: int = 0


def start_and_switch(*at_ms: int) -> tuple[tuple[int, Command], ...]:
    """Start at 0, and switch at each of these times."""
    return ((0, Start()), *((at, Switch()) for at in at_ms))


def _with(
    steps: tuple[tuple[int, Command], ...], *others: tuple[int, Command]
) -> tuple[tuple[int, Command], ...]:
    return tuple(sorted((*steps, *others), key=lambda step: step[0]))


GAME = start_and_switch(10_000, 15_000, 19_000, 31_000, 41_000, 45_000)
"""The same switches under every time control, so that the pictures can be compared.

A takes 10, 4 and 10 seconds, B 5, 12 and 4; then A's clock runs to the end.
"""

GAME_UNTIL_MS = 90_000

LATECOMER = Joiner("C", None, 20_000)

SCENARIOS = {
    "per_participant": Scenario(
        60_000,
        _with(
            start_and_switch(6_000, 14_000, 28_000, 46_000, 52_000, 56_000),
            (20_000, Pause()),
            (25_000, Resume()),
        ),
    ),
    "per_group": Scenario(60_000, start_and_switch(8_000, 14_000, 24_000, 32_000, 48_000, 54_000)),
    "per_cycle": Scenario(60_000, start_and_switch(6_000, 22_000, 37_000, 52_000)),
    "global": Scenario(58_000, start_and_switch(6_000, 22_000, 27_000, 31_000)),
    "count_up": Scenario(44_000, start_and_switch(10_000, 18_000)),
    "simultaneous": Scenario(
        56_000,
        (
            (0, Start()),
            (10_000, Pause()),
            (15_000, Resume()),
            (28_000, Finish("A")),
            (42_000, Finish("C")),
            (48_000, Finish("B")),
        ),
    ),
    "sudden_death": Scenario(GAME_UNTIL_MS, GAME),
    "fischer": Scenario(GAME_UNTIL_MS, GAME),
    "delay": Scenario(
        GAME_UNTIL_MS, GAME, (Note(0, "A", "first {delay_remaining_ms:g} s of delay"),)
    ),
    "bronstein": Scenario(GAME_UNTIL_MS, GAME),
    "byoyomi": Scenario(
        GAME_UNTIL_MS,
        GAME,
        (
            Note(41_000, "A", "{periods_left} periods left"),
            Note(31_000, "B", "{periods_left} periods left"),
        ),
    ),
    "canadian": Scenario(
        GAME_UNTIL_MS,
        GAME,
        (
            Note(19_000, "A", "{cycles_left} cycle left"),
            Note(41_000, "A", "{cycles_left} cycles left"),
        ),
    ),
    "hourglass": Scenario(GAME_UNTIL_MS, GAME),
    "stages": Scenario(
        GAME_UNTIL_MS,
        GAME,
        (Note(19_000, "A", "stage {stage}"), Note(31_000, "B", "stage {stage}")),
    ),
    "odds": Scenario(GAME_UNTIL_MS, GAME),
    "notify": Scenario(60_000, start_and_switch(8_000, 14_000, 32_000)),
    "skip_cycle": Scenario(60_000, start_and_switch(8_000, 14_000)),
    "end_session": Scenario(60_000, start_and_switch(8_000, 14_000)),
    "adjust": Scenario(
        59_000, _with(start_and_switch(8_000, 14_000, 46_000), (38_000, Adjust(10_000, "A")))
    ),
    "undo": Scenario(30_000, _with(start_and_switch(8_000, 16_000), (12_000, Undo()))),
    "who_takes_part": Scenario(
        56_000,
        _with(
            start_and_switch(6_000, 13_000, 24_000, 33_000, 42_000),
            (9_000, Join(LATECOMER)),
            (18_000, Withdraw("C")),
            (28_000, Join(Joiner("C"))),
        ),
        (
            Note(9_000, "C", "C joins"),
            Note(18_000, "C", "C withdraws"),
            Note(28_000, "C", "C returns"),
        ),
    ),
    "who_takes_part_in_an_exam": Scenario(
        66_000,
        (
            (0, Start()),
            (10_000, UpdateParticipant("B", {"time_factor": 1_500})),
            (16_000, Withdraw("A")),
            (18_000, Join(Joiner("C"))),
            (26_000, Start("C")),
            (26_000, Join(Joiner("A"))),
            (32_000, Resume("A")),
            (48_000, Finish("A")),
            (52_000, Finish("C")),
        ),
        (
            Note(10_000, "B", "time_factor {time_factor:g}"),
            Note(16_000, "A", "A withdraws"),
            Note(18_000, "C", "C joins"),
            Note(26_000, "A", "A returns"),
        ),
    ),
    "appointments": Scenario(
        50_000,
        ((12_000, Pause()), (17_000, Resume()), (28_000, Finish("A"))),
        (
            Note(0, "B", "starts by itself"),
            Note(40_000, "B", "{time_remaining_ms:g} s were left"),
        ),
        since_ms=-8_000,
    ),
}
"""By the names of the pictures."""
