"""The Redis client: redis-py, on one server or on a Cluster, with bounded waits and our errors.

Owns timeouts, the one retry of a lost call, and which errors mean that the store is unavailable.
Must not know what is stored.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import Connection
from redis.exceptions import NoScriptError, RedisError, ResponseError, SlotNotCoveredError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from ..ports import StoreUnavailable
from ..settings import Settings
from ..telemetry.tracing import NoTracing, Tracing
from .cluster_client import ClusterClient, SingleAttempt
from .redis_errors import ERRORS, FINAL, LOST, UNANSWERED, store_error
from .script import Script, ScriptArguments

REFUSE_S = 0.2
"""How long connections are refused after one timed out."""

PROBE_S = 1.1
"""How long other threads are refused at most while one probes the server again."""

T = TypeVar("T")

TIMEOUT_S = 0.5
"""How long a server may take to accept a connection, and again to send what is awaited."""

NODE_TIMEOUT_S = 0.3
"""The same for a node of a cluster, of which several may have to be asked."""

HEALTH_CHECK_INTERVAL_S = 15
"""A connection that was idle for longer is tried with a PING: a Lambda that was frozen wakes up
with sockets that are dead and do not know."""

KEYLESS_NODES = 3
"""How many nodes a command without a key is sent to at most, until one answers."""


def open_redis(settings: Settings) -> Redis:
    """redis-py's client of the server that the URL names, within our limits; it connects later."""
    pool = BreakerConnectionPool.from_url(
        settings.redis_url,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=HEALTH_CHECK_INTERVAL_S,
        **_options(TIMEOUT_S),
    )
    return Redis.from_pool(pool)


