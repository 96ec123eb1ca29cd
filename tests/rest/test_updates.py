"""PATCH /v1/sessions/{id}: what changes, what is refused, and what is pushed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes import FakeStore

from .client import SESSION, RestClient, creation

PATH = f"/v1/sessions/{SESSION}"
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture(autouse=True)
def session(rest: RestClient) -> None:
    rest.post("/v1/sessions", creation(metadata={"round": 1, "table": 4}))


def patched(rest: RestClient, body: Any, **headers: str) -> Any:
    return rest.call("PATCH", PATH, body, headers=headers or None)


def test_update_returns_the_state_and_its_event(rest: RestClient, store: FakeStore) -> None:
    store.advance(1_500)
    answer = patched(rest, {"message": {"text": "Tea", "style": "alert"}, "metadata": {"round": 2}})

    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert answer.data["message"] == {
        "text": "Tea",
        "style": "alert",
        "at": "2023-11-14T22:13:21.500Z",
    }
    assert answer.data["metadata"] == {"round": 2, "table": 4}
    assert answer.json["events"] == [
        {
            "type": "session_updated",
            "at": "2023-11-14T22:13:21.500Z",
            "fields": ["metadata", "message"],
        }
    ]
    assert rest.get(PATH).data == answer.data
    pushed = json.loads(store.published[-1][1])
    assert (pushed["state"], pushed["events"]) == (answer.data, answer.json["events"])
    logged = rest.get(f"{PATH}/events").data["events"][-1]
    assert (logged["version"], logged["fields"]) == (2, ["metadata", "message"])


def test_null_removes_a_value_from_the_state(rest: RestClient) -> None:
    patched(rest, {"message": {"text": "Tea"}, "warn_at_ms": [5_000]})
    data = patched(rest, {"message": None, "warn_at_ms": None, "metadata": None}).data

    assert {"message", "warn_at_ms", "metadata"}.isdisjoint(data)


def test_update_that_changes_nothing_makes_no_version(rest: RestClient) -> None:
    for body in ({}, None, {"metadata": {"round": 1}}, {"action_on_timeout": {"type": "notify"}}):
        answer = patched(rest, body)
        assert (answer.status, answer.data["version"]) == (200, 1)
        assert "events" not in answer.json


def test_media_type_of_a_merge_patch_is_accepted(rest: RestClient) -> None:
    answer = rest.call("PATCH", PATH, {"metadata": {"round": 3}}, headers=MERGE_PATCH)
    assert answer.data["metadata"]["round"] == 3
    refused = rest.call("POST", f"{PATH}/start", {}, headers=MERGE_PATCH)
    assert refused.error["code"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"total_time_ms": 5_000}, "total_time_ms"),
        ({"metadata": {"a": "x" * 5_000}}, "metadata"),
        ({"metadata": [1]}, "metadata"),
        ({"message": {"style": "alert"}}, "message.text"),
        ({"message": {"text": ""}}, "message.text"),
        ({"message": {"text": "x" * 501}}, "message.text"),
        ({"message": {"text": "a", "style": "loud"}}, "message.style"),
        ({"warn_at_ms": [0]}, "warn_at_ms.0"),
        ({"warn_at_ms": [5, 5]}, "warn_at_ms"),
        ({"action_on_timeout": {"type": "explode"}}, "action_on_timeout.type"),
        ({"soft_close": {"extend_to_ms": 2_000}}, "soft_close"),
    ],
)
def test_invalid_update_is_refused_by_its_field(
    rest: RestClient, body: dict[str, Any], field: str
) -> None:
    answer = patched(rest, body)
    assert (answer.status, answer.error["code"]) == (400, "VALIDATION_ERROR")
    assert [one["field"] for one in answer.error["details"]] == [field]
    assert rest.get(PATH).data["version"] == 1


def test_update_is_conditional_and_idempotent(rest: RestClient) -> None:
    first = patched(
        rest, {"message": {"text": "Tea"}}, **{"If-Match": '"1"', "Idempotency-Key": "k"}
    )
    again = patched(
        rest, {"message": {"text": "Tea"}}, **{"If-Match": '"1"', "Idempotency-Key": "k"}
    )
    assert (first.status, again) == (200, first)
    late = patched(rest, {"message": None}, **{"If-Match": '"1"'})
    assert (late.status, late.error["code"]) == (412, "PRECONDITION_FAILED")
    reused = patched(rest, {"message": None}, **{"Idempotency-Key": "k"})
    assert reused.error["code"] == "IDEMPOTENCY_KEY_REUSED"


def test_creation_is_still_a_repetition_after_an_update(rest: RestClient) -> None:
    patched(rest, {"metadata": {"round": 2}})
    again = rest.post("/v1/sessions", creation(metadata={"round": 1, "table": 4}))
    assert (again.status, again.data["metadata"]) == (200, {"round": 2, "table": 4})
    other = rest.post("/v1/sessions", creation(metadata={"round": 2, "table": 4}))
    assert other.error["code"] == "SESSION_EXISTS"


def test_update_of_an_ended_session(rest: RestClient) -> None:
    rest.command("cancel")
    assert patched(rest, {"message": {"text": "Thank you"}}).status == 200
    refused = patched(rest, {"warn_at_ms": []})
    assert refused.error["code"] == "INVALID_STATE_TRANSITION"


def test_reset_keeps_what_was_updated(rest: RestClient) -> None:
    patched(rest, {"message": {"text": "Tea"}, "action_on_timeout": {"type": "skip_cycle"}})
    data = rest.command("reset").data
    assert data["message"]["text"] == "Tea"
    assert data["action_on_timeout"] == {"type": "skip_cycle"}
