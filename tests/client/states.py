"""Sessions as the server shows them, with as little said as a test needs."""

from __future__ import annotations

from typing import Any

from tickless import Held
from tickless.states import Message

EPOCH = "e"
RUNNING = {"is_active": True, "is_running": True}
"""Somebody whose clock runs."""


def made_at(version: int) -> str:
    """When a version was made, where a test does not say otherwise."""
    return f"the instant of {version}"


def place_of(version: int) -> Message:
    return {"epoch": EPOCH, "version": version, "updatedAt": made_at(version)}


def a_participant(name: str, **more: Any) -> dict[str, Any]:
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


def a_state(*participants: dict[str, Any], **more: Any) -> Any:
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
        "updated_at": made_at(more.get("version", 1)),
        "deadline_at": None,
        **more,
    }


def held_now(state: Any) -> Held:
    """A state as of the instant 0."""
    return Held(EPOCH, state["version"], 0, state)
