"""What the engine needs of the world outside, as Protocols.

Adapters in ``store`` and ``realtime`` fulfil them, and so do the fakes of the
tests; one contract suite runs on both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from .core.errors import StoreUnavailable as StoreUnavailable
from .core.events import Event
from .core.session import Session


@dataclass(frozen=True, slots=True)
class Loaded:
    """A session, or none, and the store's time at the instant it was read.

    ``was_carried_out`` says that the command asked after was applied before.
    """

    session: Session | None
    now_ms: int
    was_carried_out: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    """The next version of a session, and all that goes with it.

    ``base_version`` is the version it was made from, 0 for a session that must
    not exist yet. ``command_id`` makes a repeated commit recognisable.
    ``due_ms`` is when it is to be settled next. ``expires_at_ms`` is when the
    store forgets the session; ``None`` leaves that instant as it is. ``update``
    is the message published to everybody who watches.
    """

    session: Session
    base_version: int
    command_id: str
    events: Sequence[Event]
    due_ms: int | None
    expires_at_ms: int | None
    update: bytes


@dataclass(frozen=True, slots=True)
class Committed:
    """The commit stands as ``version``: made now, or, if ``repeated``, before."""

    version: int
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Stale:
    """Somebody else was faster; ``current`` is the session as it is now."""

    current: Loaded


class LoggedEvent(NamedTuple):
    """An event in a session's log. Ids grow; ``version`` is the one it belongs to."""

    event_id: str
    version: int
    event: Event


class SessionStore(Protocol):
    """Where sessions live. Every method raises StoreUnavailable when it can't be reached."""

    def load(self, session_id: str, command_id: str | None = None) -> Loaded: ...

    def commit(self, commit: Commit) -> Committed | Stale: ...

    def load_many(self, session_ids: Sequence[str]) -> Sequence[Loaded]:
        """As ``load`` for each, in its order, and cheaper than one after another."""

    def commit_many(self, commits: Sequence[Commit]) -> Sequence[Committed | Stale]:
        """As ``commit`` for each, of different sessions; each stands or falls alone.

        Some of them may stand even where StoreUnavailable is raised, as with ``commit``.
        """

    def delete(self, session_id: str, command_id: str, farewell: bytes) -> bool:
        """Forget the session and all that belongs to it, and publish ``farewell``.

        Nothing is published where there was none, which False tells. Idempotent.
        """

    def log(self, session_id: str, after: str | None, limit: int) -> Sequence[LoggedEvent] | None:
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
        whoever changed it has written the index, too.
        """


class Alarms(Protocol):
    """Hears of deadlines that are earlier than all others of their shard."""

    def next(self, within_seconds: float) -> int | None:
        """The shard to look at; ``None`` if there is none in time.

        Raises:
            StoreUnavailable: Alarms may have been missed; nothing more is heard.
        """


class Watcher(NamedTuple):
    """A connection that watches a session; both instants are the store's."""

    connection_id: str
    endpoint: str
    registered_at_ms: int
    heard_at_ms: int


@dataclass(frozen=True, slots=True)
class Watchers:
    """Who watches a session, and the store's time at the instant that was read."""

    watchers: Sequence[Watcher]
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


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a connection may be silent, where clients are told to ping so often."""

    heartbeat_ms: int = 30_000

    @property
    def silent_ms(self) -> int:
        """Three heartbeats: who has not been heard of for longer counts as gone."""
        return 3 * self.heartbeat_ms

    @property
    def abandoned_ms(self) -> int:
        """By now a sweep has closed it, if there still is anybody to sweep."""
        return 4 * self.heartbeat_ms


class ConnectionRegistry(Protocol):
    """Who watches what. Every method raises StoreUnavailable when it can't be reached."""

    @property
    def patience(self) -> Patience: ...

    def watch(self, session_id: str, connection_id: str, endpoint: str) -> Heartbeat:
        """Put a connection on a session's list, or note that it is still alive."""

    def session_of(self, connection_id: str) -> str | None:
        """The session that a connection watches; ``None`` once it has been silent too long."""

    def forget(self, connection_id: str) -> None:
        """Take a connection off every list; idempotent."""

    def watchers(self, session_id: str) -> Watchers: ...

    def remove(self, session_id: str, connection_ids: Sequence[str]) -> None:
        """Take connections off a session's list."""

    def watched_sessions(self) -> Iterator[str]:
        """Every session with anybody on its list; for sweeps, as it may take a while."""


class Announcer(Protocol):
    """Tells watchers of what was committed, where publishing it is not enough."""

    def announce(self, session_id: str, message: bytes) -> None:
        """Post a message to everybody who watches, and return; nothing is raised."""

    def dismiss(self, session_id: str, farewell: bytes) -> None:
        """Post a farewell to everybody who watches, and close their connections."""
