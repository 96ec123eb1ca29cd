"""Timer queue: a heap of items by due time, one for a whole API.

Owns the order. Must never read a clock or look into an item.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Final, Generic, TypeVar

_STALE_ENTRIES: Final = 64

Item = TypeVar("Item")


class TimerQueue(Generic[Item]):
    """Items by due time; items with the same time in the order in which they were added.

    Items for which ``is_stale`` is true are removed once about half of the queue is stale.
    Otherwise thousands of short connections would stay in memory for ten minutes.
    """

    def __init__(self, is_stale: Callable[[Item], bool]) -> None:
        self._is_stale = is_stale
        self._entries: list[tuple[int, int, Item]] = []
        self._number = 0
        self._stale = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def next_ms(self) -> int | None:
        return self._entries[0][0] if self._entries else None

    def add(self, due_ms: int, item: Item) -> None:
        # The number also keeps heapq from comparing items.
        self._number += 1
        heappush(self._entries, (due_ms, self._number, item))

    def pop(self, now_ms: int) -> Item | None:
        """Remove and return the first item if it is due."""
        if self._entries and self._entries[0][0] <= now_ms:
            return heappop(self._entries)[2]
        return None

    def mark_stale(self, items: int) -> None:
        """Count ``items`` more as stale, and remove stale items if there are too many."""
        self._stale += items
        if self._stale > max(_STALE_ENTRIES, len(self._entries) // 2):
            self._entries = [entry for entry in self._entries if not self._is_stale(entry[2])]
            heapify(self._entries)
            self._stale = 0
