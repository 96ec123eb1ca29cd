"""The table of WebSocket messages: shape, summary and replies. The AsyncAPI document's source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from typing_extensions import TypedDict

from ..schemas.fields import Request
from ..schemas.messages import (
    MESSAGES,
    Ack,
    Connected,
    Current,
    ErrorMessage,
    Pong,
    StateSync,
)
from ..schemas.pushes import SessionDeleted, StateUpdate

ERROR_CODES: Final = (
    "INVALID_JSON",
    "UNKNOWN_TYPE",
    "VALIDATION_ERROR",
    "INVALID_STATE_TRANSITION",
    "PARTICIPANT_EXPIRED",
    "PARTICIPANT_WITHDRAWN",
    "PARTICIPANT_NOT_FOUND",
    "PARTICIPANT_EXISTS",
    "FORBIDDEN",
    "SESSION_FORBIDDEN",
    "SESSION_NOT_FOUND",
    "STALE_CYCLE",
    "CONFLICT",
    "PRECONDITION_FAILED",
    "IDEMPOTENCY_KEY_REUSED",
    "RATE_LIMIT_EXCEEDED",
    "INTERNAL_ERROR",
    "STORE_UNAVAILABLE",
)


class GatewayFailure(TypedDict):
    """A failure that API Gateway reports in its own format."""

    message: str
    connectionId: str
    requestId: str


@dataclass(frozen=True, slots=True)
class ServerMessage:
    """A message from the server; ``name`` is its ``type``."""

    name: str
    shape: Any
    when: str


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """A message from a client, and the names of possible replies."""

    name: str
    when: str
    answers: tuple[str, ...]

    @property
    def model(self) -> type[Request]:
        return MESSAGES[self.name]


SERVER_MESSAGES: Final = (
    ServerMessage(
        "CONNECTED",
        Connected,
        "Welcome a new connection. Sent once, and again only if delivery is uncertain; updates may"
        " arrive before it.",
    ),
    ServerMessage(
        "STATE_SYNC",
        StateSync,
        "Send the whole session, in pages if it does not fit into one message: after CONNECTED if"
        " the session exists, in reply to RECONNECT, and to every subscriber when updates may have"
        " been missed.",
    ),
    ServerMessage(
        "STATE_UPDATE",
        StateUpdate,
        "Send every commit to every subscriber; `events` say why. With `partial`, `state` has only"
        " participants whose clocks do not follow from `baseVersion` as of `baseUpdatedAt`, or"
        " `participantChanges` say what changed for many.",
    ),
    ServerMessage(
        "SESSION_DELETED",
        SessionDeleted,
        "Report that the session was deleted, then close the connection. For 24 hours after a"
        " session was deleted or has expired, follow CONNECTED, reply to RECONNECT, or tell every"
        " subscriber when updates may have been missed; then the connection stays open, as a"
        " session may be created.",
    ),
    ServerMessage("CURRENT", Current, "Reply to RECONNECT or CLAIM: the client is up to date."),
    ServerMessage(
        "PONG",
        Pong,
        "Reply to PING. `epoch`, `version` and `updatedAt` are the session's, if it exists: a"
        " client that differs for longer than a second sends RECONNECT.",
    ),
    ServerMessage("ACK", Ack, "Confirm the command with this `id`; it made this version."),
    ServerMessage(
        "ERROR",
        ErrorMessage,
        "Reject a message. The connection stays open, except after SESSION_FORBIDDEN.",
    ),
)

GATEWAY_FAILURE: Final = ServerMessage(
    "GatewayFailure",
    GatewayFailure,
    "Report that a function failed or timed out. Has no `type`; whether the message had an effect"
    " is unknown.",
)
"""What API Gateway sends when the application does not respond; the only message without a type."""

CLIENT_MESSAGES: Final = (
    ClientMessage(
        "PING", "Keep the connection alive, every `heartbeatIntervalMs`.", ("PONG", "ERROR")
    ),
    ClientMessage(
        "RECONNECT",
        "Request what is newer than the client's version, if it has one.",
        ("STATE_SYNC", "CURRENT", "SESSION_DELETED", "ERROR"),
    ),
    ClientMessage(
        "COMMAND",
        "Apply a command as in REST, with its fields in `args`. The same `id` on the same"
        " connection has one effect. The update arrives as for every subscriber, before or after"
        " ACK.",
        ("ACK", "ERROR"),
    ),
    ClientMessage(
        "CLAIM",
        "Settle a clock that has reached zero. The reply is an update if a timeout was due.",
        ("STATE_UPDATE", "CURRENT", "ERROR"),
    ),
)
