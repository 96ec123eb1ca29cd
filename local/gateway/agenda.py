"""What falls due, and when: one heap for a whole API.

Owns the order of what is to come. Must never look at a clock, or into what it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Final, Generic, TypeVar

_STALE_ENTRIES: Final = 64

Entry = TypeVar("Entry")


class Agenda(Generic[Entry]):
    """Entries in the order of their time, those of one time in the order they came in.

    What ``is_over`` says yes to is swept out once it is likely to be the larger
    part, or a storm of short connections would be remembered for ten minutes.
    """

    def __init__(self, is_over: Callable[[Entry], bool]) -> None:
        self._is_over = is_over
        self._entries: list[tuple[int, int, Entry]] = []
        self._number = 0
        self._stale = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def next_ms(self) -> int | None:
        return self._entries[0][0] if self._entries else None

    def add(self, due_ms: int, what: Entry) -> None:
        # The number also keeps heapq from comparing what there is.
        self._number += 1
        heappush(self._entries, (due_ms, self._number, what))

    def pop(self, now_ms: int) -> Entry | None:
        """The first that is due, if any is."""
        if self._entries and self._entries[0][0] <= now_ms:
            return heappop(self._entries)[2]
        return None

    def has_lost(self, entries: int) -> None:
        """So many entries have just become pointless."""
        self._stale += entries
        if self._stale > max(_STALE_ENTRIES, len(self._entries) // 2):
            self._entries = [entry for entry in self._entries if not self._is_over(entry[2])]
            heapify(self._entries)
            self._stale = 0
