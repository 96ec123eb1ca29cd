"""RetryPolicy: how soon, and for how long, one that was lost is run again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

RACE_SECONDS = 2.0
"""For so long after its first loss a race is run again, then the caller is told of the conflict.

What came before that loss is no race: a store that fails over may take as long by itself.
"""

MAX_BACKOFF_SECONDS = 0.05


@dataclass(frozen=True)
class RetryPolicy:
    """Makes races, on a clock that tests replace."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def begin(self) -> Retry:
        return Retry(self)


DEFAULT_RETRY = RetryPolicy()


class Retry:
    """One that has begun, and may be lost many times before it is won."""

    def __init__(self, retry: RetryPolicy) -> None:
        self._races = retry
        self._give_up_at: float | None = None
        self._lost = 0

    def backoff(self) -> bool:
        """Wait for the next attempt, longer each time; False at once if it has been long enough."""
        self._lost += 1
        now = self._races.monotonic()
        if self._give_up_at is None:
            self._give_up_at = now + RACE_SECONDS
        if now >= self._give_up_at:
            return False
        backoff_seconds = min(MAX_BACKOFF_SECONDS, 0.001 * 2**self._lost)
        self._races.sleep(self._races.jitter() * backoff_seconds)
        return True
