"""Recipients of a broadcast: a session's connections, sorted into subscribers, silent and revoked.

Reads the registry it is given and does no other I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..ports import Connection, ConnectionRegistry, HeartbeatPolicy, SessionConnections
from .connections_api.ports import DeliveryStatus
from .gone_connections import is_proven_gone

SESSIONS_PER_READ = 64
"""How many sessions' connections a sweep reads in one round trip."""


@dataclass(frozen=True, slots=True)
class Recipients:
    """A session's connections at one instant of the store's clock.

    ``revoked`` connections have an expired or revoked token and receive no updates. ``to_close``
    are to be closed: the silent and the forbidden.
    """

    session_id: str
    subscribers: Sequence[Connection]
    silent: Sequence[Connection]
    revoked: Sequence[Connection]
    to_close: Sequence[Connection]
    now_ms: int
    heartbeat_policy: HeartbeatPolicy

    def abandoned(self, endpoint: str) -> Sequence[str]:
        """Silent connections of other endpoints, which no process there deregisters."""
        return [
            one.connection_id
            for one in self.silent
            if one.endpoint != endpoint
            and self.now_ms - one.last_seen_at_ms > self.heartbeat_policy.abandoned_ms
        ]

    def gone(self, statuses: Iterable[DeliveryStatus]) -> Sequence[Connection]:
        """The subscribers that are gone, by the status of the post to each."""
        return [
            one
            for one, status in zip(self.subscribers, statuses, strict=False)
            if status is DeliveryStatus.GONE and is_proven_gone(one, self.now_ms)
        ]


def recipients_of(
    registry: ConnectionRegistry, session_id: str, endpoint: str | None = None
) -> Recipients:
    """The session's recipients, optionally of one endpoint only."""
    return _recipients(
        session_id, registry.connections_of(session_id), registry.heartbeat_policy, endpoint
    )


def recipients_of_each(
    registry: ConnectionRegistry, session_ids: Sequence[str], endpoint: str | None = None
) -> Sequence[Recipients]:
    """:func:`recipients_of` for each session, in the same order, in one round trip."""
    lists = registry.connections_of_many(session_ids)
    return [
        _recipients(session_id, listed, registry.heartbeat_policy, endpoint)
        for session_id, listed in zip(session_ids, lists, strict=True)
    ]


def _recipients(
    session_id: str,
    listed: SessionConnections,
    heartbeat_policy: HeartbeatPolicy,
    endpoint: str | None,
) -> Recipients:
    subscribers: list[Connection] = []
    silent: list[Connection] = []
    revoked: list[Connection] = []
    now_ms = listed.now_ms
    for one in listed.connections:
        if endpoint is not None and one.endpoint != endpoint:
            continue
        if now_ms - one.last_seen_at_ms > heartbeat_policy.silent_ms:
            silent.append(one)
        elif one.valid_until_ms is not None and one.valid_until_ms <= now_ms:
            revoked.append(one)
        else:
            subscribers.append(one)
    return Recipients(
        session_id=session_id,
        subscribers=subscribers,
        silent=silent,
        revoked=revoked,
        to_close=[*silent, *revoked],
        now_ms=now_ms,
        heartbeat_policy=heartbeat_policy,
    )
