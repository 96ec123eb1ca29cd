"""Whom a handshake lets in: its token, and the page it comes from.

Browsers can't give a WebSocket an Authorization header, so the token comes as
a subprotocol, ``bearer.<token>``, or in the query. Owns where they stand in the
event; whether a token is good is the gate's to say and the store's.

https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-connect-route-subprotocol.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..auth.policy import Action, Bearer
from ..core.errors import Forbidden, Unauthenticated
from ..ports import SessionStore

SUBPROTOCOL = "bearer."


class TokenAuthenticator(Protocol):
    """Says whom a token names."""

    def authenticate(self, token: str | None) -> Bearer:
        """Raises Unauthenticated of what is no token of ours, or KeysUnavailable."""


@dataclass(frozen=True, slots=True)
class AuthResult:
    """Somebody who may come in; ``subprotocol`` is the one he is to be answered with."""

    bearer: Bearer | None = None
    subprotocol: str | None = None


class ConnectAuthorizer:
    """Asks for tokens where there is a gate; ``open_gate`` is called once there is one to read."""

    def __init__(
        self,
        store: SessionStore,
        open_authenticator: Callable[[], TokenAuthenticator] | None = None,
        allowed_origins: Collection[str] = (),
    ) -> None:
        self._store = store
        self._open_gate = open_authenticator
        self._allowed_origins = allowed_origins

    def admit(self, event: Mapping[str, Any], session_id: str) -> AuthResult:
        """Go on, if this handshake may watch the session.

        Raises:
            Unauthenticated: There is no token, or none that holds.
            Forbidden: It opens another session, or comes from a page that is not allowed.
            KeysUnavailable: Nobody can say whether it is one of ours.
            StoreUnavailable: Nobody can say whether it holds.
        """
        origin = _header(event, "origin")
        # Only browsers send it, and only they can be made to connect against their will.
        allowed = self._allowed_origins
        if origin is not None and allowed and origin.lower() not in allowed:
            raise Forbidden
        subprotocol = _offered(event)
        if self._open_gate is None:
            return AuthResult(subprotocol=subprotocol)
        bearer = self._open_gate().authenticate(_token(event, subprotocol))
        bearer.authorize(Action.WATCH, session_id)
        # Before anything is written: who is refused leaves no trace.
        self._store.admit(session_id, bearer)
        return AuthResult(bearer, subprotocol)

    def expect(self, bearer: Bearer | None) -> None:
        """Go on, if a connection with this bearer may be here at all.

        Raises:
            Unauthenticated: It was let in while nobody was asked for a token.
        """
        if bearer is None and self._open_gate is not None:
            raise Unauthenticated


def _token(event: Mapping[str, Any], subprotocol: str | None) -> str | None:
    if subprotocol is not None:
        return subprotocol.removeprefix(SUBPROTOCOL)
    token: str | None = (event.get("queryStringParameters") or {}).get("token")
    return token


def _offered(event: Mapping[str, Any]) -> str | None:
    """The subprotocol that has a token in it; a browser insists on hearing it again."""
    offered = (_header(event, "sec-websocket-protocol") or "").split(",")
    return next((one.strip() for one in offered if one.strip().startswith(SUBPROTOCOL)), None)


def _header(event: Mapping[str, Any], wanted: str) -> str | None:
    """A header's value; names come in the case that the client gave them."""
    headers: Mapping[str, str] = event.get("headers") or {}
    return next((value for name, value in headers.items() if name.lower() == wanted), None)
