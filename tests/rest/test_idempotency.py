"""Idempotency-Key over REST: the same response, and no second effect."""

from __future__ import annotations

import pytest
from chalice.app import Response
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.rest.session_request import pack, unpack
from chalicelib.schemas.commands import CommandName
from tests.fakes import FakeStore

from .client import ANNE, BEN, SESSION, Answer, RestClient, creation

PATH = f"/v1/sessions/{SESSION}"
KEY = {"Idempotency-Key": "5f0c6b7a-press"}


def version(rest: RestClient) -> int:
    found: int = rest.get(PATH).data["version"]
    return found


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("start", None),
        ("start", {}),
        ("switch", None),
        ("switch", {"next_participant_id": BEN, "current_participant_id": ANNE}),
        ("pause", {"current_participant_id": ANNE}),
        ("complete", {}),
        ("cancel", None),
        ("adjust", {"participant_id": ANNE, "delta_ms": 5_000, "reason": "é"}),
        ("undo", {}),
        ("set_turn", {"participant_id": BEN}),
        ("reopen", None),
        ("reset", {}),
    ],
)
def test_repeated_command_gets_the_same_bytes(
    rest: RestClient, store: FakeStore, command: CommandName, body: object
) -> None:
    rest.post("/v1/sessions", creation())
    if command != "start":
        rest.command("start")
    before: dict[CommandName, CommandName] = {
        "undo": "switch",
        "set_turn": "pause",
        "reopen": "complete",
    }
    if command in before:
        rest.command(before[command])
    store.advance(1_234)
    first = rest.command(command, body, headers=KEY)
    made = version(rest)
    store.advance(2_000)

    again = rest.command(command, body, headers=KEY)

    assert first.status == 200
    assert again == first
    assert version(rest) == made


def test_response_is_the_same_with_and_without_a_key(rest: RestClient) -> None:
    def played(*keys: str | None) -> list[Answer]:
        create, start, delete = (None if key is None else {"Idempotency-Key": key} for key in keys)
        return [
            rest.post("/v1/sessions", creation(), headers=create),
            rest.command("start", headers=start),
            rest.call("DELETE", PATH, headers=delete),
        ]

    assert played("a", "b", "c") == played(None, None, None)


def test_repeated_creation_is_201(rest: RestClient) -> None:
    first = rest.post("/v1/sessions", creation(), headers=KEY)
    rest.command("start")

    again = rest.post("/v1/sessions", creation(), headers=KEY)

    assert (first.status, again) == (201, first)


def test_repeated_deletion_does_not_delete_a_newer_session(rest: RestClient) -> None:
    rest.post("/v1/sessions", creation())
    assert rest.call("DELETE", PATH, headers=KEY).status == 204
    rest.post("/v1/sessions", creation())

    assert rest.call("DELETE", PATH, headers=KEY).status == 204
    assert version(rest) == 1


def test_key_with_another_request_is_422(rest: RestClient) -> None:
    rest.post("/v1/sessions", creation())
    rest.command("start", {}, headers=KEY)

    for answer in (
        rest.command("start", {"x": 1}, headers=KEY),
        rest.command("switch", {}, headers=KEY),
        rest.command("start", headers=KEY),
        rest.post("/v1/sessions", creation(), headers=KEY),
        rest.call("DELETE", PATH, headers=KEY),
    ):
        assert (answer.status, answer.error["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert version(rest) == 2


def test_key_belongs_to_one_session(rest: RestClient) -> None:
    other = SESSION[:-1] + "1"
    rest.post("/v1/sessions", creation(), headers=KEY)

    assert rest.post("/v1/sessions", creation(session_id=other), headers=KEY).status == 201
    assert rest.command("start", headers={"Idempotency-Key": "b"}).status == 200
    assert rest.post(f"/v1/sessions/{other}/start", headers={"Idempotency-Key": "b"}).status == 200


def test_refused_command_can_be_retried_under_its_key(rest: RestClient) -> None:
    rest.post("/v1/sessions", creation())
    assert rest.command("switch", headers=KEY).error["code"] == "INVALID_STATE_TRANSITION"
    rest.command("start")

    assert rest.command("switch", headers=KEY).data["version"] == 3


@pytest.mark.parametrize("key", ["", " ", "two words", "é", "x" * 256, "tab\tbed", "a, b"])
def test_invalid_key_is_named_and_changes_nothing(rest: RestClient, key: str) -> None:
    rest.post("/v1/sessions", creation())

    for answer in (
        rest.command("start", headers={"Idempotency-Key": key}),
        rest.call("DELETE", PATH, headers={"Idempotency-Key": key}),
    ):
        assert (answer.status, answer.error["code"]) == (400, "VALIDATION_ERROR")
        assert [one["field"] for one in answer.error["details"]] == ["Idempotency-Key"]
    assert version(rest) == 1


@pytest.mark.parametrize("key", ["x" * 255, '"quoted"', "{07}:a:b*?"])
def test_key_can_contain_all_visible_characters(rest: RestClient, key: str) -> None:
    rest.post("/v1/sessions", creation())
    first = rest.command("start", headers={"idempotency-KEY": key})

    assert rest.command("start", headers={"Idempotency-Key": key}) == first


@given(
    st.integers(200, 599),
    st.dictionaries(st.text("abc-", min_size=1), st.text("\x21\x7e \"'")),
    st.text(),
)
def test_stored_response_is_complete(status: int, headers: dict[str, str], body: str) -> None:
    again = unpack(pack(Response(body, dict(headers), status)))

    assert (again.status_code, again.headers, again.body) == (status, headers, body)
