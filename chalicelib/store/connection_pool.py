"""Connection pool with a circuit breaker; adds nothing else to redis-py's pool.

A server that accepts no connection in time is not tried again for a moment: otherwise each thread
of many would wait for its own timeout, one after another where they queue for the same session.
"""

from __future__ import annotations

import time

from redis import ConnectionPool
from redis.connection import Connection
from redis.exceptions import TimeoutError as RedisTimeoutError

REFUSE_S = 0.2
"""How long connections are refused after one timed out."""

PROBE_S = 1.1
"""How long other threads are refused at most while one probes the server again."""


class BreakerConnectionPool(ConnectionPool):
    """A pool whose ``get_connection`` fails at once while its server is known to be silent."""

    monotonic = staticmethod(time.monotonic)
    _open_until_s = 0.0

    def get_connection(self) -> Connection:  # type: ignore[override]
        """A connection that is ready for a command.

        Raises:
            redis.TimeoutError: It timed out, or another one did a moment ago.
            redis.ConnectionError: The server refuses it.
        """
        open_until_s, now_s = self._open_until_s, self.monotonic()
        if now_s < open_until_s:
            raise RedisTimeoutError("Timeout connecting to server a moment ago")
        if open_until_s:
            # Half open: the first thread probes the server, the others go on being refused.
            self._open_until_s = now_s + PROBE_S
        timed_out = False
        try:
            return super().get_connection()
        except RedisTimeoutError:
            timed_out = True
            raise
        finally:
            self._open_until_s = self.monotonic() + REFUSE_S if timed_out else 0.0
