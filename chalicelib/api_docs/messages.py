"""Every message of the socket: what it says, when it comes, and what answers it.

The one table from which the AsyncAPI document is made.
"""

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
    """API Gateway's own words."""

    message: str
    connectionId: str
    requestId: str


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the server; ``name`` is its ``type``."""

    name: str
    shape: Any
    when: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of a client, and the names of the messages that may answer it."""

    name: str
    when: str
    answers: tuple[str, ...]

    @property
    def model(self) -> type[Request]:
        return MESSAGES[self.name]


SAID: Final = (
    Said(
        "CONNECTED",
        Connected,
        "As soon as the connection can be posted to: once, and again only where it is not known to"
        " have arrived. Updates may come before it.",
    ),
    Said(
        "STATE_SYNC",
        StateSync,
        "The whole session, in pages where it doesn't fit into one message: after CONNECTED if"
        " the session exists, as an answer to RECONNECT, and to everybody when updates may have"
        " been missed.",
    ),
    Said(
        "STATE_UPDATE",
        StateUpdate,
        "After every commit, to everybody; `events` say why. With `partial`, `state` has only the"
        " participants whose clocks can't be told from `baseVersion`, made at `baseUpdatedAt`.",
    ),
    Said(
        "SESSION_DELETED",
        SessionDeleted,
        "When the session is deleted; the connection is closed after it. Where there is none, as an"
        " answer to RECONNECT, and to everybody when updates may have been missed; then the"
        " connection stays, as it may wait for one.",
    ),
    Said("CURRENT", Current, "As an answer to RECONNECT or CLAIM: there is nothing newer."),
    Said(
        "PONG",
        Pong,
        "As an answer to PING. `epoch`, `version` and `updatedAt` are the session's, where it"
        " exists: whoever holds others for longer than a second sends RECONNECT.",
    ),
    Said("ACK", Ack, "The command of this `id` was carried out, and made this version."),
    Said(
        "ERROR",
        ErrorMessage,
        "Something was refused; the connection stays open, unless it is SESSION_FORBIDDEN.",
    ),
)

BY_GATEWAY: Final = Said(
    "GatewayFailure",
    GatewayFailure,
    "Without a `type`: a function failed, or had no answer in time. Nobody knows whether the"
    " message had an effect.",
)
"""What API Gateway says where the application says nothing; the one message without a type."""

HEARD: Final = (
    Heard("PING", "Every `heartbeatIntervalMs`.", ("PONG", "ERROR")),
    Heard(
        "RECONNECT",
        "What the client holds, if anything: is there more?",
        ("STATE_SYNC", "CURRENT", "SESSION_DELETED", "ERROR"),
    ),
    Heard(
        "COMMAND",
        "What REST's commands do, with the fields they take in `args`. The same `id` on the same"
        " connection is not carried out twice. The effect comes as an update like anybody's,"
        " before ACK or after it.",
        ("ACK", "ERROR"),
    ),
    Heard(
        "CLAIM",
        "A clock has reached zero: settle it. Answered with an update if something was due.",
        ("STATE_UPDATE", "CURRENT", "ERROR"),
    ),
)
