"""What happened, in the past tense; ``at_ms`` is the instant it happened at.

Together the events of a session suffice to tell, for each of its versions, who
was active, what status it had and how much time everybody had used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .setup import TimeoutAction


@dataclass(frozen=True, slots=True)
class Event:
    type: ClassVar[str]
    at_ms: int


@dataclass(frozen=True, slots=True)
class SessionCreated(Event):
    type: ClassVar[str] = "session_created"


@dataclass(frozen=True, slots=True)
class SessionStarted(Event):
    type: ClassVar[str] = "session_started"
    active_participant_id: str


@dataclass(frozen=True, slots=True)
class CycleSwitched(Event):
    """One cycle ended and the next began; the figures are the ended cycle's."""

    type: ClassVar[str] = "cycle_switched"
    previous_participant_id: str
    active_participant_id: str
    time_used_ms: int
    overtime_ms: int


@dataclass(frozen=True, slots=True)
class SwitchUndone(Event):
    """The last switch has not been: the cycle it ended goes on, and the one it began is none."""

    type: ClassVar[str] = "switch_undone"
    previous_participant_id: str
    active_participant_id: str


@dataclass(frozen=True, slots=True)
class SessionPaused(Event):
    type: ClassVar[str] = "session_paused"


@dataclass(frozen=True, slots=True)
class SessionResumed(Event):
    type: ClassVar[str] = "session_resumed"


@dataclass(frozen=True, slots=True)
class TimeAdjusted(Event):
    """A clock was given ``delta_ms``, or had that much taken: what it really came to.

    Whose: a participant's, a group's, or, where neither is named, the session
    clock of global, the current cycle of per_cycle.
    """

    type: ClassVar[str] = "time_adjusted"
    participant_id: str | None
    group_id: str | None
    delta_ms: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class SessionEnded(Event):
    """The session ended; the figures are the last cycle's, if there was one."""

    previous_participant_id: str | None
    time_used_ms: int
    overtime_ms: int


@dataclass(frozen=True, slots=True)
class SessionCompleted(SessionEnded):
    type: ClassVar[str] = "session_completed"


@dataclass(frozen=True, slots=True)
class SessionCancelled(SessionEnded):
    type: ClassVar[str] = "session_cancelled"


@dataclass(frozen=True, slots=True)
class SessionExpired(SessionEnded):
    type: ClassVar[str] = "session_expired"


@dataclass(frozen=True, slots=True)
class ParticipantExpired(Event):
    """A clock ran out, at its deadline, whenever that was noticed.

    ``data`` is what the session's creator attached to ``action_on_timeout``.
    """

    type: ClassVar[str] = "participant_expired"
    participant_id: str
    group_id: str | None
    action: TimeoutAction
    data: object


@dataclass(frozen=True, slots=True)
class TimeWarning(Event):
    """A clock that runs has come down to ``remaining_ms``, one of the session's ``warn_at_ms``.

    Whose: the active participant's, with the group whose bank it is, or, where
    nobody is named, the session clock of global.
    """

    type: ClassVar[str] = "time_warning"
    participant_id: str | None
    group_id: str | None
    remaining_ms: int


@dataclass(frozen=True, slots=True)
class TimeoutsSkipped(Event):
    """``count`` more cycles were skipped, too many to list; the last one at ``at_ms``."""

    type: ClassVar[str] = "timeouts_skipped"
    count: int
    active_participant_id: str
