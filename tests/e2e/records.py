"""The records of connections, as the store has them."""

from __future__ import annotations

from typing import cast

import redis

from chalicelib.store.keys import SessionKeys, connection

SHARDS = 16
LIFE_MS = 120_000
"""Three heartbeats and the time a sweep may take."""


def watchers(store: redis.Redis, session_id: str) -> dict[str, str]:
    """Who is on a session's list: connection id to the rest of the line."""
    lines = store.hgetall(SessionKeys.of(session_id, SHARDS).connections)
    return {name.decode(): line.decode() for name, line in cast(dict[bytes, bytes], lines).items()}


def remembered(store: redis.Redis, connection_ids: list[str]) -> list[str]:
    """Of which connections the store still knows the session; each for a while only."""
    found = []
    for name in connection_ids:
        left_ms = store.pttl(connection(name))
        assert left_ms != -1, "kept for ever"
        assert left_ms <= LIFE_MS
        if left_ms > 0:
            found.append(name)
    return found


def grow_old(store: redis.Redis, session_id: str, by_ms: int) -> None:
    """Have every line on a list look as it would have so much later, without a sign of life."""
    key = SessionKeys.of(session_id, SHARDS).connections
    for name, line in watchers(store, session_id).items():
        registered, heard, endpoint = line.split(" ", 2)
        store.hset(key, name, f"{int(registered) - by_ms} {int(heard) - by_ms} {endpoint}")
