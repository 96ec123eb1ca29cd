"""Simultaneous sessions over REST: fields, commands, and what is refused, with its field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes import FakeStore

from .client import ANNE, BEN, SESSION, RestClient, creation

PATH = f"/v1/sessions/{SESSION}"


def exam(**changes: Any) -> dict[str, Any]:
    """Two participants; Ben has a quarter more than the session's 20 seconds."""
    participants = [
        {"participant_id": ANNE, "group_id": ANNE},
        {"participant_id": BEN, "time_factor": 1.25},
    ]
    return creation(**{"sync_mode": "simultaneous", "participants": participants, **changes})


def participants(answer: Any) -> dict[str, Any]:
    return {one["participant_id"]: one for one in answer.data["participants"]}


def test_participants_have_the_sessions_time_and_their_clock_is_shown(
    rest: RestClient, store: FakeStore
) -> None:
    created = rest.post("/v1/sessions", exam(participants_may=["pause"], time_per_cycle_ms=5_000))

    assert created.status == 201
    assert created.data["participants_may"] == ["pause"]
    assert created.data["time_per_cycle_ms"] == 5_000
    assert participants(created)[BEN] == {
        "participant_id": BEN,
        "participant_index": 1,
        "total_time_ms": 25_000,
        "time_used_ms": 0,
        "time_remaining_ms": 25_000,
        "overtime_ms": 0,
        "cycle_count": 0,
        "is_active": False,
        "is_running": False,
        "has_expired": False,
        "clock_state": "waiting",
        "time_factor": 1.25,
        "started_at": None,
        "finished_at": None,
        "deadline_at": None,
    }
    assert participants(created)[ANNE]["group_id"] == ANNE


def test_finish_shows_when_and_the_last_one_completes(rest: RestClient, store: FakeStore) -> None:
    rest.post("/v1/sessions", exam())
    started = rest.post(f"{PATH}/start")
    assert [event["type"] for event in started.json["events"]] == ["session_started"]
    assert "active_participant_id" not in started.json["events"][0]
    assert started.data["deadline_at"] == participants(started)[ANNE]["deadline_at"]
    store.advance(4_000)

    finished = rest.post(f"{PATH}/finish", {"participant_id": ANNE})

    now = finished.data["updated_at"]
    anne, ben = participants(finished)[ANNE], participants(finished)[BEN]
    assert (anne["clock_state"], anne["finished_at"], anne["deadline_at"]) == (
        "finished",
        now,
        None,
    )
    assert (ben["clock_state"], ben["time_used_ms"], ben["is_running"]) == ("running", 4_000, True)
    assert finished.data["deadline_at"] == ben["deadline_at"]
    assert finished.json["events"] == [
        {
            "type": "participant_finished",
            "at": now,
            "participant_id": ANNE,
            "time_used_ms": 4_000,
            "overtime_ms": 0,
        }
    ]
    last = rest.post(f"{PATH}/finish", {"participant_id": BEN})
    assert last.data["status"] == "completed"
    assert last.json["events"][1] == {"type": "session_completed", "at": now}


def test_finish_is_applied_once_for_one_key(rest: RestClient, store: FakeStore) -> None:
    rest.post("/v1/sessions", exam())
    rest.post(f"{PATH}/start")
    store.advance(1_000)
    body, headers = {"participant_id": ANNE}, {"Idempotency-Key": "a"}

    first = rest.call("POST", f"{PATH}/finish", body, headers=headers)
    store.advance(1_000)
    again = rest.call("POST", f"{PATH}/finish", body, headers=headers)

    assert (first.status, again.status, again.text) == (200, 200, first.text)


def test_timeouts_of_one_instant_are_one_version(rest: RestClient, store: FakeStore) -> None:
    rest.post("/v1/sessions", exam(participants=creation()["participants"]))
    started = rest.post(f"{PATH}/start")
    store.advance(12_000)

    read = rest.get(PATH)

    assert read.data["version"] == started.data["version"] + 1
    log = rest.get(f"{PATH}/events").data["events"]
    expired = [event for event in log if event["type"] == "participant_expired"]
    assert [event["participant_id"] for event in expired] == [ANNE, BEN]
    assert {event["at"] for event in expired} == {started.data["deadline_at"]}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"total_time_ms": None}, "total_time_ms"),
        ({"increment_ms": 1_000}, "increment_ms"),
        ({"time_control": {"type": "delay", "delay_ms": 1_000}}, "time_control"),
        ({"groups": [{"group_id": ANNE, "total_time_ms": 1_000}]}, "groups"),
        ({"turn_taking": "take"}, "turn_taking"),
        ({"soft_close": {"extend_to_ms": 1_000}}, "soft_close"),
        ({"participants_may": ["finish"]}, "participants_may.0"),
        *(
            ({"participants": [{"participant_id": ANNE, "time_factor": factor}]}, field)
            for factor, field in (
                (0.09, "participants.0.time_factor"),
                (10.001, "participants.0.time_factor"),
                (1.0005, "participants.0.time_factor"),
                ("1", "participants.0.time_factor"),
                (True, "participants.0.time_factor"),
            )
        ),
        (
            {
                "total_time_ms": 2_678_400_000,
                "participants": [{"participant_id": ANNE, "time_factor": 1.001}],
            },
            "participants",
        ),
        ({"sync_mode": "count_up"}, "participants.0.total_time_ms"),
    ],
)
def test_contradicting_creation_is_refused(
    rest: RestClient, changes: dict[str, Any], field: str
) -> None:
    refused = rest.post("/v1/sessions", exam(**changes))

    assert (refused.status, refused.error["code"]) == (400, "VALIDATION_ERROR")
    assert field in [detail["field"] for detail in refused.error["details"]]


def test_defaults_may_be_spelt_out(rest: RestClient) -> None:
    body = exam(turn_taking="give", participants_may=[], increment_ms=0, soft_close=None)

    created = rest.post("/v1/sessions", body)

    assert created.status == 201
    assert created.data.keys() & {"turn_taking", "participants_may", "increment_ms"} == set()


@pytest.mark.parametrize(
    ("command", "body", "code", "field"),
    [
        ("switch", {}, "VALIDATION_ERROR", "sync_mode"),
        ("undo", {}, "VALIDATION_ERROR", "sync_mode"),
        ("finish", {}, "VALIDATION_ERROR", "participant_id"),
        ("finish", {"participant_id": SESSION}, "VALIDATION_ERROR", "participant_id"),
        ("adjust", {"delta_ms": 1, "group_id": ANNE}, "VALIDATION_ERROR", "group_id"),
        ("start", {}, "INVALID_STATE_TRANSITION", None),
        ("resume", {"participant_id": ANNE}, "INVALID_STATE_TRANSITION", None),
    ],
)
def test_command_is_refused(
    rest: RestClient, command: str, body: dict[str, Any], code: str, field: str | None
) -> None:
    rest.post("/v1/sessions", exam())
    rest.post(f"{PATH}/start")

    refused = rest.post(f"{PATH}/{command}", body)

    assert (refused.status, refused.error["code"]) == (400, code)
    fields = [detail["field"] for detail in refused.error.get("details", [])]
    assert fields == ([] if field is None else [field])
