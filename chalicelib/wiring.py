"""Builds everything once per process, and is the seam at which tests replace it.

Nothing is built at import: a Lambda that answers a health check pays for no
connection, and whoever wants other services says so before the first request.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .engine import SyncEngine
from .ports import SessionStore
from .settings import Settings, read_settings


@dataclass
class Services:
    """What the routes use; each part is built when it is first asked for."""

    settings: Settings

    @cached_property
    def store(self) -> SessionStore:
        # redis-py is the largest import of all, and a process that is asked
        # for its health or its documents needs none of it.
        from .store.client import connect  # noqa: PLC0415
        from .store.redis_store import RedisStore  # noqa: PLC0415

        return RedisStore(connect(self.settings), shards=self.settings.shards)

    @cached_property
    def engine(self) -> SyncEngine:
        return SyncEngine(self.store, session_ttl_ms=self.settings.session_ttl_seconds * 1000)


class _Process:
    services: Services | None = None


def services() -> Services:
    """The services of this process."""
    if _Process.services is None:
        _Process.services = Services(read_settings())
    return _Process.services


def replace_services(replacement: Services | None) -> None:
    """Have everybody use other services; ``None`` builds them anew from the environment."""
    _Process.services = replacement
