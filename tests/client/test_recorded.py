"""The recordings contain every kind of clock."""

from __future__ import annotations

from typing import Any

from chalicelib.core.setup import SyncMode

from .recorded import recorded


def test_every_mode_and_time_control_is_recorded_running_and_stopped() -> None:
    record = recorded()
    states = [one["state"] for one in record["later"]]

    assert {state["sync_mode"] for state in states} == set(SyncMode)
    assert {one.get("type") for one in map(_control, states)} >= {"delay", "byoyomi", "canadian"}
    assert {state["status"] for state in states} >= {"running", "paused", "expired"}
    assert any(one["overtime_ms"] for state in states for one in state["participants"])


def test_every_mode_has_a_partial_update_that_leaves_out_participants() -> None:
    partials = recorded()["partials"]
    short = [
        one
        for one in partials
        if _participant_count(one["partial"]) < _participant_count(one["after"])
    ]

    assert {one["after"]["sync_mode"] for one in short} == set(SyncMode)


def _control(state: dict[str, Any]) -> dict[str, Any]:
    return state.get("time_control") or {}


def _participant_count(state: dict[str, Any]) -> int:
    return len(state["participants"])
