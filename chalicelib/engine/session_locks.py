"""Session locks: the threads of one process change a session one after another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

WAIT_SECONDS = 0.5
"""Long enough for hundreds of commits; short if the store is unavailable."""


class SessionLocks:
    """Locks by session, to avoid races among the threads of one process.

    The store decides races; but each loser among our own threads costs a round trip. Sessions
    share locks, and a lock is waited for only briefly: after that the thread goes on without.
    """

    def __init__(self) -> None:
        self._locks = tuple(Lock() for _ in range(256))

    @contextmanager
    def hold(self, session_id: str) -> Iterator[None]:
        lock = self._locks[hash(session_id) % len(self._locks)]
        taken = lock.acquire(timeout=WAIT_SECONDS)
        try:
            yield
        finally:
            if taken:
                lock.release()
