"""What is asked of API Gateway's @connections, and what can come of it.

Values and a Protocol; nothing here knows how a request travels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import NamedTuple, Protocol, TypeVar


class Outcome(StrEnum):
    """What became of a request; each is final."""

    DELIVERED = "delivered"
    """API Gateway took it. Whether the client ever reads it nobody learns."""
    GONE = "gone"
    """410 GoneException: there is no such connection, or its $connect hasn't answered yet."""
    LIMITED = "limited"
    """429 LimitExceededException, again and again until time was up."""
    TOO_LARGE = "too_large"
    """413 PayloadTooLargeException."""
    FORBIDDEN = "forbidden"
    """403: a wrong stage or signature, or no execute-api:ManageConnections."""
    FAILED = "failed"
    """Another answer, or none at all."""
    LATE = "late"
    """Its deadline passed first. A request already on its way may still arrive."""
    DROPPED = "dropped"
    """Given up: too many waited for this connection, or the client was closed."""


class Post(NamedTuple):
    """``data`` for a connection, to be delivered before ``deadline_s`` of time.monotonic().

    ``endpoint`` is the connection's own: ``https://{apiId}.execute-api.{region}.amazonaws.com/{stage}``
    or, of the local stack, ``http://127.0.0.1:8001/{stage}``.
    """

    endpoint: str
    connection_id: str
    data: bytes
    deadline_s: float


class Delete(NamedTuple):
    """Closes a connection, once all that was submitted for it before has been delivered."""

    endpoint: str
    connection_id: str
    deadline_s: float


Request = Post | Delete
R = TypeVar("R", Post, Delete)


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """How much at once, how long, how often.

    ``in_flight_per_endpoint`` is below ``in_flight`` so that one endpoint that
    hangs leaves room for the others. ``waiting_per_connection`` counts those
    behind the one in flight. An attempt that failed is repeated
    ``repeats_of_failures`` times at most, one that met a 429 until its deadline,
    each after a random share of ``backoff_s`` doubled each time, up to
    ``longest_backoff_s``.
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
    """Something was submitted to a client that has been closed."""


class ConnectionsApi(Protocol):
    """Posts to connections, wherever they are; safe for many threads.

    Requests for one connection are carried out one at a time, in the order of
    submission; those for different connections don't wait for each other.
    """

    def submit(self, request: R, done: Callable[[R, Outcome], None]) -> None:
        """Have the request carried out; ``done`` is called once, on the client's own thread.

        It must be quick and must not wait for the client.

        Raises:
            Closed: The client has been closed.
        """

    def submit_all(self, requests: Sequence[R], done: Callable[[R, Outcome], None]) -> None:
        """Submit many at once, which wakes the client's thread but once.

        Raises:
            Closed: The client has been closed.
        """

    def post_all(
        self, requests: Sequence[Request], within_seconds: float, limited_seconds: float = inf
    ) -> list[Outcome]:
        """Carry out all of them and return what became of each, in their order.

        Returns after ``within_seconds``, and a moment, at the latest. The earlier of
        that and its own deadline is a request's deadline. IdempotentRequest every request left
        meets 429, and for ``limited_seconds`` none has come through, they are given
        up. Not for a ``done``.

        Raises:
            Closed: The client has been closed.
        """

    def delete(self, endpoint: str, connection_id: str, within_seconds: float) -> Outcome:
        """Close a connection, and wait for it; DELIVERED means that it was closed."""

    def close(self, within_seconds: float) -> None:
        """Take no more, give what is under way ``within_seconds``, drop the rest."""
