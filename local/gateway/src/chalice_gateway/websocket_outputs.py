"""Outputs that the WebSocket API state machine returns, and the results of an ``Invoke``.

Values only: must never contain a rule or perform anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .http_messages import Headers
from .lambdas import Event

# Outputs


class EventType(Enum):
    CONNECT = "$connect"
    MESSAGE = "message"
    DISCONNECT = "$disconnect"


@dataclass(frozen=True, slots=True)
class Invoke:
    """Run the Lambda of ``route_key`` and pass its result to ``invoke_finished``."""

    connection_id: str
    event_type: EventType
    route_key: str
    request_id: str
    event: Event = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accept:
    """Answer the handshake with 101, and with ``subprotocol`` if there is one."""

    connection_id: str
    subprotocol: str | None


@dataclass(frozen=True, slots=True)
class Reject:
    """Answer the handshake with this response; there is no connection."""

    status: int
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Send:
    """Send ``data``, which is UTF-8, as a text message."""

    connection_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Start the closing handshake."""

    connection_id: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Abort:
    """Abort the socket: its client has not closed in time."""

    connection_id: str


@dataclass(frozen=True, slots=True)
class PauseReading:
    connection_id: str


@dataclass(frozen=True, slots=True)
class ResumeReading:
    connection_id: str


Output = Invoke | Accept | Reject | Send | Close | Abort | PauseReading | ResumeReading


# Results of an Invoke


@dataclass(frozen=True, slots=True)
class Returned:
    result: Any


@dataclass(frozen=True, slots=True)
class Raised:
    pass


@dataclass(frozen=True, slots=True)
class TimedOut:
    pass


InvokeResult = Returned | Raised | TimedOut
