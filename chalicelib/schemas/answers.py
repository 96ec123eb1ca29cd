"""Bodies of REST answers, as types; ``errors`` has those of errors.

Views name them to the type checker alone, and OpenAPI is made from them, so no
request but one for the contract imports this module.
"""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from .errors import ErrorAnswer
from .states import EventView, LogPage, SessionState, SwitchResult
from .tokens import Links, MintedToken


class StateAnswer(TypedDict):
    """A session as of ``timestamp``, and what this request made happen."""

    data: SessionState
    timestamp: int
    events: NotRequired[list[EventView]]


class CreationAnswer(StateAnswer):
    """A new session; with ``links`` where AUTH is on."""

    links: NotRequired[Links]


class TokenAnswer(TypedDict):
    data: MintedToken


class SwitchAnswer(TypedDict):
    """What a switch changed, as of ``timestamp``, and what it made happen."""

    data: SwitchResult
    timestamp: int
    events: NotRequired[list[EventView]]


class EventsAnswer(TypedDict):
    data: LogPage


class ServerTime(TypedDict):
    """The store's clock; a client's may differ by the tolerance and still show the same."""

    timestamp_ms: int
    server_version: str
    drift_tolerance_ms: int


class Alive(TypedDict):
    status: Literal["ok"]


class Ready(TypedDict):
    status: Literal["ready"]


class NotReady(TypedDict):
    status: Literal["not_ready"]
    error: str


Body = (
    StateAnswer
    | TokenAnswer
    | SwitchAnswer
    | EventsAnswer
    | ServerTime
    | Alive
    | Ready
    | NotReady
    | ErrorAnswer
)
