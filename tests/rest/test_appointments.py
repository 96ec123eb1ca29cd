"""Appointments over REST: what a request may ask for, and what is shown, logged and pushed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes import FakeStore

from .client import ANNE, BEN, SESSION, RestClient, creation

PATH = f"/v1/sessions/{SESSION}"
NOW = "2023-11-14T22:13:20.000Z"
"""The fake store's time."""
IN_2_S, IN_5_S = "2023-11-14T22:13:22.000Z", "2023-11-14T22:13:25.000Z"


def created(rest: RestClient, **changes: Any) -> Any:
    return rest.post("/v1/sessions", creation(**changes))


def types(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["at"]) for event in events]


def test_session_without_appointments_shows_none(rest: RestClient) -> None:
    data = created(rest, starts_at=None).data
    assert (data["starts_at"], data["ends_at"]) == (None, None)


def test_pending_session_shows_its_appointments(rest: RestClient) -> None:
    answer = created(rest, starts_at="2023-11-14T22:13:22Z", ends_at=IN_5_S)
    assert (answer.status, answer.data["status"]) == (201, "pending")
    assert answer.data["starts_at"] == answer.data["deadline_at"] == IN_2_S
    assert answer.data["ends_at"] == IN_5_S


def test_session_starts_and_ends_by_itself(rest: RestClient, store: FakeStore) -> None:
    created(rest, starts_at=IN_2_S, ends_at=IN_5_S)
    store.advance(2_500)
    running = rest.get(PATH).data
    assert (running["status"], running["session_started_at"]) == ("running", IN_2_S)
    assert running["deadline_at"] == IN_5_S
    assert running["participants"][0]["time_remaining_ms"] == 9_500
    assert json.loads(store.published[-1][1])["state"] == running
    store.advance(4_000)
    ended = rest.get(PATH).data
    assert (ended["status"], ended["session_completed_at"]) == ("expired", IN_5_S)
    assert not any(one["has_expired"] for one in ended["participants"])
    assert (ended["starts_at"], ended["ends_at"]) == (IN_2_S, IN_5_S)
    log = rest.get(f"{PATH}/events").data["events"]
    assert types(log)[1:] == [("session_started", IN_2_S), ("session_expired", IN_5_S)]
    assert [event["version"] for event in log] == [1, 2, 3]


def test_creation_within_the_grace_starts_at_once(rest: RestClient) -> None:
    answer = created(rest, starts_at="2023-11-14T22:12:20.000Z")
    assert (answer.data["status"], answer.data["version"]) == ("running", 1)
    assert types(answer.json["events"]) == [("session_created", NOW), ("session_started", NOW)]
    assert answer.data["starts_at"] == "2023-11-14T22:12:20.000Z"


def test_creation_is_a_repetition_long_after_its_appointments(
    rest: RestClient, store: FakeStore
) -> None:
    created(rest, starts_at=IN_2_S, ends_at=IN_5_S)
    store.advance(600_000)
    again = created(rest, starts_at=IN_2_S, ends_at=IN_5_S)
    assert (again.status, again.data["status"]) == (200, "expired")
    assert created(rest, starts_at=IN_2_S).error["code"] == "SESSION_EXISTS"


@pytest.mark.parametrize(
    "value",
    [
        1_700_000_005_000,
        "2023-11-14",
        "2023-11-14T22:13:25",
        "2023-11-14T22:13:25+00:00",
        "2023-11-14T23:13:25+01:00",
        "2023-11-14T22:13:25.5Z",
        "2023-13-14T22:13:25.000Z",
        "2023-02-30T22:13:25.000Z",
        "2023-11-14t22:13:25z",
        "",
        "soon",
        True,
        {},
    ],
)
@pytest.mark.parametrize("field", ["starts_at", "ends_at"])
def test_other_notations_are_refused(rest: RestClient, field: str, value: object) -> None:
    created(rest)
    patched = rest.call("PATCH", PATH, {field: value})
    for answer in (created(rest, **{field: value}), patched):
        assert (answer.status, answer.error["code"]) == (400, "VALIDATION_ERROR")
        assert answer.error["details"] == [
            {
                "field": field,
                "message": "Input should be an instant in UTC, such as 2026-12-01T09:00:00.000Z",
                "code": "instant",
            }
        ]


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        (
            {"starts_at": "2023-11-14T22:12:19.999Z"},
            "starts_at",
            "starts_at can be at most 60000 ms in the past, got 60001 ms",
        ),
        (
            {"starts_at": "2023-12-15T22:13:20.001Z"},
            "starts_at",
            "starts_at can be at most 2678400000 ms ahead, got 2678400001 ms",
        ),
        ({"ends_at": NOW}, "ends_at", "ends_at must be in the future, got 0 ms ago"),
        (
            {"starts_at": IN_5_S, "ends_at": IN_2_S},
            "ends_at",
            "ends_at must be after starts_at, got 3000 ms before it",
        ),
    ],
)
def test_impossible_appointments_are_refused_by_field_bound_and_value(
    rest: RestClient, fields: dict[str, str], field: str, message: str
) -> None:
    refused = created(rest, **fields)
    assert (refused.status, refused.error["code"]) == (400, "VALIDATION_ERROR")
    problem = {"field": field, "message": message, "code": "invalid_setup"}
    assert refused.error["details"] == [problem]
    assert rest.get(PATH).status == 404
    created(rest)
    assert rest.call("PATCH", PATH, fields).error["details"] == [problem]


