"""Ports: what the engine needs from outside, as Protocols and values.

``store`` and ``broadcast`` implement them, and so do the tests' fakes; one contract suite runs on
both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

from .auth.policy import Bearer
from .core.errors import Ending as Ending
from .core.errors import StoreUnavailable as StoreUnavailable
from .core.events import Event
from .core.session import Session
from .rate_limit.limiter import RateLimitCheck as RateLimitCheck
from .rate_limit.limiter import Scope as Scope

KEEP_ENDINGS_MS = 24 * 60 * 60_000
"""How long the store knows that a session was deleted, or has expired."""

REMEMBER_COMMANDS_MS = 60_000
"""How long a command without an Idempotency-Key is remembered: longer than any retry of it."""


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """What is stored of a command that was carried out, to recognise its repetition.

    ``version`` is the version it made, 0 for a deletion. ``response`` is what the request with this
    ``fingerprint`` got, and ``epoch`` belongs to ``version``; all three are empty without an
    Idempotency-Key.
    """

    version: int
    fingerprint: bytes = b""
    response: bytes = b""
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A session, or ``None``, as of ``now_ms``, the store's time.

    ``record`` is that of the command named in the call, if it was carried out before. ``ending``
    is how a session that existed in the last 24 hours ended.
    """

    session: Session | None
    now_ms: int
    record: IdempotencyRecord | None = None
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """The next version of a session, and what is written with it in one atomic step.

    ``base_version`` is the version it was made from, 0 for a session that must not exist yet.
    ``base_updated_at_ms`` distinguishes that version from another with the same number, which a
    failover can cause. A repeated commit is recognised by ``command_id``. ``due_ms`` is when the
    session must be settled next. ``expires_at_ms`` is when the store deletes it, which
    connections may put off to ``renewable_until_ms``; ``None`` leaves these unchanged. ``update``
    is published to the connections. ``record``, or the version without one, is kept for
    ``keep_ms``. A creation writes the session's setup, any other commit only if it
    ``writes_setup``.
    """

    session: Session
    base_version: int
    command_id: str
    events: Sequence[Event]
    due_ms: int | None
    expires_at_ms: int | None
    update: bytes
    record: IdempotencyRecord | None = None
    keep_ms: int = REMEMBER_COMMANDS_MS
    base_updated_at_ms: int | None = None
    renewable_until_ms: int | None = None
    writes_setup: bool = False


@dataclass(frozen=True, slots=True)
class Committed:
    """The commit is stored as ``version``; ``before`` is its record if it was made earlier."""

    version: int
    before: IdempotencyRecord | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """The session is deleted; ``existed`` until now. ``before`` is the record of a repetition."""

    existed: bool
    before: IdempotencyRecord | None = None


@dataclass(frozen=True, slots=True)
class Stale:
    """Another writer won; ``current`` is the session as it is now."""

    current: Loaded


class LoggedEvent(NamedTuple):
    """An event in a session's log. Ids grow; ``version`` is the one it belongs to."""

    event_id: str
    version: int
    event: Event


