"""The worked examples in vectors/, from request body to readings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from chalicelib.auth.policy import Bearer, Role
from chalicelib.core.commands import Command, apply
from chalicelib.core.errors import InvalidSetup
from chalicelib.core.session import Session, create
from chalicelib.core.setup import SyncMode
from chalicelib.schemas.commands import COMMANDS
from chalicelib.schemas.creation import CreateSession
from chalicelib.schemas.errors import InvalidRequest, problem
from chalicelib.schemas.requests import read, read_value
from chalicelib.schemas.states import event_views, session_state

VECTORS = Path(__file__).parent / "vectors"
CASES = json.loads((VECTORS / "clocks.json").read_bytes())
CASES_2 = json.loads((VECTORS / "clocks-2.json").read_bytes())


def exists(create: dict[str, Any]) -> bool:
    """Whether this release has the mode and every field of a creation."""
    fields = {name for name, value in create.items() if value is not None}
    return create["sync_mode"] in tuple(SyncMode) and fields <= CreateSession.model_fields.keys()


def can_be_given(step: dict[str, Any]) -> bool:
    """Whether this release has the command, with these arguments."""
    name, args = step["command"], step.get("args", {})
    return name == "get" or (
        name in COMMANDS and args.keys() - {"as"} <= COMMANDS[name].model.model_fields.keys()
    )


# A case is filtered out if its creation needs what this release lacks. Of the others, the steps
# are run up to the first that needs it. Both rules let more through as features come.
POSSIBLE = [case for case in CASES_2 if exists(case["create"])]


def possible_steps(case: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return takewhile(can_be_given, case["steps"])


def test_every_mode_occurs_among_the_examples() -> None:
    assert len(CASES) == 80
    assert len({case["create"]["sync_mode"] for case in CASES}) == 5


def test_examples_of_the_second_part_are_possible() -> None:
    assert len(CASES_2) == 130
    assert sum(len(list(possible_steps(case))) for case in POSSIBLE) >= 130
    assert sum(has_appointments(case) for case in POSSIBLE) >= 50


def has_appointments(case: dict[str, Any]) -> bool:
    """Whether it begins with one, or an update brings one."""
    given = [case["create"], *(step.get("args") or {} for step in case["steps"])]
    return any({"starts_at", "ends_at"} & one.keys() for one in given)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_worked_example(case: dict[str, Any]) -> None:
    setup = read(CreateSession, json.dumps(case["create"]).encode()).setup()
    session = create(setup, "epoch", case["steps"][0]["at"])
    for step in case["steps"]:
        session = _carried_out(session, step)


@pytest.mark.parametrize("case", POSSIBLE, ids=[case["name"] for case in POSSIBLE])
def test_worked_example_of_the_second_part(case: dict[str, Any]) -> None:
    body = json.dumps(case["create"]).encode()
    if "refused" in case:
        with pytest.raises((InvalidRequest, InvalidSetup)) as refused:
            create(read(CreateSession, body).setup(), "epoch", case["created_at"])
        answer = problem(refused.value)
        assert answer is not None
        assert answer.code == case["refused"]
        return
    session = create(read(CreateSession, body).setup(), "epoch", case["created_at"])
    for step in possible_steps(case):
        session = _carried_out(session, step)


def _carried_out(session: Session, step: dict[str, Any]) -> Session:
    name, at_ms = step["command"], step["at"]
    where = f"{name} at {at_ms}"
    decision = apply(session, _command(name, step.get("args", {})), at_ms)
    refused = decision.refusal.code if decision.refusal else None
    assert refused == step.get("refused"), where
    assert decision.expired_participant_id == step.get("expired_participant_id"), where
    if "events" in step:
        made = [_in_ms(event) for event in event_views(decision.events)]
        assert len(made) == len(step["events"]), where
        for event, wanted in zip(made, step["events"], strict=True):
            assert wanted.items() <= event.items(), where
    wanted = step["view"]
    if shows_cycles_to_come(decision.session):
        wanted = _without_time_remaining(wanted)
    assert _shown(decision.session, at_ms, wanted) == wanted, where
    return decision.session


def shows_cycles_to_come(session: Session) -> bool:
    """Whether the session clock and that of a cycle are shown before the first cycle.

    The examples show the session clock then, docs/clocks.md the smaller of the two as always.
    """
    return session.started_at_ms is None and session.setup.sync_mode is SyncMode.GLOBAL


def _without_time_remaining(view: dict[str, Any]) -> dict[str, Any]:
    participants = {
        participant_id: {
            name: value for name, value in readings.items() if name != "time_remaining_ms"
        }
        for participant_id, readings in view["participants"].items()
    }
    return {**view, "participants": participants}


def _command(name: str, args: dict[str, Any]) -> Command | None:
    if name == "get":
        return None
    spec = COMMANDS[name]  # type: ignore[index]
    command = spec.build(read_value(spec.model, args))
    if "as" not in args:
        return command
    return Bearer(Role.PARTICIPANT, "*", "id", 0, 1, args["as"]).restrict(command)


def _shown(session: Session, at_ms: int, wanted: dict[str, Any]) -> dict[str, Any]:
    """What a read shows, as far as the example says what it wants to see."""
    state = _in_ms(dict(session_state(session, at_ms)))
    state["participants"] = _by_id(state["participants"], "participant_id", wanted)
    if "groups" in wanted:
        state["groups"] = _by_id(state["groups"], "group_id", wanted)
    return {name: state.get(name) for name in wanted}


def _by_id(views: list[dict[str, Any]], name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    figures = wanted["groups" if name == "group_id" else "participants"]
    return {
        view[name]: {figure: _in_ms(view).get(figure) for figure in figures[view[name]]}
        for view in views
    }


def _in_ms(view: dict[str, Any]) -> dict[str, Any]:
    """Instants as milliseconds."""
    return {
        name: round(datetime.fromisoformat(value).timestamp() * 1_000)
        if (name == "at" or name.endswith("_at")) and value is not None
        else value
        for name, value in view.items()
    }
