"""A store in which other clients interfere, and engines on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.ports import Commit, Committed, Deleted, RateLimitCheck, Stale
from tests.fakes import FakeStore

TTL_MS = 60_000


@dataclass
class RacedStore(FakeStore):
    """A store in which another client is faster, as often as there are intruders.

    When it ``repeats``, the reply to each commit is lost and asked for again.
    """

    intruders: list[Callable[[], object]] = field(default_factory=list)
    before_delete: Callable[[], object] | None = None
    repeats: bool = False

    def delete(self, *arguments: Any, **more: Any) -> Deleted | Stale:
        intruder, self.before_delete = self.before_delete, None
        if intruder is not None:
            intruder()
        return super().delete(*arguments, **more)

    def commit(
        self, commit: Commit, limit_check: RateLimitCheck | None = None
    ) -> Committed | Stale:
        if self.intruders:
            intruder, *others = self.intruders
            # What the intruder commits itself is not intruded upon.
            self.intruders = []
            intruder()
            self.intruders = others
        if self.repeats:
            super().commit(commit, limit_check)
        return super().commit(commit, limit_check)


@pytest.fixture
def store() -> RacedStore:
    return RacedStore()


@pytest.fixture
def rival(store: RacedStore) -> SyncEngine:
    """Another process on the same store."""
    return SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS))
