"""Reads the connection records in the store."""

from __future__ import annotations

from typing import cast

import redis

from chalicelib.ports import HeartbeatPolicy
from chalicelib.store.keys import SessionKeys, connection

SHARDS = 16


def watchers(store: redis.Redis, session_id: str) -> dict[str, str]:
    """The connections of a session: connection id to the rest of the record."""
    lines = store.hgetall(SessionKeys.of(session_id, SHARDS).connections)
    return {name.decode(): line.decode() for name, line in cast(dict[bytes, bytes], lines).items()}


def connections_of(store: redis.Redis, session_id: str) -> set[str]:
    """Every connection of which the store knows that it watches a session, on its list or not."""
    prefix = connection("")
    return {
        name.decode().removeprefix(prefix)
        for name in store.scan_iter(f"{prefix}*", count=1_000)
        if store.get(name) == session_id.encode()
    } | watchers(store, session_id).keys()


def remembered(
    store: redis.Redis, connection_ids: list[str], heartbeat_policy: HeartbeatPolicy | None = None
) -> list[str]:
    """Of which connections the store still knows the session; each for a while only."""
    life_ms = (heartbeat_policy or HeartbeatPolicy()).abandoned_ms
    found = []
    for name in connection_ids:
        left_ms = store.pttl(connection(name))
        assert left_ms != -1, "kept for ever"
        assert left_ms <= life_ms
        if left_ms > 0:
            found.append(name)
    return found
