"""What the rules of a WebSocket API say, and what they are told of it: values.

Owns the effects, one for each thing that can be done about a client, and the outcomes
of the one that comes back. Must never hold a rule or do anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .http_messages import Headers
from .lambdas import Event

# Effects


class Cause(Enum):
    CONNECT = "$connect"
    MESSAGE = "message"
    DISCONNECT = "$disconnect"


@dataclass(frozen=True, slots=True)
class Invoke:
    """Run the Lambda of ``route_key`` and tell ``answered`` what came of it."""

    connection_id: str
    cause: Cause
    route_key: str
    request_id: str
    event: Event = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accept:
    """Answer the handshake 101, naming ``subprotocol`` if there is one."""

    connection_id: str
    subprotocol: str | None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer the handshake with this; there is no connection."""

    status: int
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Send:
    """Write ``data``, which is UTF-8, as a text message."""

    connection_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Begin the closing handshake."""

    connection_id: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Abort:
    """Cut the socket: its client had its chance."""

    connection_id: str


@dataclass(frozen=True, slots=True)
class PauseReading:
    connection_id: str


@dataclass(frozen=True, slots=True)
class ResumeReading:
    connection_id: str


Effect = Invoke | Accept | Refuse | Send | Close | Abort | PauseReading | ResumeReading


# Outcomes of an Invoke


@dataclass(frozen=True, slots=True)
class Returned:
    result: Any


@dataclass(frozen=True, slots=True)
class Raised:
    pass


@dataclass(frozen=True, slots=True)
class TimedOut:
    pass


Outcome = Returned | Raised | TimedOut
