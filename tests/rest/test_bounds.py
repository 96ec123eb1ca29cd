"""A value out of bounds is refused by field, bound and value, and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.schemas.commands import COMMANDS, PARTICIPANT, CommandName
from chalicelib.schemas.creation import CreateSession
from chalicelib.schemas.fields import Request
from tests.bounds import (
    ARGUMENTS,
    CREATIONS,
    ROTATION,
    SIMULTANEOUS,
    WITH_FIELDS,
    Invalid,
    InvalidArguments,
    invalid_bodies,
)
from tests.fakes import FakeStore

from .client import ANNE, BEN, SESSION, Answer, RestClient, creation

PATH = f"/v1/sessions/{SESSION}"


def as_json(body: Any) -> bytes:
    # JSON has no infinity, but a number that is read as one.
    return json.dumps(body).replace("Infinity", "1e999").encode()


def is_refused(answer: Answer, wrong: Invalid) -> None:
    assert (answer.status, answer.error["code"]) == (400, "VALIDATION_ERROR"), wrong
    (detail,) = answer.error["details"]
    assert detail.keys() == {"field", "message", "code"}
    assert detail["field"] == wrong.field, (detail, wrong)
    assert all(told in detail["message"] for told in wrong.told), (detail["message"], wrong.told)


@pytest.mark.parametrize("wrong", invalid_bodies(CreateSession), ids=lambda wrong: wrong.field)
def test_value_out_of_bounds_creates_nothing(
    rest: RestClient, store: FakeStore, wrong: Invalid
) -> None:
    is_refused(rest.post("/v1/sessions", raw=as_json(wrong.body)), wrong)

    assert (store.commits, store.published) == ([], [])


@pytest.mark.parametrize("wrong", CREATIONS, ids=lambda wrong: wrong.field)
def test_contradiction_creates_nothing(rest: RestClient, store: FakeStore, wrong: Invalid) -> None:
    body = creation(**wrong.body)
    has_totals = body.get("time_control", {}).get("type") == "stages"
    for one in () if has_totals else body["participants"]:
        one.setdefault("total_time_ms", body["total_time_ms"] or 10_000)

    is_refused(rest.post("/v1/sessions", body), wrong)

    assert (store.commits, store.published) == ([], [])


def run_session(rest: RestClient, sync_mode: str) -> None:
    participants = [{"participant_id": one, "total_time_ms": 10_000} for one in (ANNE, BEN)]
    body = creation(sync_mode=sync_mode, total_time_ms=10_000, participants=participants)
    assert rest.post("/v1/sessions", body).status == 201
    assert rest.command("start").status == 200


def is_refused_without_a_trace(
    rest: RestClient, store: FakeStore, command: CommandName, wrong: Invalid
) -> None:
    def everything() -> tuple[Any, ...]:
        events = rest.get(f"{PATH}/events").data
        return rest.get(PATH).data, events, len(store.commits), len(store.published)

    before = everything()

    is_refused(rest.command(command, raw=as_json(wrong.body)), wrong)

    assert everything() == before


def body_of(command: CommandName) -> type[Request] | None:
    """What a command has in its body; the id of a participant is in its path."""
    spec = COMMANDS[command]
    return spec.body if spec.path == PARTICIPANT else spec.model


@pytest.mark.parametrize("mode", [ROTATION, SIMULTANEOUS])
@pytest.mark.parametrize("command", [one for one in WITH_FIELDS if body_of(one)])
def test_argument_out_of_bounds_changes_nothing(
    rest: RestClient, store: FakeStore, command: CommandName, mode: str
) -> None:
    run_session(rest, mode)

    model = body_of(command)
    assert model is not None
    for wrong in invalid_bodies(model):
        is_refused_without_a_trace(rest, store, command, wrong)


@pytest.mark.parametrize("one", ARGUMENTS, ids=lambda one: f"{one.command}-{one.wrong.field}")
def test_argument_against_the_rules_changes_nothing(
    rest: RestClient, store: FakeStore, one: InvalidArguments
) -> None:
    run_session(rest, one.sync_mode)

    is_refused_without_a_trace(rest, store, one.command, one.wrong)
