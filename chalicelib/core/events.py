"""Domain events, in the past tense; ``at_ms`` is when each happened.

The events of a session determine, for each version, its status, its active participant, and how
much time each participant has used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .setup import TimeoutAction
from .time_controls import TimeControl


@dataclass(frozen=True, slots=True)
class Event:
    type: ClassVar[str]
    at_ms: int


@dataclass(frozen=True, slots=True)
class SessionCreated(Event):
    type: ClassVar[str] = "session_created"


@dataclass(frozen=True, slots=True)
class SessionStarted(Event):
    """The first start; ``None`` where participants don't take turns."""

    type: ClassVar[str] = "session_started"
    active_participant_id: str | None


@dataclass(frozen=True, slots=True)
class ParticipantStarted(Event):
    """A clock of a simultaneous session started; without a participant, all that were waiting."""

    type: ClassVar[str] = "participant_started"
    participant_id: str | None


@dataclass(frozen=True, slots=True)
class ParticipantFinished(Event):
    """A participant finished; the times are all that their clock counted."""

    type: ClassVar[str] = "participant_finished"
    participant_id: str
    time_used_ms: int
    overtime_ms: int


@dataclass(frozen=True, slots=True)
class ParticipantPaused(Event):
    type: ClassVar[str] = "participant_paused"
    participant_id: str


@dataclass(frozen=True, slots=True)
class ParticipantResumed(Event):
    """A paused clock, or one that its participant had finished, runs again."""

    type: ClassVar[str] = "participant_resumed"
    participant_id: str


@dataclass(frozen=True, slots=True)
class CycleSwitched(Event):
    """One cycle ended and the next began; the times are the ended cycle's."""

    type: ClassVar[str] = "cycle_switched"
    previous_participant_id: str
    active_participant_id: str
    time_used_ms: int
    overtime_ms: int


@dataclass(frozen=True, slots=True)
class SwitchUndone(Event):
    """The last switch was undone: the cycle it ended continues, the one it began is dropped."""

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
class SessionReset(Event):
    """The session is as it was created, with its setup as it is now."""

    type: ClassVar[str] = "session_reset"


@dataclass(frozen=True, slots=True)
class SessionReopened(Event):
    """The session's end was taken back: its last cycle is the current one again, and paused."""

    type: ClassVar[str] = "session_reopened"


@dataclass(frozen=True, slots=True)
class SessionUpdated(Event):
    """These fields of the session's setup were changed."""

    type: ClassVar[str] = "session_updated"
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParticipantJoined(Event):
    """A participant joined, or came back; ``total_time_ms`` is before the time factor."""

    type: ClassVar[str] = "participant_joined"
    participant_id: str
    participant_index: int
    total_time_ms: int
    group_id: str | None = None
    time_control: TimeControl | None = None
    time_factor: float | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ParticipantUpdated(Event):
    """These fields of a participant were changed; a name without a value was removed."""

    type: ClassVar[str] = "participant_updated"
    participant_id: str
    fields: tuple[str, ...]
    name: str | None = None
    time_factor: float | None = None


@dataclass(frozen=True, slots=True)
class ParticipantWithdrawn(Event):
    """A participant takes no part any more; what follows from that is an event of its own."""

    type: ClassVar[str] = "participant_withdrawn"
    participant_id: str


@dataclass(frozen=True, slots=True)
class TimeAdjusted(Event):
    """An operator adjusted a clock; ``delta_ms`` is the time actually added or removed.

    The clock is the named participant's or group's; with neither, the session clock (global), the
    current cycle's (per_cycle), or all that are not finished (simultaneous). For all, ``delta_ms``
    is what was asked for, and ``scaled`` that each was multiplied by its time factor.
    """

    type: ClassVar[str] = "time_adjusted"
    participant_id: str | None
    group_id: str | None
    delta_ms: int
    reason: str | None
    scaled: bool | None = None


@dataclass(frozen=True, slots=True)
class TimeExtended(Event):
    """A switch shortly before the end extended the session clock by ``delta_ms``."""

    type: ClassVar[str] = "time_extended"
    delta_ms: int


@dataclass(frozen=True, slots=True)
class SessionEnded(Event):
    """The session ended; the times are the last cycle's, ``None`` in simultaneous."""

    previous_participant_id: str | None
    time_used_ms: int | None
    overtime_ms: int | None


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
    """A clock ran out; ``at_ms`` is its deadline, even if that was settled later.

    ``data`` is the ``data`` of the session's ``action_on_timeout``.
    """

    type: ClassVar[str] = "participant_expired"
    participant_id: str
    group_id: str | None
    action: TimeoutAction
    data: object


@dataclass(frozen=True, slots=True)
class TimeWarning(Event):
    """A running clock reached ``remaining_ms``, one of the session's ``warn_at_ms``.

    The clock is the active participant's, with the group that owns the bank; with neither, the
    session clock (global).
    """

    type: ClassVar[str] = "time_warning"
    participant_id: str | None
    group_id: str | None
    remaining_ms: int


@dataclass(frozen=True, slots=True)
class TimeoutsSkipped(Event):
    """``count`` further timeouts, too many to list; the last one at ``at_ms``."""

    type: ClassVar[str] = "timeouts_skipped"
    count: int
    active_participant_id: str
