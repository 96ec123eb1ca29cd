"""Who is to hear of a session, and who no longer listens.

Pure but for the registry it is given: it reads the list and says what may be
struck from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..ports import Connection, ConnectionRegistry, HeartbeatPolicy, SessionConnections
from .connections_api.ports import DeliveryStatus

GRACE_MS = 15_000
"""A post that races $connect is answered 410 too; so long it proves nothing."""

LISTS_AT_ONCE = 64
"""Of whoever goes through all lists, so many in one round trip."""


@dataclass(frozen=True, slots=True)
class Recipients:
    """The watchers of a session at one instant of the store's clock.

    Who is ``forbidden`` has come with a token that holds no more, and is told nothing.
    """

    session_id: str
    present: Sequence[Connection]
    silent: Sequence[Connection]
    now_ms: int
    heartbeat_policy: HeartbeatPolicy
    forbidden: Sequence[Connection] = ()

    @property
    def leaving(self) -> Sequence[Connection]:
        """Whose connections are to be closed."""
        return [*self.silent, *self.forbidden]

    def abandoned(self, endpoint: str) -> Sequence[str]:
        """Connections of other endpoints than this one that nobody there takes off the list."""
        return [
            one.connection_id
            for one in self.silent
            if one.endpoint != endpoint
            and self.now_ms - one.heard_at_ms > self.heartbeat_policy.abandoned_ms
        ]

    def is_gone(self, watcher: Connection, outcome: DeliveryStatus) -> bool:
        """Whether what became of a post proves that nobody is there any more."""
        return outcome is DeliveryStatus.GONE and self.now_ms - watcher.registered_at_ms >= GRACE_MS


def recipients_of(
    registry: ConnectionRegistry, session_id: str, endpoint: str | None = None
) -> Recipients:
    """Everybody who watches, or only those of one endpoint."""
    return _audience(
        session_id, registry.connections_of(session_id), registry.heartbeat_policy, endpoint
    )


def recipients_of_each(
    registry: ConnectionRegistry, session_ids: Sequence[str], endpoint: str | None = None
) -> Sequence[Recipients]:
    """As :func:`audience_of` for each, in their order, and cheaper than one after another."""
    lists = registry.connections_of_many(session_ids)
    return [
        _audience(session_id, listed, registry.heartbeat_policy, endpoint)
        for session_id, listed in zip(session_ids, lists, strict=True)
    ]


def _audience(
    session_id: str,
    listed: SessionConnections,
    heartbeat_policy: HeartbeatPolicy,
    endpoint: str | None,
) -> Recipients:
    ours = [one for one in listed.connections if endpoint is None or one.endpoint == endpoint]
    silent = [one for one in ours if listed.now_ms - one.heard_at_ms > heartbeat_policy.silent_ms]
    here = [one for one in ours if listed.now_ms - one.heard_at_ms <= heartbeat_policy.silent_ms]
    forbidden = [one for one in here if _has_ended(one, listed.now_ms)]
    present = [one for one in here if not _has_ended(one, listed.now_ms)]
    return Recipients(session_id, present, silent, listed.now_ms, heartbeat_policy, forbidden)


def _has_ended(watcher: Connection, now_ms: int) -> bool:
    return watcher.valid_until_ms is not None and watcher.valid_until_ms <= now_ms
