"""The welcome message: CONNECTED and the state, for a connection that has just been opened.

Nothing can be posted to a connection before its $connect has returned, so $connect invokes another
Lambda function, asynchronously, and that one sends the message.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable
from math import inf
from typing import Any, Protocol, TypedDict

from ..broadcast.connections_api.ports import DeliveryStatus
from ..cached_service import cached_service
from ..core.errors import SessionNotFound, Unauthenticated
from ..engine.sync_engine import SyncEngine
from ..ports import ConnectionRegistry, SessionStore
from ..schemas.messages import connected, state_sync
from ..schemas.pushes import session_deleted
from ..telemetry.log_context import append_keys
from .poster import Poster

LOG = logging.getLogger("tickless")

CONNECT_SECONDS = 1
ANSWER_SECONDS = 2

WITHIN_SECONDS = 5.0
FIRST_RETRY_AFTER_SECONDS = 0.005
LONGEST_WAIT_SECONDS = 0.25


class WelcomeEvent(TypedDict):
    """The event of the function that sends the welcome message."""

    sessionId: str
    connectionId: str
    endpoint: str


class WelcomeInvoker(Protocol):
    """Invokes the function that sends the welcome message, without waiting for it."""

    def invoke(self, event: WelcomeEvent) -> None: ...


class LambdaWelcomeInvoker:
    """Invokes the plain Lambda function ``name`` asynchronously.

    boto3 is imported with the first connection: REST functions don't need it.
    """

    def __init__(self, name: str, region: str) -> None:
        self._name = name
        self._region = region

    def invoke(self, event: WelcomeEvent) -> None:
        try:
            self._lambda.invoke(
                FunctionName=self._name, InvocationType="Event", Payload=json.dumps(event)
            )
        except Exception as error:
            # The connection stays open; its client sends RECONNECT after two seconds.
            LOG.warning("connection %s: no welcome message: %s", event["connectionId"], error)

    @cached_service
    def _lambda(self) -> Any:
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        return boto3.client(
            "lambda",
            region_name=self._region,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=ANSWER_SECONDS,
                retries={"total_max_attempts": 2},
                max_pool_connections=32,
            ),
        )


class WelcomeSender:
    """Sends the welcome message."""

    def __init__(
        self,
        engine: SyncEngine,
        store: SessionStore,
        registry: ConnectionRegistry,
        poster: Poster,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._store = store
        self._registry = registry
        self._poster = poster
        self._monotonic = monotonic
        self._sleep = sleep

    def send(self, event: WelcomeEvent) -> None:
        """Post CONNECTED until it is delivered, then read and post the state.

        In this order the client misses no update: commits after the read are broadcast
        to a connection that can be posted to.
        """
        session_id, connection_id = event["sessionId"], event["connectionId"]
        endpoint = event["endpoint"]
        append_keys(session_id=session_id, connection_id=connection_id)
        heartbeat_ms = self._registry.heartbeat_policy.heartbeat_ms
        welcome = connected(session_id, connection_id, heartbeat_ms, self._store.now_ms())
        give_up_at, wait_seconds = self._monotonic() + WITHIN_SECONDS, 0.0
        while (
            self._poster.post(endpoint, connection_id, welcome, max_throttled_seconds=inf)
            is DeliveryStatus.GONE
        ):
            wait_seconds = min(LONGEST_WAIT_SECONDS, 2 * wait_seconds or FIRST_RETRY_AFTER_SECONDS)
            if self._monotonic() + wait_seconds > give_up_at:
                # The client left while $connect ran: its $disconnect, if there was one, may
                # have found nothing to deregister.
                self._registry.deregister(connection_id)
                return
            if self._registry.session_of(connection_id) is None:
                # Disconnected before the welcome message was delivered.
                return
            self._sleep(wait_seconds * (0.5 + random.random() / 2))  # noqa: S311
        # A concurrent revocation could not close a connection that was not yet open.
        context = self._registry.context_of(connection_id)
        if context is None:
            self._poster.close(endpoint, connection_id)
            return
        try:
            result = self._engine.get_current_state(session_id, bearer=context.bearer)
        except SessionNotFound as error:
            if error.ending is not None:
                final_message = session_deleted(session_id, self._store.now_ms(), error.ending)
                self._poster.post(endpoint, connection_id, final_message, max_throttled_seconds=inf)
            return
        except Unauthenticated:
            self._poster.close_revoked(endpoint, connection_id, self._store.now_ms())
            return
        pages = state_sync(result.session, result.now_ms)
        self._poster.post(endpoint, connection_id, *pages, max_throttled_seconds=inf)
