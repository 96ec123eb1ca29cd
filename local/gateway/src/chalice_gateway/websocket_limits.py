"""Quotas of a WebSocket API, message order, and faults to inject.

Owns their names, defaults and units. Must never know a connection: ``websocket_api``
enforces the limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class MessageOrder(Enum):
    """The order in which the messages of one connection reach the Lambda.

    CONCURRENT is AWS's: each message at once. SERIAL waits for the previous message's
    result. SHUFFLED delays each message by a random time, up to ``Limits.shuffle_ms``.
    """

    CONCURRENT = "concurrent"
    SERIAL = "serial"
    SHUFFLED = "shuffled"


@dataclass(frozen=True, slots=True)
class Limits:
    """AWS's quotas, and limits of our own where AWS documents none ([?]).

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
    """

    idle_ms: int = 10 * 60 * 1000
    duration_ms: int = 2 * 60 * 60 * 1000
    integration_ms: int = 29_000
    connects_per_second: float = 500.0
    # The account's throttling limit, which applies to calls of @connections.
    posts_per_second: float = 10_000.0
    posts_burst: float = 5_000.0
    message_bytes: int = 128 * 1024
    frame_bytes: int = 32 * 1024
    # [?] What AWS buffers for a client that doesn't read. Here four of the largest messages.
    buffer_bytes: int = 512 * 1024
    # [?] How long AWS waits for the client's close frame.
    closing_ms: int = 10_000
    # [?] The number of unanswered messages at which AWS stops reading a connection.
    unanswered_messages: int = 100
    # [?] The number of messages of one connection that AWS handles concurrently. Limited here
    # so that one client can't occupy all environments.
    concurrent_messages: int = 8
    shuffle_ms: int = 20


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults that AWS allows and rarely shows: probabilities from 0 to 1, drawn from ``seed``.

    A dropped post is answered 200 and never arrives. A delayed post arrives up to
    ``delay_ms`` late. A reordered post arrives after the next post to the same connection,
    or after ``delay_ms`` if there is none. ``gone`` breaks a client's connection just before
    a post, which is answered 410. A lost $disconnect is not delivered.
    """

    seed: int = 0
    drop_posts: float = 0.0
    delay_posts: float = 0.0
    reorder: float = 0.0
    delay_ms: int = 100
    lose_disconnects: float = 0.0
    gone: float = 0.0


class TokenBucket:
    """Token bucket: ``per_second`` on average, at most ``burst`` at once."""

    __slots__ = ("_burst", "_last_ms", "_per_second", "_tokens")

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = burst
        self._last_ms = 0

    def take(self, now_ms: int) -> bool:
        passed_ms = max(0, now_ms - self._last_ms)
        self._last_ms = now_ms
        self._tokens = min(self._burst, self._tokens + passed_ms * self._per_second / 1000)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
