"""Conversion of a session into what is drawn of it."""

from __future__ import annotations

import pytest

from chalicelib.core.commands import Pause, Resume, Start, Switch
from chalicelib.core.errors import InvalidTransition
from chalicelib.core.setup import Setup
from pictures.figures import digest, lines, timeouts
from pictures.film import Film, Phase, shoot
from pictures.stories import Story, switched
from tests.core.build import COUNT_UP, GLOBAL, PER_CYCLE, PER_GROUP, PER_PARTICIPANT, SKIP, setup


def shot(of: Setup, until_ms: int, *switched_at_ms: int) -> Film:
    return shoot(of, Story(until_ms, switched(*switched_at_ms)))


def drawn(film: Film, at_ms: int) -> dict[str, list[int | None]]:
    """What each line shows in the frames of one instant."""
    frames = [frame for frame in film.frames if frame.at_ms == at_ms]
    return {line.name: [line.value_ms(frame) for frame in frames] for line in lines(film.setup)}


def test_both_sides_of_an_event_are_shown() -> None:
    film = shot(setup(PER_PARTICIPANT, increment_ms=3_000), 6_000, 4_000)

    assert drawn(film, 4_000) == {"A": [6_000, 9_000], "B": [10_000, 10_000]}


def test_timeout_between_samples_is_read_at_its_instant() -> None:
    film = shot(setup(PER_PARTICIPANT, each_ms=1_234, action_on_timeout=SKIP), 2_000)

    assert drawn(film, 1_234) == {"A": [0, 0], "B": [1_234, 1_234]}
    assert timeouts(film) == [(1_234, "A runs out at 1.234 s")]


def test_film_ends_with_its_scenario() -> None:
    assert shot(setup(PER_PARTICIPANT), 2_000).frames[-1].at_ms == 2_000


def test_stretch_of_time_is_running_overtime_paused_or_over() -> None:
    steps = ((0, Start()), (4_000, Pause()), (5_000, Resume()), (12_000, Switch()))
    film = shoot(setup(PER_PARTICIPANT, "a"), Story(13_000, steps))
    phases = {frame.at_ms: frame.phase for frame in film.frames}

    assert film.frames[0].phase is Phase.PENDING
    assert [phases[at] for at in (0, 4_000, 5_000, 11_000, 12_000)] == [
        Phase.RUNNING,
        Phase.PAUSED,
        Phase.RUNNING,
        Phase.OVERTIME,
        Phase.ENDED,
    ]


def test_scenario_with_a_refused_command_is_invalid() -> None:
    with pytest.raises(InvalidTransition):
        shoot(setup(PER_PARTICIPANT), Story(1_000, ((0, Switch()),)))


def test_groups_have_one_line_each() -> None:
    film = shot(setup(PER_GROUP, ["r.a", "s.b", "r.c"]), 4_000, 3_000)

    assert drawn(film, 2_000) == {"group X": [18_000], "group Y": [10_000]}
    at_four = film.frames[-1]
    assert [line.counts(at_four) for line in lines(film.setup)] == [False, True]


def test_waiting_participants_have_no_clock_in_per_cycle_and_global() -> None:
    film = shot(setup(PER_CYCLE), 2_000)
    assert drawn(film, 1_000) == {"A": [9_000], "B": [None]}

    film = shot(setup(GLOBAL, time_per_cycle_ms=5_000), 2_000)
    assert drawn(film, 1_000) == {"session": [59_000], "A": [4_000], "B": [None]}


def test_stopwatches_show_the_time_used() -> None:
    film = shot(setup(COUNT_UP, max_time_ms=3_000), 4_000, 1_000)

    assert drawn(film, 2_000) == {"A": [1_000], "B": [1_000]}


def test_session_that_ends_with_a_clock_is_labelled_once() -> None:
    film = shot(setup(COUNT_UP, max_time_ms=3_000), 4_000)
    assert timeouts(film) == [(3_000, "A runs out at 3 s, the session ends")]

    film = shot(setup(GLOBAL, total_time_ms=3_000), 4_000)
    assert timeouts(film) == [(3_000, "the session ends at 3 s")]

    film = shot(setup(PER_GROUP, ["r.a", "s.b"]), 11_000)
    assert timeouts(film) == [(10_000, "group X runs out at 10 s")]


def test_digest_tells_films_apart() -> None:
    one, same, other = (shot(setup(PER_PARTICIPANT), 4_000, at) for at in (2_000, 2_000, 2_001))

    assert digest(one) == digest(same) != digest(other)
