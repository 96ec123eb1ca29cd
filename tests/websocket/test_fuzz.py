"""No message is left without an answer, causes an internal error, or half applies a command."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.core.setup import Participant, SyncMode, create_setup
from chalicelib.schemas.commands import COMMANDS, CommandName
from tests.api_docs.conformance import asyncapi_document
from tests.bounds import ANNE, BEN, STRANGER
from tests.chess import SESSION

from .conftest import Room, a_room

commands: st.SearchStrategy[CommandName] = st.sampled_from(list(COMMANDS))
ids = st.sampled_from([ANNE, BEN, ANNE, BEN, STRANGER])
numbers = st.integers(-(2**64), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | ids | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
FIELDS = sorted({name for spec in COMMANDS.values() for name in spec.model.model_fields})
likely = {
    **{name: ids for name in FIELDS if name.endswith("_id")},
    "delta_ms": st.integers(-20_000, 20_000),
    "scaled": st.booleans(),
    "message": st.none() | st.fixed_dictionaries({"text": st.text(min_size=1, max_size=9)}),
}
"""What is right, or nearly so, in fields where hardly anything else is."""


def one_in(count: int) -> st.SearchStrategy[bool]:
    return st.integers(1, count).map(lambda number: number == count)


@st.composite
def arguments(draw: st.DrawFn, command: CommandName) -> Any:
    """A few of the command's own fields, mostly; or anything."""
    own = COMMANDS[command].model.model_fields
    if draw(one_in(8)):
        return draw(values)
    fields = {name for name, field in own.items() if field.is_required() or draw(one_in(3))}
    return {
        name: draw(values if draw(one_in(8)) else likely.get(name, values))
        for name in sorted(fields)
    }


@st.composite
def messages(draw: st.DrawFn) -> Any:
    """A command, mostly."""
    if draw(one_in(8)):
        return draw(values)
    name = draw(commands)
    message: dict[str, Any] = {"type": "COMMAND", "id": draw(st.uuids().map(str)), "command": name}
    message["args"] = draw(arguments(name))
    if draw(one_in(8)):
        message[draw(st.sampled_from([*message, "expectedVersion"]))] = draw(values)
    return message


def session(mode: SyncMode, *, starts: bool) -> Room:
    room = a_room()
    room.engine.create_session(
        create_setup(
            session_id=SESSION,
            sync_mode=mode,
            participants=[
                Participant(ANNE, 0, 10_000, group_id=ANNE),
                Participant(BEN, 1, 10_000, group_id=BEN),
            ],
            total_time_ms=20_000,
        )
    )
    if starts:
        room.engine.start_session(SESSION)
    assert room.connect("c1", SESSION) == 200
    return room


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    mode=st.sampled_from(SyncMode),
    starts=st.booleans(),
    steps=st.lists(st.tuples(messages(), st.integers(0, 4_000)), min_size=1, max_size=10),
)
def test_arbitrary_messages_are_answered_and_refused_ones_change_nothing(
    mode: SyncMode, starts: bool, steps: list[tuple[Any, int]]
) -> None:
    room = session(mode, starts=starts)
    for message, gap_ms in steps:
        room.store.advance(gap_ms)
        before = room.engine.get_current_state(SESSION).session

        answers = room.send("c1", json.dumps(message))

        after = room.engine.get_current_state(SESSION).session
        pushed = [one for one in answers if one["type"] == "STATE_UPDATE"]
        replies = [one for one in answers if one["type"] != "STATE_UPDATE"]
        assert [one["type"] for one in replies] in (["ACK"], ["ERROR"])
        if replies[0]["type"] == "ERROR":
            assert replies[0]["code"] != "INTERNAL_ERROR"
            assert (after, pushed) == (before, [])
        else:
            assert after.version == replies[0]["version"] == before.version + len(pushed)


def test_every_documented_command_is_tried() -> None:
    schemas = asyncapi_document()["components"]["schemas"]

    assert schemas["CommandMessage"]["properties"]["command"]["enum"] == list(COMMANDS)
