"""Builds everything once per process, and is the seam at which tests replace it.

Nothing is built at import, and nothing imported that only some functions need:
a Lambda that answers REST pays for no sockets, one that is asked for its health
for no store. Whoever wants other services says so before the first request.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .engine import SyncEngine
from .ports import ConnectionRegistry, DeadlineIndex, Patience, SessionStore
from .settings import Settings, read_settings

if TYPE_CHECKING:
    from .realtime.inline import InlineAnnouncer
    from .realtime.management_api import ManagementApi
    from .realtime.relay import Relay
    from .realtime.sockets import Sockets
    from .store.client import Server
    from .sweeper import Sweeper


@dataclass
class Services:
    """What the functions use; each part is built when it is first asked for."""

    settings: Settings

    @cached_property
    def server(self) -> Server:
        from .store.client import connect

        return connect(self.settings)

    @cached_property
    def store(self) -> SessionStore:
        from .store.redis_store import RedisStore

        return RedisStore(self.server, self.settings.shards)

    @cached_property
    def connections(self) -> ConnectionRegistry:
        from .store.redis_connections import RedisConnections

        patience = Patience(self.settings.heartbeat_interval_ms)
        return RedisConnections(self.server, self.settings.shards, patience)

    @cached_property
    def deadlines(self) -> DeadlineIndex:
        from .store.redis_deadlines import RedisDeadlines

        return RedisDeadlines(self.server, self.settings.shards)

    @cached_property
    def management_api(self) -> ManagementApi:
        from .realtime.management_api import Credentials, open_management_api, open_reference

        settings = self.settings
        credentials = None
        if settings.aws_access_key_id:
            credentials = Credentials(
                settings.aws_access_key_id,
                settings.aws_secret_access_key,
                settings.aws_session_token or None,
            )
        opened = open_management_api if settings.management_api == "fast" else open_reference
        return opened(settings.aws_region, credentials)

    @cached_property
    def announcer(self) -> InlineAnnouncer | None:
        if self.settings.broadcast != "inline":
            return None
        from .realtime.inline import InlineAnnouncer

        return InlineAnnouncer(self.connections, lambda: self.management_api)

    @cached_property
    def engine(self) -> SyncEngine:
        return SyncEngine(
            self.store,
            announcer=self.announcer,
            session_ttl_ms=self.settings.session_ttl_seconds * 1000,
        )

    @cached_property
    def sockets(self) -> Sockets:
        from .realtime.greeter import LambdaGreeter
        from .realtime.sockets import Sockets

        return Sockets(
            engine=self.engine,
            store=self.store,
            registry=self.connections,
            api=self.management_api,
            greeter=LambdaGreeter(self.settings.greeter, self.settings.aws_region),
            endpoint=self.settings.websocket_endpoint or None,
        )

    def relay(self, endpoint: str) -> Relay:
        """A relay for the connections of ``endpoint``, not yet started."""
        from .realtime.relay import Relay
        from .store.subscription import subscription

        return Relay(
            lambda: subscription(self.settings),
            self.connections,
            self.engine,
            self.management_api,
            endpoint,
            sweep_every_seconds=self.settings.heartbeat_interval_ms / 1000,
        )

    def sweeper(self) -> Sweeper:
        """A sweeper, not yet started."""
        from .store.subscription import alarms
        from .sweeper import SHARE, Sweeper

        announcer = self.announcer
        return Sweeper(
            self.engine,
            self.deadlines,
            lambda: alarms(self.settings),
            # Who posts before it returns is given one session at a time: connections
            # that don't answer keep nobody but their own session waiting.
            share=SHARE if announcer is None else 1,
            # Relays sweep the connections of their own endpoints.
            aside=None if announcer is None else announcer.sweep,
            aside_every_seconds=self.settings.heartbeat_interval_ms / 1000,
        )

    def close(self, within_seconds: float) -> None:
        """Let posts that are under way end, and leave the store."""
        if "management_api" in self.__dict__:
            self.management_api.close(within_seconds)
        if "server" in self.__dict__:
            self.server.close()


class _Process:
    services: Services | None = None


def services() -> Services:
    """The services of this process."""
    if _Process.services is None:
        _Process.services = Services(read_settings())
        # What has been imported stays: no garbage collection need look at it again.
        gc.freeze()
    return _Process.services


def replace_services(replacement: Services | None) -> None:
    """Have everybody use other services; ``None`` builds them anew from the environment."""
    _Process.services = replacement