def test_patch_names_what_changed_in_its_order(rest: RestClient) -> None:
    created(rest)
    patch = {"ends_at": IN_5_S, "warn_at_ms": [5_000], "starts_at": IN_2_S, "metadata": {"a": 1}}
    answer = rest.call("PATCH", PATH, patch)
    (event,) = answer.json["events"]
    assert event["fields"] == ["metadata", "starts_at", "ends_at", "warn_at_ms"]
    assert (answer.data["starts_at"], answer.data["ends_at"]) == (IN_2_S, IN_5_S)
    cleared = rest.call("PATCH", PATH, {"starts_at": None, "ends_at": None}).data
    assert (cleared["starts_at"], cleared["ends_at"], cleared["deadline_at"]) == (None, None, None)


def test_patch_within_the_grace_starts_the_session(rest: RestClient, store: FakeStore) -> None:
    created(rest)
    store.advance(5_000)
    answer = rest.call("PATCH", PATH, {"starts_at": NOW})
    assert types(answer.json["events"]) == [
        ("session_updated", IN_5_S),
        ("session_started", IN_5_S),
    ]
    assert (answer.data["status"], answer.data["version"]) == ("running", 2)


def test_start_does_not_change_after_it(rest: RestClient, store: FakeStore) -> None:
    created(rest, starts_at=IN_2_S)
    store.advance(3_000)
    refused = rest.call("PATCH", PATH, {"starts_at": IN_5_S})
    assert refused.error["code"] == "INVALID_STATE_TRANSITION"
    assert refused.error["message"] == "Cannot change starts_at of a session that is running"
    same = rest.call("PATCH", PATH, {"starts_at": IN_2_S})
    assert (same.status, "events" in same.json) == (200, False)


def test_permissions_are_patched_in_simultaneous_alone(rest: RestClient) -> None:
    created(rest)
    refused = rest.call("PATCH", PATH, {"participants_may": ["pause"]})
    assert [one["field"] for one in refused.error["details"]] == ["participants_may"]
    assert rest.call("PATCH", PATH, {"participants_may": []}).data["version"] == 1
    unknown = rest.call("PATCH", PATH, {"participants_may": ["finish"]})
    assert [one["field"] for one in unknown.error["details"]] == ["participants_may.0"]


def test_permissions_of_a_simultaneous_session_change(rest: RestClient) -> None:
    created(rest, sync_mode="simultaneous")
    answer = rest.call("PATCH", PATH, {"participants_may": ["pause", "start"]})
    assert answer.data["participants_may"] == ["start", "pause"]
    assert answer.json["events"][0]["fields"] == ["participants_may"]
    cleared = rest.call("PATCH", PATH, {"participants_may": None}).data
    assert "participants_may" not in cleared


def test_clocks_still_waiting_begin_at_the_appointment(rest: RestClient, store: FakeStore) -> None:
    created(rest, sync_mode="simultaneous", starts_at=IN_2_S)
    rest.command("start", {"participant_id": ANNE})
    store.advance(2_000)
    answer = rest.get(PATH)
    clocks = {one["participant_id"]: one for one in answer.data["participants"]}
    assert (clocks[ANNE]["started_at"], clocks[BEN]["started_at"]) == (NOW, IN_2_S)
    (event,) = answer.json["events"]
    assert event == {"type": "participant_started", "at": IN_2_S}


def test_reset_and_reopen_clear_appointments(rest: RestClient, store: FakeStore) -> None:
    created(rest, starts_at=IN_2_S, ends_at=IN_5_S)
    store.advance(3_000)
    rest.command("complete")
    reopened = rest.command("reopen").data
    assert (reopened["starts_at"], reopened["ends_at"]) == (None, IN_5_S)
    reset = rest.command("reset").data
    assert (reset["starts_at"], reset["ends_at"], reset["deadline_at"]) == (None, None, None)
