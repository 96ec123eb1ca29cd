"""The same client, with a span around whatever somebody waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from ...telemetry.tracing import Tracing
from .ports import ConnectionsApi, Outcome, R, Request


class TracedConnectionsApi:
    """A ConnectionsApi that hands everything on, and tells how long waiting for it took."""

    def __init__(self, api: ConnectionsApi, tracing: Tracing) -> None:
        self._api = api
        self._tracing = tracing

    def submit(self, request: R, done: Callable[[R, Outcome], None]) -> None:
        self._api.submit(request, done)

    def submit_all(self, requests: Sequence[R], done: Callable[[R, Outcome], None]) -> None:
        self._api.submit_all(requests, done)

    def post_all(
        self, requests: Sequence[Request], within_seconds: float, limited_seconds: float = inf
    ) -> list[Outcome]:
        with self._tracing.span("posts"):
            return self._api.post_all(requests, within_seconds, limited_seconds)

    def delete(self, endpoint: str, connection_id: str, within_seconds: float) -> Outcome:
        with self._tracing.span("close"):
            return self._api.delete(endpoint, connection_id, within_seconds)

    def close(self, within_seconds: float) -> None:
        self._api.close(within_seconds)
