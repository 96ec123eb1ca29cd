"""Calls of sessions: who may make them, what their headers say, and what limit they count against.

A view of such a resource is given its call. Whatever becomes of it, the answer
tells what is left of the limit.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any, cast

from chalice.app import Request, Response
from pydantic_core import from_json, to_json

from ..auth.policy import Action, Bearer
from ..container import container
from ..core.commands import Command
from ..engine.idempotency import IdempotentRequest, Outcome, fingerprint
from ..ports import RateLimitCheck
from ..schemas import conditions
from .responses import Resource, View

KEEP_REPLIES_MS = 24 * 60 * 60_000
REFUSED_FROM, FAILED_FROM = 400, 500


class Call:
    """One request to a session, or for one."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.bearer: Bearer | None = None
        # The address that API Gateway itself saw: what X-Forwarded-For says, anybody can say.
        self._of_address = container().limits.for_request(request.context["identity"]["sourceIp"])
        self.limit_check = self._of_address

    def authorize(self, action: Action, session_id: str | None) -> None:
        """Go on, if whoever calls may do this to the session, or to one that is none yet.

        Raises:
            Unauthenticated: He has no token that we have signed.
            Forbidden: It does not allow this, whether there is such a session or not.
        """
        authenticator = container().authenticator
        if authenticator is None:
            return
        self.bearer = authenticator.authenticate(_token(self._header("Authorization")))
        self.bearer.authorize(action, session_id.lower() if session_id is not None else None)

    def restrict(self, command: Command) -> Command:
        """The command, as whoever calls may give it."""
        return command if self.bearer is None else self.bearer.restrict(command)

    def counts_as_switch_of(self, session_id: str) -> None:
        """Count this call for its session; for its address only if nothing is switched."""
        self.limit_check = container().limits.for_switch(session_id)

    def expected_versions(self) -> Collection[int] | None:
        return conditions.expected_versions(self._header("If-Match"))

    def cached_versions(self) -> Collection[int]:
        return conditions.cached_versions(self._header("If-None-Match"))

    def idempotency(self, answer: Callable[[Outcome], Response]) -> IdempotentRequest | None:
        """How this call is known again; None if it brings no key."""
        key = conditions.idempotency_key(self._header("Idempotency-Key"))
        if key is None:
            return None
        request, owner = self.request, self.bearer and self.bearer.participant_id
        return IdempotentRequest(
            # A participant's keys are his own: nobody swallows what another asks for.
            key if owner is None else f"{owner} {key}",
            fingerprint(f"{request.method} {request.path}", cast(bytes, request.raw_body)),
            lambda outcome: packed(answer(outcome)),
            KEEP_REPLIES_MS,
        )

    def count_uncounted(self, response: Response) -> None:
        """Count for its address what nothing else has counted: refused early, or no switch.

        Raises:
            RateLimited: It was one too many.
        """
        # Where switches have no limit, one that is carried out counts for nobody.
        is_free = self.limit_check is None and response.status_code < REFUSED_FROM
        limit_check = self._of_address
        if limit_check is None or is_free or any(one.is_resolved for one in self._charges):
            return
        container().store.count(limit_check)
        limit_check.enforce()

    def rate_limit_headers(self) -> Mapping[str, str]:
        """What is left of the limit that it was counted against; of one at most it was."""
        quota = next((one.quota for one in self._charges if one.quota is not None), None)
        if quota is None:
            return {}
        return {
            "RateLimit-Limit": str(quota.limit),
            "RateLimit-Remaining": str(quota.remaining),
            "RateLimit-Reset": str(quota.reset_seconds),
        }

    @property
    def _charges(self) -> list[RateLimitCheck]:
        return [one for one in (self.limit_check, self._of_address) if one is not None]

    def _header(self, name: str) -> str | None:
        """A header's value; the values of one that came more than once, joined by commas."""
        value: str | None = self.request.headers.get(name)
        if value is None:
            return None
        # `chalice local` knows of no header that comes twice.
        several: Mapping[str, list[str]] = self.request.to_original_event().get(
            "multiValueHeaders", {name: [value]}
        )
        return ", ".join(
            one
            for given, values in several.items()
            if given.lower() == name.lower()
            for one in values
        )


class CountedResource(Resource):
    """A Resource whose views take the call, and whose calls count against a limit."""

    def view(
        self, path: str, *methods: str, action: Action | None = None
    ) -> Callable[[View], View]:
        """Register a view that carries out ``action``, for whoever may."""
        register = super().view(path, *methods)
        if action is None:
            raise TypeError(f"{path} does not say what it does")

        def counted(view: View) -> View:
            def admitted(call: Call, **arguments: str) -> Response:
                call.authorize(action, arguments.get("session_id"))
                return view(call, **arguments)

            @wraps(view)
            def called(**arguments: str) -> Response:
                call = Call(self.current_request)
                response = self.answer(lambda: admitted(call, **arguments))
                if response.status_code < FAILED_FROM:
                    response = self.answer(lambda: _counted(call, response))
                response.headers.update(call.rate_limit_headers())
                return response

            register(called)
            return view

        return counted


def _token(header: str | None) -> str | None:
    """The token of an Authorization header (RFC 6750, 2.1)."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _counted(call: Call, response: Response) -> Response:
    call.count_uncounted(response)
    return response


def packed(response: Response) -> bytes:
    """An answer to be kept: states repeat themselves, and shrink to a fraction."""
    head = to_json([response.status_code, response.headers])
    return zlib.compress(head + b"\n" + cast(str, response.body).encode(), level=1)


def unpacked(kept: bytes) -> Response:
    """The very answer that was kept."""
    head, _, body = zlib.decompress(kept).partition(b"\n")
    status, headers = cast(tuple[int, dict[str, Any]], from_json(head))
    return Response(body.decode(), headers, status)
