"""WebSocket route handlers: $connect, $default, $disconnect, and the welcome message.

Nothing can be posted to a connection before its $connect has returned, so $connect only
registers it and invokes another function to send the welcome message. Responses to
messages are posts too, because API Gateway discards what the function returns.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from typing import Any, Protocol, TypedDict

from ..auth.policy import Action, Bearer
from ..broadcast.connections_api.ports import ConnectionsApi, DeliveryStatus, Post
from ..core.commands import Switch
from ..core.errors import (
    Forbidden,
    KeysUnavailable,
    SessionNotFound,
    StoreUnavailable,
    Unauthenticated,
)
from ..engine.commit_loop import CommandResult
from ..engine.idempotency import IdempotentRequest, fingerprint
from ..engine.sync_engine import SyncEngine
from ..ports import (
    ConnectionContext,
    ConnectionRegistry,
    Heartbeat,
    RateLimitCheck,
    SessionStore,
)
from ..rate_limit.limiter import RateLimiter
from ..schemas import messages as socket
from ..schemas.errors import STATUS, InvalidRequest, Problem, problem
from ..schemas.pushes import session_deleted
from ..schemas.requests import read_session_id
from ..schemas.states import iso
from ..telemetry.log_context import append_keys
from ..telemetry.metrics import SILENT, Telemetry
from .connect_authorizer import AuthResult, ConnectAuthorizer

LOG = logging.getLogger("tickless")

ANSWER_WITHIN_SECONDS = 5.0
THROTTLED_SECONDS = 0.1
"""How long a function waits for a client that doesn't read its response (429)."""

PAGES_THROTTLED_SECONDS = 0.5
"""The same for a response of several pages: a slow reader needs time between them."""

WELCOME_WITHIN_SECONDS = 5.0
FIRST_RETRY_AFTER_SECONDS = 0.005
LONGEST_WAIT_SECONDS = 0.25

REQUIRED_ACTIONS = {"RECONNECT": Action.READ, "CLAIM": Action.CLAIM}
"""The action that each message other than a command requires; PING requires none."""


class WelcomeEvent(TypedDict):
    """The event of the function that sends the welcome message."""

    sessionId: str
    connectionId: str
    endpoint: str


