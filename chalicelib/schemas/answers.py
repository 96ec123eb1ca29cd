"""REST response bodies, as types; ``errors`` has those of errors.

Only the type checker and the OpenAPI document use them, so only a request for the document imports
this module at run time.
"""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from .errors import ErrorAnswer
from .states import EventView, LogPage, SessionState, SwitchResult
from .tokens import Links, MintedToken


class StateAnswer(TypedDict):
    """A session as of ``timestamp``, and the events this request caused."""

    data: SessionState
    timestamp: int
    events: NotRequired[list[EventView]]


class CreationAnswer(StateAnswer):
    """A new session; with ``links`` where AUTH is on."""

    links: NotRequired[Links]


class TokenAnswer(TypedDict):
    data: MintedToken


class SwitchAnswer(TypedDict):
    """What a switch changed, as of ``timestamp``, and the events it caused."""

    data: SwitchResult
    timestamp: int
    events: NotRequired[list[EventView]]


class EventsAnswer(TypedDict):
    data: LogPage


class ServerTime(TypedDict):
    """The store's clock. A client's clock may differ by up to ``drift_tolerance_ms``."""

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
