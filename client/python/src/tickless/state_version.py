"""Which state of a session a client has: the snapshot, and what identifies it.

Pure. A version number alone does not identify a state: after a failover that lost versions, the
server counts the same numbers again. ``StateVersion`` tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .wire_types import Message, SessionState


class StateVersion(NamedTuple):
    """Epoch, version, and the ``updated_at`` of that version; all ``None`` for no session."""

    epoch: str | None
    version: int | None
    updated_at: str | None

    @classmethod
    def from_message(cls, message: Message) -> StateVersion:
        """The version that a PONG or a CURRENT names; NO_SESSION if it names none."""
        return cls(message.get("epoch"), message.get("version"), message.get("updatedAt"))

    def to_message(self) -> Message:
        """The fields with which a RECONNECT names this version."""
        return {"epoch": self.epoch, "version": self.version, "updatedAt": self.updated_at}

    def is_covered_by(self, other: StateVersion) -> bool:
        """Whether ``other`` is this version or a later one of the same epoch."""
        if self == other:
            return True
        return self.epoch == other.epoch and (self.version or 0) < (other.version or 0)


NO_SESSION = StateVersion(None, None, None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole state of a session as of ``timestamp``, the server's time.

    ``participant_timestamps`` are of participants who were last sent at an earlier time, by id;
    their values are as of then.
    """

    epoch: str
    version: int
    timestamp: int
    state: SessionState
    participant_timestamps: Mapping[str, int] = field(default_factory=dict)

    def timestamp_of(self, participant_id: str) -> int:
        """The server's time at which a participant's values are correct."""
        return self.participant_timestamps.get(participant_id, self.timestamp)

    @property
    def state_version(self) -> StateVersion:
        return StateVersion(self.epoch, self.version, self.state["updated_at"])


def state_version_of(snapshot: Snapshot | None) -> StateVersion:
    """The version of a snapshot; NO_SESSION without one."""
    return snapshot.state_version if snapshot else NO_SESSION
