"""What happens in each picture: who does what, and when.

Participants are called A, B, C in rotation order. A story says nothing of what
the clocks make of it. A note may name figures of the view, ``{periods_left}``,
and gets what they are at that instant, durations in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.commands import Adjust, Command, Pause, Resume, Start, Switch, Undo


@dataclass(frozen=True, slots=True)
class Note:
    """A remark on one clock at ``at_ms``."""

    at_ms: int
    participant_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """Commands at their instants, from 0 to ``until_ms``, in order."""

    until_ms: int
    steps: tuple[tuple[int, Command], ...]
    notes: tuple[Note, ...] = ()


def switched(*at_ms: int) -> tuple[tuple[int, Command], ...]:
    """Started at 0, and switched to the next at each of these instants."""
    return ((0, Start()), *((at, Switch()) for at in at_ms))


def _with(
    steps: tuple[tuple[int, Command], ...], *others: tuple[int, Command]
) -> tuple[tuple[int, Command], ...]:
    return tuple(sorted((*steps, *others), key=lambda step: step[0]))


GAME = switched(10_000, 15_000, 19_000, 31_000, 41_000, 45_000)
"""The same moves under every time control, so that the pictures can be compared.

A takes 10, 4 and 10 seconds, B 5, 12 and 4; then A thinks until time is up.
"""

GAME_UNTIL_MS = 90_000

STORIES = {
    "per_participant": Story(
        60_000,
        _with(
            switched(6_000, 14_000, 28_000, 46_000, 52_000, 56_000),
            (20_000, Pause()),
            (25_000, Resume()),
        ),
    ),
    "per_group": Story(60_000, switched(8_000, 14_000, 24_000, 32_000, 48_000, 54_000)),
    "per_cycle": Story(60_000, switched(6_000, 22_000, 37_000, 52_000)),
    "global": Story(58_000, switched(6_000, 22_000, 27_000, 31_000)),
    "count_up": Story(44_000, switched(10_000, 18_000)),
    "sudden_death": Story(GAME_UNTIL_MS, GAME),
    "fischer": Story(GAME_UNTIL_MS, GAME),
    "delay": Story(GAME_UNTIL_MS, GAME, (Note(0, "A", "first {delay_remaining_ms:g} s of delay"),)),
    "bronstein": Story(GAME_UNTIL_MS, GAME),
    "byoyomi": Story(
        GAME_UNTIL_MS,
        GAME,
        (
            Note(41_000, "A", "{periods_left} periods left"),
            Note(31_000, "B", "{periods_left} periods left"),
        ),
    ),
    "canadian": Story(
        GAME_UNTIL_MS,
        GAME,
        (
            Note(19_000, "A", "{cycles_left} cycle left"),
            Note(41_000, "A", "{cycles_left} cycles left"),
        ),
    ),
    "hourglass": Story(GAME_UNTIL_MS, GAME),
    "odds": Story(GAME_UNTIL_MS, GAME),
    "notify": Story(60_000, switched(8_000, 14_000, 32_000)),
    "skip_cycle": Story(60_000, switched(8_000, 14_000)),
    "end_session": Story(60_000, switched(8_000, 14_000)),
    "adjust": Story(59_000, _with(switched(8_000, 14_000, 46_000), (38_000, Adjust(10_000, "A")))),
    "undo": Story(30_000, _with(switched(8_000, 16_000), (12_000, Undo()))),
}
"""By the names of the pictures."""
