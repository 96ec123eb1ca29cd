"""Requests to sessions: the caller's rights, the headers, and the rate limit that applies.

Owns when a request is authorized and counted. Whatever comes of it, the response carries the
RateLimit headers. ``schemas.requests`` parses and validates the body.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from chalice.app import Request, Response
from pydantic_core import from_json, to_json

from ..core.commands import Command
from ..engine.idempotency import IdempotentRequest, fingerprint
from ..schemas import conditions
from ..schemas.errors import PayloadTooLarge
from ..schemas.fields import Request as Fields
from ..schemas.requests import invalid_session_id, parse_session_id, read
from ..telemetry.log_context import append_keys

if TYPE_CHECKING:
    from ..auth.policy import Action, Bearer
    from ..container import Container
    from ..engine.commit_loop import CommandResult
    from ..rate_limit.limiter import RateLimitCheck

Model = TypeVar("Model", bound=Fields)

BODY_BYTES = 1024 * 1024
KEEP_RESPONSES_MS = 24 * 60 * 60_000
REFUSED_FROM = 400


class SessionRequest:
    """One request to a session, or for one.

    ``session_id`` is the path's, in lower case; empty where the path has none. ``bearer`` is the
    token's, None with AUTH=off. ``limit_check`` is the limit that the engine counts it against.
    """

    def __init__(self, request: Request, container: Container) -> None:
        self.http = request
        self.session_id = ""
        self.bearer: Bearer | None = None
        self._container = container
        # The address that API Gateway saw: anyone can write an X-Forwarded-For.
        address = request.context["identity"]["sourceIp"]
        self._address_check = container.limits.for_request(address)
        self.limit_check = self._address_check

    def authorize(self, action: Action, session_id: str | None) -> None:
        """Check the token, then the session id of the path.

        Raises:
            Unauthenticated: There is no token that we have signed.
            Forbidden: It does not allow the action, whether the session exists or not.
            InvalidRequest: The session id is not a UUID.
        """
        parsed = None if session_id is None else parse_session_id(session_id)
        if parsed is not None:
            append_keys(session_id=parsed)
            self.session_id = parsed
        authenticator = self._container.authenticator
        if authenticator is not None:
            self.bearer = authenticator.authenticate(_token(self._header("Authorization")))
            self.bearer.authorize(action, session_id.lower() if session_id is not None else None)
        if session_id is not None and parsed is None:
            raise invalid_session_id()

    def body(self, model: type[Model]) -> Model:
        """The request's body as a model.

        Raises:
            PayloadTooLarge: It is above 1 MiB.
            MalformedJson: It is not JSON.
            InvalidRequest: It is not what the model wants.
        """
        raw = cast(bytes, self.http.raw_body)
        if len(raw) > BODY_BYTES:
            raise PayloadTooLarge(BODY_BYTES)
        return read(model, raw)

    def restrict(self, command: Command) -> Command:
        """The command as the caller may give it.

        Raises:
            Forbidden: It names another participant's cycle.
        """
        return command if self.bearer is None else self.bearer.restrict(command)

    def count_as_switch(self) -> None:
        """Count it against its session's limit; against its address's only if nothing switches."""
        self.limit_check = self._container.limits.for_switch(self.session_id)

    def expected_versions(self) -> Collection[int] | None:
        """The versions of If-Match; None without that header."""
        if_match = self._header("If-Match")
        return None if if_match is None else conditions.expected_versions(if_match)

    def cached_versions(self) -> Collection[int]:
        """The versions of If-None-Match."""
        if_none_match = self._header("If-None-Match")
        return () if if_none_match is None else conditions.cached_versions(if_none_match)

    def idempotency(self, respond: Callable[[CommandResult], Response]) -> IdempotentRequest | None:
        """What identifies this request when it is repeated; None without an Idempotency-Key."""
        header = self._header("Idempotency-Key")
        if header is None:
            return None
        key = conditions.idempotency_key(header)
        request, owner = self.http, self.bearer and self.bearer.participant_id
        return IdempotentRequest(
            # Participants have keys of their own: one cannot swallow another's request.
            key if owner is None else f"{owner} {key}",
            fingerprint(f"{request.method} {request.path}", cast(bytes, request.raw_body)),
            lambda result: pack(respond(result)),
            KEEP_RESPONSES_MS,
        )

    def count_refused(self, response: Response) -> None:
        """Count against its address what was refused before it was counted, and no switch.

        Raises:
            RateLimited: It exceeds the limit.
        """
        # Where switches have no limit, one that is carried out counts against none.
        is_free = self.limit_check is None and response.status_code < REFUSED_FROM
        check = self._address_check
        if check is None or is_free or any(one.is_resolved for one in self._limit_checks):
            return
        self._container.store.count_request(check)

    def rate_limit_headers(self) -> Mapping[str, str]:
        """The RateLimit headers of the limit it was counted against, if it was."""
        quota = next((one.quota for one in self._limit_checks if one.quota is not None), None)
        if quota is None:
            return {}
        return {
            "RateLimit-Limit": str(quota.limit),
            "RateLimit-Remaining": str(quota.remaining),
            "RateLimit-Reset": str(quota.reset_seconds),
        }

    @property
    def _limit_checks(self) -> list[RateLimitCheck]:
        return [one for one in (self.limit_check, self._address_check) if one is not None]

    def _header(self, name: str) -> str | None:
        """A header's value; the values of a repeated header, joined by commas."""
        value: str | None = self.http.headers.get(name)
        if value is None:
            return None
        # `chalice local` has no multiValueHeaders.
        values_by_name: Mapping[str, list[str]] = self.http.to_original_event().get(
            "multiValueHeaders", {name: [value]}
        )
        return ", ".join(
            one
            for given, values in values_by_name.items()
            if given.lower() == name.lower()
            for one in values
        )


def _token(header: str | None) -> str | None:
    """The token of an Authorization header (RFC 6750, 2.1)."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def pack(response: Response) -> bytes:
    """A response as it is stored: states are repetitive, and compress to a fraction."""
    head = to_json([response.status_code, response.headers])
    return zlib.compress(head + b"\n" + cast(str, response.body).encode(), level=1)


def unpack(stored: bytes) -> Response:
    """The stored response."""
    head, _, body = zlib.decompress(stored).partition(b"\n")
    status, headers = cast(tuple[int, dict[str, Any]], from_json(head))
    return Response(body.decode(), headers, status)
