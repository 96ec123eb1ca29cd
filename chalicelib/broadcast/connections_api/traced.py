"""Tracing decorator for a ConnectionsApi: a span around each call that blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from ...telemetry.tracing import Tracing
from .ports import ConnectionsApi, DeliveryStatus, R, Request


class TracedConnectionsApi:
    """Forwards every call to ``api``, and traces the blocking ones."""

    def __init__(self, api: ConnectionsApi, tracing: Tracing) -> None:
        self._api = api
        self._tracing = tracing

    def submit_all(self, requests: Sequence[R], done: Callable[[R, DeliveryStatus], None]) -> None:
        self._api.submit_all(requests, done)

    def post_all(
        self, requests: Sequence[Request], within_seconds: float, max_throttled_seconds: float = inf
    ) -> list[DeliveryStatus]:
        with self._tracing.span("posts"):
            return self._api.post_all(requests, within_seconds, max_throttled_seconds)

    def delete(self, endpoint: str, connection_id: str, within_seconds: float) -> DeliveryStatus:
        with self._tracing.span("close"):
            return self._api.delete(endpoint, connection_id, within_seconds)

    def close(self, within_seconds: float) -> None:
        self._api.close(within_seconds)
