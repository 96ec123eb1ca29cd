"""The connection to Redis: its limits in time, and its failures in our words.

Nothing here knows what is stored. A call to :class:`Server` returns, or raises
StoreUnavailable when no answer can be had, or lets through what only a mistake
of ours can cause.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, TypeVar, cast

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    InvalidResponse,
    MaxConnectionsError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from ..ports import StoreUnavailable
from ..settings import Settings
from ..telemetry.tracing import Tracing
from .cluster import ClusterClient, exchange_together

Client = redis.Redis | ClusterClient
Command = tuple[bytes | str | int, ...]
T = TypeVar("T")

ANSWER_WITHIN_S = 0.5
"""How long a server may take to accept a connection, and again to answer."""

NODE_ANSWERS_WITHIN_S = 0.3
"""The same for a node of a cluster, of which several may have to be asked."""

SILENT_S = 0.4
"""A call that failed after so long has met silence, and not a refusal."""

REFUSE_S = 0.2
PROBE_S = 2 * ANSWER_WITHIN_S + 0.1

HEALTH_CHECK_AFTER_S = 15
"""A connection idle for longer is tried with a PING before it is used.

A Lambda that was frozen wakes up with sockets that are dead and do not know.
"""

AWAY = (
    redis.ConnectionError,  # refused, cut, LOADING, NOAUTH, WRONGPASS
    redis.TimeoutError,
    ReadOnlyError,
    OutOfMemoryError,
    NoPermissionError,
    TryAgainError,
    ClusterError,  # CLUSTERDOWN, MASTERDOWN, too many redirections
    RedisClusterException,  # no node of a cluster answers
    InvalidResponse,  # whoever answers there is no Redis
)
AWAY_MESSAGES = (
    "MISCONF",
    "NOREPLICAS",
    "BUSY",
    "ACL failure in script",  # Valkey, of a user without a right that a script needs
    "The user executing the script can't",  # Redis 7, of the same
)
"""How errors begin for which redis-py has no class of their own."""

ONCE_MORE = (redis.ConnectionError, redis.TimeoutError, ReadOnlyError, ClusterDownError)
NOT_ONCE_MORE = (AuthenticationError, AuthorizationError, BusyLoadingError, MaxConnectionsError)


def connect(settings: Settings) -> Server:
    """The Redis, or Redis Cluster, that the settings name; it is not called yet."""
    return Server(lambda: open_client(settings), is_cluster=settings.redis_cluster)


def connect_traced(settings: Settings, tracing: Tracing) -> Server:
    """As :func:`connect`; each call is a span of its own."""
    return _TracedServer(
        lambda: open_client(settings), is_cluster=settings.redis_cluster, tracing=tracing
    )


def open_client(settings: Settings) -> Client:
    """A client that is safe for many threads, within our limits; it connects when first used."""
    if settings.redis_cluster:
        return ClusterClient(_open(settings.redis_url, NODE_ANSWERS_WITHIN_S))
    return open_one_server(settings)


def open_one_server(settings: Settings) -> redis.Redis:
    """redis-py's client of whichever server the URL leads to, one node of a cluster perhaps."""
    return _open(settings.redis_url, ANSWER_WITHIN_S)


def _open(url: str, answer_within_s: float) -> redis.Redis:
    # It never repeats a command by itself: redis-py nests its retries (of a
    # command, of the health check before it, of the connection before that), so
    # that already one retry each could take 2.5 s.
    return redis.Redis.from_url(
        url,
        socket_timeout=answer_within_s,
        socket_connect_timeout=answer_within_s,
        socket_keepalive=True,
        health_check_interval=HEALTH_CHECK_AFTER_S,
        # RESP3 begins with a HELLO, which also logs in. RESP2 needs no word at
        # the beginning, but without one redis-py takes the session tickets of
        # TLS 1.3 for a reply that nobody asked for, and no connection is good.
        protocol=3,
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        retry=Retry(NoBackoff(), 0),
    )


