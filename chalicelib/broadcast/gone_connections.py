"""Gone connections: what a 410 from @connections proves, and the way out of the registry."""

from __future__ import annotations

from collections import defaultdict
from queue import Empty, SimpleQueue

from ..ports import Connection, ConnectionRegistry

GRACE_MS = 15_000
"""A post that races $connect also gets 410, so a 410 proves nothing this soon."""


def is_proven_gone(connection: Connection, now_ms: int) -> bool:
    """Whether a 410 at this instant proves that the connection is gone."""
    return now_ms - connection.registered_at_ms >= GRACE_MS


class GoneConnections:
    """Connections to deregister; safe for many threads.

    A relay finds them on the thread of its @connections client, which must never wait for the
    store, and deregisters them on another.
    """

    def __init__(self, registry: ConnectionRegistry) -> None:
        self._registry = registry
        self._waiting: SimpleQueue[tuple[str, str]] = SimpleQueue()

    def add(self, session_id: str, connection_id: str) -> None:
        self._waiting.put((session_id, connection_id))

    def deregister(self) -> None:
        """Remove from the registry what was added so far.

        Raises:
            StoreUnavailable: What is left waits for the next call.
        """
        gone: dict[str, list[str]] = defaultdict(list)
        try:
            while True:
                session_id, connection_id = self._waiting.get_nowait()
                gone[session_id].append(connection_id)
        except Empty:
            pass
        try:
            for session_id in list(gone):
                self._registry.remove(session_id, gone[session_id])
                del gone[session_id]
        finally:
            for session_id, connection_ids in gone.items():
                for connection_id in connection_ids:
                    self.add(session_id, connection_id)
