"""Every operation of the REST API: its arguments, its request, and how its response is read.

Each function describes one operation and returns its ``Request``. ``RestClient`` and
``AsyncRestClient`` turn each of them into a method of the same name and arguments. An operation
that changes something carries an ``Idempotency-Key``, so that it can be sent again safely.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import (
    Any,
    Generic,
    NotRequired,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
    get_args,
    get_type_hints,
)
from urllib.parse import quote
from uuid import uuid4

from .rest_request import NOT_MODIFIED, Request, Response
from .wire_types import (
    EventPage,
    Links,
    MintedToken,
    Role,
    ServerTime,
    SessionEvent,
    SessionState,
    SwitchResult,
)

SESSIONS = "/v1/sessions"

Data = TypeVar("Data", SessionState, SwitchResult)


class WriteOptions(TypedDict):
    """``if_match`` is the version the request is meant for; the key defaults to a new UUID."""

    if_match: NotRequired[int]
    idempotency_key: NotRequired[str]


@dataclass(frozen=True, slots=True)
class SessionResponse(Generic[Data]):
    """A session as of ``timestamp``, the server's time, and the events the request caused.

    ``links`` come with a creation where the API requires tokens; ``repr`` hides them.
    """

    data: Data
    timestamp: int
    events: list[SessionEvent]
    links: Links | None = field(default=None, repr=False)


# Sessions


def create_session(
    session: Mapping[str, Any], **options: Unpack[WriteOptions]
) -> Request[SessionResponse[SessionState]]:
    """Create a session. The same request again returns the session as it is by then."""
    return Request("POST", SESSIONS, _created_session, session, headers=_headers(options))


def get_session(
    session_id: str, *, if_none_match: int | None = None
) -> Request[SessionResponse[SessionState] | None]:
    """Get the state as of now; ``None`` if its version is still ``if_none_match``."""
    headers = {} if if_none_match is None else {"If-None-Match": _etag(if_none_match)}
    return Request("GET", _path(session_id), _session_if_modified, headers=headers)


def update_session(
    session_id: str, patch: Mapping[str, Any], **options: Unpack[WriteOptions]
) -> Request[SessionResponse[SessionState]]:
    """Change ``metadata``, ``message`` and the like by a JSON merge patch (RFC 7396)."""
    return Request("PATCH", _path(session_id), _session, patch, headers=_headers(options))


def delete_session(session_id: str, **options: Unpack[WriteOptions]) -> Request[None]:
    """Delete the session. Idempotent."""
    return Request("DELETE", _path(session_id), _nothing, headers=_headers(options))


def get_events(
    session_id: str, *, after: str | None = None, limit: int | None = None
) -> Request[EventPage]:
    """Get a page of the event log; pass the ``next`` of a page as ``after`` for the following."""
    params = _without_none({"after": after, "limit": limit})
    return Request("GET", _path(session_id, "events"), _event_page, params=params)


# Commands


def start(
    session_id: str, *, participant_id: str | None = None, **options: Unpack[WriteOptions]
) -> Request[SessionResponse[SessionState]]:
    """Start the session; with a ``participant_id`` one clock of a simultaneous session."""
    return _command(session_id, "start", {"participant_id": participant_id}, options)


def switch(
    session_id: str,
    *,
    next_participant_id: str | None = None,
    current_participant_id: str | None = None,
    **options: Unpack[WriteOptions],
) -> Request[SessionResponse[SwitchResult]]:
    """End the running cycle and start the next.

    ``current_participant_id`` says whose cycle is meant: if another one runs, the server
    answers with ``StaleCycle``.
    """
    args = {
        "next_participant_id": next_participant_id,
        "current_participant_id": current_participant_id,
    }
    path = _path(session_id, "switch")
    return Request("POST", path, _switch_result, _without_none(args), headers=_headers(options))


def pause(
    session_id: str,
    *,
    current_participant_id: str | None = None,
    participant_id: str | None = None,
    **options: Unpack[WriteOptions],
) -> Request[SessionResponse[SessionState]]:
    """Pause the session; with a ``participant_id`` one clock of a simultaneous session."""
    args = {
        "current_participant_id": current_participant_id,
        "participant_id": participant_id,
    }
    return _command(session_id, "pause", args, options)


def resume(
    session_id: str, *, participant_id: str | None = None, **options: Unpack[WriteOptions]
) -> Request[SessionResponse[SessionState]]:
    """Resume the session; with a ``participant_id`` one clock of a simultaneous session."""
    return _command(session_id, "resume", {"participant_id": participant_id}, options)


def finish(
    session_id: str, participant_id: str | None = None, **options: Unpack[WriteOptions]
) -> Request[SessionResponse[SessionState]]:
    """Finish a participant's clock in a simultaneous session; by default the caller's own."""
    return _command(session_id, "finish", {"participant_id": participant_id}, options)


def complete(
    session_id: str, **options: Unpack[WriteOptions]
) -> Request[SessionResponse[SessionState]]:
    """End the session as completed."""
    return _command(session_id, "complete", {}, options)


def cancel(
    session_id: str, **options: Unpack[WriteOptions]
) -> Request[SessionResponse[SessionState]]:
    """End the session as cancelled."""
    return _command(session_id, "cancel", {}, options)


def undo(
    session_id: str, **options: Unpack[WriteOptions]
) -> Request[SessionResponse[SessionState]]:
    """Undo the last switch."""
    return _command(session_id, "undo", {}, options)


def adjust(
    session_id: str,
    delta_ms: int,
    *,
    participant_id: str | None = None,
    group_id: str | None = None,
    reason: str | None = None,
    scaled: bool | None = None,
    **options: Unpack[WriteOptions],
) -> Request[SessionResponse[SessionState]]:
    """Add ``delta_ms`` to a clock; a negative value takes time away.

    ``scaled`` multiplies it by each participant's time factor, where all are adjusted at once.
    """
    args = {
        "delta_ms": delta_ms,
        "participant_id": participant_id,
        "group_id": group_id,
        "reason": reason,
        "scaled": scaled,
    }
    return _command(session_id, "adjust", args, options)


def set_turn(
    session_id: str, participant_id: str, **options: Unpack[WriteOptions]
) -> Request[SessionResponse[SessionState]]:
    """Make a participant of a paused session the active one; the session stays paused."""
    return _command(session_id, "set_turn", {"participant_id": participant_id}, options)


def reopen(
    session_id: str, **options: Unpack[WriteOptions]
) -> Request[SessionResponse[SessionState]]:
    """Take back the end of the session: it is paused, as it stood then."""
    return _command(session_id, "reopen", {}, options)


def reset(
    session_id: str, **options: Unpack[WriteOptions]
) -> Request[SessionResponse[SessionState]]:
    """Make the session pending again, with full clocks."""
    return _command(session_id, "reset", {}, options)


# Who takes part


def join(
    session_id: str, participant: Mapping[str, Any], **options: Unpack[WriteOptions]
) -> Request[SessionResponse[SessionState]]:
    """Let a participant join, with the fields of a creation, or come back, with their id alone."""
    path = _path(session_id, "participants")
    return Request("POST", path, _session, participant, headers=_headers(options))


def update_participant(
    session_id: str,
    participant_id: str,
    patch: Mapping[str, Any],
    **options: Unpack[WriteOptions],
) -> Request[SessionResponse[SessionState]]:
    """Change a participant's ``name`` or ``time_factor`` by a JSON merge patch (RFC 7396)."""
    path = _participant_path(session_id, participant_id)
    return Request("PATCH", path, _session, patch, headers=_headers(options))


