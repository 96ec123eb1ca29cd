"""Whoever makes sessions and changes them beside the pages that show them, over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx

State = dict[str, Any]


class Arbiter:
    """Speaks to one instance."""

    def __init__(self, rest_url: str) -> None:
        self._http = httpx.Client(base_url=f"{rest_url}/v1/")

    def make(
        self,
        total_time_ms: int,
        participants: int = 2,
        mode: str = "per_participant",
        **more: object,
    ) -> str:
        """The id of a new session, each of whose clocks holds so much."""
        session_id = str(uuid4())
        setup = {
            "session_id": session_id,
            "sync_mode": mode,
            "total_time_ms": total_time_ms,
            "participants": [
                {"participant_id": str(uuid4()), "total_time_ms": total_time_ms}
                for _ in range(participants)
            ],
        }
        self._http.post("sessions", json={**setup, **more}).raise_for_status()
        return session_id

    def command(self, session_id: str, name: str, **body: object) -> None:
        self._http.post(f"sessions/{session_id}/{name}", json=body or None).raise_for_status()

    def state(self, session_id: str) -> State:
        state: State = self._http.get(f"sessions/{session_id}").raise_for_status().json()["data"]
        return state

    def leave(self, session_id: str, remaining_ms: int) -> None:
        """Give to the clock that runs, or take from it, so that so much is left."""
        state = self.state(session_id)
        one = active(state)
        left = state.get("session_remaining_ms", one["time_remaining_ms"])
        whose = {"participant_id": one["participant_id"]}
        self.command(
            session_id,
            "adjust",
            delta_ms=remaining_ms - left,
            **(whose if state["sync_mode"] == "per_participant" else {}),
        )

    def close(self) -> None:
        self._http.close()


def active(state: State) -> dict[str, Any]:
    """The participant whose turn it is."""
    found: dict[str, Any]
    [found] = [one for one in state["participants"] if one["is_active"]]
    return found


def epoch_ms(instant: str) -> float:
    """An instant as the server writes it, as milliseconds of the time of day."""
    return datetime.fromisoformat(instant).timestamp() * 1000