def _options(timeout_s: float) -> dict[str, Any]:
    return {
        "protocol": 3,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "max_connections": 10_000,  # as many as there are threads; redis-py's default is 100
        # Two more round trips for each new connection, of which nothing here makes use.
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


class BreakerConnectionPool(ConnectionPool):
    """redis-py's pool with a circuit breaker: fails at once while its server is known to be silent.

    Otherwise each thread of many would wait for its own timeout, one after another where they queue
    for the same session. Idle connections don't go back to redis-py, which takes 30 us to lend one:
    it locks, and counts for metrics.
    """

    monotonic = staticmethod(time.monotonic)
    _open_until_s = 0.0

    def reset(self) -> None:
        super().reset()
        self._idle: list[Connection] = []

    def get_connection(self) -> Connection:  # type: ignore[override]
        """One that is ready for a command; redis.TimeoutError also if another just timed out."""
        open_until_s, now_s = self._open_until_s, self.monotonic()
        if now_s < open_until_s:
            raise RedisTimeoutError("Timeout connecting to server a moment ago")
        if open_until_s:
            # Half open: the first thread probes the server, the others go on being refused.
            self._open_until_s = now_s + PROBE_S
        timed_out = False
        try:
            return self._idle_connection() or super().get_connection()
        except RedisTimeoutError:
            timed_out = True
            raise
        finally:
            self._open_until_s = self.monotonic() + REFUSE_S if timed_out else 0.0

    def _idle_connection(self) -> Connection | None:
        """One that is connected and has nothing to read; redis-py reconnects any other."""
        with suppress(IndexError):
            connection = self._idle.pop()
            with suppress(RedisError):
                if connection.is_connected and not connection.can_read():
                    return connection
            super().release(connection)
        return None

    def release(self, connection: Connection) -> None:  # type: ignore[override]
        self._idle.append(connection)

    def disconnect(self, inuse_connections: bool = True) -> None:
        while self._idle:
            super().release(self._idle.pop())
        super().disconnect(inuse_connections)


class RedisClient:
    """The Redis, or Redis Cluster, that the settings name; for many threads.

    It connects with the first call. A call that is lost is sent once more, and so may reach the
    server twice: callers make sure that the second time does no harm.
    """

    def __init__(self, settings: Settings, tracing: Tracing | None = None) -> None:
        self._settings = settings
        self._tracing = tracing or NoTracing()
        self._is_cluster = settings.redis_cluster
        self._single_attempt = SingleAttempt()
        self._client: Redis | RedisCluster | None = None

    def execute(self, *command: bytes | str | int) -> Any:
        """The reply to one command.

        Raises:
            StoreUnavailable: There is none; the message names the cause.
            redis.ResponseError: The server refuses the command, and is in order.
        """
        return self._call(lambda client: _execute(client, command))

    def execute_keyless(self, *command: bytes | str | int) -> Any:
        """As :meth:`execute`, for a command that any node can answer."""
        return self._call(lambda client: _from_any_node(client, command))

    def pipeline(self, commands: Sequence[ScriptArguments]) -> list[Any]:
        """The replies to many commands; each server is sent all that are for it at once.

        A NoScriptError stands among the replies; any other error is raised as by
        :meth:`execute`, and some of the commands may be carried out then.
        """
        return self._call(lambda client: _pipeline(client, commands, required=len(commands)))

    def run(self, script: Script, *arguments: bytes | str | int) -> Any:
        """The script's reply; errors as of :meth:`execute`."""
        try:
            return self.execute("EVALSHA", script.digest, *arguments)
        except NoScriptError:
            return self._evaluate(script, arguments)

    def run_pipeline(self, script: Script, calls: Sequence[ScriptArguments]) -> list[Any]:
        """:meth:`run` for many calls, pipelined."""
        replies = self.pipeline([("EVALSHA", script.digest, *arguments) for arguments in calls])
        return [
            self._evaluate(script, arguments) if isinstance(reply, NoScriptError) else reply
            for arguments, reply in zip(calls, replies, strict=True)
        ]

    def pipeline_with_optional(
        self,
        script: Script,
        arguments: ScriptArguments,
        optional: Script,
        optional_arguments: ScriptArguments,
    ) -> tuple[Any, Any]:
        """:meth:`run` for two scripts; an error of the optional one is returned as its reply.

        A single server is sent both at once.
        """
        if self._is_cluster:
            reply, other = self.run(script, *arguments), None
        else:
            calls = (
                ("EVALSHA", script.digest, *arguments),
                ("EVALSHA", optional.digest, *optional_arguments),
            )
            reply, other = self._call(lambda client: _pipeline(client, calls, required=1))
            if isinstance(reply, NoScriptError):
                reply = self._evaluate(script, arguments)
        try:
            if self._is_cluster:
                other = self.run(optional, *optional_arguments)
            elif isinstance(other, NoScriptError):
                other = self._evaluate(optional, optional_arguments)
        except (StoreUnavailable, ResponseError) as error:
            return reply, error
        return reply, store_error(other) if isinstance(other, ResponseError) else other

    def _evaluate(self, script: Script, arguments: ScriptArguments) -> Any:
        """Run a script that the server does not have, which caches it there.

        A server has no scripts after a restart or failover.
        """
        return self.execute("EVAL", script.source, *arguments)

    def scan(self, pattern: str, count: int) -> list[bytes]:
        """The keys that match, of all servers, ``count`` in each round trip."""
        return self._call(lambda client: list(client.scan_iter(match=pattern, count=count)))

    def close(self) -> None:
        """Close idle connections; the next call opens new ones."""
        client = self._client
        if isinstance(client, RedisCluster):
            servers = [node.redis_connection for node in client.get_nodes()]
        else:
            servers = [client]
        for server in filter(None, servers):
            # Connections in use are other threads'.
            server.connection_pool.disconnect(inuse_connections=False)

    def _call(self, send: Callable[[Redis | RedisCluster], T]) -> T:
        with self._tracing.span("redis"):
            try:
                try:
                    return send(self._opened())
                except LOST as error:
                    if isinstance(error, FINAL):
                        raise
                    # If one connection was lost, all idle ones probably were.
                    self.close()
                    return send(self._opened())
            except ERRORS as error:
                raise store_error(error) from error

    def _opened(self) -> Redis | RedisCluster:
        client = self._client
        if client is None:
            # This asks a cluster for its topology.
            with self._single_attempt():
                client = self._client = self._client or self._open()
        return client

    def _open(self) -> Redis | RedisCluster:
        if not self._is_cluster:
            return open_redis(self._settings)
        return ClusterClient(
            self._single_attempt,
            url=self._settings.redis_url,
            retry=Retry(NoBackoff(), 0),
            require_full_coverage=False,
            dynamic_startup_nodes=False,
            connection_pool_class=BreakerConnectionPool,
            **_options(NODE_TIMEOUT_S),
        )


def _execute(client: Redis | RedisCluster, command: ScriptArguments) -> Any:
    if isinstance(client, RedisCluster):
        return client.execute_command(*command)
    # redis-py's execute_command takes 20 us more, for retries and metrics.
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command(*command)
        return connection.read_response()
    finally:
        client.connection_pool.release(connection)


def _from_any_node(client: Redis | RedisCluster, command: ScriptArguments) -> Any:
    if isinstance(client, Redis):
        return _execute(client, command)
    primaries = client.get_primaries()
    *others, last = random.sample(primaries, min(KEYLESS_NODES, len(primaries)))
    for node in others:
        try:
            return client.execute_command(*command, target_nodes=node)
        except UNANSWERED:
            continue
    return client.execute_command(*command, target_nodes=last)


def _pipeline(
    client: Redis | RedisCluster, commands: Sequence[ScriptArguments], required: int
) -> list[Any]:
    """The replies; errors among the first ``required`` are raised, NoScriptErrors returned."""
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        if isinstance(client, Redis):
            pipeline.execute_command(*command)
        else:
            # Without the node, redis-py asks the server for each command's keys.
            pipeline.execute_command(*command, target_nodes=_node_of(client, command))
    replies = cast("list[Any]", pipeline.execute(raise_on_error=False))
    for reply in replies[:required]:
        if isinstance(reply, Exception) and not isinstance(reply, NoScriptError):
            raise reply
    return replies


def _node_of(client: RedisCluster, command: ScriptArguments) -> ClusterNode | None:
    key = command[3] if command[0] == "EVALSHA" else command[1]
    try:
        return cast("ClusterNode | None", client.get_node_from_key(key))
    except SlotNotCoveredError:
        client.nodes_manager.initialize()
        raise
