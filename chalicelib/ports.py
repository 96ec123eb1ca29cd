"""What the engine needs of the world outside, as Protocols.

Adapters in ``store`` and ``realtime`` fulfil them, and so do the fakes of the
tests; one contract suite runs on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .core.errors import StoreUnavailable as StoreUnavailable
from .core.events import Event
from .core.session import Session


@dataclass(frozen=True, slots=True)
class Loaded:
    """A session, or none, and the store's time at the instant it was read."""

    session: Session | None
    now_ms: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The next version of a session, and all that goes with it.

    ``base_version`` is the version it was made from, 0 for a session that must
    not exist yet. ``command_id`` makes a repeated commit recognisable.
    ``deadline_ms`` is when its clock runs out. ``expires_at_ms`` is when the
    store forgets the session; ``None`` leaves that instant as it is. ``update``
    is the message published to everybody who watches.
    """

    session: Session
    base_version: int
    command_id: str
    events: Sequence[Event]
    deadline_ms: int | None
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


class SessionStore(Protocol):
    """Where sessions live. Every method raises StoreUnavailable when it can't be reached."""

    def load(self, session_id: str) -> Loaded: ...

    def commit(self, commit: Commit) -> Committed | Stale: ...

    def delete(self, session_id: str, command_id: str, farewell: bytes) -> None:
        """Forget the session and all that belongs to it, and publish ``farewell``.

        Nothing is published where there was none. Idempotent.
        """

    def now_ms(self) -> int:
        """The store's clock, the only one there is."""

    def ping(self) -> None: ...
