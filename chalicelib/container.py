"""Dependency container: builds each service of a process once, when it is first used.

``app.py`` makes one and hands it to the routes and handlers; tests make their own. Nothing is
built at import, and what only some functions need is imported by the service that needs it: a
function that serves REST imports nothing of the WebSocket API, and ``/health`` opens no store.
"""

from __future__ import annotations

import atexit
import gc
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .cached_service import cached_service
from .engine.commit_loop import CommitLoop
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
from .rate_limit.limiter import RateLimiter
from .settings import InvalidSetting, Settings, default_settings, read_settings
from .store.client import RedisClient
from .telemetry.metrics import NoSink, Sink, Telemetry

if TYPE_CHECKING:
    from .auth.authenticator import TokenAuthenticator
    from .broadcast.connections_api import ConnectionsApi
    from .broadcast.inline import InlineBroadcaster
    from .broadcast.relay import Relay
    from .engine.sweeper import Sweeper
    from .telemetry.tracing import Tracing
    from .websocket.handlers import WebSocketHandlers


LOG = logging.getLogger("tickless")

CLOSE_WITHIN_SECONDS = 0.2
"""How long posts in flight may take when a process exits."""


class _Lazy:
    """Stands for an object that is built when one of its methods is first called."""

    def __init__(self, build: Callable[[], object]) -> None:
        self._build = build

    def __getattr__(self, name: str) -> Any:
        # From then on, lookup finds the method in ``__dict__``.
        method = self.__dict__[name] = getattr(self._build(), name)
        return method


class Container:
    """The services of one process; each is built when it is first used.

    Without ``settings`` the environment is read at the first use, so that importing the
    application reads nothing.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        if settings is not None:
            self.__dict__["settings"] = settings

    @classmethod
    def from_environment(cls) -> Container:
        """A container whose settings are read now, with logging started.

        Raises:
            InvalidSetting: A variable of the environment is invalid.
        """
        from .telemetry.logging import start_logging

        settings = read_settings()
        start_logging(settings)
        started = cls(settings)
        _ = started.telemetry, started.tracing
        return started

    @cached_service
    def settings(self) -> Settings:
        """The settings of a Lambda function, which logs what is wrong with them.

        Raises:
            InvalidSetting: A variable of the environment is invalid.
        """
        from .telemetry.logging import start_logging

        try:
            settings = read_settings()
        except InvalidSetting as error:
            # No caller of a function reads what it raises, and LOG_FORMAT may be what is wrong.
            start_logging(default_settings())
            LOG.error("settings: %s", error)
            raise
        start_logging(settings)
        # Lambda kills its processes without a signal; one that exits by itself closes in order.
        atexit.register(self.close, CLOSE_WITHIN_SECONDS)
        # What has been imported stays: no garbage collection need look at it again.
        gc.freeze()
        return settings

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
        return RedisClient(self.settings, self.tracing)

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

        settings = self.settings
        return RedisConnections(
            self.redis,
            settings.shards,
            self.heartbeat_policy,
            settings.session_ttl_seconds * 1000,
        )

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

    def metrics_text(self) -> bytes:
        """The store's statistics, and this process's own metrics if it keeps any."""
        from .telemetry.prometheus import PrometheusSink, StatsCollector, exposition

        own = self.sink.collectors() if isinstance(self.sink, PrometheusSink) else ()
        return exposition([StatsCollector(self.stats), *own])

    @cached_service
    def connections_api(self) -> ConnectionsApi:
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
        """Posts each commit from here; None where relays do."""
        if self.settings.broadcast != "inline":
            return None
        # Built with the first commit: reads import nothing that posts.
        return cast(Broadcaster, _Lazy(lambda: self.inline))

    @cached_service
    def inline(self) -> InlineBroadcaster:
        from .broadcast.inline import InlineBroadcaster

        return InlineBroadcaster(
            self.connections, lambda: self.connections_api, telemetry=self.telemetry
        )

    @cached_service
    def authenticator(self) -> TokenAuthenticator | None:
        """Verifies and signs tokens; None with AUTH=off."""
        return self.required_authenticator if self.settings.auth else None

    @cached_service
    def required_authenticator(self) -> TokenAuthenticator:
        """Its keys, which may have to be fetched, are looked up with the first token."""
        from .auth.authenticator import TokenAuthenticator
        from .auth.key_cache import KeyCache
        from .auth.key_source import KeySource

        key_cache = KeyCache(KeySource(self.settings).read)
        return TokenAuthenticator(key_cache, self.settings.token_ttl_seconds)

    @cached_service
    def engine(self) -> SyncEngine:
        return SyncEngine(
            CommitLoop(
                self.store,
                broadcaster=self.broadcaster,
                session_ttl_ms=self.settings.session_ttl_seconds * 1000,
                telemetry=self.telemetry,
            )
        )

    @cached_service
    def websocket(self) -> WebSocketHandlers:
        from .websocket.connect_authorizer import ConnectAuthorizer
        from .websocket.handlers import WebSocketHandlers
        from .websocket.welcome import LambdaWelcomeInvoker

        return WebSocketHandlers(
            engine=self.engine,
            store=self.store,
            registry=self.connections,
            api=self.connections_api,
            limits=self.limits,
            welcome_invoker=LambdaWelcomeInvoker(self.settings.greeter, self.settings.aws_region),
            connect_authorizer=ConnectAuthorizer(
                self.store,
                (lambda: self.required_authenticator) if self.settings.auth else None,
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
            self.connections_api,
            endpoint,
            telemetry=self.telemetry,
            sweep_every_seconds=self.settings.heartbeat_interval_ms / 1000,
        )

    def sweeper(self) -> Sweeper:
        """A sweeper, not yet started."""
        from .engine.sweeper import BATCH_SIZE, Sweeper
        from .store.subscription import deadline_notifications

        broadcaster = self.inline if self.settings.broadcast == "inline" else None
        return Sweeper(
            self.engine,
            self.deadlines,
            lambda: deadline_notifications(self.settings),
            # Inline, each session's posts are waited for: connections that don't answer delay
            # no session but their own.
            batch_size=BATCH_SIZE if broadcaster is None else 1,
            # With relays, each sweeps the connections of its own endpoint.
            periodic_task=None if broadcaster is None else broadcaster.sweep,
            task_every_seconds=self.settings.heartbeat_interval_ms / 1000,
            telemetry=self.telemetry,
        )

    def sweep(self, remaining_ms: int) -> None:
        """The scheduled function: sweep while something falls due, within ``remaining_ms``."""
        self.sweeper().work_while_due(remaining_ms)
        # A function is not scraped. That the store is unavailable is reported elsewhere.
        with suppress(StoreUnavailable):
            self.telemetry.record_overdue(self.stats.read())

    def close(self, within_seconds: float) -> None:
        """Let posts in flight end, and disconnect from the store."""
        if "connections_api" in self.__dict__:
            self.connections_api.close(within_seconds)
        if "redis" in self.__dict__:
            self.redis.close()
        if "sink" in self.__dict__:
            self.sink.flush()
