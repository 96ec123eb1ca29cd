"""Examples for the API documents: a short game.

Requests are literals; the core and ``schemas`` compute the responses, so they cannot be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic_core import from_json, to_json

from .. import __version__
from ..core.commands import Start, Switch, apply
from ..core.events import Event, SessionCreated
from ..core.session import Session, create
from ..ports import HeartbeatPolicy
from ..schemas import messages as socket
from ..schemas.creation import CreateSession
from ..schemas.errors import InvalidRequest, problem
from ..schemas.pushes import session_deleted, state_update
from ..schemas.requests import read
from ..schemas.states import event_view, iso, log_page, session_state, switch_result
from .components import Schema

SESSION_ID: Final = "0b2a5c1e-8a53-4f8e-9a67-1d2f0c6b7a10"
ANNE: Final = "6f0e1d9c-5a2b-4c7d-8e3f-000000000001"
BEN: Final = "6f0e1d9c-5a2b-4c7d-8e3f-000000000002"
CLEO: Final = "6f0e1d9c-5a2b-4c7d-8e3f-000000000003"
EPOCH: Final = "5f1d6f0a4c7b4c0f9b6f3b2a1c0d9e8f"
CONNECTION_ID: Final = "PJqB0fHsqRcCHlw="

CREATED_MS: Final = 1_767_225_600_000
STARTED_MS: Final = CREATED_MS + 2_000
SWITCHED_MS: Final = STARTED_MS + 4_200

CREATION: Final = {
    "session_id": SESSION_ID,
    "sync_mode": "per_participant",
    "total_time_ms": 180_000,
    "increment_ms": 2_000,
    "participants": [
        {"participant_id": ANNE, "total_time_ms": 180_000},
        {"participant_id": BEN, "total_time_ms": 180_000},
    ],
    "metadata": {"table": 4},
}

SENT: Final[Mapping[str, list[Any]]] = {
    "CreateSession": [CREATION],
    "NoFields": [{}],
    "SwitchCycle": [{"current_participant_id": ANNE}],
    "PauseSession": [{"current_participant_id": BEN}],
    "SetTurn": [{"participant_id": BEN}],
    "JoinSession": [
        {"participant_id": CLEO, "name": "Cleo", "total_time_ms": 180_000},
        {"participant_id": BEN},
    ],
    "PatchParticipant": [{"name": "Ben"}],
    "UpdateSession": [
        {"message": {"text": "Ten more minutes", "style": "alert"}, "warn_at_ms": [60_000]},
        {"starts_at": iso(CREATED_MS + 3_600_000), "ends_at": iso(CREATED_MS + 7_200_000)},
    ],
    "AdjustTime": [{"participant_id": BEN, "delta_ms": 30_000, "reason": "clock set wrongly"}],
    "Ping": [{"type": "PING", "clientTime": SWITCHED_MS + 120}],
    "Reconnect": [
        {"type": "RECONNECT"},
        {"type": "RECONNECT", "epoch": EPOCH, "version": 2, "updatedAt": iso(STARTED_MS)},
    ],
    "CommandMessage": [
        {"type": "COMMAND", "id": "1", "command": "start"},
        {
            "type": "COMMAND",
            "id": "2",
            "command": "switch",
            "args": {"current_participant_id": ANNE},
            "expectedVersion": 2,
        },
    ],
    "Claim": [{"type": "CLAIM"}],
}


def of(name: str) -> list[Any]:
    """The examples of the type with this name; empty if there are none."""
    return SENT.get(name) or _answered().get(name, [])


def attach(schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """The schemas by name, with their examples."""
    return {
        name: {**schema, "examples": of(name)} if of(name) else schema
        for name, schema in sorted(schemas.items())
    }


@cache
def _answered() -> dict[str, list[Any]]:
    setup = read(CreateSession, to_json(CREATION)).setup()
    created = create(setup, EPOCH, CREATED_MS)
    started = apply(created, Start(), STARTED_MS)
    switched = apply(started.session, Switch(current_participant_id=ANNE), SWITCHED_MS)
    session = switched.session
    log: list[tuple[int, Event]] = [
        (1, SessionCreated(CREATED_MS)),
        *((2, event) for event in started.events),
        *((3, event) for event in switched.events),
    ]
    state = session_state(session, SWITCHED_MS)
    made = {
        "StateAnswer": _envelope(session_state(created, CREATED_MS), CREATED_MS, log[:1]),
        "SwitchAnswer": _envelope(switch_result(state, None), SWITCHED_MS, log[2:]),
        "EventsAnswer": {
            "data": log_page(
                [(f"{event.at_ms}-0", version, event) for version, event in log], len(log)
            )
        },
        "ServerTime": {
            "timestamp_ms": SWITCHED_MS,
            "server_version": __version__,
            "drift_tolerance_ms": 50,
        },
        "ValidationErrorAnswer": _refusal(
            InvalidRequest(
                [
                    {
                        "field": "participants.0.total_time_ms",
                        "message": "Field required",
                        "code": "missing",
                    }
                ]
            )
        ),
        "Connected": from_json(
            socket.connected(SESSION_ID, CONNECTION_ID, HeartbeatPolicy().heartbeat_ms, CREATED_MS)
        ),
        "StateSync": from_json(socket.state_sync(started.session, STARTED_MS)[0]),
        "StateUpdate": from_json(
            state_update(started.session, session, SWITCHED_MS, switched.events, lambda: state)
        ),
        "SessionDeleted": from_json(session_deleted(SESSION_ID, SWITCHED_MS)),
        "Pong": {
            "type": "PONG",
            "timestamp": SWITCHED_MS + 151,
            "clientTime": SWITCHED_MS + 120,
            "receivedAt": SWITCHED_MS + 150,
            **_state_version(session),
        },
        "Current": {
            "type": "CURRENT",
            "timestamp": SWITCHED_MS,
            "sessionId": SESSION_ID,
            **_state_version(session),
        },
        "Ack": {"type": "ACK", "timestamp": SWITCHED_MS, "id": "2", "version": session.version},
        "ErrorMessage": {
            "type": "ERROR",
            "timestamp": SWITCHED_MS,
            "code": "PRECONDITION_FAILED",
            "message": "The session is at version 3, not 2",
            "id": "2",
        },
        "GatewayFailure": {
            "message": "Internal server error",
            "connectionId": CONNECTION_ID,
            "requestId": "PJqB1Gz8DoECHlw=",
        },
    }
    return {name: [from_json(to_json(example))] for name, example in made.items()}


def _envelope(data: Any, now_ms: int, log: list[tuple[int, Event]]) -> dict[str, Any]:
    return {
        "data": data,
        "timestamp": now_ms,
        "events": [event_view(event) for _, event in log],
    }


def _refusal(error: Exception) -> Any:
    public = problem(error)
    return public.answer() if public else None


def _state_version(session: Session) -> dict[str, Any]:
    updated_at = iso(session.updated_at_ms)
    return {"epoch": session.epoch, "version": session.version, "updatedAt": updated_at}
