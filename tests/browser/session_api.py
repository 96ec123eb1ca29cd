"""Creates and changes the sessions of browser tests over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx

State = dict[str, Any]


class SessionApi:
    """The REST API of one instance."""

    def __init__(self, rest_url: str) -> None:
        self._http = httpx.Client(base_url=f"{rest_url}/v1/")

    def create(
        self,
        total_time_ms: int,
        participants: int = 2,
        mode: str = "per_participant",
        **more: object,
    ) -> str:
        """Create a session with ``total_time_ms`` on each clock; returns its id."""
        session_id = str(uuid4())
        request = {
            "session_id": session_id,
            "sync_mode": mode,
            "total_time_ms": total_time_ms,
            "participants": [
                {"participant_id": str(uuid4()), "total_time_ms": total_time_ms}
                for _ in range(participants)
            ],
        }
        self._http.post("sessions", json={**request, **more}).raise_for_status()
        return session_id

    def command(self, session_id: str, name: str, **body: object) -> None:
        self._http.post(f"sessions/{session_id}/{name}", json=body or None).raise_for_status()

    def state(self, session_id: str) -> State:
        state: State = self._http.get(f"sessions/{session_id}").raise_for_status().json()["data"]
        return state

    def events(self, session_id: str) -> list[dict[str, Any]]:
        response = self._http.get(f"sessions/{session_id}/events").raise_for_status()
        events: list[dict[str, Any]] = response.json()["data"]["events"]
        return events

    def set_remaining(self, session_id: str, remaining_ms: int) -> None:
        """Adjust the running clock so that ``remaining_ms`` are left."""
        state = self.state(session_id)
        active = active_participant(state)
        left_ms = state.get("session_remaining_ms", active["time_remaining_ms"])
        target = {"participant_id": active["participant_id"]}
        self.command(
            session_id,
            "adjust",
            delta_ms=remaining_ms - left_ms,
            **(target if state["sync_mode"] == "per_participant" else {}),
        )

    def close(self) -> None:
        self._http.close()


def active_participant(state: State) -> dict[str, Any]:
    found: dict[str, Any]
    [found] = [one for one in state["participants"] if one["is_active"]]
    return found


def epoch_ms(instant: str) -> float:
    """A timestamp of the API in milliseconds since the epoch."""
    return datetime.fromisoformat(instant).timestamp() * 1000
