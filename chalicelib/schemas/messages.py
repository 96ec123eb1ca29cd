"""WebSocket messages: what clients send, and the replies.

A message is a text frame of JSON with a ``type``. ``pushes`` has the messages that the server sends
unprompted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, NamedTuple, NotRequired

from pydantic import Field, JsonValue, StringConstraints
from pydantic_core import to_json
from typing_extensions import TypedDict

from ..core.commands import Command
from ..core.errors import SessionNotFound
from ..core.session import Session
from ..core.view import GroupView
from .commands import COMMANDS, CommandName
from .errors import MalformedJson
from .fields import Request
from .pushes import FRAME_BYTES, session_deleted
from .requests import read_json, read_value
from .states import ParticipantState, SessionState, session_state, shown_at_ms

PROTOCOL = 1
MAX_MESSAGE_ID_CHARACTERS = 128

Version = Annotated[int, Field(ge=0, le=2**53 - 1)]
ClientTime = Annotated[int | float, Field(ge=-(2**53), le=2**53, allow_inf_nan=False)]
MessageId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_MESSAGE_ID_CHARACTERS)]


class Ping(Request):
    type: Literal["PING"]
    clientTime: ClientTime | None = None  # noqa: N815


class Reconnect(Request):
    type: Literal["RECONNECT"]
    epoch: Annotated[str, StringConstraints(max_length=64)] | None = None
    version: Version | None = None
    updatedAt: Annotated[str, StringConstraints(max_length=64)] | None = None  # noqa: N815


class CommandMessage(Request):
    type: Literal["COMMAND"]
    id: MessageId
    command: CommandName
    args: dict[str, JsonValue] | None = None
    expectedVersion: Version | None = None  # noqa: N815

    def build(self) -> Command:
        """The command for the core.

        Raises:
            InvalidRequest: ``args`` is not valid for this command.
        """
        spec = COMMANDS[self.command]
        return spec.build(read_value(spec.model, self.args))


class Claim(Request):
    type: Literal["CLAIM"]


ClientMessage = Ping | Reconnect | CommandMessage | Claim

MESSAGES: dict[str, type[Ping | Reconnect | CommandMessage | Claim]] = {
    "PING": Ping,
    "RECONNECT": Reconnect,
    "COMMAND": CommandMessage,
    "CLAIM": Claim,
}


class InvalidMessage(Exception):
    """A frame that is not a message: not JSON, or of an unknown type."""

    def __init__(self, code: Literal["INVALID_JSON", "UNKNOWN_TYPE"], message: str) -> None:
        super().__init__(message)
        self.code = code


def read_message(text: str) -> ClientMessage:
    """Parse a frame.

    Raises:
        InvalidMessage: The frame is not a message.
        InvalidRequest: The message's fields are invalid.
    """
    try:
        value = read_json(text.encode())
    except (MalformedJson, UnicodeEncodeError) as error:
        raise InvalidMessage("INVALID_JSON", f"Not JSON: {error}") from None
    kind = value.get("type") if isinstance(value, dict) else None
    model = MESSAGES.get(kind) if isinstance(kind, str) else None
    if model is None:
        types = ", ".join(MESSAGES)
        raise InvalidMessage("UNKNOWN_TYPE", f"type must be one of {types}")
    return read_value(model, value)


class MessageHeader(NamedTuple):
    """The type and id of a message, even of an invalid one; ``None`` if missing."""

    type: str | None = None
    id: str | None = None


def read_header(text: str) -> MessageHeader:
    """The header of a rejected message, so that the error can name it."""
    try:
        value = read_json(text.encode())
    except (MalformedJson, UnicodeEncodeError):
        return MessageHeader()
    if not isinstance(value, dict):
        return MessageHeader()
    kind, message_id = value.get("type"), value.get("id")
    is_id = isinstance(message_id, str) and 0 < len(message_id) <= MAX_MESSAGE_ID_CHARACTERS
    return MessageHeader(
        kind if isinstance(kind, str) and kind in MESSAGES else None,
        message_id if is_id else None,
    )


class Connected(TypedDict):
    type: Literal["CONNECTED"]
    timestamp: int
    sessionId: str
    connectionId: str
    protocol: int
    heartbeatIntervalMs: int


class StateSync(TypedDict):
    type: Literal["STATE_SYNC"]
    timestamp: int
    sessionId: str
    epoch: str
    version: int
    state: SessionState
    page: NotRequired[int]
    pages: NotRequired[int]


class Pong(TypedDict):
    type: Literal["PONG"]
    timestamp: int
    clientTime: int | float | None
    receivedAt: int
    epoch: NotRequired[str]
    version: NotRequired[int]
    updatedAt: NotRequired[str]


class Current(TypedDict):
    type: Literal["CURRENT"]
    timestamp: int
    sessionId: str
    epoch: str
    version: int
    updatedAt: str


class Ack(TypedDict):
    type: Literal["ACK"]
    timestamp: int
    id: str
    version: int


class ErrorMessage(TypedDict):
    type: Literal["ERROR"]
    timestamp: int
    code: str
    message: str
    id: NotRequired[str]


ServerAnswer = Connected | Pong | Current | Ack | ErrorMessage


def encode(message: ServerAnswer) -> bytes:
    return to_json(message)


def connected(
    session_id: str, connection_id: str, heartbeat_interval_ms: int, now_ms: int
) -> bytes:
    return encode(
        {
            "type": "CONNECTED",
            "timestamp": now_ms,
            "sessionId": session_id,
            "connectionId": connection_id,
            "protocol": PROTOCOL,
            "heartbeatIntervalMs": heartbeat_interval_ms,
        }
    )


def session_forbidden(now_ms: int) -> bytes:
    """The final message to a connection whose token expired or was revoked."""
    return encode(
        {
            "type": "ERROR",
            "timestamp": now_ms,
            "code": "SESSION_FORBIDDEN",
            "message": "The connection's token has expired or was revoked",
        }
    )


def session_missing(error: SessionNotFound, session_id: str, now_ms: int) -> bytes:
    """To a client whose session does not exist: SESSION_DELETED, or an ERROR if none is known."""
    if error.ending is not None:
        return session_deleted(session_id, now_ms, error.ending)
    return encode({"type": "ERROR", "timestamp": now_ms, "code": error.code, "message": str(error)})


def state_sync(session: Session, now_ms: int) -> list[bytes]:
    """STATE_SYNC of a settled session at ``now_ms``, in as many pages as it needs."""
    state = session_state(session, now_ms)
    now_ms = shown_at_ms(session, now_ms)
    whole = _sync(session, state, now_ms)
    message = to_json(whole)
    if len(message) <= FRAME_BYTES:
        return [message]
    groups: dict[str | None, GroupView] = {
        group["group_id"]: group for group in state.get("groups", [])
    }
    bare = _sync(session, _part(state, [], []), now_ms)
    bare["page"] = bare["pages"] = len(state["participants"])
    parts = list(_parts(state["participants"], groups, FRAME_BYTES - len(to_json(bare))))
    pages = []
    for number, participants in enumerate(parts, 1):
        group_ids = dict.fromkeys(participant.get("group_id") for participant in participants)
        page_groups = [groups[group_id] for group_id in group_ids if group_id in groups]
        page = _sync(session, _part(state, participants, page_groups), now_ms)
        page["page"], page["pages"] = number, len(parts)
        pages.append(to_json(page))
    return pages


def _sync(session: Session, state: SessionState, now_ms: int) -> StateSync:
    return {
        "type": "STATE_SYNC",
        "timestamp": now_ms,
        "sessionId": session.setup.session_id,
        "epoch": session.epoch,
        "version": session.version,
        "state": state,
    }


def _part(
    state: SessionState, participants: list[ParticipantState], groups: list[GroupView]
) -> SessionState:
    part = state.copy()
    part["participants"] = participants
    if "groups" in part:
        part["groups"] = groups
    return part


def _parts(
    participants: list[ParticipantState], groups: Mapping[str | None, GroupView], room_bytes: int
) -> Iterator[list[ParticipantState]]:
    """Split participants into parts that fit, including the groups they need."""
    part: list[ParticipantState] = []
    used_bytes = 0
    for participant in participants:
        needed_bytes = len(to_json(participant)) + 1
        group = groups.get(participant.get("group_id"))
        if group is not None:
            needed_bytes += len(to_json(group)) + 1
        if part and used_bytes + needed_bytes > room_bytes:
            yield part
            part, used_bytes = [], 0
        part.append(participant)
        used_bytes += needed_bytes
    if part:
        yield part
