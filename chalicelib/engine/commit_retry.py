"""Retry policy of the commit loop: exponential backoff with jitter, for a bounded time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

RETRY_SECONDS = 2.0
"""How long after the first lost race a commit is retried before the client gets CONFLICT.

What came before that is no race: a store that fails over can take as long by itself.
"""

MAX_BACKOFF_SECONDS = 0.05


@dataclass(frozen=True)
class RetryPolicy:
    """How long, and how soon, a lost commit is retried; tests replace the clock."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def begin(self) -> Retry:
        return Retry(self)


DEFAULT_RETRY = RetryPolicy()


class Retry:
    """The retries of one command that has just lost its first race."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._give_up_at = policy.monotonic() + RETRY_SECONDS
        self._lost = 0

    def sleep_before_retry(self) -> bool:
        """Sleep before the next attempt, longer each time; False when the time is over."""
        self._lost += 1
        if self._policy.monotonic() >= self._give_up_at:
            return False
        backoff_seconds = min(MAX_BACKOFF_SECONDS, 0.001 * 2**self._lost)
        self._policy.sleep(self._policy.jitter() * backoff_seconds)
        return True