class Server:
    """Redis as a place to call: connected when first needed, and called once more if lost.

    A call may therefore reach the server twice. Whoever calls sees to it that
    the second time does no harm.
    """

    def __init__(
        self,
        open_client: Callable[[], Client],
        *,
        is_cluster: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_client = open_client
        self._is_cluster = is_cluster
        self._lock = Lock()
        self._client: Client | None = None
        # The last one used is the first one taken, by any thread. redis-py's
        # own way through pool and client costs as much again as the exchange.
        self._idle: list[Any] = []
        self._monotonic = monotonic
        self._refuse_until_s = 0.0

    def execute(self, *command: bytes | str | int) -> Any:
        """The answer to one command, as the server gives it.

        Raises:
            StoreUnavailable: There is none; the message names the cause.
        """
        return self.call(lambda client: self._exchange(client, command))

    def execute_together(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to many commands; each server is sent all that are for it at once.

        A NoScriptError stands among the answers; any other error is raised, with
        the errors of :meth:`execute`, and some of the commands may be carried out then.
        """
        return self.call(lambda client: self._exchange_together(client, commands))

    def execute_beside(self, command: Command, companion: Command) -> tuple[Any, Any]:
        """The answers to a command and to a companion, sent at once where there is one server.

        Raised is what :meth:`execute` raises of the command. Whatever became of
        the companion, StoreUnavailable and NoScriptError included, stands in its place.
        """
        if not self._is_cluster:
            answer, companions = self.call(
                lambda client: self._exchange_together(client, (command, companion), essential=1)
            )
            if isinstance(companions, ResponseError) and not isinstance(companions, NoScriptError):
                companions = _as_ours(companions)
            return answer, companions
        try:
            answer = self.execute(*command)
        except NoScriptError as unknown:
            answer = unknown
        try:
            return answer, self.execute(*companion)
        except (StoreUnavailable, NoScriptError) as error:
            return answer, error

    def call(self, ask: Callable[[Client], T]) -> T:
        """What ``ask`` makes of redis-py's client; with the errors that :meth:`execute` raises.

        While a server is silent, most calls fail at once: were each to find out
        for itself, those that queue for a thread would wait many times over.
        """
        asked_at_s = self._monotonic()
        if asked_at_s < self._refuse_until_s:
            raise StoreUnavailable("It was silent a moment ago")
        if self._refuse_until_s:
            # Whoever comes first asks; the others go on being refused meanwhile.
            self._refuse_until_s = asked_at_s + PROBE_S
        refuse_until_s = 0.0
        try:
            return self._call(ask)
        except StoreUnavailable:
            failed_at_s = self._monotonic()
            # One silent node of a cluster must not keep the others from being asked.
            if failed_at_s - asked_at_s >= SILENT_S and not self._is_cluster:
                refuse_until_s = failed_at_s + REFUSE_S
            raise
        finally:
            # Any answer will do, also one that says no.
            self._refuse_until_s = refuse_until_s

    def _call(self, ask: Callable[[Client], T]) -> T:
        try:
            return ask(self._connected())
        except (RedisError, RedisClusterException) as error:
            if not isinstance(error, ONCE_MORE) or isinstance(error, NOT_ONCE_MORE):
                raise _as_ours(error) from error
        # What became of one connection has probably become of all: a server
        # that restarted, or a primary that is one no longer.
        self._drop_idle_connections()
        try:
            return ask(self._connected())
        except (RedisError, RedisClusterException) as error:
            raise _as_ours(error) from error

    def close(self) -> None:
        """Close every connection; the next call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        self._drop_idle_connections()
        if client is not None:
            client.close()

    def _exchange(self, client: Client, command: Command) -> Any:
        if self._is_cluster:
            return cast(ClusterClient, client).execute_command(*command)
        connection = self._idle_or_new(client)
        try:
            # At once: else the first command waits for a health check, too.
            connection.connect()
            connection.send_command(*command)
            answer = connection.read_response()
        except ResponseError:
            self._idle.append(connection)
            raise
        except BaseException:
            # Half an exchange is behind it: an answer could be taken for the next one's.
            connection.disconnect()
            raise
        self._idle.append(connection)
        return answer

    def _exchange_together(
        self, client: Client, commands: Sequence[Command], essential: int | None = None
    ) -> list[Any]:
        """The answers; errors among the first so many are raised."""
        if self._is_cluster:
            answers = cast(ClusterClient, client).execute_together(commands)
        else:
            connection = self._idle_or_new(client)
            try:
                answers = exchange_together(connection, commands)
            except BaseException:
                connection.disconnect()
                raise
            self._idle.append(connection)
        for answer in answers[:essential]:
            if isinstance(answer, ResponseError) and not isinstance(answer, NoScriptError):
                raise answer
        return answers

    def _idle_or_new(self, client: Client) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            # The pool would count what it makes, and never forget what was lost.
            pool = cast(redis.Redis, client).connection_pool
            return pool.connection_class(**pool.connection_kwargs)

    def _connected(self) -> Client:
        client = self._client
        if client is None:
            with self._lock:
                client = self._client
                if client is None:
                    client = self._client = self._open_client()
        return client

    def _drop_idle_connections(self) -> None:
        # A cluster's client does this itself, node by node.
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().disconnect()


class _TracedServer(Server):
    def __init__(
        self, open_client: Callable[[], Client], *, is_cluster: bool, tracing: Tracing
    ) -> None:
        super().__init__(open_client, is_cluster=is_cluster)
        self._tracing = tracing

    def call(self, ask: Callable[[Client], T]) -> T:
        with self._tracing.span("redis"):
            return super().call(ask)


def _as_ours(error: Exception) -> Exception:
    """StoreUnavailable, or the very same error where the server is well and we are not."""
    away = isinstance(error, AWAY)
    if isinstance(error, ResponseError):
        away = away or str(error).startswith(AWAY_MESSAGES)
    return StoreUnavailable(f"{type(error).__name__}: {error}") if away else error
