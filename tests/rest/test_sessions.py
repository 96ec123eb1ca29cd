"""The session endpoints, as documented in protocol.md."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from chalicelib import __version__
from chalicelib.schemas.commands import CommandName
from tests.fakes import FakeStore

from .client import ANNE, BEN, SESSION, RestClient, creation

PATH = f"/v1/sessions/{SESSION}"


def iso_ms(instant: str | None) -> int | None:
    if instant is None:
        return None
    assert instant.endswith("Z")
    assert len(instant) == len("2026-01-01T00:00:00.000Z")
    return round(datetime.fromisoformat(instant).timestamp() * 1000)


def test_creation_is_201_with_the_whole_state(rest: RestClient, store: FakeStore) -> None:
    answer = rest.post("/v1/sessions", creation(metadata={"round": 3}))

    assert answer.status == 201
    assert set(answer.json) == {"data", "timestamp", "events"}
    state = answer.data
    assert iso_ms(state.pop("created_at")) == store.clock_ms
    assert iso_ms(state.pop("updated_at")) == store.clock_ms
    assert state == {
        "session_id": SESSION,
        "sync_mode": "per_participant",
        "status": "pending",
        "version": 1,
        "participants": [
            {
                "participant_id": who,
                "participant_index": index,
                "total_time_ms": 10_000,
                "time_used_ms": 0,
                "time_remaining_ms": 10_000,
                "overtime_ms": 0,
                "cycle_count": 0,
                "is_active": False,
                "is_running": False,
                "has_expired": False,
            }
            for index, who in enumerate((ANNE, BEN))
        ],
        "active_participant_id": None,
        "total_time_ms": 20_000,
        "action_on_timeout": {"type": "notify"},
        "metadata": {"round": 3},
        "cycle_started_at": None,
        "cycle_elapsed_ms": 0,
        "session_started_at": None,
        "session_completed_at": None,
        "starts_at": None,
        "ends_at": None,
        "deadline_at": None,
    }


def test_percent_encoded_session_id_is_decoded(rest: RestClient) -> None:
    rest.start_session()

    encoded = SESSION.replace("-", "%2D").replace("8", "%38")

    assert rest.get(f"/v1/sessions/{encoded}").data["session_id"] == SESSION
    assert rest.post(f"/v1/sessions/{encoded}/pause").data["status"] == "paused"


def test_repeated_creation_is_200(rest: RestClient) -> None:
    rest.start_session()

    again = rest.post("/v1/sessions", creation())

    assert (again.status, again.data["status"]) == (200, "running")
    assert "events" not in again.json


def test_different_creation_of_an_existing_id_is_409(rest: RestClient) -> None:
    rest.post("/v1/sessions", creation())

    again = rest.post("/v1/sessions", creation(total_time_ms=30_000))

    assert (again.status, again.error["code"]) == (409, "SESSION_EXISTS")


@pytest.mark.parametrize(
    ("extra", "shown"),
    [
        (
            {"time_control": {"type": "byoyomi", "period_ms": 5_000, "periods": 3}},
            {"main_remaining_ms": 10_000, "period_remaining_ms": 5_000, "periods_left": 3},
        ),
        (
            {"time_control": {"type": "canadian", "period_ms": 5_000, "cycles_per_period": 3}},
            {"main_remaining_ms": 10_000, "period_remaining_ms": 5_000, "cycles_left": 3},
        ),
        ({"time_control": {"type": "delay", "delay_ms": 700}}, {"delay_remaining_ms": 700}),
        ({"time_control": {"type": "bronstein", "delay_ms": 700}}, {}),
        ({"time_control": {"type": "hourglass"}}, {}),
        ({"time_control": {"type": "fischer", "increment_ms": 5, "max_bank_ms": 9_000}}, {}),
        (
            {"time_control": {"type": "fischer", "increment_ms": 5, "first_increment": True}},
            {"time_remaining_ms": 10_005, "total_time_ms": 10_000},
        ),
        ({"increment_ms": 600_000}, {}),
        (
            {
                "time_control": {"type": "byoyomi", "period_ms": 5_000, "periods": 3},
                "total_time_ms": 0,
                "participants": [{"participant_id": ANNE, "total_time_ms": 0}],
            },
            {"main_remaining_ms": 0, "time_remaining_ms": 15_000, "total_time_ms": 0},
        ),
        (
            {
                "time_control": {
                    "type": "stages",
                    "stages": [
                        {
                            "time_ms": 5_000,
                            "cycles": 2,
                            "control": {"type": "delay", "delay_ms": 700},
                        },
                        {"time_ms": 4_000},
                    ],
                },
                "total_time_ms": 5_000,
                "participants": [{"participant_id": ANNE}],
            },
            {
                "time_remaining_ms": 5_000,
                "delay_remaining_ms": 700,
                "cycles_left": 2,
                "stage": 1,
                "total_time_ms": 5_000,
            },
        ),
        ({"action_on_timeout": {"type": "skip_cycle", "data": {"buzz": [1, 2.5, None]}}}, {}),
        ({"max_time_ms": 5_000}, {}),
        ({"sync_mode": "global", "soft_close": {"extend_to_ms": 1_000}}, {}),
        (
            {
                "sync_mode": "global",
                "soft_close": {"extend_to_ms": 3_600_000, "max_extension_ms": 1},
                "turn_taking": "take",
            },
            {},
        ),
        ({"time_per_cycle_ms": 5_000}, {}),
    ],
)
def test_given_fields_are_returned_with_their_readings(
    rest: RestClient, extra: dict[str, Any], shown: dict[str, int]
) -> None:
    state = rest.post("/v1/sessions", creation(**extra)).data

    for name in extra.keys() - {"participants"}:
        assert state[name] == extra[name]
    assert shown.items() <= state["participants"][0].items()


def test_turns_are_given_by_default_and_that_is_left_out(rest: RestClient) -> None:
    state = rest.post("/v1/sessions", creation(turn_taking="give")).data

    assert not {"turn_taking", "soft_close"} & state.keys()
    assert rest.post("/v1/sessions", creation()).status == 200


def test_late_switch_extends_the_session(rest: RestClient) -> None:
    changes = {"sync_mode": "global", "soft_close": {"extend_to_ms": 25_000}}
    rest.post("/v1/sessions", creation(**changes))
    rest.command("start")

    answer = rest.command("switch")

    switched, extended = answer.json["events"]
    assert switched["type"] == "cycle_switched"
    assert extended == {"type": "time_extended", "at": switched["at"], "delta_ms": 5_000}
    state = rest.get(PATH).data
    assert (state["total_time_ms"], state["session_remaining_ms"]) == (25_000, 25_000)


def test_own_time_control_is_returned_with_its_participant(rest: RestClient) -> None:
    odds = {"type": "byoyomi", "period_ms": 5_000, "periods": 3}
    body = creation(increment_ms=1_000)
    body["participants"][1] |= {"time_control": odds, "total_time_ms": 4_000}

    anne, ben = rest.post("/v1/sessions", body).data["participants"]

    assert "time_control" not in anne
    assert (ben["time_control"], ben["time_remaining_ms"]) == (odds, 19_000)
    assert rest.post("/v1/sessions", body).status == 200
    assert rest.get(PATH).data["participants"][1]["time_control"] == odds


def test_participants_are_in_rotation_order(rest: RestClient) -> None:
    answer = rest.post(
        "/v1/sessions",
        creation(
            participants=[
                {"participant_id": ANNE, "participant_index": 5, "total_time_ms": 10_000},
                {"participant_id": BEN, "participant_index": 2, "total_time_ms": 10_000},
            ]
        ),
    )

    assert [one["participant_id"] for one in answer.data["participants"]] == [BEN, ANNE]


def test_ids_are_case_insensitive_and_returned_in_lower_case(rest: RestClient) -> None:
    rest.post("/v1/sessions", creation(session_id=SESSION.upper()))

    answer = rest.get(f"/v1/sessions/{SESSION.upper()}")

    assert (answer.status, answer.data["session_id"]) == (200, SESSION)
    assert rest.post(f"{PATH}/start").status == 200
    moved = rest.post(f"{PATH}/switch", {"current_participant_id": ANNE.upper()})
    assert moved.data["active_participant_id"] == BEN


def test_read_shows_clocks_as_of_now(rest: RestClient, store: FakeStore) -> None:
    started = rest.start_session()
    store.advance(2_500)

    answer = rest.get(PATH)

    assert answer.json["timestamp"] == started.json["timestamp"] + 2_500
    anne, ben = answer.data["participants"]
    assert (anne["time_remaining_ms"], anne["is_active"], anne["is_running"]) == (7_500, True, True)
    assert (ben["time_remaining_ms"], ben["is_active"], ben["is_running"]) == (10_000, False, False)
    assert iso_ms(answer.data["deadline_at"]) == started.json["timestamp"] + 10_000
    assert iso_ms(answer.data["cycle_started_at"]) == started.json["timestamp"]
    assert answer.data["version"] == 2


def test_timestamp_is_not_before_the_clocks_started(rest: RestClient, store: FakeStore) -> None:
    rest.post("/v1/sessions", creation())
    rest.command("start")
    started_ms = store.clock_ms
    # After a failover.
    store.advance(-2_000)

    answer = rest.get(PATH)
    assert answer.json["timestamp"] == started_ms
    assert answer.data["participants"][0]["time_used_ms"] == 0

    store.advance(1_000)
    switched = rest.command("switch")
    assert switched.json["timestamp"] == store.clock_ms
    assert switched.data["cycle_started_at"] is not None


def test_head_is_like_get(rest: RestClient) -> None:
    rest.post("/v1/sessions", creation())

    assert rest.call("HEAD", PATH).status == 200


def test_switch_returns_what_it_changed(rest: RestClient, store: FakeStore) -> None:
    rest.start_session()
    store.advance(1_000)

    answer = rest.command("switch")

    assert set(answer.data) == {
        "session_id",
        "version",
        "active_participant_id",
        "cycle_started_at",
        "participants",
        "status",
    }
    assert answer.data["active_participant_id"] == BEN
    assert iso_ms(answer.data["cycle_started_at"]) == answer.json["timestamp"] == store.clock_ms
    assert answer.json["events"] == [
        {
            "type": "cycle_switched",
            "at": answer.data["cycle_started_at"],
            "previous_participant_id": ANNE,
            "active_participant_id": BEN,
            "time_used_ms": 1_000,
            "overtime_ms": 0,
        }
    ]


def test_switch_names_the_expired_participant(rest: RestClient, store: FakeStore) -> None:
    rest.post(
        "/v1/sessions", creation(action_on_timeout={"type": "notify", "data": {"bell": True}})
    )
    rest.command("start")
    store.advance(12_000)

    answer = rest.command("switch")

    assert answer.data["expired_participant_id"] == ANNE
    expired, _ = answer.json["events"]
    assert (expired["type"], expired["participant_id"]) == ("participant_expired", ANNE)
    assert iso_ms(expired["at"]) == store.clock_ms - 2_000
    assert (expired["action"], expired["data"]) == ("notify", {"bell": True})
    assert "group_id" not in expired


def test_session_goes_from_start_to_end(rest: RestClient, store: FakeStore) -> None:
    rest.post("/v1/sessions", creation())

    assert rest.command("start").data["status"] == "running"
    assert rest.command("pause", {"current_participant_id": ANNE}).data["status"] == "paused"
    assert rest.command("resume", {}).data["status"] == "running"
    store.advance(3)
    completed = rest.command("complete")

    assert completed.data["status"] == "completed"
    assert completed.data["active_participant_id"] is None
    assert iso_ms(completed.data["session_completed_at"]) == store.clock_ms
    assert rest.command("complete").data == completed.data


def test_cancelled_session_can_be_cancelled_again_and_not_completed(rest: RestClient) -> None:
    rest.start_session()

    cancelled = rest.command("cancel")

    assert cancelled.data["status"] == "cancelled"
    assert [event["type"] for event in cancelled.json["events"]] == ["session_cancelled"]
    assert rest.command("cancel").data == cancelled.data
    assert rest.command("complete").error["code"] == "INVALID_STATE_TRANSITION"


def test_adjustment_is_shown_with_its_reason(rest: RestClient, store: FakeStore) -> None:
    rest.start_session()
    store.advance(1_000)

    asked = {"participant_id": ANNE.upper(), "delta_ms": -30_000, "reason": "späte Ankunft"}
    answer = rest.command("adjust", asked)

    anne = answer.data["participants"][0]
    assert (answer.status, anne["total_time_ms"], anne["time_remaining_ms"]) == (200, 1_000, 0)
    adjusted, expired = answer.json["events"]
    assert {name: value for name, value in adjusted.items() if name != "at"} == {
        "type": "time_adjusted",
        "participant_id": ANNE,
        "delta_ms": -9_000,
        "reason": "späte Ankunft",
    }
    assert (expired["type"], expired["at"]) == ("participant_expired", adjusted["at"])


def test_undo_restores_the_state_before_the_switch(rest: RestClient, store: FakeStore) -> None:
    rest.post("/v1/sessions", creation(increment_ms=5_000))
    rest.command("start")
    store.advance(1_000)
    before = rest.get(PATH).data
    rest.command("switch")

    undone = rest.command("undo")

    assert (undone.status, undone.data["version"]) == (200, before["version"] + 2)
    changed = {"version", "updated_at"}
    assert {**undone.data, **{name: before[name] for name in changed}} == before
    assert [event["type"] for event in undone.json["events"]] == ["switch_undone"]
    assert rest.command("undo").error["code"] == "INVALID_STATE_TRANSITION"


def test_groups_and_session_clock_are_shown_in_their_modes(rest: RestClient) -> None:
    red, blue = SESSION[:-1] + "1", SESSION[:-1] + "2"
    members = [
        {"participant_id": ANNE, "total_time_ms": 4_000, "group_id": red},
        {"participant_id": BEN, "total_time_ms": 5_000, "group_id": blue},
    ]
    grouped = rest.post("/v1/sessions", creation(sync_mode="per_group", participants=members))
    rest.call("DELETE", PATH)
    shared = rest.post("/v1/sessions", creation(sync_mode="global"))

    assert grouped.data["groups"] == [
        {"group_id": red, "total_time_ms": 4_000, "time_remaining_ms": 4_000, "has_expired": False},
        {
            "group_id": blue,
            "total_time_ms": 5_000,
            "time_remaining_ms": 5_000,
            "has_expired": False,
        },
    ]
    assert "session_remaining_ms" not in grouped.data
    assert shared.data["session_remaining_ms"] == 20_000
    assert "groups" not in shared.data


def test_deletion_is_idempotent(rest: RestClient) -> None:
    rest.post("/v1/sessions", creation())

    for _ in range(2):
        answer = rest.call("DELETE", PATH)
        assert (answer.status, answer.text) == (204, "")
        assert "content-type" not in {name.lower() for name in answer.headers}
    assert rest.get(PATH).status == 404


@pytest.mark.parametrize("name", ["start", "switch", "pause", "resume", "complete", "cancel"])
def test_command_on_a_missing_session_is_404(rest: RestClient, name: CommandName) -> None:
    answer = rest.command(name)

    assert (answer.status, answer.error["code"]) == (404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize("name", ["switch", "pause", "resume"])
def test_command_that_the_status_forbids_names_the_status(
    rest: RestClient, name: CommandName
) -> None:
    rest.post("/v1/sessions", creation())

    answer = rest.command(name)

    assert (answer.status, answer.error["code"]) == (400, "INVALID_STATE_TRANSITION")
    assert "pending" in answer.error["message"]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"current_participant_id": ANNE}, 409, "STALE_CYCLE"),
        ({"next_participant_id": ANNE}, 400, "PARTICIPANT_EXPIRED"),
        ({"next_participant_id": SESSION}, 400, "VALIDATION_ERROR"),
    ],
)
def test_refused_switch_has_the_code_of_its_reason(
    rest: RestClient, store: FakeStore, asked: dict[str, str], status: int, code: str
) -> None:
    rest.start_session()
    store.advance(10_000)
    rest.command("switch")

    answer = rest.command("switch", asked)

    assert (answer.status, answer.error["code"]) == (status, code)
    fields = [detail["field"] for detail in answer.error.get("details", ())]
    assert fields == (["next_participant_id"] if code == "VALIDATION_ERROR" else [])


def test_time_is_that_of_the_store(rest: RestClient, store: FakeStore) -> None:
    answer = rest.get("/v1/time")

    assert answer.json == {
        "timestamp_ms": store.clock_ms,
        "server_version": __version__,
        "drift_tolerance_ms": 50,
    }
