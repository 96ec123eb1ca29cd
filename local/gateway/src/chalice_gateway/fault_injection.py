"""Fault injection: drops, delays and reorders posts to clients.

Owns the choice, and the posts that are held back. Must never know whether a client is
connected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from .websocket_limits import Faults
from .websocket_outputs import Send


@dataclass(frozen=True, slots=True, eq=False)
class HeldPost:
    """A post that the next post to the same connection will overtake."""

    post: Send


class FaultInjector:
    """Takes posts, returns those to send now, and passes others to ``schedule`` with a time."""

    def __init__(
        self, faults: Faults, random: Random, schedule: Callable[[int, Send | HeldPost], None]
    ) -> None:
        self.faults = faults
        self._random = random
        self._schedule = schedule
        self._held: dict[str, HeldPost] = {}

    def apply(self, post: Send, now_ms: int) -> list[Send]:
        faults = self.faults
        if occurs(faults.drop_posts, self._random):
            return []
        if occurs(faults.delay_posts, self._random):
            self._schedule(now_ms + self._random.randint(1, faults.delay_ms), post)
            return []
        if (held := self._held.pop(post.connection_id, None)) is not None:
            return [post, held.post]
        if occurs(faults.reorder, self._random):
            self._held[post.connection_id] = held = HeldPost(post)
            self._schedule(now_ms + faults.delay_ms, held)
            return []
        return [post]

    def release(self, held: HeldPost) -> list[Send]:
        """The held post, whose time is up, unless another post has overtaken it."""
        if self._held.get(held.post.connection_id) is not held:
            return []
        del self._held[held.post.connection_id]
        return [held.post]

    def discard(self, connection_id: str) -> None:
        """Drop the post held for a connection that closes."""
        self._held.pop(connection_id, None)


def occurs(probability: float, random: Random) -> bool:
    return probability > 0 and random.random() < probability
