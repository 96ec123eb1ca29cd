"""What each refusal says: the field that is wrong, the bound, and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core import time_controls as tc
from chalicelib.core.commands import (
    Adjust,
    Command,
    Finish,
    Join,
    Pause,
    Reopen,
    Resume,
    Start,
    Switch,
    Undo,
    Update,
    UpdateParticipant,
    Withdraw,
)
from chalicelib.core.errors import InvalidSetup
from chalicelib.core.limits import MAX_CLOCK_MS
from chalicelib.core.setup import Permission, SyncMode, TurnTaking
from tests.core.build import (
    COUNT_UP,
    GLOBAL,
    PER_CYCLE,
    PER_GROUP,
    PER_PARTICIPANT,
    Game,
    game,
    joiner,
    setup,
    started,
)

SIMULTANEOUS = SyncMode.SIMULTANEOUS

NEEDS_MAIN_TIME = (
    "total_time_ms can be 0 only in per_participant and per_group sessions with a"
    " byoyomi or canadian time_control"
)
NO_OWN_CONTROL = "participants cannot have their own time_control; use per_participant"
KEEPS_TIME = "A stopped clock must keep some time"
AT_MOST = f"A clock can be set to at most {MAX_CLOCK_MS} ms"


def nested(levels: int) -> object:
    return {"a": nested(levels - 1)} if levels else 1


@pytest.mark.parametrize(
    ("mode", "fields", "field", "message"),
    [
        (PER_PARTICIPANT, {"total_time_ms": 0}, "total_time_ms", NEEDS_MAIN_TIME),
        (COUNT_UP, {"each_ms": 0}, "participants", NEEDS_MAIN_TIME),
        (
            PER_CYCLE,
            {"own_controls": {"a": tc.Delay(5)}},
            "participants",
            f"per_cycle {NO_OWN_CONTROL}",
        ),
        (
            PER_PARTICIPANT,
            {"own_controls": {"a": tc.Hourglass()}},
            "participants",
            "An hourglass must be the time_control of the session",
        ),
        (
            PER_PARTICIPANT,
            {"warn_at_ms": [2_000, 1_000, 2_000]},
            "warn_at_ms",
            "The times in warn_at_ms must be unique, got 2000 twice",
        ),
        (
            COUNT_UP,
            {"time_factors": {"a": 1_001}},
            "participants",
            "Only simultaneous participants have a time_factor",
        ),
        (
            SIMULTANEOUS,
            {"each_ms": MAX_CLOCK_MS, "time_factors": {"b": 1_001}},
            "participants",
            f"total_time_ms times time_factor can be at most {MAX_CLOCK_MS}, got 2681078400",
        ),
        (
            GLOBAL,
            {"participants_may": [Permission.PAUSE]},
            "participants_may",
            "Only simultaneous sessions have participants_may",
        ),
        (
            SIMULTANEOUS,
            {"participants_may": [Permission.PAUSE, Permission.START, Permission.PAUSE]},
            "participants_may",
            "The permissions in participants_may must be unique, got pause twice",
        ),
        (
            SIMULTANEOUS,
            {"turn_taking": TurnTaking.TAKE},
            "turn_taking",
            "simultaneous sessions have no turns to take",
        ),
    ],
)
def test_creation(mode: SyncMode, fields: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(InvalidSetup) as refused:
        setup(mode, **fields)
    assert (refused.value.field, str(refused.value)) == (field, message)


@pytest.mark.parametrize(
    ("mode", "patch", "field", "message"),
    [
        (
            PER_CYCLE,
            {"message": {"text": None}},
            "message.text",
            "A message needs a text; null removes the message",
        ),
        (
            GLOBAL,
            {"soft_close": {"max_extension_ms": 5_000}},
            "soft_close.extend_to_ms",
            "A soft close needs extend_to_ms; null removes it",
        ),
        (
            GLOBAL,
            {"metadata": nested(33)},
            "metadata",
            "Must be nested at most 32 levels deep when merged",
        ),
        (
            GLOBAL,
            {"action_on_timeout": {"data": "x" * 1_023}},
            "action_on_timeout.data",
            "Must be at most 1024 bytes of JSON when merged, got 1025",
        ),
        (
            GLOBAL,
            {"metadata": {"a": "x" * 4_089}},
            "metadata",
            "Must be at most 4096 bytes of JSON when merged, got 4097",
        ),
    ],
)
def test_update(mode: SyncMode, patch: Any, field: str, message: str) -> None:
    refusal = game(mode).refused(0, Update(patch))
    assert isinstance(refusal, InvalidSetup)
    assert (refusal.field, str(refusal)) == (field, message)


def test_largest_values_are_accepted() -> None:
    fields: dict[str, Any] = {"metadata": nested(32)}
    assert game(GLOBAL).update(0, **fields).session.setup.metadata == nested(32)
    fields = {"metadata": {"a": "x" * 4_088}, "action_on_timeout": {"data": "x" * 1_022}}
    assert game(GLOBAL).update(0, **fields).session.setup.metadata == fields["metadata"]


@pytest.mark.parametrize(
    ("mode", "fields", "field", "message"),
    [
        (PER_PARTICIPANT, {"total_time_ms": 0}, "total_time_ms", NEEDS_MAIN_TIME),
        (
            GLOBAL,
            {"total_time_ms": None},
            "total_time_ms",
            "total_time_ms is required: the session gives none",
        ),
        (GLOBAL, {"time_factor": 999}, "time_factor", "global participants have no time_factor"),
        (COUNT_UP, {"time_control": tc.Delay(1)}, "time_control", f"count_up {NO_OWN_CONTROL}"),
        (
            PER_PARTICIPANT,
            {"time_control": tc.Hourglass()},
            "time_control",
            "An hourglass must be the time_control of the session",
        ),
        (
            PER_GROUP,
            {},
            "group_id",
            "Every participant of per_group needs a group_id",
        ),
        (
            SIMULTANEOUS,
            {"total_time_ms": MAX_CLOCK_MS, "time_factor": 1_001},
            "time_factor",
            f"total_time_ms times time_factor can be at most {MAX_CLOCK_MS}, got 2681078400",
        ),
    ],
)
def test_join(mode: SyncMode, fields: dict[str, Any], field: str, message: str) -> None:
    refusal = game(mode, ["x.a", "y.b"]).refused(0, Join(joiner("c", **fields)))
    assert isinstance(refusal, InvalidSetup)
    assert (refusal.field, str(refusal)) == (field, message)


@pytest.mark.parametrize(
    ("mode", "field"), [(PER_PARTICIPANT, "participant_id"), (PER_GROUP, "group_id")]
)
def test_join_of_an_hourglass(mode: SyncMode, field: str) -> None:
    playing = game(mode, ["x.a", "y.b"], time_control=tc.Hourglass())
    refusal = playing.refused(0, Join(joiner("c", group_id="z")))
    assert isinstance(refusal, InvalidSetup)
    assert (refusal.field, str(refusal)) == (
        field,
        "An hourglass has exactly 2 clocks; this would be a third",
    )


def clocks_in_each_state() -> Game:
    """Simultaneous clocks: a is waiting, b running, c paused, d finished."""
    playing = game(SIMULTANEOUS, "abcd")
    earlier: list[Command] = [
        Start("b"),
        Start("c"),
        Start("d"),
        Pause(participant_id="c"),
        Finish("d"),
    ]
    for at_ms, command in enumerate(earlier):
        assert playing.apply_command(at_ms, command).refusal is None
    return playing


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (Start("b"), "Cannot start the clock of participant b: it is running"),
        (Finish("a"), "Cannot finish the clock of participant a: it is waiting"),
        (Finish("d"), "Cannot finish the clock of participant d: it is finished"),
        (Pause(participant_id="c"), "Cannot pause the clock of participant c: it is paused"),
        (Resume("b"), "Cannot resume the clock of participant b: it is running"),
        (Adjust(5, "d"), "Cannot adjust the clock of participant d: it is finished"),
        (
            UpdateParticipant("d", {"time_factor": 2_000}),
            "Cannot update_participant the clock of participant d: it is finished",
        ),
        (Reopen(), "Cannot reopen a session that is running"),
        (Resume(), "Cannot resume a session that is running"),
    ],
    ids=str,
)
def test_state_of_a_simultaneous_clock(command: Command, message: str) -> None:
    refusal = clocks_in_each_state().refused(10, command)
    assert (refusal.code, str(refusal)) == ("INVALID_STATE_TRANSITION", message)


def in_status(mode: SyncMode, status: str) -> Game:
    playing = game(mode)
    if status != "pending":
        playing.start(0)
    if status == "paused":
        playing.pause(1)
    if status == "completed":
        playing.complete(1)
    return playing


@pytest.mark.parametrize(
    ("mode", "status", "command"),
    [
        (SIMULTANEOUS, "pending", Finish("a")),
        (SIMULTANEOUS, "pending", Pause()),
        (SIMULTANEOUS, "pending", Resume("a")),
        (SIMULTANEOUS, "running", Start()),
        (SIMULTANEOUS, "paused", Start("a")),
        (SIMULTANEOUS, "paused", Resume("a")),
        (SIMULTANEOUS, "completed", Adjust(5)),
        (SIMULTANEOUS, "completed", Start()),
        (SIMULTANEOUS, "completed", UpdateParticipant("a", {"time_factor": 2_000})),
        (PER_CYCLE, "completed", Join(joiner("c"))),
        (PER_CYCLE, "completed", Withdraw("a")),
        (PER_CYCLE, "completed", Update({"warn_at_ms": None})),
    ],
    ids=str,
)
def test_status(mode: SyncMode, status: str, command: Command) -> None:
    refusal = in_status(mode, status).refused(1_000, command)
    assert (refusal.code, str(refusal)) == (
        "INVALID_STATE_TRANSITION",
        f"Cannot {command.name} a session that is {status}",
    )


@pytest.mark.parametrize(
    ("mode", "command", "field", "message"),
    [
        *(
            (
                SIMULTANEOUS,
                command,
                "sync_mode",
                f"simultaneous sessions have no turns to {command.name}; use finish",
            )
            for command in (Switch(), Undo())
        ),
        (
            SIMULTANEOUS,
            Pause("a"),
            "current_participant_id",
            "simultaneous sessions have no current participant; use participant_id",
        ),
        (SIMULTANEOUS, Finish(), "participant_id", "participant_id is required"),
        (
            SIMULTANEOUS,
            Adjust(5, group_id="x"),
            "group_id",
            "simultaneous sessions have no group clocks; leave group_id out",
        ),
        *(
            (
                PER_CYCLE,
                command,
                "participant_id",
                f"per_cycle sessions {command.name} as a whole; leave participant_id out",
            )
            for command in (Start("a"), Pause(participant_id="a"), Resume("a"))
        ),
        (PER_CYCLE, Finish("a"), "sync_mode", "per_cycle sessions have no finish; use switch"),
        (
            PER_CYCLE,
            Adjust(5, scaled=True),
            "scaled",
            "per_cycle sessions have no time factors to scale by",
        ),
        (
            SIMULTANEOUS,
            Adjust(5, "a", scaled=True),
            "scaled",
            "scaled adjusts all clocks; leave participant_id out",
        ),
        (
            SIMULTANEOUS,
            Adjust(MAX_CLOCK_MS, "a"),
            "delta_ms",
            f"{AT_MOST}; this would be {MAX_CLOCK_MS + 9_000}",
        ),
        (SIMULTANEOUS, Finish("x"), "participant_id", "Participant x is not part of this session"),
        (
            COUNT_UP,
            UpdateParticipant("a", {"time_factor": 2_000}),
            "time_factor",
            "count_up participants have no time_factor",
        ),
    ],
    ids=str,
)
def test_command(mode: SyncMode, command: Command, field: str, message: str) -> None:
    refusal = started(mode).refused(1_000, command)
    assert (refusal.code, refusal.field) == ("VALIDATION_ERROR", field)  # type: ignore[attr-defined]
    assert str(refusal) == message


def test_simultaneous_clock_that_would_have_no_time_left() -> None:
    playing = started(SIMULTANEOUS).pause(1_000)
    for command, field in (
        (Adjust(-9_000, "a"), "delta_ms"),
        (UpdateParticipant("a", {"time_factor": 100}), "time_factor"),
    ):
        refusal = playing.refused(2_000, command)
        assert (refusal.field, str(refusal)) == (field, KEEPS_TIME)  # type: ignore[attr-defined]


def test_time_factor_that_makes_a_clock_too_long() -> None:
    playing = game(SIMULTANEOUS, each_ms=MAX_CLOCK_MS)
    refusal = playing.refused(0, UpdateParticipant("a", {"time_factor": 1_001}))
    assert (refusal.field, str(refusal)) == (  # type: ignore[attr-defined]
        "time_factor",
        f"total_time_ms times time_factor can be at most {MAX_CLOCK_MS}, got 2681078400",
    )
    playing = game(SIMULTANEOUS).adjust(0, MAX_CLOCK_MS - 10_000, "a")
    refusal = playing.refused(0, UpdateParticipant("a", {"time_factor": 1_001}))
    assert (refusal.field, str(refusal)) == (  # type: ignore[attr-defined]
        "time_factor",
        f"{AT_MOST}; this would be {MAX_CLOCK_MS + 10}",
    )


@pytest.mark.parametrize("mode", [PER_PARTICIPANT, SIMULTANEOUS])
def test_participants(mode: SyncMode) -> None:
    playing = started(mode, "abc").withdraw(1_000, "b")
    for command, code, message in (
        (Withdraw("x"), "PARTICIPANT_NOT_FOUND", "Participant x is not part of this session"),
        (
            Join(joiner("a", name="Other")),
            "PARTICIPANT_EXISTS",
            "Participant a is part of this session already, with other fields",
        ),
    ):
        refusal = playing.refused(2_000, command)
        assert (refusal.code, str(refusal)) == (code, message)
        assert refusal.participant_id == message.split()[1]  # type: ignore[attr-defined]
    if mode is PER_PARTICIPANT:
        refusal = playing.refused(2_000, Switch("b"))
        assert (refusal.code, str(refusal)) == (
            "PARTICIPANT_WITHDRAWN",
            "Participant b has withdrawn",
        )
