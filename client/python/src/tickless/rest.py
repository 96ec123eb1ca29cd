"""REST for who waits: the calls of a server, over a connection that is kept.

Owns connections and waits, and decides nothing: what is sent, and whether once
more, is said in ``calls``. ``async_rest`` is the same for who awaits.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from . import calls
from .calls import TIMEOUT_S, Answer, Call, Options, Reply, Retries
from .errors import ApiError, NoAnswer
from .states import LogPage, MintedToken, Role, ServerTime, SessionState, SwitchResult

Read = TypeVar("Read")


class RestClient:
    """``url`` is where ``/v1`` is. ``token`` may be a function, asked before every request.

    Each method waits for the answer, and raises ApiError or NoAnswer. A ``transport`` is
    httpx's.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | Callable[[], str] | None = None,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._retries = retries or Retries()
        self._http = httpx.Client(timeout=TIMEOUT_S, transport=transport)
        self._sleep = sleep
        self._chance = chance

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()

    def create(
        self, session: Mapping[str, Any], **options: Unpack[Options]
    ) -> Answer[SessionState]:
        """Create a session; the same request again answers what has become of it."""
        return self._do(calls.create(session, options))

    def get(
        self, session_id: str, *, if_none_match: int | None = None
    ) -> Answer[SessionState] | None:
        """The state as of now; ``None`` if it is still of the version that is held."""
        return self._do(calls.get(session_id, if_none_match))

    def delete(self, session_id: str, **options: Unpack[Options]) -> None:
        """Make it gone, whether it was there or not."""
        self._do(calls.delete(session_id, options))

    def start(self, session_id: str, **options: Unpack[Options]) -> Answer[SessionState]:
        return self._command(session_id, "start", {}, options)

    def switch(
        self,
        session_id: str,
        *,
        next_participant_id: str | None = None,
        current_participant_id: str | None = None,
        **options: Unpack[Options],
    ) -> Answer[SwitchResult]:
        """End the running cycle, of whom ``current_participant_id`` names, and begin the next."""
        args = {
            "next_participant_id": next_participant_id,
            "current_participant_id": current_participant_id,
        }
        return self._do(calls.switch(session_id, args, options))

    def pause(
        self,
        session_id: str,
        *,
        current_participant_id: str | None = None,
        **options: Unpack[Options],
    ) -> Answer[SessionState]:
        args = {"current_participant_id": current_participant_id}
        return self._command(session_id, "pause", args, options)

    def resume(self, session_id: str, **options: Unpack[Options]) -> Answer[SessionState]:
        return self._command(session_id, "resume", {}, options)

    def complete(self, session_id: str, **options: Unpack[Options]) -> Answer[SessionState]:
        return self._command(session_id, "complete", {}, options)

    def cancel(self, session_id: str, **options: Unpack[Options]) -> Answer[SessionState]:
        return self._command(session_id, "cancel", {}, options)

    def undo(self, session_id: str, **options: Unpack[Options]) -> Answer[SessionState]:
        """Take back the last switch."""
        return self._command(session_id, "undo", {}, options)

    def adjust(
        self,
        session_id: str,
        delta_ms: int,
        *,
        participant_id: str | None = None,
        group_id: str | None = None,
        reason: str | None = None,
        **options: Unpack[Options],
    ) -> Answer[SessionState]:
        """Give a clock time, or take some."""
        args = {
            "delta_ms": delta_ms,
            "participant_id": participant_id,
            "group_id": group_id,
            "reason": reason,
        }
        return self._command(session_id, "adjust", args, options)

    def events(
        self, session_id: str, *, after: str | None = None, limit: int | None = None
    ) -> LogPage:
        """A page of the event log, which goes on after the id that its ``next`` is."""
        return self._do(calls.events(session_id, after, limit))

    def mint(
        self,
        session_id: str,
        role: Role,
        *,
        participant_id: str | None = None,
        expires_in_seconds: int | None = None,
    ) -> MintedToken:
        """Another token for a session, which holds no longer than that of this client."""
        return self._do(calls.mint(session_id, role, participant_id, expires_in_seconds))

    def revoke(self, session_id: str, token_id: str) -> None:
        """Have a token hold no more, and send away whoever is connected with it."""
        self._do(calls.revoke(session_id, token_id))

    def time(self) -> ServerTime:
        return self._do(calls.time())

    def _command(
        self, session_id: str, name: str, args: Mapping[str, Any], options: Options
    ) -> Answer[SessionState]:
        return self._do(calls.command(session_id, name, args, options))

    def _do(self, call: Call[Read]) -> Read:
        failures = 0
        while True:
            try:
                return call.result(self._exchange(call))
            except (ApiError, NoAnswer) as error:
                failures += 1
                wait_s = self._retries.wait_s(failures, error, self._chance())
                if wait_s is None:
                    raise
            self._sleep(wait_s)

    def _exchange(self, call: Call[Read]) -> Reply:
        try:
            token = self._token() if callable(self._token) else self._token
            answer = self._http.request(**call.request(self._url, token))
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise NoAnswer(call.idempotency_key) from error
        return call.reply(answer.status_code, answer.headers, answer.content)
