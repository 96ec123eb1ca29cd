"""How posts reach their clients where faults have been asked for.

Owns what is dropped, delayed and held back. Must never know whether a client is still there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from .websocket_effects import Send
from .websocket_limits import Faults


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A post that the next one to the same connection is to overtake."""

    post: Send


class Deliveries:
    """Posts in, what is to be sent now out; the rest goes to ``later``, with its time."""

    def __init__(
        self, faults: Faults, random: Random, later: Callable[[int, Send | Held], None]
    ) -> None:
        self._faults = faults
        self._random = random
        self._later = later
        self._held: dict[str, Held] = {}

    def deliver(self, post: Send, now_ms: int) -> list[Send]:
        faults = self._faults
        if happens(faults.drop_posts, self._random):
            return []
        if happens(faults.delay_posts, self._random):
            self._later(now_ms + self._random.randint(1, faults.delay_ms), post)
            return []
        if (held := self._held.pop(post.connection_id, None)) is not None:
            return [post, held.post]
        if happens(faults.reorder_posts, self._random):
            self._held[post.connection_id] = held = Held(post)
            self._later(now_ms + faults.delay_ms, held)
            return []
        return [post]

    def due(self, held: Held) -> list[Send]:
        """No other post has come in time, unless one has."""
        if self._held.get(held.post.connection_id) is not held:
            return []
        del self._held[held.post.connection_id]
        return [held.post]

    def forget(self, connection_id: str) -> None:
        """Its client has left."""
        self._held.pop(connection_id, None)


def happens(probability: float, random: Random) -> bool:
    return probability > 0 and random.random() < probability
