"""Relay sender: posts to one endpoint's connections and collects those that are gone.

Must never block, neither on a connection nor on the store.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property

from ..ports import Connection
from ..schemas.messages import session_forbidden
from ..telemetry.metrics import Telemetry
from .connections_api.ports import ConnectionsApi, Delete, DeliveryStatus, Post
from .gone_connections import GoneConnections, is_proven_gone
from .recipients import Recipients

LOG = logging.getLogger("tickless")

POST_WITHIN_SECONDS = 10.0


class RelaySender:
    """Posts to, and closes, connections of ``endpoint``; safe for many threads."""

    def __init__(
        self, api: ConnectionsApi, endpoint: str, gone: GoneConnections, telemetry: Telemetry
    ) -> None:
        self._api = api
        self._endpoint = endpoint
        self._gone = gone
        self._telemetry = telemetry

    def send(
        self,
        recipients: Recipients,
        messages: Iterable[bytes],
        since_s: float | None = None,
        settled: Callable[[], object] | None = None,
    ) -> None:
        """Post messages to all subscribers; ``since_s`` is when they were received.

        ``settled`` is called once per message, on the client's thread, when all of its
        posts are final. It must not block.
        """
        began_s = time.monotonic()
        deadline_s = began_s + POST_WITHIN_SECONDS
        for message in messages:
            delivery = _Delivery(
                recipients, message, self._gone, self._telemetry, since_s or began_s, settled
            )
            self._api.submit_all(
                [
                    Post(connection.endpoint, connection.connection_id, message, deadline_s)
                    for connection in recipients.subscribers
                ],
                delivery.done,
            )

    def close_connections(self, session_id: str, connection_ids: Iterable[str]) -> None:
        """Close connections, each after the messages posted to it before."""
        deadline_s = time.monotonic() + POST_WITHIN_SECONDS
        self._api.submit_all(
            [Delete(self._endpoint, one, deadline_s) for one in connection_ids],
            _Closing(session_id, self._gone).done,
        )

    def close_revoked(self, recipients: Recipients) -> None:
        """Send SESSION_FORBIDDEN to this endpoint's revoked connections and close them."""
        ours = [one for one in recipients.revoked if one.endpoint == self._endpoint]
        if ours:
            self.send(replace(recipients, subscribers=ours), [session_forbidden(recipients.now_ms)])
            self.close_connections(recipients.session_id, [one.connection_id for one in ours])


class _Delivery:
    """Collects the statuses of one message's posts. Called on the client's thread."""

    def __init__(
        self,
        recipients: Recipients,
        message: bytes,
        gone: GoneConnections,
        telemetry: Telemetry,
        since_s: float,
        settled: Callable[[], object] | None,
    ) -> None:
        self._recipients = recipients
        self._message = message
        self._gone = gone
        self._telemetry = telemetry
        self._since_s = since_s
        self._settled = settled
        self._statuses: Counter[str] = Counter()
        self._left = len(recipients.subscribers)

    def done(self, post: Post, outcome: DeliveryStatus) -> None:
        self._statuses[outcome] += 1
        self._left -= 1
        if outcome is DeliveryStatus.GONE:
            if is_proven_gone(self._connections[post.connection_id], self._recipients.now_ms):
                self._gone.add(self._recipients.session_id, post.connection_id)
        elif outcome is not DeliveryStatus.DELIVERED:
            LOG.warning(
                "relay: post to %s: %s",
                post.connection_id,
                outcome,
                extra={"session_id": self._recipients.session_id},
            )
        if not self._left:
            self._telemetry.record_fan_out(
                self._recipients.session_id,
                self._message,
                self._statuses,
                time.monotonic() - self._since_s,
            )
            if self._settled is not None:
                self._settled()

    @cached_property
    def _connections(self) -> Mapping[str, Connection]:
        """By connection id; built lazily, for there may be thousands."""
        return {connection.connection_id: connection for connection in self._recipients.subscribers}


class _Closing:
    """Deregisters closed connections, whatever the status of the close."""

    def __init__(self, session_id: str, gone: GoneConnections) -> None:
        self._session_id = session_id
        self._gone = gone

    def done(self, delete: Delete, _: DeliveryStatus) -> None:
        self._gone.add(self._session_id, delete.connection_id)
