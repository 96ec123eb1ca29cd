"""Simultaneous clocks: starting, finishing, pausing, time added, what happens at zero, the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from chalicelib.core import events as ev
from chalicelib.core.clock_blocks import BLOCK_SIZE, Block
from chalicelib.core.commands import (
    Adjust,
    Cancel,
    Command,
    Complete,
    Finish,
    Pause,
    Resume,
    Start,
    Switch,
    Undo,
    Withdraw,
)
from chalicelib.core.errors import (
    InvalidAdjustment,
    InvalidClockTransition,
    InvalidCommand,
    InvalidSetup,
    InvalidTransition,
    NotPermitted,
    UnknownParticipant,
)
from chalicelib.core.limits import MAX_CLOCK_MS
from chalicelib.core.rules import changed_positions, due_ms, last_deadline_ms, runs_without_end
from chalicelib.core.session import Simultaneous, Status, create
from chalicelib.core.setup import Permission, SyncMode, TurnTaking
from chalicelib.core.simultaneous import clock_of
from chalicelib.core.simultaneous_view import ClockInstants, clock_instants
from tests.core.build import END, NOTIFY, SKIP, Game, game, make_participants, setup
from tests.strategies import TURNS

MODE = SyncMode.SIMULTANEOUS
HOUR_MS = 3_600_000


def exam(names: Iterable[str] = "abc", **fields: Any) -> Game:
    return game(MODE, names, **fields)


def states(playing: Game, at_ms: int) -> dict[str, str]:
    return {name: str(view["clock_state"]) for name, view in playing.shown(at_ms).items()}


def instants(playing: Game, position: int) -> ClockInstants:
    assert isinstance(playing.session, Simultaneous)
    return clock_instants(playing.session, position)


def do(playing: Game, at_ms: int, command: Command) -> tuple[ev.Event, ...]:
    decision = playing.apply_command(at_ms, command)
    assert decision.refusal is None, decision.refusal
    return decision.events


def test_new_session_is_pending_at_version_1() -> None:
    session = create(setup(MODE), "e1", 1_234)
    assert (session.epoch, session.version, session.status) == ("e1", 1, Status.PENDING)
    assert (session.created_at_ms, session.updated_at_ms) == (1_234, 1_234)
    assert (session.total_time_ms, session.elapsed_ms) == (60_000, 0)


# Starting


def test_start_runs_every_clock() -> None:
    playing = exam()
    assert states(playing, 0) == {"a": "waiting", "b": "waiting", "c": "waiting"}
    assert do(playing, 1_000, Start()) == (ev.SessionStarted(1_000, None),)
    assert playing.remaining(4_000) == {"a": 7_000, "b": 7_000, "c": 7_000}
    assert playing.running(4_000) == {"a", "b", "c"}
    assert (playing.active, playing.session.started_at_ms) == (None, 1_000)
    assert playing.deadline_ms == 11_000


def test_start_of_one_leaves_the_others_waiting() -> None:
    playing = exam()
    assert do(playing, 0, Start("b")) == (ev.SessionStarted(0, None), ev.ParticipantStarted(0, "b"))
    assert states(playing, 0) == {"a": "waiting", "b": "running", "c": "waiting"}
    assert do(playing, 500, Start("a")) == (ev.ParticipantStarted(500, "a"),)
    assert do(playing, 900, Start()) == (ev.ParticipantStarted(900, None),)
    assert playing.remaining(1_000) == {"a": 9_500, "b": 9_000, "c": 9_900}
    assert [instants(playing, one).started_at_ms for one in range(3)] == [500, 0, 900]
    assert isinstance(playing.refused(1_000, Start()), InvalidTransition)
    assert isinstance(playing.refused(1_000, Start("a")), InvalidClockTransition)
    assert isinstance(playing.refused(1_000, Start("x")), UnknownParticipant)
    playing.pause(1_000)
    assert isinstance(playing.refused(1_000, Start("a")), InvalidTransition)


def test_participants_start_and_pause_their_own_clocks_if_they_may() -> None:
    starters = exam("ab", participants_may=[Permission.START])
    assert do(starters, 0, Start(requested_by="b"))[1:] == (ev.ParticipantStarted(0, "b"),)
    assert isinstance(starters.refused(500, Pause(requested_by="b")), NotPermitted)

    pausers = exam("ab", participants_may=[Permission.PAUSE])
    assert isinstance(pausers.refused(0, Start(requested_by="b")), NotPermitted)
    pausers.start(0)
    assert do(pausers, 500, Pause(requested_by="b")) == (ev.ParticipantPaused(500, "b"),)
    assert do(pausers, 900, Resume(requested_by="b")) == (ev.ParticipantResumed(900, "b"),)


def test_end_of_another_kind_is_refused() -> None:
    cancelled = exam().start(0).cancel(1_000)
    refusal = cancelled.refused(2_000, Complete())
    assert str(refusal) == "Cannot complete a session that is cancelled"


def test_view_has_all_fields() -> None:
    shown = exam(["x.a", "b"]).start(0).shown(4_000)
    assert shown["a"] == {
        "participant_id": "a",
        "participant_index": 0,
        "group_id": "x",
        "total_time_ms": 10_000,
        "time_used_ms": 4_000,
        "time_remaining_ms": 6_000,
        "overtime_ms": 0,
        "cycle_count": 0,
        "is_active": True,
        "is_running": True,
        "has_expired": False,
        "clock_state": "running",
        "time_factor": 1,
    }
    assert shown["b"].keys() == shown["a"].keys() - {"group_id"}
    assert shown["b"]["participant_index"] == 1


# Finishing


def test_finish_books_the_time_and_the_last_one_completes_the_session() -> None:
    playing = exam("ab")
    playing.start(0)
    assert do(playing, 3_000, Finish("a")) == (ev.ParticipantFinished(3_000, "a", 3_000, 0),)
    assert playing.cycle_counts(4_000) == {"a": 1, "b": 0}
    assert playing.remaining(4_000) == {"a": 7_000, "b": 6_000}
    assert instants(playing, 0) == (0, 3_000, None)
    assert do(playing, 5_000, Finish("b")) == (
        ev.ParticipantFinished(5_000, "b", 5_000, 0),
        ev.SessionCompleted(5_000, None, None, None),
    )
    assert (playing.status, playing.session.completed_at_ms) == ("completed", 5_000)


def test_waiting_clock_keeps_the_session_open() -> None:
    playing = exam("ab")
    do(playing, 0, Start("a"))
    do(playing, 1_000, Finish("a"))
    assert playing.status == "running"
    assert playing.deadline_ms is None
    assert isinstance(playing.refused(1_000, Finish("b")), InvalidClockTransition)


def test_finish_is_possible_while_the_session_is_paused() -> None:
    playing = exam("ab").start(0).pause(2_000)
    do(playing, 9_000, Finish("a"))
    assert playing.used(9_000) == {"a": 2_000, "b": 2_000}
    do(playing, 9_500, Finish("b"))
    assert playing.status == "completed"
    assert isinstance(playing.refused(9_600, Finish("b")), InvalidTransition)


def test_resume_takes_a_finish_back() -> None:
    playing = exam("ab").start(0)
    do(playing, 2_000, Finish("a"))
    assert do(playing, 6_000, Resume("a")) == (ev.ParticipantResumed(6_000, "a"),)
    assert playing.used(7_000) == {"a": 3_000, "b": 7_000}
    assert instants(playing, 0) == (0, None, 14_000)
    assert do(playing, 8_000, Finish("a")) == (ev.ParticipantFinished(8_000, "a", 4_000, 0),)


# Pausing


def test_pause_of_one_stops_only_their_clock() -> None:
    playing = exam("ab").start(0)
    assert do(playing, 1_000, Pause(participant_id="a")) == (ev.ParticipantPaused(1_000, "a"),)
    assert playing.running(3_000) == {"b"}
    assert playing.deadline_ms == 10_000
    do(playing, 4_000, Resume("a"))
    assert playing.used(5_000) == {"a": 2_000, "b": 5_000}
    assert isinstance(playing.refused(5_000, Resume("b")), InvalidClockTransition)


def test_pause_of_the_session_changes_no_clocks_state() -> None:
    playing = exam("abc").start(0)
    do(playing, 1_000, Pause(participant_id="a"))
    playing.pause(2_000)
    assert states(playing, 2_000) == {"a": "paused", "b": "running", "c": "running"}
    assert playing.running(9_000) == set()
    assert playing.deadline_ms is None
    for command in (Pause(participant_id="b"), Resume("a"), Start("c")):
        assert isinstance(playing.refused(3_000, command), InvalidTransition)
    playing.resume(9_000)
    assert playing.used(10_000) == {"a": 1_000, "b": 3_000, "c": 3_000}
    assert playing.deadline_ms == 17_000


# Time


def test_time_factor_multiplies_and_rounds_up() -> None:
    given = setup(MODE, "ab", each_ms=1_001, time_factors={"b": 1_500})
    assert [one.total_time_ms for one in given.participants] == [1_001, 1_502]
    assert given.time_factors == (1_000, 1_500)
    view = Game(given).shown(0)
    assert (view["a"]["time_factor"], view["b"]["time_factor"]) == (1, 1.5)


@pytest.mark.parametrize(
    ("mode", "fields", "field"),
    [
        (MODE, {"each_ms": MAX_CLOCK_MS, "time_factors": {"a": 1_001}}, "participants"),
        (MODE, {"increment_ms": 1_000}, "increment_ms"),
        (MODE, {"groups": []}, "groups"),
        (MODE, {"turn_taking": TurnTaking.TAKE}, "turn_taking"),
        *((mode, {"time_factors": {"a": 1_250}}, "participants") for mode in TURNS),
        *((mode, {"participants_may": [Permission.START]}, "participants_may") for mode in TURNS),
    ],
)
def test_contradicting_setup_is_refused(mode: SyncMode, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSetup) as refused:
        setup(mode, ["x.a", "y.b"], **fields)
    assert refused.value.field == field


def test_adjusting_all_scales_away_from_zero() -> None:
    playing = exam("ab", time_factors={"b": 1_001}, each_ms=1_000).start(0)
    assert do(playing, 0, Adjust(100, None, None, "late", True)) == (
        ev.TimeAdjusted(0, None, None, 100, "late", True),
    )
    assert playing.remaining(0) == {"a": 1_100, "b": 1_001 + 101}
    do(playing, 0, Adjust(-100, scaled=True))
    assert playing.remaining(0) == {"a": 1_000, "b": 1_001}
    do(playing, 0, Adjust(-1))
    assert playing.remaining(0) == {"a": 999, "b": 1_000}
    do(playing, 0, Adjust(1, scaled=True))
    assert playing.remaining(0) == {"a": 1_000, "b": 1_002}
    assert do(playing, 0, Adjust(5, "a", reason="noise")) == (
        ev.TimeAdjusted(0, "a", None, 5, "noise"),
    )


def test_adjusting_all_leaves_finished_clocks_alone_and_keeps_a_millisecond() -> None:
    playing = exam("abc", action_on_timeout=NOTIFY).start(0)
    do(playing, 1_000, Finish("a"))
    do(playing, 2_000, Pause(participant_id="b"))
    events = do(playing, 3_000, Adjust(-HOUR_MS))
    assert events == (
        ev.TimeAdjusted(3_000, None, None, -HOUR_MS, None),
        ev.ParticipantExpired(3_000, "c", None, NOTIFY, None),
    )
    assert playing.remaining(3_000) == {"a": 9_000, "b": 1, "c": 0}
    do(playing, 4_000, Adjust(5_000))
    assert playing.remaining(4_000) == {"a": 9_000, "b": 5_001, "c": 5_000}
    assert playing.overtime(5_000) == {"a": 0, "b": 0, "c": 1_000}


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (Adjust(5, "a"), InvalidClockTransition),
        (Adjust(5, "x"), UnknownParticipant),
        (Adjust(-10_000, "b"), InvalidAdjustment),
        (Adjust(5, "b", scaled=True), InvalidAdjustment),
        (Adjust(MAX_CLOCK_MS, "b"), InvalidAdjustment),
        (Adjust(MAX_CLOCK_MS), InvalidAdjustment),
        (Adjust(5, None, "x"), InvalidCommand),
    ],
)
def test_adjustment_is_refused(command: Command, refusal: type[Exception]) -> None:
    playing = exam("ab").start(0)
    do(playing, 0, Finish("a"))
    do(playing, 0, Pause(participant_id="b"))
    assert type(playing.refused(1_000, command)) is refusal


# At zero


def test_notify_counts_overtime_until_they_finish() -> None:
    playing = exam("ab", action_on_timeout=NOTIFY, time_factors={"b": 2_000}).start(0)
    assert playing.read(12_000).events == (ev.ParticipantExpired(10_000, "a", None, NOTIFY, None),)
    shown = playing.shown(12_000)["a"]
    assert (shown["clock_state"], shown["is_active"], shown["is_running"]) == (
        "running",
        True,
        False,
    )
    assert playing.overtime(12_000) == {"a": 2_000, "b": 0}
    assert do(playing, 13_000, Finish("a")) == (ev.ParticipantFinished(13_000, "a", 10_000, 3_000),)
    assert playing.deadline_ms == 20_000


def test_skip_cycle_finishes_each_at_their_own_deadline() -> None:
    playing = exam("abc", action_on_timeout=SKIP, time_factors={"a": 500, "c": 500}).start(0)
    events = playing.read(7_000).events
    assert [(event.at_ms, event.type, event.participant_id) for event in events] == [  # type: ignore[attr-defined]
        (5_000, "participant_expired", "a"),
        (5_000, "participant_finished", "a"),
        (5_000, "participant_expired", "c"),
        (5_000, "participant_finished", "c"),
    ]
    refused = playing.refused(8_000, Resume("a"))
    assert str(refused) == (
        "Cannot resume the clock of participant a: it is finished by its timeout"
    )
    assert [event.type for event in playing.read(60_000).events] == [
        "participant_expired",
        "participant_finished",
        "session_expired",
    ]
    assert (playing.status, playing.session.completed_at_ms) == ("expired", 10_000)
    assert playing.used(60_000) == {"a": 5_000, "b": 10_000, "c": 5_000}


def test_end_session_stops_the_others() -> None:
    playing = exam("abcd", action_on_timeout=END, time_factors={"a": 500, "b": 500})
    for one in "abc":
        do(playing, 0, Start(one))
    do(playing, 1_000, Pause(participant_id="c"))
    playing.read(60_000)
    assert (playing.status, playing.session.completed_at_ms) == ("expired", 5_000)
    assert states(playing, 60_000) == {
        "a": "finished",
        "b": "finished",
        "c": "stopped",
        "d": "waiting",
    }
    assert playing.expired(60_000) == {"a", "b"}
    assert playing.used(60_000) == {"a": 5_000, "b": 5_000, "c": 1_000, "d": 0}


def test_reopen_takes_the_timeout_back_that_ended_the_session() -> None:
    playing = exam("ab", action_on_timeout=END, time_factors={"b": 2_000}, warn_at_ms=[5_000])
    running = playing.start(0).session
    reopened = playing.read(12_000).reopen(13_000).session
    assert isinstance(running, Simultaneous)
    assert isinstance(reopened, Simultaneous)
    expired = clock_of(running, 0)._replace(used_ms=10_000, counted_to_ms=10_000, has_expired=True)
    assert clock_of(reopened, 0) == expired
    assert due_ms(playing.resume(20_000).session) == 25_000
    assert playing.overtime(21_000) == {"a": 1_000, "b": 0}


@pytest.mark.parametrize(
    ("command", "status"), [(Complete(), "completed"), (Cancel(), "cancelled")]
)
def test_end_stops_what_has_begun(command: Command, status: str) -> None:
    playing = exam("abc")
    do(playing, 0, Start("a"))
    (ended,) = do(playing, 1_000, command)
    assert (ended.type, playing.status) == (f"session_{status}", status)
    assert states(playing, 2_000) == {"a": "stopped", "b": "waiting", "c": "waiting"}
    assert do(playing, 3_000, command) == ()


def test_each_clock_warns_by_itself() -> None:
    playing = exam("ab", warn_at_ms=[4_000, 9_999], time_factors={"b": 1_500}).start(0)
    assert due_ms(playing.session) == 1
    assert playing.read(6_500).events == (
        ev.TimeWarning(1, "a", None, 9_999),
        ev.TimeWarning(5_001, "b", None, 9_999),
        ev.TimeWarning(6_000, "a", None, 4_000),
    )
    assert due_ms(playing.session) == 10_000
    do(playing, 7_000, Adjust(5_000, "a"))
    assert due_ms(playing.session) == 11_000


def test_events_of_a_clock_name_the_group() -> None:
    playing = exam(["x.a"], action_on_timeout=NOTIFY, action_data=1, warn_at_ms=[4_000]).start(0)
    assert playing.read(10_000).events == (
        ev.TimeWarning(6_000, "a", "x", 4_000),
        ev.ParticipantExpired(10_000, "a", "x", NOTIFY, 1),
    )


def test_clock_gives_no_warning_in_overtime_nor_for_the_mark_it_starts_at() -> None:
    playing = exam("ab", action_on_timeout=NOTIFY, warn_at_ms=[10_000], time_factors={"b": 2_000})
    assert due_ms(playing.start(0).session) == 10_000
    assert [(event.type, event.at_ms) for event in playing.read(10_000).events] == [
        ("time_warning", 10_000),
        ("participant_expired", 10_000),
    ]
    do(playing, 11_000, Pause(participant_id="b"))
    assert due_ms(playing.session) is None


@pytest.mark.parametrize(
    "command",
    [
        Finish("a"),
        Pause(participant_id="a"),
        Withdraw("a"),
        Adjust(-1_000, "a"),
        Start("c"),
        Resume("d"),
    ],
    ids=str,
)
def test_command_to_one_keeps_the_warnings_of_the_others(command: Command) -> None:
    playing = exam("abcd", warn_at_ms=[9_000, 3_000])
    for earlier in (Start("a"), Start("b"), Start("d"), Pause(participant_id="d")):
        do(playing, 0, earlier)
    do(playing, 2_000, command)
    warnings = [event for event in playing.read(7_500).events if isinstance(event, ev.TimeWarning)]
    assert [one for one in warnings if one.participant_id == "b"] == [
        ev.TimeWarning(7_000, "b", None, 3_000)
    ]


def test_store_clock_that_steps_back_returns_no_time() -> None:
    playing = exam("ab", action_on_timeout=NOTIFY, time_factors={"a": 500}).start(0)
    playing.read(7_000)
    assert playing.used(1_000) == {"a": 5_000, "b": 5_000}
    do(playing, 6_000, Pause(participant_id="b"))
    do(playing, 4_000, Resume("b"))
    assert playing.used(5_000) == {"a": 5_000, "b": 7_000}


# What a mode lacks


@pytest.mark.parametrize(
    "command", [Switch(), Undo(), Pause("a"), Finish(), Adjust(5, None, "x")], ids=str
)
@pytest.mark.parametrize("began", [False, True])
def test_what_only_turns_have_is_refused(command: Command, began: bool) -> None:
    playing = exam()
    if began:
        playing.start(0)
    assert type(playing.refused(1, command)) is InvalidCommand


@pytest.mark.parametrize(
    "command",
    [Finish("a"), Start("a"), Pause(participant_id="a"), Resume("a"), Adjust(5, scaled=True)],
    ids=str,
)
@pytest.mark.parametrize("mode", TURNS)
def test_what_only_simultaneous_has_is_refused(mode: SyncMode, command: Command) -> None:
    for playing in (game(mode, ["x.a", "y.b"]), game(mode, ["x.a", "y.b"]).start(0)):
        assert type(playing.refused(1, command)) is InvalidCommand


@pytest.mark.parametrize("mode", TURNS)
@pytest.mark.parametrize("command", [Start(requested_by="a"), Resume(requested_by="a")], ids=str)
def test_participants_do_not_start_turns(mode: SyncMode, command: Command) -> None:
    assert type(game(mode, ["x.a", "y.b"]).refused(0, command)) is NotPermitted


# Many clocks


def many(count: int, **fields: Any) -> Game:
    return exam([], participants=make_participants(map(str, range(count))), **fields)


def test_a_change_of_one_keeps_the_other_blocks() -> None:
    playing = many(10 * BLOCK_SIZE).start(0)
    before = playing.session
    do(playing, 1_000, Finish("100"))
    after = playing.session
    assert changed_positions(before, after) == [100]
    assert isinstance(before, Simultaneous)
    assert isinstance(after, Simultaneous)
    kept = [old is new for old, new in zip(before.blocks, after.blocks, strict=True)]
    assert kept.count(False) == 1


def test_changes_of_several_blocks_are_all_found() -> None:
    playing = many(2 * BLOCK_SIZE + 1)
    ends = (0, 2 * BLOCK_SIZE)
    for position in ends:
        do(playing, 0, Start(str(position)))
    running = playing.session

    do(playing, 1_000, Adjust(5_000))
    assert changed_positions(running, playing.session) == [*range(2 * BLOCK_SIZE + 1)]
    adjusted = playing.session

    # A pause of the session changes no clock, but what is shown of those that have begun.
    do(playing, 2_000, Pause())
    assert changed_positions(adjusted, playing.session) == [*ends]
    assert changed_positions(playing.session, playing.session) == []


def test_blocks_are_equal_if_their_clocks_and_summaries_are() -> None:
    playing, same = (many(BLOCK_SIZE).start(0) for _ in range(2))
    assert isinstance(playing.session, Simultaneous)
    assert isinstance(same.session, Simultaneous)
    (block,), (equal,) = playing.session.blocks, same.session.blocks
    assert block == equal
    assert block != Block(block.summary._replace(warning_ms=1), block.read)
    assert block != Block(block.summary, lambda: block.clocks[1:])
    assert block != block.summary


def test_deadlines_at_one_instant_are_one_commit_in_rotation_order() -> None:
    playing = many(1_000, action_on_timeout=SKIP).start(0)
    events = playing.read(10_000).events
    assert playing.session.version == 3
    finished = [one.participant_id for one in events if isinstance(one, ev.ParticipantFinished)]
    assert finished == [str(number) for number in range(1_000)]
    assert {event.at_ms for event in events} == {10_000}
    assert events[-1].type == "session_expired"


def test_last_deadline_is_that_of_the_longest_clock() -> None:
    playing = exam("abc", action_on_timeout=SKIP, time_factors={"a": 500, "b": 10_000}).start(0)
    assert (playing.deadline_ms, last_deadline_ms(playing.session, 5_000)) == (5_000, 100_000)
    assert not runs_without_end(playing.session)
    assert runs_without_end(exam(action_on_timeout=NOTIFY).start(0).session)
