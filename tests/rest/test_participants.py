"""/v1/sessions/{id}/participants: who joins, is changed and withdraws."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.schemas.pushes import FRAME_BYTES
from tests.fakes import FakeStore

from .client import ANNE, BEN, SESSION, Answer, RestClient, creation

CLEO = "00000000-0000-4000-8000-00000000000c"
PATH = f"/v1/sessions/{SESSION}"
PARTICIPANTS = f"{PATH}/participants"
JOINING = {"participant_id": CLEO, "total_time_ms": 5_000, "name": "Cleo"}
SMALL_BYTES = 2_048


@pytest.fixture(autouse=True)
def session(rest: RestClient) -> None:
    rest.post("/v1/sessions", creation())


def patched(rest: RestClient, participant_id: str, body: Any, **headers: str) -> Answer:
    return rest.call("PATCH", f"{PARTICIPANTS}/{participant_id}", body, headers=headers or None)


def withdrawn(rest: RestClient, participant_id: str, **headers: str) -> Answer:
    return rest.call("DELETE", f"{PARTICIPANTS}/{participant_id}", headers=headers or None)


def one(answer: Answer, participant_id: str) -> dict[str, Any]:
    (found,) = [
        each for each in answer.data["participants"] if each["participant_id"] == participant_id
    ]
    return dict(found)


def test_creation_takes_names(rest: RestClient) -> None:
    rest.call("DELETE", PATH)
    body = creation()
    body["participants"][0]["name"] = "Anne Frank ♟"
    answer = rest.post("/v1/sessions", body)

    assert one(answer, ANNE)["name"] == "Anne Frank ♟"
    assert "name" not in one(answer, BEN)
    assert rest.post("/v1/sessions", body).status == 200
    body["participants"][1]["name"] = "Ben"
    assert rest.post("/v1/sessions", body).error["code"] == "SESSION_EXISTS"


def test_join_returns_the_state_and_its_event(rest: RestClient, store: FakeStore) -> None:
    rest.command("start")
    store.advance(1_500)
    answer = rest.post(PARTICIPANTS, JOINING)

    assert (answer.status, answer.headers["ETag"]) == (200, '"3"')
    shown = one(answer, CLEO)
    assert (shown["name"], shown["participant_index"]) == ("Cleo", 2)
    assert shown["time_remaining_ms"] == 5_000
    assert answer.json["events"] == [
        {
            "type": "participant_joined",
            "at": "2023-11-14T22:13:21.500Z",
            "participant_index": 2,
            **JOINING,
        }
    ]
    pushed = json.loads(store.published[-1][1])
    assert (pushed["state"], pushed["events"]) == (answer.data, answer.json["events"])
    logged = rest.get(f"{PATH}/events").data["events"][-1]
    assert (logged["version"], logged["name"]) == (3, "Cleo")
    assert rest.get(PATH).data == answer.data


def test_join_again_is_200_and_with_other_fields_409(rest: RestClient) -> None:
    first = rest.post(PARTICIPANTS, JOINING)
    again = rest.post(PARTICIPANTS, JOINING)
    assert (again.status, again.data["version"]) == (200, first.data["version"])
    assert "events" not in again.json

    other = rest.post(PARTICIPANTS, {**JOINING, "total_time_ms": 6_000})
    assert (other.status, other.error["code"]) == (409, "PARTICIPANT_EXISTS")


def test_renamed_participant_comes_back_by_their_id_alone(rest: RestClient) -> None:
    rest.post(PARTICIPANTS, JOINING)
    patched(rest, CLEO, {"name": "Claire"})
    gone = withdrawn(rest, CLEO)

    back = rest.post(PARTICIPANTS, {"participant_id": CLEO, "name": None})

    assert (back.status, back.data["version"]) == (200, gone.data["version"] + 1)
    assert one(back, CLEO)["name"] == "Claire"
    assert "has_withdrawn" not in one(back, CLEO)
    assert back.json["events"][0].items() >= {"name": "Claire", "total_time_ms": 5_000}.items()
    again = rest.post(PARTICIPANTS, {"participant_id": CLEO})
    assert (again.status, again.data["version"]) == (200, back.data["version"])


def test_joined_participant_has_their_own_time_control(rest: RestClient) -> None:
    answer = rest.post(PARTICIPANTS, {"participant_id": CLEO, "time_control": "5+2"})

    control = {"type": "fischer", "increment_ms": 2_000}
    assert one(answer, CLEO)["time_control"] == control
    assert answer.json["events"][0]["time_control"] == control
    assert rest.get(f"{PATH}/events").data["events"][-1]["time_control"] == control


def test_written_control_of_the_session_gives_the_time(rest: RestClient) -> None:
    rest.call("DELETE", PATH)
    body = creation(time_control="10+2", total_time_ms=10_000)
    rest.post("/v1/sessions", body)

    assert one(rest.post(PARTICIPANTS, {"participant_id": CLEO}), CLEO)["total_time_ms"] == 10_000


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "participant_id"),
        ({"participant_id": "cleo"}, "participant_id"),
        ({"participant_id": CLEO}, "total_time_ms"),
        ({**JOINING, "total_time_ms": 999}, "total_time_ms"),
        ({**JOINING, "participant_index": -1}, "participant_index"),
        ({**JOINING, "time_factor": 11}, "time_factor"),
        ({**JOINING, "time_factor": 2}, "time_factor"),
        ({**JOINING, "name": ""}, "name"),
        ({**JOINING, "name": "x" * 81}, "name"),
        ({**JOINING, "name": "a\u0007b"}, "name"),
        ({**JOINING, "name": "a\u0085b"}, "name"),
        ({**JOINING, "time_control": "6+1"}, "total_time_ms"),
        ({**JOINING, "time_control": {"type": "hourglass"}}, "time_control"),
    ],
)
def test_invalid_join_is_refused_by_its_field(
    rest: RestClient, body: dict[str, Any], field: str
) -> None:
    answer = rest.post(PARTICIPANTS, body)

    assert (answer.status, answer.error["code"]) == (400, "VALIDATION_ERROR")
    assert [each["field"] for each in answer.error["details"]] == [field]
    assert rest.get(PATH).data["version"] == 1


def test_name_of_80_characters_is_accepted(rest: RestClient) -> None:
    assert patched(rest, ANNE, {"name": "♟" * 80}).status == 200


def test_update_changes_the_name_and_null_removes_it(rest: RestClient) -> None:
    answer = patched(rest, ANNE.upper(), {"name": "Anna"})
    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert one(answer, ANNE)["name"] == "Anna"
    (event,) = answer.json["events"]
    assert event.items() >= {"fields": ["name"], "name": "Anna"}.items()

    removed = patched(rest, ANNE, {"name": None})
    assert "name" not in one(removed, ANNE)
    assert "name" not in removed.json["events"][0]
    unchanged = patched(rest, ANNE, {})
    assert unchanged.data["version"] == removed.data["version"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"total_time_ms": 5_000}, "total_time_ms"),
        ({"participant_id": ANNE}, "participant_id"),
        ({"name": 5}, "name"),
        ({"name": "\n"}, "name"),
        ({"time_factor": 0.05}, "time_factor"),
        ({"time_factor": 1.0005}, "time_factor"),
        ({"time_factor": 2}, "time_factor"),
    ],
)
def test_invalid_update_is_refused_by_its_field(
    rest: RestClient, body: dict[str, Any], field: str
) -> None:
    answer = patched(rest, ANNE, body)

    assert (answer.status, answer.error["code"]) == (400, "VALIDATION_ERROR")
    assert [each["field"] for each in answer.error["details"]] == [field]


def test_withdrawn_participant_stays_in_the_state(rest: RestClient, store: FakeStore) -> None:
    rest.command("start")
    store.advance(2_000)
    answer = withdrawn(rest, ANNE)

    assert answer.status == 200
    assert answer.data["active_participant_id"] == BEN
    assert one(answer, ANNE)["has_withdrawn"] is True
    assert "has_withdrawn" not in one(answer, BEN)
    assert [event["type"] for event in answer.json["events"]] == [
        "participant_withdrawn",
        "cycle_switched",
    ]
    refused = rest.command("switch", {"next_participant_id": ANNE})
    assert (refused.status, refused.error["code"]) == (400, "PARTICIPANT_WITHDRAWN")
    assert withdrawn(rest, ANNE).data["version"] == answer.data["version"]

    back = rest.post(PARTICIPANTS, {"participant_id": ANNE, "total_time_ms": 10_000})
    assert "has_withdrawn" not in one(back, ANNE)
    assert one(back, ANNE)["time_remaining_ms"] == 8_000


def test_unknown_participant_of_a_path_is_404(rest: RestClient) -> None:
    for answer in (patched(rest, CLEO, {"name": "Cleo"}), withdrawn(rest, CLEO)):
        assert (answer.status, answer.error["code"]) == (404, "PARTICIPANT_NOT_FOUND")
    for answer in (patched(rest, "cleo", {"name": "Cleo"}), withdrawn(rest, "cleo")):
        assert (answer.status, answer.error["code"]) == (400, "VALIDATION_ERROR")
        assert answer.error["details"][0]["field"] == "participant_id"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", PARTICIPANTS, JOINING),
        ("PATCH", f"{PARTICIPANTS}/{ANNE}", {"name": "Anna"}),
        ("DELETE", f"{PARTICIPANTS}/{ANNE}", None),
    ],
)
def test_changes_are_conditional_and_idempotent(
    rest: RestClient, method: str, path: str, body: Any
) -> None:
    headers = {"If-Match": '"1"', "Idempotency-Key": "k"}
    first = rest.call(method, path, body, headers=headers)
    assert (first.status, first.headers["ETag"]) == (200, '"2"')
    assert rest.call(method, path, body, headers=headers) == first

    late = rest.call(method, path, body, headers={"If-Match": '"1"'})
    assert (late.status, late.error["code"]) == (412, "PRECONDITION_FAILED")
    reused = rest.call("PATCH", f"{PARTICIPANTS}/{BEN}", {"name": "B"}, headers=headers)
    assert reused.error["code"] == "IDEMPOTENCY_KEY_REUSED"
    missing = rest.call(method, path.replace("8000", "8001", 1), body)
    assert (missing.status, missing.error["code"]) == (404, "SESSION_NOT_FOUND")


def test_time_factor_of_a_simultaneous_clock(rest: RestClient) -> None:
    rest.call("DELETE", PATH)
    rest.post("/v1/sessions", creation(sync_mode="simultaneous"))
    answer = patched(rest, ANNE, {"time_factor": 1.25})

    assert one(answer, ANNE)["time_factor"] == 1.25
    assert one(answer, ANNE)["total_time_ms"] == 12_500
    assert answer.json["events"][0]["time_factor"] == 1.25
    assert one(withdrawn(rest, ANNE), ANNE)["clock_state"] == "withdrawn"


@pytest.mark.parametrize("mode", ["per_participant", "global", "count_up", "simultaneous"])
def test_one_of_a_thousand_is_one_small_message(
    rest: RestClient, store: FakeStore, mode: str
) -> None:
    rest.call("DELETE", PATH)
    people = [
        {
            "participant_id": f"00000000-0000-4000-8000-{number:012}",
            "total_time_ms": 10_000,
            "name": f"Person {number}",
        }
        for number in range(999)
    ]
    rest.post("/v1/sessions", creation(sync_mode=mode, participants=people))
    first = people[0]["participant_id"]
    rest.command("start")
    for answer in (
        rest.post(PARTICIPANTS, {**JOINING, "participant_index": 500}),
        patched(rest, CLEO, {"name": "Chloe"}),
        withdrawn(rest, CLEO),
        rest.post(PARTICIPANTS, JOINING),
    ):
        assert answer.status == 200
        pushed = store.published[-1][1]
        assert len(answer.text) > FRAME_BYTES > SMALL_BYTES > len(pushed)
        message = json.loads(pushed)
        assert message["partial"] is True
        named = [each["participant_id"] for each in message["state"]["participants"]]
        assert named in ([first, CLEO], [CLEO])
    full = rest.post(PARTICIPANTS, {**JOINING, "participant_id": BEN})
    assert full.error["details"][0]["message"].startswith("A session has at most 1000")
