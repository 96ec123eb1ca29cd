"""Sessions for tests, and comparison of their states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from tickless import Snapshot, state_at

from .instances import Answer

HOUR_MS = 3_600_000


def a_session(participants: int = 3, mode: str = "per_participant", **more: Any) -> dict[str, Any]:
    """A request for a session whose clocks won't run out while a test runs."""
    return {
        "session_id": str(uuid4()),
        "sync_mode": mode,
        "total_time_ms": HOUR_MS * 24,
        "participants": [
            {"participant_id": str(uuid4()), "total_time_ms": HOUR_MS} for _ in range(participants)
        ],
        **more,
    }


def agrees(held: Snapshot | None, answer: Answer) -> bool:
    """Whether a client shows exactly what GET does, each brought to the later instant."""
    if held is None or answer.status == 404:
        return held is None and answer.status == 404
    return not differences(held, answer)


def differences(held: Snapshot, answer: Answer) -> list[str]:
    """What a client shows otherwise than GET, each brought to the later instant."""
    theirs, timestamp = answer.data, answer.body["timestamp"]
    now = max(held.timestamp, timestamp)
    ours = by_id(state_at(held.state, held.timestamp, now, held.participant_timestamps))
    theirs = by_id(state_at(theirs, timestamp, now))
    return [
        f"{name}: {ours.get(name)} is {theirs.get(name)}"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    ]


def by_id(state: Mapping[str, Any]) -> dict[str, Any]:
    """Every figure under a name of its own, so that a difference can be read."""
    flat = {name: value for name, value in state.items() if name not in ("participants", "groups")}
    flat["order"] = [one["participant_id"] for one in state["participants"]]
    for one in state["participants"]:
        for name, value in one.items():
            flat[f"{one['participant_id']}.{name}"] = value
    for one in state.get("groups", ()):
        for name, value in one.items():
            flat[f"{one['group_id']}.{name}"] = value
    return flat
