"""WebSocket route handlers: $connect, $default, $disconnect, and the welcome message.

``replies`` decides what a message is answered with. Replies are posts, because API Gateway discards
what the function returns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..broadcast.connections_api.ports import ConnectionsApi
from ..core.errors import Forbidden, KeysUnavailable, StoreUnavailable, Unauthenticated
from ..engine.sync_engine import SyncEngine
from ..ports import ConnectionRegistry, RateLimitCheck, SessionStore
from ..rate_limit.limiter import RateLimiter
from ..schemas.errors import STATUS, InvalidRequest
from ..schemas.requests import read_session_id
from ..telemetry.log_context import append_keys
from ..telemetry.metrics import SILENT, Telemetry
from .connect_authorizer import AuthResult, ConnectAuthorizer
from .poster import THROTTLED_SECONDS, Poster
from .replies import Replies
from .welcome import WelcomeEvent, WelcomeInvoker, WelcomeSender

LOG = logging.getLogger("tickless")

PAGES_THROTTLED_SECONDS = 0.5
"""THROTTLED_SECONDS for a reply of several pages: a slow reader needs time between them."""


class WebSocketHandlers:
    """Handlers of the WebSocket API. Errors become status codes or ERROR messages."""

    def __init__(
        self,
        *,
        engine: SyncEngine,
        store: SessionStore,
        registry: ConnectionRegistry,
        api: ConnectionsApi,
        limits: RateLimiter,
        welcome_invoker: WelcomeInvoker,
        connect_authorizer: ConnectAuthorizer | None = None,
        endpoint: str | None = None,
        telemetry: Telemetry = SILENT,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._registry = registry
        self._limits = limits
        self._welcome_invoker = welcome_invoker
        self._connect_authorizer = connect_authorizer or ConnectAuthorizer(store)
        self._endpoint = endpoint
        self._poster = Poster(api, registry, telemetry, monotonic)
        self._replies = Replies(engine, limits, monotonic)
        self._welcome = WelcomeSender(engine, store, registry, self._poster, monotonic, sleep)

    def connect(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """$connect: 200, or the status code that rejects the handshake."""
        query = event.get("queryStringParameters") or {}
        try:
            session_id = read_session_id(query.get("sessionId", ""))
        except InvalidRequest:
            return {"statusCode": 400}
        connection_id, endpoint = self._connection_of(event)
        append_keys(session_id=session_id)
        try:
            authorized = self._connect_authorizer.authorize(event, session_id)
            self._registry.register(session_id, connection_id, endpoint, bearer=authorized.bearer)
        except (Unauthenticated, Forbidden) as error:
            return {"statusCode": STATUS[error.code]}
        except StoreUnavailable as error:
            LOG.warning("connection %s: not registered: %s", connection_id, error)
            return {"statusCode": STATUS[error.code]}
        except KeysUnavailable as error:
            LOG.error("connection %s: not authenticated: %s", connection_id, error)
            return {"statusCode": STATUS[error.code]}
        self._welcome_invoker.invoke(
            {"sessionId": session_id, "connectionId": connection_id, "endpoint": endpoint}
        )
        return _accepted(authorized)

    def disconnect(self, event: Mapping[str, Any]) -> None:
        """$disconnect, best effort on AWS; connections it misses expire."""
        connection_id, _ = self._connection_of(event)
        try:
            self._registry.deregister(connection_id)
        except StoreUnavailable as error:
            LOG.warning("connection %s: not deregistered: %s", connection_id, error)

    def send_welcome(self, event: WelcomeEvent) -> None:
        """The function that $connect invokes: send the welcome message."""
        self._welcome.send(event)

    def message(self, event: Mapping[str, Any]) -> None:
        """$default: read a message, handle it, post the response."""
        connection_id, endpoint = self._connection_of(event)
        text = str(event.get("body") or "")
        # The gateway's clock is the fallback when the store is unavailable or refuses the token.
        now_ms: int = event["requestContext"]["requestTimeEpoch"]
        limit_check: RateLimitCheck | None = None
        try:
            context = self._registry.renew(connection_id)
            if context is None:
                self._close_unregistered(endpoint, connection_id)
                return
            session_id, bearer = context
            append_keys(session_id=session_id)
            self._connect_authorizer.require_bearer(bearer)
            limit_check = self._limits.for_message(connection_id)
            heartbeat = self._registry.record_heartbeat(
                session_id, connection_id, endpoint, limit_check, bearer
            )
            if heartbeat is None:
                self._close_unregistered(endpoint, connection_id)
                return
            now_ms = heartbeat.now_ms
            replies = self._replies.to(text, context, connection_id, heartbeat)
        except Unauthenticated:
            self._poster.close_revoked(endpoint, connection_id, now_ms)
            return
        except Exception as error:
            if limit_check is not None and limit_check.counted_at_ms is not None:
                now_ms = limit_check.counted_at_ms
            replies = [self._replies.to_error(text, error, connection_id, now_ms)]
        throttled_s = THROTTLED_SECONDS if len(replies) == 1 else PAGES_THROTTLED_SECONDS
        self._poster.post(endpoint, connection_id, *replies, max_throttled_seconds=throttled_s)

    def _close_unregistered(self, endpoint: str, connection_id: str) -> None:
        """Close a connection that was swept, so that its client reconnects, or has just left."""
        append_keys(code="SWEPT")
        self._poster.close(endpoint, connection_id)

    def _connection_of(self, event: Mapping[str, Any]) -> tuple[str, str]:
        """The connection's id and the endpoint it can be posted to."""
        context = event["requestContext"]
        endpoint = self._endpoint or f"https://{context['domainName']}/{context['stage']}"
        return context["connectionId"], endpoint


def _accepted(authorized: AuthResult) -> dict[str, Any]:
    if authorized.subprotocol is None:
        return {"statusCode": 200}
    return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": authorized.subprotocol}}