class Greeter(Protocol):
    """Invokes the function that sends the welcome message, without waiting for it."""

    def invoke(self, greeting: WelcomeEvent) -> None: ...


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
        greeter: Greeter,
        connect_authorizer: ConnectAuthorizer | None = None,
        endpoint: str | None = None,
        telemetry: Telemetry = SILENT,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._store = store
        self._registry = registry
        self._api = api
        self._limits = limits
        self._greeter = greeter
        self._connect_authorizer = connect_authorizer or ConnectAuthorizer(store)
        self._endpoint = endpoint
        self._telemetry = telemetry
        self._monotonic = monotonic
        self._sleep = sleep

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
            entry = self._connect_authorizer.authorize(event, session_id)
            self._registry.register(session_id, connection_id, endpoint, bearer=entry.bearer)
        except (Unauthenticated, Forbidden) as error:
            return {"statusCode": STATUS[error.code]}
        except StoreUnavailable as error:
            LOG.warning("connection %s: not registered: %s", connection_id, error)
            return {"statusCode": STATUS[error.code]}
        except KeysUnavailable as error:
            LOG.error("connection %s: not authenticated: %s", connection_id, error)
            return {"statusCode": STATUS[error.code]}
        self._greeter.invoke(
            {"sessionId": session_id, "connectionId": connection_id, "endpoint": endpoint}
        )
        return _accepted(entry)

    def disconnect(self, event: Mapping[str, Any]) -> None:
        """$disconnect, best effort on AWS; connections it misses expire."""
        connection_id, _ = self._connection_of(event)
        try:
            self._registry.deregister(connection_id)
        except StoreUnavailable as error:
            LOG.warning("connection %s: not deregistered: %s", connection_id, error)

    def greet(self, greeting: WelcomeEvent) -> None:
        """Post CONNECTED until it is delivered, then read and post the state.

        In this order the client misses no update: commits after the read are broadcast
        to a connection that can be posted to.
        """
        session_id, connection_id = greeting["sessionId"], greeting["connectionId"]
        endpoint = greeting["endpoint"]
        append_keys(session_id=session_id, connection_id=connection_id)
        heartbeat_ms = self._registry.heartbeat_policy.heartbeat_ms
        connected = socket.connected(session_id, connection_id, heartbeat_ms, self._store.now_ms())
        give_up_at, wait_seconds = self._monotonic() + WELCOME_WITHIN_SECONDS, 0.0
        while (
            self._post(endpoint, connection_id, connected, limited_seconds=inf)
            is DeliveryStatus.GONE
        ):
            wait_seconds = min(LONGEST_WAIT_SECONDS, 2 * wait_seconds or FIRST_RETRY_AFTER_SECONDS)
            if self._monotonic() + wait_seconds > give_up_at:
                return
            if self._registry.session_of(connection_id) is None:
                # Disconnected before the welcome message was delivered.
                return
            self._sleep(wait_seconds * (0.5 + random.random() / 2))  # noqa: S311
        # A concurrent revocation could not close a connection that was not yet open.
        context = self._registry.context_of(connection_id)
        if context is None:
            self._api.delete(endpoint, connection_id, ANSWER_WITHIN_SECONDS)
            return
        try:
            outcome = self._engine.get_current_state(session_id, bearer=context.bearer)
        except SessionNotFound:
            return
        except Unauthenticated:
            self._close_revoked(endpoint, connection_id, self._store.now_ms())
            return
        pages = socket.state_sync(outcome.session, outcome.now_ms)
        self._post(endpoint, connection_id, *pages, limited_seconds=inf)

    def message(self, event: Mapping[str, Any]) -> None:
        """$default: read a message, handle it, post the response."""
        connection_id, endpoint = self._connection_of(event)
        text = str(event.get("body") or "")
        # The gateway's clock is the fallback when the store is unavailable or refuses the token.
        now_ms: int = event["requestContext"]["requestTimeEpoch"]
        limit_check: RateLimitCheck | None = None
        try:
            context = self._registry.context_of(connection_id)
            if context is None:
                # Swept but still open: the client has to reconnect.
                append_keys(code="SWEPT")
                self._api.delete(endpoint, connection_id, ANSWER_WITHIN_SECONDS)
                return
            session_id, bearer = context
            append_keys(session_id=session_id)
            self._connect_authorizer.expect(bearer)
            limit_check = self._limits.for_message(connection_id)
            heartbeat = self._registry.register(
                session_id, connection_id, endpoint, limit_check, bearer
            )
            now_ms = heartbeat.now_ms
            answers = self._answers(context, connection_id, text, heartbeat)
        except Unauthenticated:
            self._close_revoked(endpoint, connection_id, now_ms)
            return
        except Exception as error:
            if limit_check is not None and limit_check.counted_at_ms is not None:
                now_ms = limit_check.counted_at_ms
            answers = [self._refusal(connection_id, text, error, now_ms)]
        patience_s = THROTTLED_SECONDS if len(answers) == 1 else PAGES_THROTTLED_SECONDS
        self._post(endpoint, connection_id, *answers, limited_seconds=patience_s)

    def _answers(
        self, context: ConnectionContext, connection_id: str, text: str, heartbeat: Heartbeat
    ) -> list[bytes]:
        started = self._monotonic()
        session_id, bearer = context
        message = socket.read_message(text)
        append_keys(type=message.type)
        if bearer is not None and (action := REQUIRED_ACTIONS.get(message.type)) is not None:
            bearer.authorize(action, session_id)
        match message:
            case socket.Ping():
                return [self._pong(message, heartbeat, started)]
            case socket.Reconnect():
                return self._catch_up(session_id, message)
            case socket.Claim():
                return self._settle(session_id)
            case socket.CommandMessage():
                return [self._execute(session_id, connection_id, message, text, bearer)]

    def _pong(self, ping: socket.Ping, heartbeat: Heartbeat, started: float) -> bytes:
        passed_ms = round((self._monotonic() - started) * 1000)
        pong: socket.Pong = {
            "type": "PONG",
            "timestamp": heartbeat.now_ms + passed_ms,
            "clientTime": ping.clientTime,
            "receivedAt": heartbeat.now_ms,
        }
        if heartbeat.epoch is not None and heartbeat.version is not None:
            pong["epoch"], pong["version"] = heartbeat.epoch, heartbeat.version
            if heartbeat.updated_at_ms is not None:
                pong["updatedAt"] = iso(heartbeat.updated_at_ms)
        return socket.encode(pong)

    def _catch_up(self, session_id: str, known_state: socket.Reconnect) -> list[bytes]:
        try:
            outcome = self._engine.get_current_state(session_id)
        except SessionNotFound:
            # The session is deleted; the client may keep waiting for a new one.
            return [session_deleted(session_id, self._store.now_ms())]
        current = _current(session_id, outcome)
        if (
            (known_state.epoch, known_state.version) == (current["epoch"], current["version"])
            # A failover can lose a version, and a later commit reuse its number.
            and known_state.updatedAt in (None, current["updatedAt"])
        ):
            return [socket.encode(current)]
        return socket.state_sync(outcome.session, outcome.now_ms)

    def _settle(self, session_id: str) -> list[bytes]:
        outcome = self._engine.get_current_state(session_id)
        # A settled timeout was committed, so it was broadcast to this client too.
        return [] if outcome.events else [socket.encode(_current(session_id, outcome))]

    def _execute(
        self,
        session_id: str,
        connection_id: str,
        message: socket.CommandMessage,
        text: str,
        bearer: Bearer | None,
    ) -> bytes:
        append_keys(command=message.command)
        command = message.build()
        if bearer is not None:
            command = bearer.restrict(command)
        expected = message.expectedVersion
        return self._engine.execute_idempotent(
            session_id,
            command,
            IdempotentRequest(
                # Ids are unique per client only. An Idempotency-Key contains no space,
                # so the two can't collide.
                f"{connection_id} {message.id}",
                fingerprint("COMMAND", text.encode()),
                lambda outcome: _acknowledgement(message.id, outcome),
            ),
            expected_versions=None if expected is None else (expected,),
            limit_check=self._limits.for_switch(session_id)
            if isinstance(command, Switch)
            else None,
        )

    def _refusal(self, connection_id: str, text: str, error: Exception, now_ms: int) -> bytes:
        if isinstance(error, socket.InvalidMessage):
            code, reason = str(error.code), str(error)
        elif (found := problem(error)) is not None:
            code, reason = found.code, _reason(found)
        else:
            LOG.error("connection %s: %s", connection_id, error, exc_info=error)
            code, reason = "INTERNAL_ERROR", "Something went wrong on our side"
        append_keys(code=code)
        label = socket.read_label(text)
        if label.type is not None:
            append_keys(type=label.type)
        refusal: socket.ErrorMessage = {
            "type": "ERROR",
            "timestamp": now_ms,
            "code": code,
            "message": reason,
        }
        if label.id is not None:
            refusal["id"] = label.id
        return socket.encode(refusal)

    def _close_revoked(self, endpoint: str, connection_id: str, now_ms: int) -> None:
        """Send SESSION_FORBIDDEN to a connection whose token is no longer valid, and close it."""
        append_keys(code="SESSION_FORBIDDEN")
        self._post(endpoint, connection_id, socket.session_forbidden(now_ms))
        self._api.delete(endpoint, connection_id, ANSWER_WITHIN_SECONDS)
        with suppress(StoreUnavailable):
            # On failure the next sweep deregisters it.
            self._registry.deregister(connection_id)

    def _post(
        self,
        endpoint: str,
        connection_id: str,
        *messages: bytes,
        limited_seconds: float = THROTTLED_SECONDS,
    ) -> DeliveryStatus:
        """Post messages in order; returns the status of the last one.

        Gives up after ``limited_seconds`` of nothing but 429.
        """
        deadline_s = self._monotonic() + ANSWER_WITHIN_SECONDS
        posts = [Post(endpoint, connection_id, message, deadline_s) for message in messages]
        outcomes = self._api.post_all(posts, ANSWER_WITHIN_SECONDS, limited_seconds)
        self._telemetry.record_posts(Counter(outcomes))
        if not outcomes:
            return DeliveryStatus.DELIVERED
        if outcomes[-1] not in (DeliveryStatus.DELIVERED, DeliveryStatus.GONE):
            LOG.warning("connection %s: post %s", connection_id, outcomes[-1])
        return outcomes[-1]

    def _connection_of(self, event: Mapping[str, Any]) -> tuple[str, str]:
        """The connection's id and the endpoint it can be posted to."""
        context = event["requestContext"]
        endpoint = self._endpoint or f"https://{context['domainName']}/{context['stage']}"
        return context["connectionId"], endpoint


def _accepted(entry: AuthResult) -> dict[str, Any]:
    if entry.subprotocol is None:
        return {"statusCode": 200}
    return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": entry.subprotocol}}


def _acknowledgement(sent_as: str, outcome: CommandResult) -> bytes:
    return socket.encode(
        {
            "type": "ACK",
            "timestamp": outcome.now_ms,
            "id": sent_as,
            "version": outcome.session.version,
        }
    )


def _current(session_id: str, outcome: CommandResult) -> socket.Current:
    return {
        "type": "CURRENT",
        "timestamp": outcome.now_ms,
        "sessionId": session_id,
        "epoch": outcome.session.epoch,
        "version": outcome.session.version,
        "updatedAt": iso(outcome.session.updated_at_ms),
    }


def _reason(found: Problem) -> str:
    """The problem's message with the fields it names: socket errors have no details."""
    if not isinstance(found.details, list):
        return found.message
    return "; ".join(f"{one['field']}: {one['message']}" for one in found.details)
