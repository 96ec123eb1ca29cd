"""Builds everything once per process, and is the seam at which tests replace it.

Nothing is built at import, and nothing imported that only some functions need:
a Lambda that answers REST pays for no sockets, one that is asked for its health
for no store. Whoever wants other services says so before the first request.
"""

from __future__ import annotations

import atexit
import gc
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from .cached_service import cached_service
from .engine.sync_engine import SyncEngine
from .ports import (
    Broadcaster,
    ConnectionRegistry,
    DeadlineIndex,
    HeartbeatPolicy,
    SessionStore,
    StatsReader,
    StoreUnavailable,
)
from .rate_limit.policy import RateLimiter
from .settings import InvalidSetting, Settings, default_settings, read_settings
from .store.client import RedisClient, connect
from .telemetry.ports import NoSink, Sink, Telemetry

if TYPE_CHECKING:
    from .auth.authenticator import TokenAuthenticator
    from .broadcast.connections_api import ConnectionsApi
    from .broadcast.inline import InlineBroadcaster
    from .broadcast.relay import Relay
    from .engine.sweeper import Sweeper
    from .telemetry.tracing import Tracing
    from .websocket.handlers import WebSocketHandlers


LOG = logging.getLogger("tickless")

LEAVE_WITHIN_SECONDS = 0.2
"""So long posts that are under way may take when a process ends."""


class _Awaited:
    """An Broadcaster that is built once there is something to announce: reads go without."""

    def __init__(self, build: Callable[[], Broadcaster]) -> None:
        self._build = build

    def broadcast(self, session_id: str, message: bytes) -> None:
        self._build().broadcast(session_id, message)

    def broadcast_and_close(self, session_id: str, final_message: bytes) -> None:
        self._build().broadcast_and_close(session_id, final_message)

    def close_revoked(self, session_id: str) -> None:
        self._build().close_revoked(session_id)


