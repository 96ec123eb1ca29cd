"""Recording a session, and the lines drawn from it."""

from __future__ import annotations

import pytest

from chalicelib.core.commands import Pause, Resume, Start, Switch
from chalicelib.core.errors import InvalidTransition
from chalicelib.core.setup import Setup
from pictures.chart import digest, lines, timeouts
from pictures.recording import Phase, Recording, record
from pictures.scenarios import Scenario, start_and_switch
from tests.core.build import COUNT_UP, GLOBAL, PER_CYCLE, PER_GROUP, PER_PARTICIPANT, SKIP, setup


def recorded(of: Setup, until_ms: int, *switched_at_ms: int) -> Recording:
    return record(of, Scenario(until_ms, start_and_switch(*switched_at_ms)))


def drawn(recording: Recording, at_ms: int) -> dict[str, list[int | None]]:
    """The values of each line in the frames at ``at_ms``."""
    frames = [frame for frame in recording.frames if frame.at_ms == at_ms]
    return {
        line.name: [line.value_ms(frame) for frame in frames] for line in lines(recording.setup)
    }


def test_change_has_a_frame_before_and_after() -> None:
    recording = recorded(setup(PER_PARTICIPANT, increment_ms=3_000), 6_000, 4_000)

    assert drawn(recording, 4_000) == {"A": [6_000, 9_000], "B": [10_000, 10_000]}


def test_timeout_off_the_grid_has_its_own_frame() -> None:
    recording = recorded(setup(PER_PARTICIPANT, each_ms=1_234, action_on_timeout=SKIP), 2_000)

    assert drawn(recording, 1_234) == {"A": [0, 0], "B": [1_234, 1_234]}
    assert timeouts(recording) == [(1_234, "A runs out at 1.234 s")]


def test_recording_ends_with_the_scenario() -> None:
    assert recorded(setup(PER_PARTICIPANT), 2_000).frames[-1].at_ms == 2_000


def test_phase_is_running_overtime_paused_or_ended() -> None:
    steps = ((0, Start()), (4_000, Pause()), (5_000, Resume()), (12_000, Switch()))
    recording = record(setup(PER_PARTICIPANT, "a"), Scenario(13_000, steps))
    phases = {frame.at_ms: frame.phase for frame in recording.frames}

    assert recording.frames[0].phase is Phase.PENDING
    assert [phases[at] for at in (0, 4_000, 5_000, 11_000, 12_000)] == [
        Phase.RUNNING,
        Phase.PAUSED,
        Phase.RUNNING,
        Phase.OVERTIME,
        Phase.ENDED,
    ]


def test_rejected_command_raises() -> None:
    with pytest.raises(InvalidTransition):
        record(setup(PER_PARTICIPANT), Scenario(1_000, ((0, Switch()),)))


def test_each_group_has_one_line() -> None:
    recording = recorded(setup(PER_GROUP, ["r.a", "s.b", "r.c"]), 4_000, 3_000)

    assert drawn(recording, 2_000) == {"group X": [18_000], "group Y": [10_000]}
    at_four = recording.frames[-1]
    assert [line.counts(at_four) for line in lines(recording.setup)] == [False, True]


def test_waiting_participants_have_no_line_in_per_cycle_and_global() -> None:
    recording = recorded(setup(PER_CYCLE), 2_000)
    assert drawn(recording, 1_000) == {"A": [9_000], "B": [None]}

    recording = recorded(setup(GLOBAL, time_per_cycle_ms=5_000), 2_000)
    assert drawn(recording, 1_000) == {"session": [59_000], "A": [4_000], "B": [None]}


def test_stopwatches_show_used_time() -> None:
    recording = recorded(setup(COUNT_UP, max_time_ms=3_000), 4_000, 1_000)

    assert drawn(recording, 2_000) == {"A": [1_000], "B": [1_000]}


def test_session_that_ends_with_a_clock_is_labelled_once() -> None:
    recording = recorded(setup(COUNT_UP, max_time_ms=3_000), 4_000)
    assert timeouts(recording) == [(3_000, "A runs out at 3 s, the session ends")]

    recording = recorded(setup(GLOBAL, total_time_ms=3_000), 4_000)
    assert timeouts(recording) == [(3_000, "the session ends at 3 s")]

    recording = recorded(setup(PER_GROUP, ["r.a", "s.b"]), 11_000)
    assert timeouts(recording) == [(10_000, "group X runs out at 10 s")]


def test_digest_differs_between_recordings() -> None:
    one, same, other = (recorded(setup(PER_PARTICIPANT), 4_000, at) for at in (2_000, 2_000, 2_001))

    assert digest(one) == digest(same) != digest(other)
