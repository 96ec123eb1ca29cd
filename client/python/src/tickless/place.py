"""Which state of a session: numbers alone can be given twice, after a failover.

Values in, values out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .states import Message, SessionState


class Place(NamedTuple):
    """Epoch, version and the instant at which that was made; all ``None`` is nowhere."""

    epoch: str | None
    version: int | None
    updated_at: str | None

    @classmethod
    def told(cls, message: Message) -> Place:
        """The one that a PONG or a CURRENT tells; nowhere, where there is no session."""
        return cls(message.get("epoch"), message.get("version"), message.get("updatedAt"))

    def named(self) -> Message:
        """As a message names it."""
        return {"epoch": self.epoch, "version": self.version, "updatedAt": self.updated_at}

    def is_no_news_to(self, other: Place) -> bool:
        """Whether who is at the other place has nothing to learn of this one."""
        if self == other:
            return True
        return self.epoch == other.epoch and (self.version or 0) < (other.version or 0)


NOWHERE = Place(None, None, None)


@dataclass(frozen=True, slots=True)
class Held:
    """What a client shows: a state as of ``timestamp``, the server's time."""

    epoch: str
    version: int
    timestamp: int
    state: SessionState

    @property
    def place(self) -> Place:
        return Place(self.epoch, self.version, self.state["updated_at"])


def place_of(held: Held | None) -> Place:
    return held.place if held else NOWHERE
