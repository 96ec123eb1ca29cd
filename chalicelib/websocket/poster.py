"""Posts to one connection and waits, for as long as a function may take."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from ..broadcast.connections_api.ports import ConnectionsApi, DeliveryStatus, Post
from ..core.errors import StoreUnavailable
from ..ports import ConnectionRegistry
from ..schemas.messages import session_forbidden
from ..telemetry.log_context import append_keys
from ..telemetry.metrics import Telemetry

LOG = logging.getLogger("tickless")

ANSWER_WITHIN_SECONDS = 5.0
THROTTLED_SECONDS = 0.1
"""How long a function waits for a client that doesn't read its response (429)."""


class Poster:
    """Posts to, and closes, connections that have just sent a message or been opened."""

    def __init__(
        self,
        api: ConnectionsApi,
        registry: ConnectionRegistry,
        telemetry: Telemetry,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._registry = registry
        self._telemetry = telemetry
        self._monotonic = monotonic

    def post(
        self,
        endpoint: str,
        connection_id: str,
        *messages: bytes,
        max_throttled_seconds: float = THROTTLED_SECONDS,
    ) -> DeliveryStatus:
        """Post messages in order; returns the status of the last one.

        Gives up after ``max_throttled_seconds`` of nothing but 429.
        """
        deadline_s = self._monotonic() + ANSWER_WITHIN_SECONDS
        posts = [Post(endpoint, connection_id, message, deadline_s) for message in messages]
        statuses = self._api.post_all(posts, ANSWER_WITHIN_SECONDS, max_throttled_seconds)
        self._telemetry.record_posts(Counter(statuses))
        if not statuses:
            return DeliveryStatus.DELIVERED
        if statuses[-1] not in (DeliveryStatus.DELIVERED, DeliveryStatus.GONE):
            LOG.warning("connection %s: post %s", connection_id, statuses[-1])
        return statuses[-1]

    def close(self, endpoint: str, connection_id: str) -> None:
        self._api.delete(endpoint, connection_id, ANSWER_WITHIN_SECONDS)

    def close_revoked(self, endpoint: str, connection_id: str, now_ms: int) -> None:
        """Send SESSION_FORBIDDEN to a connection whose token is no longer valid, and close it."""
        append_keys(code="SESSION_FORBIDDEN")
        self.post(endpoint, connection_id, session_forbidden(now_ms))
        self.close(endpoint, connection_id)
        with suppress(StoreUnavailable):
            # On failure the next sweep deregisters it.
            self._registry.deregister(connection_id)
