"""Connect authorizer: checks a WebSocket handshake's token and origin.

Browsers can't send an Authorization header with a WebSocket, so the token comes as a
subprotocol, ``bearer.<token>``, or in the query. Owns where to find both in the event;
the TokenAuthenticator and the store decide whether a token is valid.

https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-connect-route-subprotocol.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..auth.policy import Action, Bearer
from ..core.errors import Forbidden, Unauthenticated
from ..ports import SessionStore

if TYPE_CHECKING:
    from ..auth.authenticator import TokenAuthenticator

SUBPROTOCOL = "bearer."


@dataclass(frozen=True, slots=True)
class AuthResult:
    """An authorized handshake; ``subprotocol`` must be echoed in the response."""

    bearer: Bearer | None = None
    subprotocol: str | None = None


class ConnectAuthorizer:
    """Requires tokens if ``open_authenticator`` is given; it is called for each token."""

    def __init__(
        self,
        store: SessionStore,
        open_authenticator: Callable[[], TokenAuthenticator] | None = None,
        allowed_origins: Collection[str] = (),
    ) -> None:
        self._store = store
        self._open_authenticator = open_authenticator
        self._allowed_origins = allowed_origins

    def authorize(self, event: Mapping[str, Any], session_id: str) -> AuthResult:
        """Authorize a handshake to watch the session.

        Raises:
            Unauthenticated: The token is missing, invalid, expired or revoked.
            Forbidden: The token is for another session, or the origin is not allowed.
            KeysUnavailable: The signing keys can't be fetched.
            StoreUnavailable: The store can't be reached.
        """
        origin = _header(event, "origin")
        # Only browsers send Origin, and only they are exposed to cross-site requests.
        allowed = self._allowed_origins
        if origin is not None and allowed and origin.lower() not in allowed:
            raise Forbidden
        subprotocol = _offered(event)
        if self._open_authenticator is None:
            return AuthResult(subprotocol=subprotocol)
        bearer = self._open_authenticator().authenticate(_token(event, subprotocol))
        bearer.authorize(Action.WATCH, session_id)
        # Before anything is written: a refused handshake must leave no trace.
        self._store.authorize(session_id, bearer)
        return AuthResult(bearer, subprotocol)

    def require_bearer(self, bearer: Bearer | None) -> None:
        """Require a bearer if tokens are required.

        Raises:
            Unauthenticated: The connection was opened while no tokens were required.
        """
        if bearer is None and self._open_authenticator is not None:
            raise Unauthenticated


def _token(event: Mapping[str, Any], subprotocol: str | None) -> str | None:
    if subprotocol is not None:
        return subprotocol.removeprefix(SUBPROTOCOL)
    token: str | None = (event.get("queryStringParameters") or {}).get("token")
    return token


def _offered(event: Mapping[str, Any]) -> str | None:
    """The subprotocol with the token; browsers require the response to echo it."""
    offered = (_header(event, "sec-websocket-protocol") or "").split(",")
    return next((one.strip() for one in offered if one.strip().startswith(SUBPROTOCOL)), None)


def _header(event: Mapping[str, Any], wanted: str) -> str | None:
    """A header's value; API Gateway keeps the case of the client's header names."""
    headers: Mapping[str, str] = event.get("headers") or {}
    return next((value for name, value in headers.items() if name.lower() == wanted), None)
