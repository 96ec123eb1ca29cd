"""What a command's fields refuse over REST, they refuse over the socket, in the same words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.core.setup import Participant, SyncMode, create_setup
from chalicelib.schemas.commands import COMMANDS, CommandName
from tests.bounds import (
    ANNE,
    ARGUMENTS,
    BEN,
    ROTATION,
    SIMULTANEOUS,
    WITH_FIELDS,
    Invalid,
    InvalidArguments,
    invalid_bodies,
)
from tests.chess import SESSION

from .conftest import Room


def run_session(room: Room, sync_mode: str) -> None:
    room.engine.create_session(
        create_setup(
            session_id=SESSION,
            sync_mode=SyncMode(sync_mode),
            participants=[Participant(ANNE, 0, 10_000), Participant(BEN, 1, 10_000)],
            total_time_ms=10_000,
        )
    )
    room.engine.start_session(SESSION)
    assert room.connect("c1", SESSION) == 200


def is_refused_without_a_trace(room: Room, command: CommandName, wrong: Invalid) -> None:
    def everything() -> tuple[Any, ...]:
        store = room.store
        return (
            room.engine.get_current_state(SESSION).session,
            room.engine.get_events(SESSION, None, 100),
            len(store.commits),
            len(store.published),
        )

    before = everything()
    message = {"type": "COMMAND", "id": "1", "command": command, "args": wrong.body}
    # JSON has no infinity, but a number that is read as one.
    (answer,) = room.send("c1", json.dumps(message).replace("Infinity", "1e999"))

    assert (answer["type"], answer["id"], answer["code"]) == ("ERROR", "1", "VALIDATION_ERROR")
    field, colon, said = answer["message"].partition(": ")
    assert (field, colon) == (wrong.field, ": "), (answer, wrong)
    assert all(told in said for told in wrong.told), (said, wrong.told)
    assert everything() == before


@pytest.mark.parametrize("mode", [ROTATION, SIMULTANEOUS])
@pytest.mark.parametrize("command", WITH_FIELDS)
def test_argument_out_of_bounds_changes_nothing(
    room: Room, command: CommandName, mode: str
) -> None:
    run_session(room, mode)

    for wrong in invalid_bodies(COMMANDS[command].model):
        is_refused_without_a_trace(room, command, wrong)


@pytest.mark.parametrize("one", ARGUMENTS, ids=lambda one: f"{one.command}-{one.wrong.field}")
def test_argument_against_the_rules_changes_nothing(room: Room, one: InvalidArguments) -> None:
    run_session(room, one.sync_mode)

    is_refused_without_a_trace(room, one.command, one.wrong)