@dataclass
class Container:
    """What the functions use; each part is built when it is first asked for."""

    settings: Settings

    @cached_service
    def sink(self) -> Sink:
        if self.settings.metrics == "prometheus":
            from .telemetry.prometheus import PrometheusSink

            folder = self.settings.prometheus_multiproc_dir
            if folder and not Path(folder).is_dir():
                raise InvalidSetting(f"PROMETHEUS_MULTIPROC_DIR is {folder!r}, which is no folder")
            return PrometheusSink(folder or None)
        if self.settings.metrics == "emf":
            from .telemetry.emf import CloudWatchSink

            return CloudWatchSink(self.settings.service)
        return NoSink()

    @cached_service
    def telemetry(self) -> Telemetry:
        return Telemetry(self.sink)

    @cached_service
    def tracing(self) -> Tracing:
        from .telemetry.tracing import open_tracing

        return open_tracing(self.settings.tracing, self.settings.service)

    @cached_service
    def redis(self) -> RedisClient:
        return connect(self.settings, self.tracing)

    @cached_service
    def store(self) -> SessionStore:
        from .store.session_store import RedisStore

        return RedisStore(self.redis, self.settings.shards)

    @property
    def heartbeat_policy(self) -> HeartbeatPolicy:
        return HeartbeatPolicy(self.settings.heartbeat_interval_ms)

    @cached_service
    def connections(self) -> ConnectionRegistry:
        from .store.connection_registry import RedisConnections

        return RedisConnections(self.redis, self.settings.shards, self.heartbeat_policy)

    @cached_service
    def limits(self) -> RateLimiter:
        return RateLimiter(self.settings, self.telemetry)

    @cached_service
    def deadlines(self) -> DeadlineIndex:
        from .store.deadline_index import RedisDeadlines

        return RedisDeadlines(self.redis, self.settings.shards)

    @cached_service
    def stats(self) -> StatsReader:
        from .store.stats import RedisStats

        return RedisStats(self.redis, self.settings.shards, self.heartbeat_policy)

    def metrics_page(self) -> bytes:
        """What a scrape is answered: the fleet's facts, and figures of our own if we keep any."""
        from .telemetry.prometheus import PrometheusSink, StatsCollector, page

        own = self.sink.collectors() if isinstance(self.sink, PrometheusSink) else ()
        return page([StatsCollector(self.stats), *own])

    @cached_service
    def management_api(self) -> ConnectionsApi:
        from .broadcast.connections_api import (
            given_or_found,
            open_boto3_client,
            open_connections_api,
        )

        settings = self.settings
        credentials = given_or_found(
            settings.aws_access_key_id,
            settings.aws_secret_access_key,
            settings.aws_session_token,
        )
        opened = open_connections_api if settings.management_api == "fast" else open_boto3_client
        api = opened(settings.aws_region, credentials)
        if settings.tracing:
            from .broadcast.connections_api.traced import TracedConnectionsApi

            return TracedConnectionsApi(api, self.tracing)
        return api

    @property
    def broadcaster(self) -> Broadcaster | None:
        """Who is told of commits here; None where relays are."""
        return _Awaited(lambda: self.inline) if self.settings.broadcast == "inline" else None

    @cached_service
    def inline(self) -> InlineBroadcaster:
        from .broadcast.inline import InlineBroadcaster

        return InlineBroadcaster(
            self.connections, lambda: self.management_api, telemetry=self.telemetry
        )

    @property
    def authenticator(self) -> TokenAuthenticator | None:
        """What reads tokens and signs them; None where nobody is asked for any."""
        return self.open_authenticator if self.settings.auth else None

    @cached_service
    def open_authenticator(self) -> TokenAuthenticator:
        """The gate; its keys, which may have to be fetched, are looked up with the first token."""
        from .auth.authenticator import TokenAuthenticator
        from .auth.key_cache import KeyCache
        from .auth.key_source import KeySource

        key_cache = KeyCache(KeySource(self.settings).read)
        return TokenAuthenticator(key_cache, self.settings.token_ttl_seconds)

    @cached_service
    def engine(self) -> SyncEngine:
        return SyncEngine(
            self.store,
            broadcaster=self.broadcaster,
            session_ttl_ms=self.settings.session_ttl_seconds * 1000,
            telemetry=self.telemetry,
        )

    @cached_service
    def sockets(self) -> WebSocketHandlers:
        from .websocket.connect_authorizer import ConnectAuthorizer
        from .websocket.handlers import WebSocketHandlers
        from .websocket.welcome import WelcomeInvoker

        return WebSocketHandlers(
            engine=self.engine,
            store=self.store,
            registry=self.connections,
            api=self.management_api,
            limits=self.limits,
            greeter=WelcomeInvoker(self.settings.greeter, self.settings.aws_region),
            connect_authorizer=ConnectAuthorizer(
                self.store,
                (lambda: self.open_authenticator) if self.settings.auth else None,
                self.settings.allowed_origins,
            ),
            endpoint=self.settings.websocket_endpoint or None,
            telemetry=self.telemetry,
        )

    def relay(self, endpoint: str) -> Relay:
        """A relay for the connections of ``endpoint``, not yet started."""
        from .broadcast.relay import Relay
        from .store.subscription import subscription

        return Relay(
            lambda: subscription(self.settings),
            self.connections,
            self.engine,
            self.management_api,
            endpoint,
            telemetry=self.telemetry,
            sweep_every_seconds=self.settings.heartbeat_interval_ms / 1000,
        )

    def sweeper(self) -> Sweeper:
        """A sweeper, not yet started."""
        from .engine.sweeper import SHARE, Sweeper
        from .store.subscription import deadline_notifications

        broadcaster = self.inline if self.settings.broadcast == "inline" else None
        return Sweeper(
            self.engine,
            self.deadlines,
            lambda: deadline_notifications(self.settings),
            # Who posts before it returns is given one session at a time: connections
            # that don't answer keep nobody but their own session waiting.
            share=SHARE if broadcaster is None else 1,
            # Relays sweep the connections of their own endpoints.
            aside=None if broadcaster is None else broadcaster.sweep,
            aside_every_seconds=self.settings.heartbeat_interval_ms / 1000,
            telemetry=self.telemetry,
        )

    def sweep_for_a_minute(self, remaining_ms: int) -> None:
        """What a function does that is called once a minute and has ``remaining_ms`` left."""
        self.sweeper().work_through_minute(remaining_ms)
        # Nobody scrapes a function. That the store is away others say, and louder.
        with suppress(StoreUnavailable):
            self.telemetry.overdue(self.stats.facts())

    def close(self, within_seconds: float) -> None:
        """Let posts that are under way end, and leave the store."""
        if "management_api" in self.__dict__:
            self.management_api.close(within_seconds)
        if "redis" in self.__dict__:
            self.redis.close()
        if "sink" in self.__dict__:
            self.sink.flush()


class _Process:
    container: Container | None = None
    lock = Lock()


def container() -> Container:
    """The services of this process.

    Raises:
        InvalidSetting: The environment asks for something that can't be; the log says so.
    """
    found = _Process.container
    if found is None:
        # Of logs and figures there must be one, however many threads ask at first.
        with _Process.lock:
            found = _Process.container
            if found is None:
                found = _Process.container = _services_of_functions()
                # A Lambda is ended without a word; a process that ends by itself leaves in order.
                atexit.register(found.close, LEAVE_WITHIN_SECONDS)
                # What has been imported stays: no garbage collection need look at it again.
                gc.freeze()
    return found


def _services_of_functions() -> Container:
    try:
        return start_container()
    except InvalidSetting as error:
        # Nobody reads what a function raises; and how logs are to look may be what is wrong.
        from .telemetry.logging import start_logging

        start_logging(default_settings())
        LOG.error("settings: %s", error)
        raise


def start_container() -> Container:
    """The container as the environment asks for it, and logs that are written as it asks.

    Raises:
        InvalidSetting: It asks for something that can't be.
    """
    from .telemetry.logging import start_logging

    settings = read_settings()
    start_logging(settings)
    started = Container(settings)
    _ = started.telemetry, started.tracing
    return started


def replace_container(replacement: Container | None) -> None:
    """Have everybody use other services; ``None`` builds them anew from the environment."""
    _Process.container = replacement
