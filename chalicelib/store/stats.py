"""StatsReader on Redis: sums the counts of all shards.

Counts sorted sets that commits and heartbeats maintain, in one round trip on a single
server. Scans no keys, so the cost is the same for ten sessions or a million.
"""

from __future__ import annotations

from ..core.session import Status
from ..ports import HeartbeatPolicy, StoreStats
from .client import RedisClient
from .keys import connected, deadlines, sessions, shard_tag
from .script import Script


class RedisStats:
    """Store statistics in Redis. Safe for many threads; see StatsReader for its method."""

    def __init__(self, client: RedisClient, shards: int, heartbeat_policy: HeartbeatPolicy) -> None:
        self._client = client
        self._count = Script("store_stats")
        tags = [shard_tag(shard) for shard in range(shards)]
        self._calls: list[tuple[bytes | str | int, ...]] = [
            (
                3,
                deadlines(tag),
                sessions(tag),
                connected(tag),
                len(Status),
                heartbeat_policy.silent_ms,
            )
            for tag in tags
        ]

    def read(self) -> StoreStats:
        counted = self._client.run_pipeline(self._count, self._calls)
        overdue, overdue_ms, connections, *by_status = zip(*counted, strict=True)
        return StoreStats(
            sessions={
                status: sum(numbers) for status, numbers in zip(Status, by_status, strict=True)
            },
            connections=sum(connections),
            overdue=sum(overdue),
            overdue_ms=max(overdue_ms),
        )
