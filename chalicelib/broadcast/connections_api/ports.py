"""Interface of the @connections client: requests, delivery statuses, limits.

Values and a Protocol; transports live in their own modules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import NamedTuple, Protocol, TypeVar


class DeliveryStatus(StrEnum):
    """The final status of a request."""

    DELIVERED = "delivered"
    """API Gateway accepted it. It doesn't report whether the client reads it."""
    GONE = "gone"
    """410 GoneException: no such connection, or its $connect hasn't returned yet."""
    LIMITED = "limited"
    """429 LimitExceededException on every attempt until the deadline."""
    TOO_LARGE = "too_large"
    """413 PayloadTooLargeException."""
    FORBIDDEN = "forbidden"
    """403: wrong stage or signature, or execute-api:ManageConnections is missing."""
    FAILED = "failed"
    """Any other status code, or no answer."""
    LATE = "late"
    """The deadline passed. A request in flight may still arrive."""
    DROPPED = "dropped"
    """Too many requests waited for this connection, or the client was closed."""


class Post(NamedTuple):
    """Send ``data`` to a connection before ``deadline_s`` (time.monotonic()).

    ``endpoint`` is the connection's: ``https://{apiId}.execute-api.{region}.amazonaws.com/{stage}``,
    or ``http://127.0.0.1:8001/{stage}`` on the local stack.
    """

    endpoint: str
    connection_id: str
    data: bytes
    deadline_s: float


class Delete(NamedTuple):
    """Close a connection after everything submitted for it before."""

    endpoint: str
    connection_id: str
    deadline_s: float


Request = Post | Delete
R = TypeVar("R", Post, Delete)


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Concurrency, timeouts and retries.

    ``in_flight_per_endpoint`` is below ``in_flight``, so that a hanging endpoint leaves
    room for others. ``waiting_per_connection`` excludes the request in flight. A failed
    attempt is retried at most ``repeats_of_failures`` times, a 429 until the deadline.
    Backoff is exponential with full jitter, from ``backoff_s`` to ``longest_backoff_s``.
    """

    in_flight: int = 256
    in_flight_per_endpoint: int = 128
    waiting_per_connection: int = 256
    connect_within_s: float = 1.0
    answer_within_s: float = 3.0
    repeats_of_failures: int = 2
    backoff_s: float = 0.05
    longest_backoff_s: float = 1.0


class Closed(RuntimeError):
    """A request was submitted to a closed client."""


class ConnectionsApi(Protocol):
    """Posts to and closes connections of any endpoint. Safe for many threads.

    Requests for one connection are sent one at a time, in the order of submission;
    requests for different connections don't wait for each other.
    """

    def submit_all(self, requests: Sequence[R], done: Callable[[R, DeliveryStatus], None]) -> None:
        """Send requests; ``done`` is called once for each, on the client's thread.

        ``done`` must be quick and must not wait for the client.

        Raises:
            Closed: The client has been closed.
        """

    def post_all(
        self, requests: Sequence[Request], within_seconds: float, max_throttled_seconds: float = inf
    ) -> list[DeliveryStatus]:
        """Send requests and return their statuses, in the same order.

        Returns after at most ``within_seconds`` and a moment; a request's deadline is
        the earlier of that and its own. Once every remaining request is throttled (429)
        and none has settled for ``max_throttled_seconds``, the rest is given up. Must not be
        called from a ``done``.

        Raises:
            Closed: The client has been closed.
        """

    def delete(self, endpoint: str, connection_id: str, within_seconds: float) -> DeliveryStatus:
        """Close a connection and wait for it; DELIVERED means it was closed."""

    def close(self, within_seconds: float) -> None:
        """Accept no more requests, finish those in flight for ``within_seconds``, drop the rest."""
