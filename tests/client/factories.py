"""Builds session states and socket messages as the server sends them, with defaults for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tickless import Snapshot
from tickless.wire_types import Message

from .virtual_time import now

SERVER_START_MS = 1_767_225_600_000
"""The server's time when the event loop of a test starts."""

EPOCH = "e"
RUNNING = {"is_active": True, "is_running": True}
"""The fields of a participant whose clock is running."""


def iso(ms: float) -> str:
    """The instant ``ms`` after the start of a test, as the server writes it."""
    at = datetime.fromtimestamp((SERVER_START_MS + ms) / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def updated_at(version: int) -> str:
    """The ``updated_at`` of a version, unless a test sets another."""
    return f"updated at {version}"


def version_fields(version: int) -> Message:
    """The fields with which a message names a version."""
    return {"epoch": EPOCH, "version": version, "updatedAt": updated_at(version)}


def make_participant(name: str, **more: Any) -> dict[str, Any]:
    return {
        "participant_id": name,
        "participant_index": 0,
        "group_id": None,
        "total_time_ms": 60_000,
        "time_used_ms": 0,
        "time_remaining_ms": 60_000,
        "overtime_ms": 0,
        "cycle_count": 0,
        "is_active": False,
        "is_running": False,
        "has_expired": False,
        **more,
    }


def make_state(*participants: dict[str, Any], **more: Any) -> Any:
    active = [one["participant_id"] for one in participants if one["is_active"]]
    return {
        "session_id": "s",
        "sync_mode": "per_participant",
        "status": "running",
        "version": 1,
        "participants": list(participants),
        "active_participant_id": active[0] if active else None,
        "total_time_ms": 60_000,
        "time_per_cycle_ms": None,
        "max_time_ms": None,
        "time_control": None,
        "warn_at_ms": [],
        "updated_at": updated_at(more.get("version", 1)),
        "deadline_at": None,
        **more,
    }


def make_snapshot(state: Any) -> Snapshot:
    """A snapshot with the timestamp 0."""
    return Snapshot(EPOCH, state["version"], 0, state)


# Messages

SESSION_DELETED: Message = {
    "type": "SESSION_DELETED",
    "timestamp": SERVER_START_MS,
    "reason": "expired",
}


def ack(command_id: str, version: int) -> Message:
    return {"type": "ACK", "timestamp": SERVER_START_MS, "id": command_id, "version": version}


def error(code: str, **more: Any) -> Message:
    message = f"{code}, for a test"
    return {"type": "ERROR", "timestamp": SERVER_START_MS, "code": code, "message": message, **more}


def server_now() -> int:
    return SERVER_START_MS + int(now())


def connected(heartbeat_ms: int = 30_000) -> Message:
    return {"type": "CONNECTED", "timestamp": server_now(), "heartbeatIntervalMs": heartbeat_ms}


def current(version: int) -> Message:
    return {"type": "CURRENT", "timestamp": server_now(), **version_fields(version)}


def pong(client_time: float, version: int | None) -> Message:
    at = server_now()
    times = {"clientTime": client_time, "receivedAt": at, "timestamp": at}
    return {"type": "PONG", **times, **({} if version is None else version_fields(version))}


def sync(version: int, more: Message | None = None, **state: Any) -> Message:
    """A STATE_SYNC; ``more`` replaces fields of the message, ``state`` fields of its state."""
    a, b = make_participant("a", **RUNNING), make_participant("b")
    return {
        "type": "STATE_SYNC",
        "timestamp": SERVER_START_MS + version,
        "epoch": EPOCH,
        "version": version,
        "state": make_state(a, b, version=version, **state),
        **(more or {}),
    }


def update(version: int, more: Message | None = None, **state: Any) -> Message:
    """A STATE_UPDATE."""
    return {**sync(version, **state), "type": "STATE_UPDATE", "events": [], **(more or {})}
