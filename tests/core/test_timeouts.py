"""Timeouts: the result is the same whenever they are settled."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, NamedTuple

import pytest

from chalicelib.core import events as ev
from chalicelib.core.commands import Cancel, Complete, Pause, Resume, Start, Switch
from chalicelib.core.errors import InvalidTransition, ParticipantExpired
from chalicelib.core.rules import runs_without_end, settle
from chalicelib.core.setup import Participant, SyncMode
from chalicelib.core.time_controls import Fischer
from chalicelib.core.timeouts import MAX_LISTED_TIMEOUTS
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
    setup,
    started,
)

DAY_MS = 86_400_000


class Clock(NamedTuple):
    """A mode in which the clock of the first cycle runs out at 10 s; a and b differ in group."""

    mode: SyncMode
    fields: dict[str, Any]

    def start(self, action: str, names: Any = ("x.a", "y.b")) -> Game:
        return started(self.mode, names, action_on_timeout=action, **self.fields)


CLOCKS = {
    mode.value: Clock(mode, fields)
    for mode, fields in (
        (PER_PARTICIPANT, {}),
        (PER_GROUP, {}),
        (PER_CYCLE, {}),
        (GLOBAL, {"time_per_cycle_ms": 10_000}),
        (COUNT_UP, {"max_time_ms": 10_000}),
    )
}
OF_CYCLES = {name: clock for name, clock in CLOCKS.items() if clock.mode in (PER_CYCLE, GLOBAL)}
FOR_GOOD = {name: clock for name, clock in CLOCKS.items() if name not in OF_CYCLES}
TEAMS = ["x.a", "y.b"]

each_mode = pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS)
each_mode_of_cycles = pytest.mark.parametrize("clock", OF_CYCLES.values(), ids=OF_CYCLES)
each_mode_for_good = pytest.mark.parametrize("clock", FOR_GOOD.values(), ids=FOR_GOOD)


# notify


@each_mode
def test_notify_clock_stays_at_zero_and_counts_overtime(clock: Clock) -> None:
    game = clock.start(NOTIFY)
    assert game.deadline_ms == 10_000
    assert game.expired(9_999) == set()
    game.read(13_000)
    assert (game.status, game.active) == ("running", "a")
    assert game.expired(13_000) == {"a"}
    assert game.remaining(13_000)["a"] == 0
    assert game.used(13_000)["a"] == 10_000
    assert game.overtime(13_000)["a"] == 3_000
    assert game.running(13_000) == set()
    assert game.deadline_ms == (60_000 if clock.mode is GLOBAL else None)


@each_mode
def test_notify_switch_reports_the_expired_participant(clock: Clock) -> None:
    game = clock.start(NOTIFY).switch(13_000)
    assert game.decision.expired_participant_id == "a"
    assert game.active == "b"
    assert game.overtime(14_000) == {"a": 3_000, "b": 0}
    assert game.used(14_000) == {"a": 10_000, "b": 1_000}
    game.switch(15_000, "b")
    assert game.decision.expired_participant_id is None


@each_mode
def test_notify_happens_once_in_a_cycle(clock: Clock) -> None:
    game = clock.start(NOTIFY)
    assert len(game.read(13_000).events) == 1
    assert game.read(14_000).events == ()


def test_notify_in_global_the_session_clock_runs_on_through_overtime() -> None:
    game = started(GLOBAL, time_per_cycle_ms=10_000)
    assert game.read(13_000).deadline_ms == 60_000
    assert game.clocks(13_000).session_remaining_ms == 47_000
    game.read(70_000)
    assert (game.status, game.session.completed_at_ms) == ("expired", 60_000)
    # The last cycle's expiry is kept; the session's end expires no other participant.
    assert game.expired(70_000) == {"a"}
    assert game.overtime(70_000) == {"a": 50_000, "b": 0}


# skip_cycle


@each_mode
def test_skip_cycle_switches_at_the_exact_deadline(clock: Clock) -> None:
    game = clock.start(SKIP).read(13_000)
    assert (game.status, game.active) == ("running", "b")
    assert game.used(13_000) == {"a": 10_000, "b": 3_000}
    assert game.overtime(13_000) == {"a": 0, "b": 0}
    assert game.cycle_counts(13_000) == {"a": 1, "b": 0}
    assert game.running(13_000) == ({"a", "b"} if clock.mode is GLOBAL else {"b"})


@each_mode
def test_skip_cycle_passes_several_cycles_in_one_settle(clock: Clock) -> None:
    game = clock.start(SKIP, ["x.a", "y.b", "z.c"]).read(25_000)
    assert game.active == "c"
    assert game.used(25_000) == {"a": 10_000, "b": 10_000, "c": 5_000}
    assert [event.type for event in game.events] == ["participant_expired", "cycle_switched"] * 2
    assert [event.at_ms for event in game.events] == [10_000, 10_000, 20_000, 20_000]


@each_mode_for_good
def test_skip_cycle_without_remaining_participants_ends_the_session(clock: Clock) -> None:
    game = clock.start(SKIP).read(25_000)
    assert (game.status, game.session.completed_at_ms) == ("expired", 20_000)
    assert game.expired(25_000) == {"a", "b"}
    assert game.cycle_counts(25_000) == {"a": 1, "b": 1}
    assert [event.type for event in game.events] == [
        "participant_expired",
        "cycle_switched",
        "participant_expired",
        "session_expired",
    ]


@each_mode_of_cycles
def test_skip_cycle_goes_round_where_clocks_belong_to_the_cycle(clock: Clock) -> None:
    game = clock.start(SKIP).read(35_000)
    assert (game.status, game.active) == ("running", "b")
    assert game.used(35_000) == {"a": 20_000, "b": 15_000}
    assert game.cycle_counts(35_000) == {"a": 2, "b": 1}
    assert game.expired(35_000) == set()


def test_skip_cycle_gives_no_increment_to_expired_banks() -> None:
    game = started(PER_PARTICIPANT, time_control=Fischer(2_000), action_on_timeout=SKIP)
    assert game.remaining(12_000) == {"a": 0, "b": 8_000}


# end_session


@each_mode
def test_end_session_expires_at_the_deadline(clock: Clock) -> None:
    game = clock.start(END).read(13_000)
    assert (game.status, game.active) == ("expired", None)
    assert game.session.completed_at_ms == 10_000
    assert game.expired(13_000) == {"a"}
    assert game.used(13_000) == {"a": 10_000, "b": 0}
    assert game.overtime(13_000) == {"a": 0, "b": 0}
    assert game.cycle_counts(13_000) == {"a": 1, "b": 0}
    assert [event.type for event in game.events] == ["participant_expired", "session_expired"]


# Two clocks in global


@pytest.mark.parametrize("action", [NOTIFY, SKIP, END])
def test_session_timeout_precedes_a_simultaneous_cycle_timeout(action: str) -> None:
    game = started(GLOBAL, time_per_cycle_ms=10_000, total_time_ms=10_000, action_on_timeout=action)
    assert game.deadline_ms == 10_000
    game.read(10_000)
    assert (game.status, game.session.completed_at_ms) == ("expired", 10_000)
    assert game.expired(10_000) == set()
    assert game.events == (ev.SessionExpired(10_000, "a", 10_000, 0),)


@pytest.mark.parametrize(("total_ms", "skipped"), [(30_000, 2), (30_001, 3), (29_999, 2)])
def test_last_skipped_cycle_is_the_one_before_the_sessions_end(total_ms: int, skipped: int) -> None:
    game = started(
        GLOBAL, time_per_cycle_ms=10_000, total_time_ms=total_ms, action_on_timeout=SKIP
    ).read(99_000)
    assert game.session.completed_at_ms == total_ms
    assert sum(isinstance(event, ev.ParticipantExpired) for event in game.events) == skipped
    assert sum(game.used(99_000).values()) == total_ms


# Rotation and the expired


@each_mode_for_good
def test_rotation_skips_expired_participants(clock: Clock) -> None:
    game = clock.start(NOTIFY, ["x.a", "y.b", "z.c"])
    assert game.switch(11_000).switch(12_000).active == "c"
    assert game.switch(13_000).active == "b"
    assert game.switch(14_000, "b").active == "b"


@each_mode_for_good
def test_expired_participant_cannot_be_named_as_next(clock: Clock) -> None:
    game = clock.start(NOTIFY)
    # Neither while the cycle that ran out goes on, nor afterwards.
    for refusal in (
        game.refused(11_000, Switch("a")),
        game.switch(12_000).refused(12_500, Switch("a")),
    ):
        assert isinstance(refusal, ParticipantExpired)
        assert refusal.participant_id == "a"
    assert (game.active, game.expired(12_500)) == ("b", {"a"})


@each_mode_for_good
def test_switch_without_remaining_participants_expires_the_session(clock: Clock) -> None:
    game = clock.start(NOTIFY).switch(11_000).switch(22_000)
    assert (game.status, game.session.completed_at_ms) == ("expired", 22_000)
    assert game.decision.refusal is None
    assert game.decision.expired_participant_id == "b"
    assert game.overtime(22_000) == {"a": 1_000, "b": 1_000}
    assert game.expired(22_000) == {"a", "b"}


@each_mode_of_cycles
def test_expiry_of_a_cycle_clock_ends_with_the_cycle(clock: Clock) -> None:
    game = clock.start(NOTIFY)
    assert game.expired(11_000) == {"a"}
    assert game.switch(11_000, "a").expired(11_000) == set()
    assert game.read(21_000).expired(21_000) == {"a"}
    # At the end of a session it stands.
    assert game.complete(22_000).expired(30_000) == {"a"}


@each_mode_for_good
def test_expiry_in_other_modes_is_permanent(clock: Clock) -> None:
    game = clock.start(NOTIFY).switch(11_000)
    assert game.expired(12_000) == {"a"}
    assert game.complete(13_000).expired(13_000) == {"a"}


def test_count_up_below_the_limit_is_not_expired() -> None:
    game = started(COUNT_UP, max_time_ms=10_000, action_on_timeout=NOTIFY)
    game.switch(9_999)
    assert game.expired(10_000) == set()
    assert game.switch(10_000).deadline_ms == 10_001


# Commands at, after and just before the deadline


def test_switch_at_the_deadline_settles_the_timeout_first() -> None:
    assert started(PER_CYCLE).switch(9_999).decision.expired_participant_id is None
    assert started(PER_CYCLE).switch(10_000).decision.expired_participant_id == "a"


def test_switch_after_a_skipped_cycle_ends_the_next_cycle() -> None:
    game = started(PER_CYCLE, action_on_timeout=SKIP)
    assert game.refused(10_000, Switch(current_participant_id="a")).code == "STALE_CYCLE"
    assert game.active == "b"
    assert game.switch(10_500, current="b").decision.expired_participant_id is None


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (Start(), "start"),
        (Switch(), "switch"),
        (Pause(), "pause"),
        (Resume(), "resume"),
        (Complete(), "complete"),
        (Cancel(), "cancel"),
    ],
)
def test_late_command_is_rejected_and_its_timeout_applies(command: Any, name: str) -> None:
    game = started(PER_CYCLE, action_on_timeout=END)
    refusal = game.refused(10_000, command)
    assert isinstance(refusal, InvalidTransition)
    assert (refusal.command, refusal.status) == (name, "expired")
    assert [event.type for event in game.events] == ["participant_expired", "session_expired"]
    assert game.session.version == 3


def test_pause_at_the_deadline_pauses_an_expired_clock() -> None:
    game = started(PER_CYCLE).pause(10_000)
    assert (game.status, game.expired(10_000)) == ("paused", {"a"})
    assert game.resume(20_000).overtime(21_000) == {"a": 1_000, "b": 0}


# What the events say


def test_timeout_events_carry_the_creators_data() -> None:
    data = {"webhook": ["x", 1, None]}
    game = started(PER_GROUP, TEAMS, action_data=data).read(10_000)
    assert game.events == (ev.ParticipantExpired(10_000, "a", "x", NOTIFY, data),)


def test_skipped_cycle_is_a_timeout_and_a_switch() -> None:
    game = started(PER_CYCLE, action_on_timeout=SKIP).read(10_000)
    assert game.events == (
        ev.ParticipantExpired(10_000, "a", None, SKIP, None),
        ev.CycleSwitched(10_000, "a", "b", 10_000, 0),
    )


def test_timeout_events_precede_command_events() -> None:
    game = started(PER_CYCLE).switch(12_000)
    assert game.events == (
        ev.ParticipantExpired(10_000, "a", None, NOTIFY, None),
        ev.CycleSwitched(12_000, "a", "b", 10_000, 2_000),
    )


# Long absences


def rounds(mode: SyncMode, participants: int, **fields: Any) -> Game:
    """Consecutive one-second cycles until the next settling."""
    seated = [Participant(f"p{n}", n, 1_000) for n in range(participants)]
    return started(
        mode,
        participants=seated,
        **{
            "total_time_ms": 30 * DAY_MS,
            "time_per_cycle_ms": 1_000,
            "action_on_timeout": SKIP,
            **fields,
        },
    )


@pytest.mark.parametrize("mode", [PER_CYCLE, GLOBAL])
@pytest.mark.parametrize(
    ("timeouts", "listed", "count"),
    [(99, 99, None), (100, 100, None), (101, 100, 1), (102, 100, 2)],
)
def test_commit_lists_a_hundred_timeouts_and_counts_the_rest(
    mode: SyncMode, timeouts: int, listed: int, count: int | None
) -> None:
    game = rounds(mode, 3).read(timeouts * 1_000)
    switched = [event for event in game.events if isinstance(event, ev.CycleSwitched)]
    expired = [event for event in game.events if isinstance(event, ev.ParticipantExpired)]
    assert len(switched) == len(expired) == listed
    rest = [ev.TimeoutsSkipped(timeouts * 1_000, count, f"p{timeouts % 3}")] if count else []
    assert list(game.events[2 * listed :]) == rest
    assert game.active == f"p{timeouts % 3}"


@pytest.mark.parametrize("mode", [PER_CYCLE, GLOBAL])
def test_day_of_one_second_cycles(mode: SyncMode) -> None:
    game = rounds(mode, 2).read(DAY_MS + 500)
    assert game.events[-1] == ev.TimeoutsSkipped(DAY_MS, 86_400 - MAX_LISTED_TIMEOUTS, "p0")
    assert len(game.events) == 2 * MAX_LISTED_TIMEOUTS + 1
    assert game.used(DAY_MS + 500) == {"p0": DAY_MS // 2 + 500, "p1": DAY_MS // 2}
    assert game.cycle_counts(DAY_MS + 500) == {"p0": 43_200, "p1": 43_200}
    assert game.deadline_ms == DAY_MS + 1_000


def test_rounds_of_unequal_cycles_are_whole_rotations() -> None:
    unequal = [Participant("a", 0, 1_000), Participant("b", 1, 2_000), Participant("c", 2, 4_000)]
    game = started(PER_CYCLE, participants=unequal, action_on_timeout=SKIP)
    game.read(7_000 * 1_000 + 1_500)
    assert game.active == "b"
    assert game.used(7_001_500) == {"a": 1_001_000, "b": 2_000_500, "c": 4_000_000}
    assert game.cycle_counts(7_001_500) == {"a": 1_001, "b": 1_000, "c": 1_000}
    assert game.deadline_ms == 7_003_000


@pytest.mark.parametrize("total_ms", [DAY_MS - 1, DAY_MS, DAY_MS + 1])
def test_rounds_stop_short_of_the_sessions_end(total_ms: int) -> None:
    game = rounds(GLOBAL, 2, total_time_ms=total_ms).read(3 * DAY_MS)
    assert (game.status, game.session.completed_at_ms) == ("expired", total_ms)
    skipped, ended = game.events[-2:]
    assert skipped == ev.TimeoutsSkipped(
        (total_ms - 1) // 1_000 * 1_000,
        (total_ms - 1) // 1_000 - MAX_LISTED_TIMEOUTS,
        ended.previous_participant_id,  # type: ignore[attr-defined]
    )
    assert isinstance(ended, ev.SessionExpired)
    assert ended.time_used_ms == (total_ms - 1) % 1_000 + 1
    assert sum(game.used(3 * DAY_MS).values()) == total_ms


def test_more_permanent_expiries_than_are_listed() -> None:
    game = rounds(PER_PARTICIPANT, 150, time_per_cycle_ms=None).read(DAY_MS)
    assert (game.status, game.session.completed_at_ms) == ("expired", 150_000)
    assert game.events[-2:] == (
        ev.TimeoutsSkipped(150_000, 50, "p149"),
        ev.SessionExpired(150_000, "p149", 1_000, 0),
    )
    assert len(game.events) == 2 * MAX_LISTED_TIMEOUTS + 2


@pytest.mark.parametrize("participants", [100, 101])
def test_end_is_listed_even_when_timeouts_are_not(participants: int) -> None:
    game = rounds(PER_PARTICIPANT, participants, time_per_cycle_ms=None).read(DAY_MS)
    kinds = [event.type for event in game.events]
    assert kinds[-1] == "session_expired"
    assert kinds.count("timeouts_skipped") == participants - 100


@pytest.mark.parametrize("mode", [PER_CYCLE, GLOBAL])
@pytest.mark.parametrize("participants", [2, 1_000])
def test_settle_cost_is_bounded_for_any_gap(mode: SyncMode, participants: int) -> None:
    session = rounds(mode, participants).session
    bound = MAX_LISTED_TIMEOUTS + participants + 1
    for now_ms in (DAY_MS - 1, 29 * DAY_MS - 1):
        assert steps_of(partial(settle, session, now_ms)) <= bound


def test_step_counter_counts_steps() -> None:
    session = rounds(PER_CYCLE, 2).session
    assert steps_of(partial(settle, session, 7_500)) == 7


def steps_of(run: Callable[[], object]) -> int:
    """Count the timeouts that are processed one by one, listed or not."""
    count, previous = 0, sys.getprofile()

    def look(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        made = event == "call" and frame.f_code.co_name == "__init__"
        count += made and isinstance(frame.f_locals.get("self"), ev.ParticipantExpired)

    sys.setprofile(look)
    try:
        run()
    finally:
        sys.setprofile(previous)
    return count


def test_settling_with_nothing_due_returns_the_same_object() -> None:
    for session in (
        started(PER_CYCLE).session,
        started(PER_CYCLE).pause(1_000).session,
        started(PER_CYCLE).read(11_000).session,
        started(PER_CYCLE).complete(1_000).session,
    ):
        settled, events = settle(session, session.updated_at_ms)
        assert settled is session
        assert events == ()


# Without end


@each_mode
@pytest.mark.parametrize("action", [NOTIFY, SKIP, END])
def test_clock_with_a_limit_runs_without_end_if_it_only_notifies(clock: Clock, action: str) -> None:
    game = clock.start(action)
    # The session clock of global ends the session.
    expected = action is NOTIFY and clock.mode is not GLOBAL
    assert runs_without_end(game.session) == expected
    game.read(11_000)
    assert runs_without_end(game.session) == expected


def test_stopwatch_without_a_limit_runs_without_end_until_it_is_stopped() -> None:
    game = Game(setup(COUNT_UP))
    assert not runs_without_end(game.session)
    game.start()
    assert runs_without_end(game.session)
    assert not runs_without_end(game.pause(1_000).session)
    assert not runs_without_end(game.complete(2_000).session)
