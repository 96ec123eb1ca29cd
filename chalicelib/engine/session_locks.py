"""SessionLocks: the threads of one process, one after another at the same session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

TURN_SECONDS = 0.5
"""Long enough for hundreds to go first; short, should the store be away."""


class SessionLocks:
    """Has the threads of one process take turns at a session.

    Only the store decides races; but a race among our own threads costs a
    round trip for each of the losers and leaves who wins to chance. Sessions
    share locks, and nobody waits for long: a turn that does not come is taken.
    """

    def __init__(self) -> None:
        self._locks = tuple(Lock() for _ in range(256))

    @contextmanager
    def at(self, session_id: str) -> Iterator[None]:
        lock = self._locks[hash(session_id) % len(self._locks)]
        taken = lock.acquire(timeout=TURN_SECONDS)
        try:
            yield
        finally:
            if taken:
                lock.release()
