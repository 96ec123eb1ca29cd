"""Sessions that start by themselves: what a client knows before the server says so.

Pure. Until the server's message arrives, this is as good as the client's clock: the appointment
may have been changed meanwhile, as a running clock may have been paused.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from math import inf
from typing import Any, cast

from .state_version import Snapshot
from .wire_types import ParticipantState, SessionState


def starts_at_ms(snapshot: Snapshot, one: ParticipantState | None = None) -> float:
    """When this participant's clock, or the session's, may begin by itself; infinite for never."""
    state, starts_ms = snapshot.state, epoch_ms(snapshot.state.get("starts_at"))
    is_open = state["status"] == "pending" or (
        state["status"] == "running" and state["sync_mode"] == "simultaneous"
    )
    # Once it has passed, it stays in the state: who comes late is started by hand.
    if starts_ms <= snapshot.timestamp or not is_open:
        return inf
    waits = _waits(state, one) if one else any(_waits(state, who) for who in state["participants"])
    return starts_ms if waits else inf


def snapshot_at(snapshot: Snapshot, now_ms: float) -> Snapshot:
    """The snapshot with what has started by itself by ``now_ms``, the server's time."""
    state, starts_ms = snapshot.state, starts_at_ms(snapshot)
    if not starts_ms <= now_ms:
        return snapshot
    mode = state["sync_mode"]
    is_simultaneous = mode == "simultaneous"
    first = next(one for one in state["participants"] if _waits(state, one))
    later: dict[str, Any] = {**state, "status": "running", "participants": []}
    later["active_participant_id"] = None if is_simultaneous else first["participant_id"]
    later["session_started_at"] = state.get("session_started_at") or state.get("starts_at")
    timestamps: dict[str, int] = {}
    for one in state["participants"]:
        begins = _waits(state, one) if is_simultaneous else one is first
        shares_clock = mode == "global" or (
            mode == "per_group" and one.get("group_id") == first.get("group_id")
        )
        if begins or shares_clock:
            started: dict[str, Any] = {**one, "is_active": begins, "is_running": True}
            if is_simultaneous:
                started |= {"clock_state": "running", "started_at": state.get("starts_at")}
            later["participants"].append(started)
        else:
            later["participants"].append(one)
            timestamps[one["participant_id"]] = snapshot.timestamp_of(one["participant_id"])
    return replace(
        snapshot,
        timestamp=int(starts_ms),
        state=cast(SessionState, later),
        participant_timestamps=timestamps,
    )


def epoch_ms(instant: str | None) -> float:
    """An instant as the server writes it, in milliseconds; infinite for none."""
    return inf if instant is None else datetime.fromisoformat(instant).timestamp() * 1000


def _waits(state: SessionState, one: ParticipantState) -> bool:
    if state["sync_mode"] == "simultaneous":
        return one.get("clock_state") == "waiting"
    return not one.get("has_withdrawn")
