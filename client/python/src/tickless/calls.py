"""What is asked over REST and how answers are read, without a connection.

Owns paths, headers, and whether and when a request may be sent again. Whatever
has an effect carries an Idempotency-Key, so that sending it again is safe.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar, cast
from urllib.parse import quote
from uuid import uuid4

from .errors import ApiError, NoAnswer, api_error
from .states import (
    Links,
    LogPage,
    MintedToken,
    Role,
    ServerTime,
    SessionEvent,
    SessionState,
    SwitchResult,
)

TIMEOUT_S = 10.0
NOT_MODIFIED = 304
SESSIONS = "/v1/sessions"

Read = TypeVar("Read")
Data = TypeVar("Data", SessionState, SwitchResult)


class Options(TypedDict):
    """``if_match`` is the version a command is meant for; the key is a new UUID unless given."""

    if_match: NotRequired[int]
    idempotency_key: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Answer(Generic[Data]):
    """A session as of ``timestamp``, the server's time, and what the request made happen.

    ``links`` come with a creation where the API asks for tokens, and no print shows them.
    """

    data: Data
    timestamp: int
    events: list[SessionEvent]
    links: Links | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``body`` is the JSON, or ``None`` where there was none."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Call(Generic[Read]):
    """One request, however often it is sent."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    read: Callable[[Reply], Read]
    body: Mapping[str, Any] | None = None
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def idempotency_key(self) -> str | None:
        return self.headers.get("Idempotency-Key")

    def request(self, url: str, token: str | None) -> dict[str, Any]:
        """The arguments of httpx's ``request``; each time the same, byte for byte."""
        own = {} if self.body is None else {"Content-Type": "application/json"}
        bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
        return {
            "method": self.method,
            "url": f"{url}{self.path}",
            "params": self.params,
            "content": None if self.body is None else json.dumps(self.body).encode(),
            "headers": {**self.headers, **own, **bearer},
        }

    def reply(self, status: int, headers: Mapping[str, str], content: bytes) -> Reply:
        """What came back, read; whoever is in between may answer with anything."""
        try:
            body = json.loads(content) if content else None
        except ValueError as error:
            if status < 300:
                raise NoAnswer(self.idempotency_key) from error
            body = None
        return Reply(status, headers, body)

    def result(self, reply: Reply) -> Read:
        """What the answer says.

        Raises:
            ApiError: It says no.
        """
        if reply.status >= 300 and reply.status != NOT_MODIFIED:
            raise api_error(reply.status, reply.headers, reply.body)
        return self.read(reply)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and after what delays a request is sent again.

    It is where no answer came, and where one says that it may help: 429, and a 5xx. Waits are
    a random part of a delay that doubles, and no shorter than the server says. Where that is
    longer than ``longest_s``, it is for the caller to decide.
    """

    tries: int = 4
    first_s: float = 0.2
    longest_s: float = 5.0

    def wait_s(self, failures: int, error: ApiError | NoAnswer, chance: float) -> float | None:
        """How long to wait after so many failures; ``None`` if it is not to be sent again."""
        told_s = 0.0
        if isinstance(error, ApiError):
            if error.status != 429 and error.status < 500:
                return None
            told_s = error.retry_after_s or 0.0
        if failures >= self.tries or told_s > self.longest_s:
            return None
        return told_s + chance * min(self.longest_s, self.first_s * 2.0 ** (failures - 1))


def create(session: Mapping[str, Any], options: Options) -> Call[Answer[SessionState]]:
    return Call("POST", SESSIONS, _created, session, headers=_headers(options))


def get(session_id: str, if_none_match: int | None) -> Call[Answer[SessionState] | None]:
    headers = {} if if_none_match is None else {"If-None-Match": _tag(if_none_match)}
    return Call("GET", _path(session_id), _state_if_new, headers=headers)


def command(
    session_id: str, name: str, args: Mapping[str, Any], options: Options
) -> Call[Answer[SessionState]]:
    """Any command but ``switch``; arguments that are ``None`` are left out."""
    path = _path(session_id, name)
    return Call("POST", path, _state, _given(args), headers=_headers(options))


def switch(
    session_id: str, args: Mapping[str, Any], options: Options
) -> Call[Answer[SwitchResult]]:
    path = _path(session_id, "switch")
    return Call("POST", path, _switched, _given(args), headers=_headers(options))


def delete(session_id: str, options: Options) -> Call[None]:
    return Call("DELETE", _path(session_id), _nothing, headers=_headers(options))


def events(session_id: str, after: str | None, limit: int | None) -> Call[LogPage]:
    params = _given({"after": after, "limit": limit})
    return Call("GET", _path(session_id, "events"), _page, params=params)


def mint(
    session_id: str, role: Role, participant_id: str | None, expires_in_seconds: int | None
) -> Call[MintedToken]:
    wanted = {"participant_id": participant_id, "expires_in_seconds": expires_in_seconds}
    return Call("POST", _path(session_id, "tokens"), _minted, {"role": role, **_given(wanted)})


def revoke(session_id: str, token_id: str) -> Call[None]:
    return Call("DELETE", _path(session_id, "tokens", quote(token_id, safe="")), _nothing)


def time() -> Call[ServerTime]:
    return Call("GET", "/v1/time", _time)


def _path(session_id: str, *more: str) -> str:
    return "/".join((SESSIONS, quote(session_id, safe=""), *more))


def _headers(options: Options) -> dict[str, str]:
    headers = {"Idempotency-Key": options.get("idempotency_key") or str(uuid4())}
    if "if_match" in options:
        headers["If-Match"] = _tag(options["if_match"])
    return headers


def _tag(version: int) -> str:
    return f'"{version}"'


def _given(args: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in args.items() if value is not None}


def _state(reply: Reply) -> Answer[SessionState]:
    return Answer(reply.body["data"], reply.body["timestamp"], reply.body.get("events", []))


def _created(reply: Reply) -> Answer[SessionState]:
    return replace(_state(reply), links=reply.body.get("links"))


def _minted(reply: Reply) -> MintedToken:
    return cast(MintedToken, reply.body["data"])


def _state_if_new(reply: Reply) -> Answer[SessionState] | None:
    return None if reply.status == NOT_MODIFIED else _state(reply)


def _switched(reply: Reply) -> Answer[SwitchResult]:
    return Answer(reply.body["data"], reply.body["timestamp"], reply.body.get("events", []))


def _nothing(_: Reply) -> None:
    return None


def _page(reply: Reply) -> LogPage:
    return cast(LogPage, reply.body["data"])


def _time(reply: Reply) -> ServerTime:
    return cast(ServerTime, reply.body)
