"""The arithmetic of running clocks: what a state shows some time after it was made.

Pure. No clock may have run out in between: that is a new version, and only the server makes
versions. Whole milliseconds in give whole milliseconds out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from .wire_types import ParticipantState, SessionState

Ms = TypeVar("Ms", int, float)


def participant_at(
    participant: ParticipantState, state: SessionState, elapsed_ms: float
) -> ParticipantState:
    """A participant ``elapsed_ms`` after ``state`` was made."""
    if state["status"] != "running" or elapsed_ms <= 0:
        return participant
    later: dict[str, Any] = dict(participant)
    if participant["is_active"]:
        later["time_used_ms" if participant["is_running"] else "overtime_ms"] += elapsed_ms
    if not participant["is_running"]:
        return cast(ParticipantState, later)
    delay_ms = participant.get("delay_remaining_ms") or 0
    counted_ms = max(0, elapsed_ms - delay_ms)
    later["time_remaining_ms"] = max(0, participant["time_remaining_ms"] - counted_ms)
    if participant.get("delay_remaining_ms") is not None:
        later["delay_remaining_ms"] = max(0, delay_ms - elapsed_ms)
    main_ms, period_left_ms = (
        participant.get("main_remaining_ms"),
        participant.get("period_remaining_ms"),
    )
    if main_ms is not None and period_left_ms is not None:
        beyond_ms = max(0, elapsed_ms - main_ms)
        later["main_remaining_ms"] = max(0, main_ms - elapsed_ms)
        later["period_remaining_ms"] = max(0, period_left_ms - beyond_ms)
        if participant.get("periods_left"):
            control = participant.get("time_control") or state.get("time_control") or {}
            period_ms = control["period_ms"]
            # A period starts when the one before it ends.
            spent, into_ms = divmod(beyond_ms + period_ms - period_left_ms, period_ms)
            left = max(0, participant["periods_left"] - int(spent))
            later["periods_left"] = left
            later["period_remaining_ms"] = period_ms - into_ms if left else 0
    return cast(ParticipantState, later)


def session_remaining_ms(state: SessionState, elapsed_ms: Ms) -> Ms:
    """The session clock of ``global``."""
    passed_ms = max(0, elapsed_ms) if state["status"] == "running" else 0
    return max(0, state["session_remaining_ms"] - passed_ms)


def state_at(
    state: SessionState,
    timestamp: int,
    now: int,
    participant_timestamps: Mapping[str, int] | None = None,
) -> SessionState:
    """A state that was made at ``timestamp``, with every clock brought to ``now``.

    ``participant_timestamps`` are those of a snapshot: participants whose values are older.
    """
    elapsed_ms = max(0, now - timestamp)
    sent_at = participant_timestamps or {}
    later = state.copy()
    participants = [
        participant_at(one, state, max(0, now - sent_at.get(one["participant_id"], timestamp)))
        for one in state["participants"]
    ]
    later["participants"] = participants
    if state.get("session_remaining_ms") is not None:
        later["session_remaining_ms"] = session_remaining_ms(state, elapsed_ms)
    if state.get("groups") is not None:
        remaining = {one.get("group_id"): one["time_remaining_ms"] for one in participants}
        later["groups"] = [
            {**group, "time_remaining_ms": remaining[group["group_id"]]}
            for group in state["groups"]
        ]
    return later
