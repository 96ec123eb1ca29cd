"""What the WebSocket functions do: connect, message, disconnect, greet.

Nothing can be posted to a connection before its $connect has answered, so
$connect only registers it and has somebody else greet it. Answers to messages
are posts too, because API Gateway discards what a message's function returns.
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
from ..rate_limit.policy import RateLimiter
from ..schemas import messages as socket
from ..schemas.errors import STATUS, InvalidRequest, Problem, problem
from ..schemas.pushes import session_deleted
from ..schemas.requests import read_session_id
from ..schemas.states import iso
from ..telemetry.log_context import append_keys
from ..telemetry.ports import SILENT, Telemetry
from .connect_authorizer import AuthResult, ConnectAuthorizer

LOG = logging.getLogger("tickless")

ANSWER_WITHIN_SECONDS = 5.0
LIMITED_SECONDS = 0.1
"""Who asks and doesn't read keeps a function for so long; others wait for one meanwhile."""

PAGES_LIMITED_SECONDS = 0.5
"""Who reads slowly has no room for all pages at once, but should have for another one by then."""

GREET_WITHIN_SECONDS = 5.0
FIRST_GREETING_AFTER_SECONDS = 0.005
LONGEST_WAIT_SECONDS = 0.25

ASKED = {"RECONNECT": Action.READ, "CLAIM": Action.CLAIM}
"""What messages ask for that are no commands; a sign of life asks for nothing."""


class WelcomeEvent(TypedDict):
    """What the greeter is invoked with."""

    sessionId: str
    connectionId: str
    endpoint: str


class Greeter(Protocol):
    """Has the greeting carried out by another invocation, without waiting for it."""

    def invoke(self, greeting: WelcomeEvent) -> None: ...