class SessionStore(Protocol):
    """Stores sessions. Every method raises StoreUnavailable if the store can't be reached.

    A method with a ``bearer`` raises Unauthenticated, and changes nothing, if the bearer's token
    has expired or was revoked.
    """

    def load(
        self,
        session_id: str,
        command_id: str | None = None,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> Loaded:
        """Load the session and the record of ``command_id``, and count the request.

        A switch is counted by its commit. Here it is only rejected if the limit has no room for it;
        not if it is a repetition, or if there is no session.

        Raises:
            RateLimited: The request exceeds its limit.
        """

    def commit(
        self, commit: Commit, limit_check: RateLimitCheck | None = None
    ) -> Committed | Stale:
        """Make the commit; a new switch counts towards its limit, a repeated one does not.

        Raises:
            RateLimited: The switch exceeds its limit; nothing was changed.
        """

    def load_many(self, session_ids: Sequence[str]) -> Sequence[Loaded]:
        """:meth:`load` for each session, in the same order, pipelined."""

    def commit_many(self, commits: Sequence[Commit]) -> Sequence[Committed | Stale]:
        """:meth:`commit` for each, pipelined. The sessions must differ; each commit is atomic.

        If StoreUnavailable is raised, some commits may have been made.
        """

    def save_response(
        self, session_id: str, command_id: str, record: IdempotencyRecord, keep_ms: int
    ) -> IdempotencyRecord:
        """Store the record of a command that changed nothing; returns the earlier one if any."""

    def authorize(
        self, session_id: str, bearer: Bearer | None, limit_check: RateLimitCheck | None = None
    ) -> int:
        """The checks of :meth:`load` without decoding the session, which may be missing.

        Returns the store's time.
        """

    def revoke(self, session_id: str, token_id: str, keep_ms: int) -> None:
        """Revoke a token and its connections' right to updates; relays get an empty message."""

    def count_request(self, limit_check: RateLimitCheck) -> None:
        """Count a request that loads nothing.

        Raises:
            RateLimited: It exceeds its limit.
        """

    def delete(
        self,
        session_id: str,
        command_id: str,
        final_message: bytes,
        *,
        base: Session | None = None,
        record: IdempotencyRecord | None = None,
        keep_ms: int = REMEMBER_COMMANDS_MS,
    ) -> Deleted | Stale:
        """Delete the session and its keys, and publish ``final_message`` if there was one.

        Idempotent; ``record`` is kept as a commit's is. With a ``base``, only that version is
        deleted.
        """

    def read_events(
        self, session_id: str, after: str | None, limit: int
    ) -> Sequence[LoggedEvent] | None:
        """At most ``limit`` events after the one whose id is ``after``, oldest first.

        ``None`` if there is no log. An id is two numbers below 2^63 joined by a dash; the event
        ``after`` may have left the log.
        """

    def now_ms(self) -> int:
        """The store's clock, the only one that counts."""

    def ping(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a session must be settled next, according to the index: a timeout or a warning."""

    session_id: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Due:
    """A shard's deadlines that have passed at ``now_ms``, the store's time, earliest first.

    ``next_ms`` is its earliest deadline in the future.
    """

    deadlines: Sequence[Deadline]
    next_ms: int | None
    now_ms: int


class DeadlineIndex(Protocol):
    """Finds the sessions that must be settled. Methods raise StoreUnavailable.

    Commits write the index. It has one part for each shard; shards are numbered from 0.
    """

    @property
    def shards(self) -> int: ...

    def due(self, shard: int, limit: int) -> Due:
        """At most ``limit`` deadlines that have passed."""

    def correct(self, session_id: str, found: Session | None, due_ms: int | None) -> None:
        """Set the deadline of a session that was loaded as ``found``.

        Changes nothing if the session has changed since, because that commit wrote its deadline.
        """


class DeadlineNotifications(Protocol):
    """Receives a message when a shard gets a deadline earlier than all its others."""

    def next(self, within_seconds: float) -> int | None:
        """The shard to look at; ``None`` if there was no message in ``within_seconds``.

        Raises:
            StoreUnavailable: Messages may have been missed; open another subscription.
        """


class Connection(NamedTuple):
    """A connection subscribed to a session; instants are on the store's clock.

    ``last_seen_at_ms`` is when its client last sent a message. ``valid_until_ms`` is when its token
    expires, 0 if it was revoked, ``None`` without a token.
    """

    connection_id: str
    endpoint: str
    registered_at_ms: int
    last_seen_at_ms: int
    valid_until_ms: int | None = None


class ConnectionContext(NamedTuple):
    """A connection's session and bearer, as authorized by its handshake."""

    session_id: str
    bearer: Bearer | None = None


@dataclass(frozen=True, slots=True)
class SessionConnections:
    """A session's connections as of ``now_ms``, the store's time."""

    connections: Sequence[Connection]
    now_ms: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The store's time and the session's version, returned for each message of a connection.

    The version is ``None`` without a session. ``updated_at_ms`` distinguishes two versions with the
    same number, of which a failover lost the first.
    """

    now_ms: int
    epoch: str | None = None
    version: int | None = None
    updated_at_ms: int | None = None


@dataclass(frozen=True)
class HeartbeatPolicy:
    """How often clients are to send a PING, and how long a connection may be silent."""

    heartbeat_ms: int = 30_000

    @cached_property
    def silent_ms(self) -> int:
        """A connection that has been silent for longer, three heartbeats, counts as gone."""
        return 3 * self.heartbeat_ms

    @cached_property
    def abandoned_ms(self) -> int:
        """A connection that has been silent for longer has no relay left to close it."""
        return 4 * self.heartbeat_ms


class ConnectionRegistry(Protocol):
    """The connections of each session. Every method raises StoreUnavailable."""

    @property
    def heartbeat_policy(self) -> HeartbeatPolicy: ...

    def register(
        self, session_id: str, connection_id: str, endpoint: str, bearer: Bearer | None = None
    ) -> Heartbeat:
        """Register a connection for a session. Idempotent.

        Restores the session's deadline if the index has lost it or has it too late, and puts off
        its expiry.

        Raises:
            Unauthenticated: The bearer's token has expired or was revoked.
        """

    def renew(self, connection_id: str) -> ConnectionContext | None:
        """:meth:`context_of` a connection that has sent a message, which is remembered longer."""

    def record_heartbeat(
        self,
        session_id: str,
        connection_id: str,
        endpoint: str,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> Heartbeat | None:
        """Record a message of a connection that :meth:`renew` has found, and count it.

        ``None``, and nothing changes, if the connection is no longer registered: its client may
        leave while the message is handled, which must not register it again. Does for the session
        what :meth:`register` does.

        Raises:
            Unauthenticated: The bearer's token has expired or was revoked.
            RateLimited: The message exceeds its limit.
        """

    def session_of(self, connection_id: str) -> str | None:
        """The session of a connection; ``None`` if the connection has been silent too long."""

    def context_of(self, connection_id: str) -> ConnectionContext | None:
        """The session and bearer of a connection; ``None`` as for :meth:`session_of`."""

    def deregister(self, connection_id: str) -> None:
        """Remove a connection. Idempotent."""

    def connections_of(self, session_id: str) -> SessionConnections: ...

    def connections_of_many(self, session_ids: Sequence[str]) -> Sequence[SessionConnections]:
        """:meth:`connections_of` for each session, in the same order, pipelined."""

    def remove(self, session_id: str, connection_ids: Sequence[str]) -> None:
        """Remove connections of a session. Idempotent."""

    def sessions_with_connections(self) -> Iterator[str]:
        """Every session that has connections. Scans all keys: for sweeps, not for requests."""


@dataclass(frozen=True, slots=True)
class StoreStats:
    """Counts over the whole store, taken shard by shard.

    ``sessions`` is by status. ``overdue`` deadlines have passed unsettled, the oldest of them
    ``overdue_ms`` ago.
    """

    sessions: Mapping[str, int]
    connections: int
    overdue: int
    overdue_ms: int


class StatsReader(Protocol):
    """Reads the store's statistics."""

    def read(self) -> StoreStats:
        """The current counts, at a cost that does not depend on the number of sessions.

        A session may be counted for a minute after it expired, and a connection until it has been
        silent for too long.

        Raises:
            StoreUnavailable: The store can't be reached.
        """


class Broadcaster(Protocol):
    """Sends commits to subscribers, where publishing them to relays is not enough."""

    def broadcast(self, session_id: str, message: bytes) -> None:
        """Post a message to each connection of the session; raises nothing."""

    def broadcast_and_close(self, session_id: str, final_message: bytes) -> None:
        """Post the final message to each connection of the session, and close them."""

    def close_revoked(self, session_id: str) -> None:
        """Send SESSION_FORBIDDEN to connections with expired or revoked tokens, and close them."""