def withdraw(
    session_id: str, participant_id: str, **options: Unpack[WriteOptions]
) -> Request[SessionResponse[SessionState]]:
    """Withdraw a participant, who stays in the session but gets no more turns. Idempotent."""
    path = _participant_path(session_id, participant_id)
    return Request("DELETE", path, _session, headers=_headers(options))


# Tokens and time


def mint_token(
    session_id: str,
    role: Role,
    *,
    participant_id: str | None = None,
    expires_in_seconds: int | None = None,
) -> Request[MintedToken]:
    """Create a token for the session. It expires no later than this client's own token."""
    given = {"participant_id": participant_id, "expires_in_seconds": expires_in_seconds}
    body = {"role": role, **_without_none(given)}
    return Request("POST", _path(session_id, "tokens"), _minted_token, body)


def revoke_token(session_id: str, token_id: str) -> Request[None]:
    """Revoke a token, and disconnect every connection that uses it."""
    return Request("DELETE", _path(session_id, "tokens", quote(token_id, safe="")), _nothing)


def get_time() -> Request[ServerTime]:
    """Get the server's time."""
    return Request("GET", "/v1/time", _server_time)


# What operations have in common


def method_signature(operation: Callable[..., Request[Any]]) -> inspect.Signature:
    """The signature of a client's method: ``self``, the operation's arguments, its result."""
    signature = inspect.signature(operation)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    (result,) = get_args(get_type_hints(operation)["return"])
    return signature.replace(
        parameters=[own, *signature.parameters.values()], return_annotation=result
    )


def _command(
    session_id: str, name: str, args: Mapping[str, Any], options: WriteOptions
) -> Request[SessionResponse[SessionState]]:
    path = _path(session_id, name)
    return Request("POST", path, _session, _without_none(args), headers=_headers(options))


def _path(session_id: str, *more: str) -> str:
    return "/".join((SESSIONS, quote(session_id, safe=""), *more))


def _participant_path(session_id: str, participant_id: str) -> str:
    return _path(session_id, "participants", quote(participant_id, safe=""))


def _headers(options: WriteOptions) -> dict[str, str]:
    headers = {"Idempotency-Key": options.get("idempotency_key") or str(uuid4())}
    if "if_match" in options:
        headers["If-Match"] = _etag(options["if_match"])
    return headers


def _etag(version: int) -> str:
    return f'"{version}"'


def _without_none(args: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in args.items() if value is not None}


# How responses are read


def _session(response: Response) -> SessionResponse[SessionState]:
    body = response.body
    return SessionResponse(body["data"], body["timestamp"], body.get("events", []))


def _created_session(response: Response) -> SessionResponse[SessionState]:
    return replace(_session(response), links=response.body.get("links"))


def _session_if_modified(response: Response) -> SessionResponse[SessionState] | None:
    return None if response.status == NOT_MODIFIED else _session(response)


def _switch_result(response: Response) -> SessionResponse[SwitchResult]:
    body = response.body
    return SessionResponse(body["data"], body["timestamp"], body.get("events", []))


def _event_page(response: Response) -> EventPage:
    return cast(EventPage, response.body["data"])


def _minted_token(response: Response) -> MintedToken:
    return cast(MintedToken, response.body["data"])


def _server_time(response: Response) -> ServerTime:
    return cast(ServerTime, response.body)


def _nothing(_: Response) -> None:
    return None
