"""DeadlineIndex on Redis: one sorted set per shard, written by commits.

Reading removes nothing: an entry stays until a commit moves it, so a sweeper that
crashes loses no deadline.
"""

from __future__ import annotations

from ..core.session import Session
from ..ports import Deadline, Due
from .client import RedisClient
from .keys import SessionKeys, deadlines, shard_tag
from .script import Script


class RedisDeadlines:
    """Deadlines in Redis. Safe for many threads; see DeadlineIndex for its methods."""

    def __init__(self, client: RedisClient, shards: int) -> None:
        self._client = client
        self._shards = shards
        self._keys = [deadlines(shard_tag(shard)) for shard in range(shards)]
        self._due = Script("due_deadlines")
        self._correct = Script("correct_deadline")

    @property
    def shards(self) -> int:
        return self._shards

    def due(self, shard: int, limit: int) -> Due:
        now_ms, next_ms, *rows = self._client.run(self._due, 1, self._keys[shard], limit)
        return Due(
            [
                Deadline(session_id.decode(), int(at_ms))
                for session_id, at_ms in zip(rows[::2], rows[1::2], strict=True)
            ],
            int(next_ms) if next_ms else None,
            int(now_ms),
        )

    def correct(self, session_id: str, found: Session | None, due_ms: int | None) -> None:
        keys = SessionKeys.of(session_id, self._shards)
        self._client.run(
            self._correct,
            2,
            keys.session,
            keys.deadlines,
            session_id,
            "" if found is None else found.epoch,
            "" if found is None else found.version,
            "" if due_ms is None else due_ms,
        )