class WebSocketHandlers:
    """The socket's side of the service; every method answers and raises nothing of its own."""

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
        """$connect: 200, or the status that refuses the handshake."""
        query = event.get("queryStringParameters") or {}
        try:
            session_id = read_session_id(query.get("sessionId", ""))
        except InvalidRequest:
            return {"statusCode": 400}
        connection_id, endpoint = self._place(event)
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
            LOG.error("connection %s: not let in: %s", connection_id, error)
            return {"statusCode": STATUS[error.code]}
        self._greeter.invoke(
            {"sessionId": session_id, "connectionId": connection_id, "endpoint": endpoint}
        )
        return _let_in(entry)

    def disconnect(self, event: Mapping[str, Any]) -> None:
        """$disconnect, which is best effort on AWS; what it misses expires by itself."""
        connection_id, _ = self._place(event)
        try:
            self._registry.deregister(connection_id)
        except StoreUnavailable as error:
            LOG.warning("connection %s: not forgotten: %s", connection_id, error)

    def greet(self, greeting: WelcomeEvent) -> None:
        """Say CONNECTED until it is heard, and only then look what there is to show.

        In this order no update can be missed: what is committed after the look
        is broadcast to a connection that can be posted to.
        """
        session_id, connection_id = greeting["sessionId"], greeting["connectionId"]
        endpoint = greeting["endpoint"]
        append_keys(session_id=session_id, connection_id=connection_id)
        heartbeat_ms = self._registry.heartbeat_policy.heartbeat_ms
        hello = socket.connected(session_id, connection_id, heartbeat_ms, self._store.now_ms())
        give_up_at, wait_seconds = self._monotonic() + GREET_WITHIN_SECONDS, 0.0
        while (
            self._post(endpoint, connection_id, hello, limited_seconds=inf) is DeliveryStatus.GONE
        ):
            wait_seconds = min(
                LONGEST_WAIT_SECONDS, 2 * wait_seconds or FIRST_GREETING_AFTER_SECONDS
            )
            if self._monotonic() + wait_seconds > give_up_at:
                return
            if self._registry.session_of(connection_id) is None:
                # It was gone before it could be greeted.
                return
            self._sleep(wait_seconds * (0.5 + random.random() / 2))  # noqa: S311
        # Whoever revoked its token meanwhile could not close what was not yet open.
        visit = self._registry.context_of(connection_id)
        if visit is None:
            self._api.delete(endpoint, connection_id, ANSWER_WITHIN_SECONDS)
            return
        try:
            outcome = self._engine.get_current_state(session_id, bearer=visit.bearer)
        except SessionNotFound:
            return
        except Unauthenticated:
            self._send_away(endpoint, connection_id, self._store.now_ms())
            return
        pages = socket.state_sync(outcome.session, outcome.now_ms)
        self._post(endpoint, connection_id, *pages, limited_seconds=inf)

    def message(self, event: Mapping[str, Any]) -> None:
        """$default: read a message, do what it asks for, post the answer."""
        connection_id, endpoint = self._place(event)
        text = str(event.get("body") or "")
        # Only while the store is away, or refuses a token, does the gateway's clock have to do.
        now_ms: int = event["requestContext"]["requestTimeEpoch"]
        limit_check: RateLimitCheck | None = None
        try:
            visit = self._registry.context_of(connection_id)
            if visit is None:
                # Swept, and yet alive: it has to begin anew.
                append_keys(code="SWEPT")
                self._api.delete(endpoint, connection_id, ANSWER_WITHIN_SECONDS)
                return
            session_id, bearer = visit
            append_keys(session_id=session_id)
            self._connect_authorizer.expect(bearer)
            limit_check = self._limits.for_message(connection_id)
            heard = self._registry.register(
                session_id, connection_id, endpoint, limit_check, bearer
            )
            now_ms = heard.now_ms
            answers = self._answers(visit, connection_id, text, heard)
        except Unauthenticated:
            self._send_away(endpoint, connection_id, now_ms)
            return
        except Exception as error:
            if limit_check is not None and limit_check.counted_at_ms is not None:
                now_ms = limit_check.counted_at_ms
            answers = [self._refusal(connection_id, text, error, now_ms)]
        patience_s = LIMITED_SECONDS if len(answers) == 1 else PAGES_LIMITED_SECONDS
        self._post(endpoint, connection_id, *answers, limited_seconds=patience_s)

    def _answers(
        self, visit: ConnectionContext, connection_id: str, text: str, heard: Heartbeat
    ) -> list[bytes]:
        started = self._monotonic()
        session_id, bearer = visit
        message = socket.read_message(text)
        append_keys(type=message.type)
        if bearer is not None and (action := ASKED.get(message.type)) is not None:
            bearer.authorize(action, session_id)
        match message:
            case socket.Ping():
                return [self._pong(message, heard, started)]
            case socket.Reconnect():
                return self._catch_up(session_id, message)
            case socket.Claim():
                return self._settle(session_id)
            case socket.CommandMessage():
                return [self._carry_out(session_id, connection_id, message, text, bearer)]

    def _pong(self, ping: socket.Ping, heard: Heartbeat, started: float) -> bytes:
        passed_ms = round((self._monotonic() - started) * 1000)
        pong: socket.Pong = {
            "type": "PONG",
            "timestamp": heard.now_ms + passed_ms,
            "clientTime": ping.clientTime,
            "receivedAt": heard.now_ms,
        }
        if heard.epoch is not None and heard.version is not None:
            pong["epoch"], pong["version"] = heard.epoch, heard.version
            if heard.updated_at_ms is not None:
                pong["updatedAt"] = iso(heard.updated_at_ms)
        return socket.encode(pong)

    def _catch_up(self, session_id: str, held: socket.Reconnect) -> list[bytes]:
        try:
            outcome = self._engine.get_current_state(session_id)
        except SessionNotFound:
            # Whatever the client holds is no more; it may go on waiting.
            return [session_deleted(session_id, self._store.now_ms())]
        current = _current(session_id, outcome)
        if (
            (held.epoch, held.version) == (current["epoch"], current["version"])
            # A version that a failover lost may have been followed by another of its number.
            and held.updatedAt in (None, current["updatedAt"])
        ):
            return [socket.encode(current)]
        return socket.state_sync(outcome.session, outcome.now_ms)

    def _settle(self, session_id: str) -> list[bytes]:
        outcome = self._engine.get_current_state(session_id)
        # What was due has been committed, and so everybody is told already.
        return [] if outcome.events else [socket.encode(_current(session_id, outcome))]

    def _carry_out(
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
                # Ids are a client's own; two clients may well count from 1. No
                # Idempotency-Key has a space in it.
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

    def _send_away(self, endpoint: str, connection_id: str, now_ms: int) -> None:
        """Close a connection whose token holds no more, and tell it why."""
        append_keys(code="SESSION_FORBIDDEN")
        self._post(endpoint, connection_id, socket.session_forbidden(now_ms))
        self._api.delete(endpoint, connection_id, ANSWER_WITHIN_SECONDS)
        with suppress(StoreUnavailable):
            # Else the next sweep does it.
            self._registry.deregister(connection_id)

    def _post(
        self,
        endpoint: str,
        connection_id: str,
        *messages: bytes,
        limited_seconds: float = LIMITED_SECONDS,
    ) -> DeliveryStatus:
        """Post in this order; what became of the last one.

        Given up once it is answered 429 for ``limited_seconds`` and nothing comes through.
        """
        deadline_s = self._monotonic() + ANSWER_WITHIN_SECONDS
        posts = [Post(endpoint, connection_id, message, deadline_s) for message in messages]
        outcomes = self._api.post_all(posts, ANSWER_WITHIN_SECONDS, limited_seconds)
        self._telemetry.posted(Counter(outcomes))
        if not outcomes:
            return DeliveryStatus.DELIVERED
        if outcomes[-1] not in (DeliveryStatus.DELIVERED, DeliveryStatus.GONE):
            LOG.warning("connection %s: post %s", connection_id, outcomes[-1])
        return outcomes[-1]

    def _place(self, event: Mapping[str, Any]) -> tuple[str, str]:
        """The id of the event's connection, and where that can be posted to."""
        context = event["requestContext"]
        endpoint = self._endpoint or f"https://{context['domainName']}/{context['stage']}"
        return context["connectionId"], endpoint


def _let_in(entry: AuthResult) -> dict[str, Any]:
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
    """The message of a problem, and which fields it is about: a socket's error has no details."""
    if not isinstance(found.details, list):
        return found.message
    return "; ".join(f"{one['field']}: {one['message']}" for one in found.details)
