"""Appointments on the socket: what a client is told of them, and how it changes them."""

from __future__ import annotations

from chalicelib.core.appointments import Appointments
from chalicelib.core.setup import SyncMode
from tests.chess import ANNE, SESSION, chess

from .conftest import Room
from .test_handlers import connected, kinds

COMMAND = '{{"type": "COMMAND", "id": "1", "command": "{}", "args": {}}}'


def test_claim_at_the_start_brings_it_to_every_client(room: Room) -> None:
    starts_at_ms = room.store.clock_ms + 2_000
    room.engine.create_session(chess(appointments=Appointments(starts_at_ms)))
    connected(room, "c1", "c2")
    room.store.advance(2_004)

    (push,) = room.send("c1", '{"type": "CLAIM"}')

    assert (push["type"], push["version"]) == ("STATE_UPDATE", 2)
    assert [event["type"] for event in push["events"]] == ["session_started"]
    assert push["state"]["session_started_at"] == push["state"]["starts_at"]
    assert push["state"]["participants"][0]["time_used_ms"] == 4
    assert room.api.messages("c2")[-1] == push


def test_client_that_connects_or_catches_up_sees_the_start_and_the_end(room: Room) -> None:
    starts_at_ms, ends_at_ms = room.store.clock_ms + 2_000, room.store.clock_ms + 5_000
    room.engine.create_session(chess(appointments=Appointments(starts_at_ms, ends_at_ms)))
    room.store.advance(3_000)
    connected(room)
    assert kinds(room.api.messages("c1")) == ["CONNECTED", "STATE_UPDATE", "STATE_SYNC"]
    assert room.api.messages("c1")[-1]["state"]["status"] == "running"
    room.store.advance(2_000)

    answers = room.send("c1", '{"type": "RECONNECT", "version": 2}')

    assert [answer["state"]["status"] for answer in answers] == ["expired", "expired"]
    assert answers[-1]["state"]["session_completed_at"] == answers[-1]["state"]["ends_at"]


def test_heartbeat_after_the_start_tells_its_version(room: Room) -> None:
    room.engine.create_session(chess(appointments=Appointments(room.store.clock_ms + 2_000)))
    connected(room)
    room.store.advance(2_000)
    room.engine.settle_many([SESSION])
    (pong,) = room.send("c1", '{"type": "PING"}')
    assert pong["version"] == 2


def test_update_changes_appointments_and_permissions(room: Room) -> None:
    room.engine.create_session(chess(sync_mode=SyncMode.SIMULTANEOUS))
    connected(room)
    args = '{"ends_at": "2023-11-14T22:20:00.000Z", "participants_may": ["start"]}'
    push, ack = room.send("c1", COMMAND.format("update", args))
    assert push["events"][0]["fields"] == ["ends_at", "participants_may"]
    assert push["state"]["ends_at"] == push["state"]["deadline_at"] == "2023-11-14T22:20:00.000Z"
    assert (ack["type"], ack["version"]) == ("ACK", 2)


def test_refused_appointment_names_the_field_the_bound_and_the_value(room: Room) -> None:
    room.engine.create_session(chess())
    connected(room)
    args = '{"ends_at": "2023-11-14T22:13:20.000Z"}'
    (error,) = room.send("c1", COMMAND.format("update", args))
    assert error["code"] == "VALIDATION_ERROR"
    assert "ends_at must be in the future, got 0 ms ago" in error["message"]


def test_clock_that_was_started_by_itself_is_not_started_again(room: Room) -> None:
    starts_at_ms = room.store.clock_ms + 2_000
    room.engine.create_session(
        chess(sync_mode=SyncMode.SIMULTANEOUS, appointments=Appointments(starts_at_ms))
    )
    connected(room)
    room.send("c1", COMMAND.format("start", f'{{"participant_id": "{ANNE}"}}'))
    room.store.advance(2_500)
    (push,) = room.send("c1", '{"type": "CLAIM"}')
    assert [(one["type"], one.get("participant_id")) for one in push["events"]] == [
        ("participant_started", None)
    ]
    used_ms = [one["time_used_ms"] for one in push["state"]["participants"]]
    assert used_ms == [2_500, 500]
