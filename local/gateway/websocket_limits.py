"""What a WebSocket API allows, and what may go wrong with it.

Owns the quotas with their names and sizes, and the faults that can be asked for. Must
never know a connection: who has reached a limit is the rules' to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Order(Enum):
    """In which order the messages of one connection reach the Lambda.

    CONCURRENT is AWS: each at once, whatever became of the one before. SERIAL
    waits for the answer to the one before. SHUFFLED holds every message back
    for a moment of random length.
    """

    CONCURRENT = "concurrent"
    SERIAL = "serial"
    SHUFFLED = "shuffled"


@dataclass(frozen=True, slots=True)
class Limits:
    """AWS's quotas, and those of ours that it doesn't document.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
    """

    idle_ms: int = 10 * 60 * 1000
    duration_ms: int = 2 * 60 * 60 * 1000
    integration_ms: int = 29_000
    connects_per_second: float = 500.0
    # The account's throttle, which callbacks count into.
    posts_per_second: float = 10_000.0
    posts_burst: float = 5_000.0
    message_bytes: int = 128 * 1024
    frame_bytes: int = 32 * 1024
    # [?] How much AWS keeps for a client that doesn't read: four of the largest messages here.
    buffer_bytes: int = 512 * 1024
    # [?] How long AWS waits for a client to take part in the closing.
    closing_ms: int = 10_000
    # [?] From how many unanswered messages of one connection on AWS stops reading it.
    unanswered: int = 100
    # [?] How many messages of one connection AWS has handled at once. Here, where
    # environments are few, one client must not be able to take them all.
    at_once: int = 8
    shuffle_ms: int = 20


@dataclass(frozen=True, slots=True)
class Faults:
    """What AWS may do and seldom does; probabilities from 0 to 1, drawn from ``seed``.

    A dropped post is answered 200 and never arrives. A delayed one arrives up
    to ``delay_ms`` later. A reordered one arrives after the next one to the same
    connection, or after ``delay_ms`` if there is none.
    """

    seed: int = 0
    drop_posts: float = 0.0
    delay_posts: float = 0.0
    reorder_posts: float = 0.0
    delay_ms: int = 100
    lose_disconnects: float = 0.0


class TokenBucket:
    """So many a second, and a burst of so many at once."""

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
