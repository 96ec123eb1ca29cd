"""What the engine needs of the world outside, as Protocols.

Adapters in ``store`` and ``realtime`` fulfil them, and so do the fakes of the
tests; one contract suite runs on both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

from .auth.policy import Bearer
from .core.errors import StoreUnavailable as StoreUnavailable
from .core.events import Event
from .core.session import Session
from .rate_limit.limiter import RateLimitCheck as RateLimitCheck
from .rate_limit.limiter import Scope as Scope

REMEMBER_COMMANDS_MS = 60_000
"""Longer than anybody goes on repeating a command whose answer was lost."""


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """What is kept of a command that was carried out, in case it comes again.

    ``version`` is the one it made, 0 for a delete. ``answer`` is what the
    request of this ``fingerprint`` was answered with, and ``epoch`` the one of
    that version; all are empty for a request without an Idempotency-Key.
    """

    version: int
    fingerprint: bytes = b""
    response: bytes = b""
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A session, or none, and the store's time at the instant it was read.

    ``receipt`` is that of the command asked after, if it was carried out before.
    """

    session: Session | None
    now_ms: int
    record: IdempotencyRecord | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """The next version of a session, and all that goes with it.

    ``base_version`` is the version it was made from, 0 for a session that must
    not exist yet; ``base_updated_at_ms`` tells that one from another of its
    number, which a failover can bring about. ``command_id`` makes a repeated commit recognisable.
    ``due_ms`` is when it is to be settled next. ``expires_at_ms`` is when the
    store forgets the session; ``None`` leaves that instant as it is. ``update``
    is the message published to the connections. ``record`` is kept for
    ``keep_ms``; without one the version is.
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


@dataclass(frozen=True, slots=True)
class Committed:
    """The commit stands as ``version``: made now, or before, which ``before`` tells of."""

    version: int
    before: IdempotencyRecord | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """The session is gone: it ``existed``, or did not; or it was deleted ``before``."""

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
    """Where sessions live. Every method raises StoreUnavailable when it can't be reached.

    One that is given a ``bearer`` raises Unauthenticated where that one's token
    does not hold at that instant, or was revoked, and has done nothing then.
    """

    def load(
        self,
        session_id: str,
        command_id: str | None = None,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> Loaded:
        """The session; with the receipt of a command, if asked after, and a request counted.

        A switch is counted by its commit; here it is refused if there is no room
        for one that may be carried out: without a receipt, of a session that there is.
        """

    def commit(
        self, commit: Commit, limit_check: RateLimitCheck | None = None
    ) -> Committed | Stale:
        """Make the commit; a new switch counts towards the rate limit, a repeated one does not.

        Raises:
            RateLimited: It was one switch too many; nothing was changed.
        """

    def load_many(self, session_ids: Sequence[str]) -> Sequence[Loaded]:
        """As ``load`` for each, in its order, and cheaper than one after another."""

    def commit_many(self, commits: Sequence[Commit]) -> Sequence[Committed | Stale]:
        """As ``commit`` for each, of different sessions; each stands or falls alone.

        Some of them may stand even where StoreUnavailable is raised, as with ``commit``.
        """

    def save_response(
        self, session_id: str, command_id: str, record: IdempotencyRecord, keep_ms: int
    ) -> IdempotencyRecord:
        """Keep the receipt of a command that changes nothing, unless there is one; which stands."""

    def authorize(
        self, session_id: str, bearer: Bearer | None, limit_check: RateLimitCheck | None = None
    ) -> int:
        """As ``load``, of a session that need not be there, nor readable; the store's time."""

    def revoke(self, session_id: str, token_id: str, keep_ms: int) -> None:
        """Have a token not hold any more, nor who watches with it be told anything.

        Relays hear of it by an empty message.
        """

    def count_request(self, limit_check: RateLimitCheck) -> None:
        """Count a request beside no load."""

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
        """Forget the session and all that belongs to it, and publish ``farewell``.

        Nothing is published where there was none. Idempotent; the receipt is
        kept as a commit's. With a ``base`` nothing but that is deleted.
        """

    def read_events(
        self, session_id: str, after: str | None, limit: int
    ) -> Sequence[LoggedEvent] | None:
        """At most ``limit`` events, oldest first, from behind the one whose id is ``after``.

        ``None`` if there is no log. An id is two numbers below 2^63 joined by
        a dash; ``after`` needn't be in the log any more.
        """

    def now_ms(self) -> int:
        """The store's clock, the only one there is."""

    def ping(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Deadline:
    """When, as the index has it, a session is to be settled: timed out, or warned."""

    session_id: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Due:
    """What of a shard is due at ``now_ms``, the store's time, earliest first.

    ``next_ms`` is the earliest deadline that is still to come.
    """

    deadlines: Sequence[Deadline]
    next_ms: int | None
    now_ms: int


class DeadlineIndex(Protocol):
    """When which session is to be settled. Methods raise StoreUnavailable when it can't be reached.

    Commits write it. It is in as many parts as there are shards, numbered from 0.
    """

    @property
    def shards(self) -> int: ...

    def due(self, shard: int, limit: int) -> Due:
        """At most ``limit`` deadlines that have passed; what is not due costs nothing."""

    def correct(self, session_id: str, found: Session | None, due_ms: int | None) -> None:
        """Have the index say ``due_ms`` of a session that was ``found`` so.

        Nothing is changed where the session is no longer as it was found: then
        that change has written the index, too.
        """


class DeadlineNotifications(Protocol):
    """Hears of deadlines that are earlier than all others of their shard."""

    def next(self, within_seconds: float) -> int | None:
        """The shard to look at; ``None`` if there is none in time.

        Raises:
            StoreUnavailable: DeadlineNotifications may have been missed; nothing more is heard.
        """


class Connection(NamedTuple):
    """A connection that watches a session; the instants are the store's.

    ``valid_until_ms`` is when its token ends, 0 once that was revoked, None without one.
    """

    connection_id: str
    endpoint: str
    registered_at_ms: int
    heard_at_ms: int
    valid_until_ms: int | None = None


class ConnectionContext(NamedTuple):
    """What is known of a connection from its handshake: what it watches, and who it is."""

    session_id: str
    bearer: Bearer | None = None


@dataclass(frozen=True, slots=True)
class SessionConnections:
    """Who watches a session, and the store's time at the instant that was read."""

    connections: Sequence[Connection]
    now_ms: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a connection's sign of life is answered with.

    The rest is None without a session. ``updated_at_ms`` tells two versions of
    one number apart, of which a failover lost the first.
    """

    now_ms: int
    epoch: str | None = None
    version: int | None = None
    updated_at_ms: int | None = None


@dataclass(frozen=True)
class HeartbeatPolicy:
    """How often clients are told to send a PING, and how long a connection may be silent."""

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
    """Who watches what. Every method raises StoreUnavailable when it can't be reached."""

    @property
    def heartbeat_policy(self) -> HeartbeatPolicy: ...

    def register(
        self,
        session_id: str,
        connection_id: str,
        endpoint: str,
        limit_check: RateLimitCheck | None = None,
        bearer: Bearer | None = None,
    ) -> Heartbeat:
        """Put a connection on a session's list, or note that it is still alive.

        With a charge, the message that says so is counted. A deadline that the
        index has lost, or has too late, is put right.

        Raises:
            Unauthenticated: The bearer's token does not hold, or was revoked.
        """

    def session_of(self, connection_id: str) -> str | None:
        """The session that a connection watches; ``None`` once it has been silent too long."""

    def context_of(self, connection_id: str) -> ConnectionContext | None:
        """As ``session_of``, and who it is that watches."""

    def deregister(self, connection_id: str) -> None:
        """Take a connection off every list; idempotent."""

    def connections_of(self, session_id: str) -> SessionConnections: ...

    def connections_of_many(self, session_ids: Sequence[str]) -> Sequence[SessionConnections]:
        """As ``watchers`` of each, in their order, and cheaper than one after another."""

    def remove(self, session_id: str, connection_ids: Sequence[str]) -> None:
        """Take connections off a session's list."""

    def sessions_with_connections(self) -> Iterator[str]:
        """Every session with anybody on its list; for sweeps, as it may take a while."""


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What all instances share, counted at one instant, or nearly: shard by shard.

    ``sessions`` is how many there are of each status. ``overdue`` is how many
    deadlines have passed unsettled, the oldest of them ``overdue_ms`` ago.
    """

    sessions: Mapping[str, int]
    connections: int
    overdue: int
    overdue_ms: int


class StatsReader(Protocol):
    """What there is of everything."""

    def read(self) -> StoreStats:
        """As of now; raises StoreUnavailable when the store can't be reached.

        It costs the same however many sessions there are. A session counts for
        up to a minute longer than it lives, a connection until it has been
        silent for too long.
        """


class Broadcaster(Protocol):
    """Tells watchers of what was committed, where publishing it is not enough."""

    def broadcast(self, session_id: str, message: bytes) -> None:
        """Post a message to each connection of the session; raises nothing."""

    def broadcast_and_close(self, session_id: str, final_message: bytes) -> None:
        """Post the final message to each connection of the session, and close them."""

    def close_revoked(self, session_id: str) -> None:
        """Close the connections whose tokens hold no more, and tell them why."""
