"""What the clients are measured against has every kind of clock in it."""

from __future__ import annotations

from typing import Any

from chalicelib.core.setup import SyncMode

from .recorded import recorded


def test_every_mode_and_control_is_recorded_with_moving_clocks_and_without() -> None:
    record = recorded()
    states = [one["state"] for one in record["later"]]

    assert {state["sync_mode"] for state in states} == set(SyncMode)
    assert {one.get("type") for one in map(_control, states)} >= {"delay", "byoyomi", "canadian"}
    assert {state["status"] for state in states} >= {"running", "paused", "expired"}
    assert any(one["overtime_ms"] for state in states for one in state["participants"])


def test_partial_updates_of_every_mode_leave_somebody_out() -> None:
    partials = recorded()["partials"]
    short = [one for one in partials if _people(one["partial"]) < _people(one["is"])]

    assert {one["is"]["sync_mode"] for one in short} == set(SyncMode)


def _control(state: dict[str, Any]) -> dict[str, Any]:
    return state["time_control"] or {}


def _people(state: dict[str, Any]) -> int:
    return len(state["participants"])
