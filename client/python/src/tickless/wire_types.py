"""The types of the JSON that the server sends, with the names it has on the wire.

Types only. docs/protocol.md describes the fields; a server may send more than these.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

SyncMode = Literal[
    "per_participant", "per_group", "per_cycle", "global", "count_up", "simultaneous"
]
Status = Literal["pending", "running", "paused", "expired", "completed", "cancelled"]
CommandName = Literal[
    "start",
    "switch",
    "pause",
    "resume",
    "finish",
    "complete",
    "cancel",
    "adjust",
    "undo",
    "set_turn",
    "reopen",
    "reset",
    "update",
    "join",
    "update_participant",
    "withdraw",
]
ClockState = Literal["waiting", "running", "paused", "finished", "stopped", "withdrawn"]
Role = Literal["host", "participant", "viewer"]
Ending = Literal["deleted", "expired"]
ConnectionState = Literal["connecting", "live", "unconfirmed", "reconnecting", "closed"]

Message = dict[str, Any]
"""A socket message in either direction."""

SessionEvent = dict[str, Any]
"""``type``, ``at``, and the fields of each type."""


class ParticipantState(TypedDict):
    participant_id: str
    participant_index: int
    name: NotRequired[str]
    has_withdrawn: NotRequired[bool]
    group_id: NotRequired[str | None]
    total_time_ms: int
    time_used_ms: int
    time_remaining_ms: int
    overtime_ms: int
    cycle_count: int
    is_active: bool
    is_running: bool
    has_expired: bool
    delay_remaining_ms: NotRequired[int]
    main_remaining_ms: NotRequired[int]
    period_remaining_ms: NotRequired[int]
    periods_left: NotRequired[int]
    cycles_left: NotRequired[int]
    stage: NotRequired[int]
    time_control: NotRequired[dict[str, Any]]
    clock_state: NotRequired[ClockState]
    time_factor: NotRequired[float]
    started_at: NotRequired[str | None]
    finished_at: NotRequired[str | None]
    deadline_at: NotRequired[str | None]


class SessionMessage(TypedDict):
    """What a host tells every screen, since ``at``."""

    text: str
    style: Literal["normal", "alert"]
    at: str


class GroupState(TypedDict):
    group_id: str
    total_time_ms: int
    time_remaining_ms: int
    has_expired: bool


class SessionState(TypedDict):
    session_id: str
    sync_mode: SyncMode
    status: Status
    version: int
    participants: list[ParticipantState]
    active_participant_id: str | None
    total_time_ms: int
    time_per_cycle_ms: NotRequired[int | None]
    increment_ms: NotRequired[int | None]
    max_time_ms: NotRequired[int | None]
    time_control: NotRequired[dict[str, Any] | None]
    action_on_timeout: dict[str, Any]
    warn_at_ms: NotRequired[list[int] | None]
    soft_close: NotRequired[dict[str, int]]
    turn_taking: NotRequired[Literal["take"]]
    participants_may: NotRequired[list[str] | None]
    metadata: NotRequired[dict[str, Any] | None]
    message: NotRequired[SessionMessage]
    cycle_started_at: str | None
    cycle_elapsed_ms: int
    session_started_at: str | None
    session_completed_at: str | None
    starts_at: NotRequired[str | None]
    ends_at: NotRequired[str | None]
    created_at: str
    updated_at: str
    deadline_at: str | None
    groups: NotRequired[list[GroupState]]
    session_remaining_ms: NotRequired[int]


class SwitchResult(TypedDict):
    session_id: str
    version: int
    active_participant_id: str | None
    cycle_started_at: str | None
    participants: list[ParticipantState]
    status: Status
    expired_participant_id: NotRequired[str]


class MintedToken(TypedDict):
    """A token and its claims; ``token_id`` is what revokes it."""

    token: str
    token_id: str
    role: Role
    participant_id: NotRequired[str]
    expires_at: str


class Links(TypedDict):
    """The tokens of a new session: for its host, its viewers and each participant."""

    host: MintedToken
    viewer: MintedToken
    participants: list[MintedToken]


class EventPage(TypedDict):
    """Events with their ``id`` and ``version``; ``next`` is the ``after`` of the next page."""

    events: list[SessionEvent]
    next: str | None


class ServerTime(TypedDict):
    timestamp_ms: int
    server_version: str
    drift_tolerance_ms: int
