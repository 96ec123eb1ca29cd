"""ConnectionRegistry on Redis: the WebSocket connections of each session.

A connection has two records in different slots: its session, by connection id, because
socket messages don't name it; and its entry in the session's hash of connections. The
first is written first and both expire, so neither outlives a connection for long. Only
``register`` creates them: a heartbeat that races ``deregister`` leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..auth.policy import Bearer
from ..ports import (
    Connection,
    ConnectionContext,
    Heartbeat,
    HeartbeatPolicy,
    RateLimitCheck,
    SessionConnections,
)
from .client import RedisClient
from .keys import ALL_CONNECTIONS, SessionKeys, connection, session_of_list
from .script import Script, ScriptArguments
from .token_checks import check_accepted, decode_bearer, encode_bearer, valid_until_ms, with_token

LIST_TTL_MS = 130 * 60_000
"""API Gateway ends every connection after two hours."""

RENEW_EVERY_MS = 60 * 60_000
"""How often heartbeats put off a session's expiry at most; a shorter one's, twice in its life."""

SCAN_COUNT = 1_000


class RedisConnections:
    """Connections in Redis. Safe for many threads; see ConnectionRegistry for its methods."""

    def __init__(
        self,
        client: RedisClient,
        shards: int,
        heartbeat_policy: HeartbeatPolicy,
        session_ttl_ms: int,
    ) -> None:
        self.heartbeat_policy = heartbeat_policy
        self._client = client
        self._shards = shards
        self._renewal_ms = session_ttl_ms, min(RENEW_EVERY_MS, session_ttl_ms // 2)
        self._record_heartbeat = Script("record_heartbeat", "gcra")
        self._record_heartbeat_with_token = Script("record_heartbeat", "check_token", "gcra")
        self._connections = Script("connections")

    def register(
        self, session_id: str, connection_id: str, endpoint: str, bearer: Bearer | None = None
    ) -> Heartbeat:
        context = session_id if bearer is None else f"{session_id} {encode_bearer(bearer)}"
        kept_ms = self.heartbeat_policy.abandoned_ms
        self._client.execute("SET", connection(connection_id), context, "PX", kept_ms)
        return _heartbeat(
            self._record(session_id, connection_id, endpoint, None, bearer, is_new=True)
        )

    def record_heartbeat(
        self,
        session_id: str,
        connection_id: str,
        endpoint: str,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> Heartbeat | None:
        answer = self._record(
            session_id, connection_id, endpoint, limit_check, bearer, is_new=False
        )
        return _heartbeat(answer, limit_check) if answer else None

    def _record(
        self,
        session_id: str,
        connection_id: str,
        endpoint: str,
        limit_check: RateLimitCheck | None,
        bearer: Bearer | None,
        *,
        is_new: bool,
    ) -> list[Any]:
        """The script's answer, without any values if the connection is not registered."""
        endpoint_record, script = endpoint, self._record_heartbeat
        if bearer is not None:
            endpoint_record = f"{endpoint} {valid_until_ms(bearer)} {bearer.token_id}"
        keys = SessionKeys.of(session_id, self._shards)
        values = (
            session_id,
            connection_id,
            endpoint_record,
            LIST_TTL_MS,
            self.heartbeat_policy.silent_ms,
            *self._renewal_ms,
            int(is_new),
        )
        lists: tuple[str, ...] = (
            keys.session,
            keys.connections,
            keys.connected,
            keys.deadlines,
            keys.events,
            keys.sessions,
        )
        arguments: ScriptArguments = (len(lists), *lists, *values)
        if limit_check is not None:
            lists = (*lists, keys.messages(connection_id))
            arguments = (len(lists), *lists, *values, *limit_check.limit.script_arguments)
        if bearer is not None:
            script = self._record_heartbeat_with_token
            arguments = with_token(arguments, keys, bearer)
        answer: list[Any] = self._client.run(script, *arguments)
        if bearer is not None:
            check_accepted(answer)
        return answer

    def session_of(self, connection_id: str) -> str | None:
        context = self.context_of(connection_id)
        return context.session_id if context is not None else None

    def context_of(self, connection_id: str) -> ConnectionContext | None:
        return _context(self._client.execute("GET", connection(connection_id)))

    def renew(self, connection_id: str) -> ConnectionContext | None:
        name, kept_ms = connection(connection_id), self.heartbeat_policy.abandoned_ms
        return _context(self._client.execute("GETEX", name, "PX", kept_ms))

    def deregister(self, connection_id: str) -> None:
        session_id = self.session_of(connection_id)
        if session_id is not None:
            self.remove(session_id, [connection_id])

    def connections_of(self, session_id: str) -> SessionConnections:
        return _connections(self._client.run(self._connections, *self._to_list(session_id)))

    def connections_of_many(self, session_ids: Sequence[str]) -> Sequence[SessionConnections]:
        calls = [self._to_list(session_id) for session_id in session_ids]
        return list(map(_connections, self._client.run_pipeline(self._connections, calls)))

    def remove(self, session_id: str, connection_ids: Sequence[str]) -> None:
        keys = SessionKeys.of(session_id, self._shards)
        self._client.pipeline(
            [
                ("HDEL", keys.connections, *connection_ids),
                ("ZREM", keys.connected, *connection_ids),
                # Each key has its own slot, so a cluster takes one per command.
                *(("UNLINK", connection(one)) for one in connection_ids),
            ]
        )

    def sessions_with_connections(self) -> Iterator[str]:
        for key in self._client.scan(ALL_CONNECTIONS, SCAN_COUNT):
            yield session_of_list(key.decode())

    def _to_list(self, session_id: str) -> ScriptArguments:
        return (1, SessionKeys.of(session_id, self._shards).connections)


def _heartbeat(answer: list[Any], limit_check: RateLimitCheck | None = None) -> Heartbeat:
    now_ms, epoch, version, updated_at_ms, *counted = answer
    if limit_check is not None:
        limit_check.record(*counted)
        limit_check.enforce()
    if epoch is None:
        return Heartbeat(now_ms)
    # Sessions written by an older release have no updated_at_ms.
    made_at_ms = None if updated_at_ms is None else int(updated_at_ms)
    return Heartbeat(now_ms, epoch.decode(), int(version), made_at_ms)


def _context(record: bytes | None) -> ConnectionContext | None:
    if record is None:
        return None
    session_id, _, bearer = record.decode().partition(" ")
    return ConnectionContext(session_id, decode_bearer(bearer) if bearer else None)


def _connections(answer: Any) -> SessionConnections:
    now_ms, *rows = answer
    return SessionConnections(list(map(_connection, rows[::2], rows[1::2])), now_ms)


def _connection(connection_id: bytes, record: bytes) -> Connection:
    registered_at_ms, last_seen_at_ms, endpoint, *token = record.decode().split(" ")
    until_ms = int(token[0]) if token else None
    return Connection(
        connection_id.decode(), endpoint, int(registered_at_ms), int(last_seen_at_ms), until_ms
    )
