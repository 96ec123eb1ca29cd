"""Public representations of sessions and events, ready for JSON.

``*_at`` is ISO 8601 in UTC with milliseconds; ``*_ms`` and ``timestamp`` are integer milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, NotRequired, cast

from pydantic import GetPydanticSchema
from pydantic_core.core_schema import chain_schema
from typing_extensions import TypedDict

from ..core.events import Event, ParticipantJoined
from ..core.rules import clocks, deadline_ms
from ..core.session import Rotation, Session, Simultaneous, Status
from ..core.setup import (
    MessageStyle,
    Permission,
    Setup,
    SoftClose,
    SyncMode,
    TimeoutAction,
    TurnTaking,
)
from ..core.simultaneous_view import clock_instants
from ..core.time_controls import Stage, Stages, TimeControl
from ..core.view import GroupView, ParticipantView


def _json_schema_of(*classes: type) -> GetPydanticSchema:
    """Publish a dict with the JSON Schemas of the classes it is made from."""
    return GetPydanticSchema(
        lambda _, handler: chain_schema([handler.generate_schema(one) for one in classes])
    )


EventView = Annotated[dict[str, Any], _json_schema_of(Event)]
TimeControlView = Annotated[dict[str, Any], _json_schema_of(TimeControl)]


class ActionOnTimeout(TypedDict):
    type: TimeoutAction
    data: NotRequired[Any]


class MessageState(TypedDict):
    """What a host tells every screen, since ``at``."""

    text: str
    style: MessageStyle
    at: str


class SoftCloseState(TypedDict):
    extend_to_ms: int
    max_extension_ms: NotRequired[int]


class ParticipantState(ParticipantView):
    """A participant's clock, and what the creation gave them; ``has_withdrawn`` only if they have.

    In simultaneous: when the clock first started, when it was finished, and when it runs out.
    """

    name: NotRequired[str]
    has_withdrawn: NotRequired[bool]
    time_control: NotRequired[TimeControlView]
    started_at: NotRequired[str | None]
    finished_at: NotRequired[str | None]
    deadline_at: NotRequired[str | None]


class SessionState(TypedDict):
    """A session at one instant, including its setup; what a creation left out is left out."""

    session_id: str
    sync_mode: SyncMode
    status: Status
    version: int
    participants: list[ParticipantState]
    active_participant_id: str | None
    total_time_ms: int
    time_per_cycle_ms: NotRequired[int]
    increment_ms: NotRequired[int]
    max_time_ms: NotRequired[int]
    time_control: NotRequired[TimeControlView]
    action_on_timeout: ActionOnTimeout
    warn_at_ms: NotRequired[list[int]]
    soft_close: NotRequired[SoftCloseState]
    message: NotRequired[MessageState]
    turn_taking: NotRequired[TurnTaking]
    participants_may: NotRequired[list[Permission]]
    metadata: NotRequired[Mapping[str, Any]]
    cycle_started_at: str | None
    cycle_elapsed_ms: int
    session_started_at: str | None
    session_completed_at: str | None
    starts_at: str | None
    ends_at: str | None
    created_at: str
    updated_at: str
    deadline_at: str | None
    groups: NotRequired[list[GroupView]]
    session_remaining_ms: NotRequired[int]


class SwitchResult(TypedDict):
    """What a switch changed; ``expired_participant_id`` was in overtime when it ended."""

    session_id: str
    version: int
    active_participant_id: str | None
    cycle_started_at: str | None
    participants: list[ParticipantState]
    status: Status
    expired_participant_id: NotRequired[str]


class LogPosition(TypedDict):
    """An event's id in the log, and the session version it belongs to."""

    id: str
    version: int


class LogPage(TypedDict):
    """A page of the event log; ``next`` is the ``after`` of the next page."""

    events: list[Annotated[dict[str, Any], _json_schema_of(Event, LogPosition)]]
    next: str | None


@lru_cache(maxsize=256)
def iso(instant_ms: int) -> str:
    seconds, milliseconds = divmod(instant_ms, 1000)
    # strftime takes ten times as long, and each response has many timestamps, often the same.
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{milliseconds:03}Z"


def _iso(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else iso(instant_ms)


def session_state(
    session: Session, now_ms: int, positions: Iterable[int] | None = None
) -> SessionState:
    """The public state of a settled session at ``now_ms``, with all participants or some."""
    return state_with_deadline(session, now_ms, positions, deadline_ms(session))


def state_with_deadline(
    session: Session, now_ms: int, positions: Iterable[int] | None, ends_ms: int | None
) -> SessionState:
    """As :func:`session_state`, for a caller that knows the deadline already."""
    setup, shown = session.setup, clocks(session, now_ms, positions)
    cycle = shown.active_cycle
    participants = cast(list[ParticipantState], shown.participants)
    active_id = setup.participants[cycle.position].participant_id if cycle else None
    state: SessionState = {
        "session_id": setup.session_id,
        "sync_mode": setup.sync_mode,
        "status": session.status,
        "version": session.version,
        "participants": participants,
        "active_participant_id": active_id,
        "total_time_ms": session.total_time_ms,
        "action_on_timeout": {"type": setup.action_on_timeout},
        "cycle_started_at": _iso(cycle.started_at_ms if cycle else None),
        "cycle_elapsed_ms": cycle.elapsed_ms if cycle else 0,
        "session_started_at": _iso(session.started_at_ms),
        "session_completed_at": _iso(session.completed_at_ms),
        "starts_at": _iso(session.appointments.starts_at_ms),
        "ends_at": _iso(session.appointments.ends_at_ms),
        "created_at": iso(session.created_at_ms),
        "updated_at": iso(session.updated_at_ms),
        "deadline_at": _iso(ends_ms),
    }
    _add_given(state, setup)
    if setup.own_controls:
        own = dict(zip(_ids(setup), setup.own_controls, strict=True))
        for view in participants:
            control = own[view["participant_id"]]
            if control is not None:
                view["time_control"] = _control(control)
    if setup.names or setup.withdrawn:
        _add_names(participants, setup)
    if isinstance(session, Simultaneous):
        _add_instants(participants, session)
    if setup.message is not None:
        text, style, at_ms = setup.message
        state["message"] = {"text": text, "style": style, "at": iso(at_ms)}
    if setup.action_data is not None:
        state["action_on_timeout"]["data"] = setup.action_data
    if shown.groups:
        state["groups"] = shown.groups
    if shown.session_remaining_ms is not None:
        state["session_remaining_ms"] = shown.session_remaining_ms
    return state


def shown_at_ms(session: Session, now_ms: int) -> int:
    """The instant from which a state that is shown at ``now_ms`` moves as its clocks do.

    It is ahead if a failover has stepped the store's clock back to before the clocks started: they
    stand still until it has caught up.
    """
    since_ms: int | None = None
    if isinstance(session, Simultaneous):
        since_ms = session.running_since_ms
    elif isinstance(session, Rotation) and session.cycle is not None:
        since_ms = session.cycle.started_at_ms
    return now_ms if since_ms is None else max(now_ms, since_ms)


def _add_names(participants: Iterable[ParticipantState], setup: Setup) -> None:
    """Add the participants' names, and who has withdrawn."""
    for view in participants:
        position = setup.position_of(view["participant_id"])
        if position is not None and setup.names and (name := setup.names[position]):
            view["name"] = name
        if view["participant_id"] in setup.withdrawn:
            view["has_withdrawn"] = True


def _add_instants(participants: Iterable[ParticipantState], session: Simultaneous) -> None:
    for view in participants:
        position = session.setup.position_of(view["participant_id"])
        if position is not None:
            instants = clock_instants(session, position)
            view["started_at"] = _iso(instants.started_at_ms)
            view["finished_at"] = _iso(instants.finished_at_ms)
            view["deadline_at"] = _iso(instants.deadline_ms)


def _soft_close(soft_close: SoftClose) -> SoftCloseState:
    view: SoftCloseState = {"extend_to_ms": soft_close.extend_to_ms}
    if soft_close.max_extension_ms is not None:
        view["max_extension_ms"] = soft_close.max_extension_ms
    return view


def _add_given(state: SessionState, setup: Setup) -> None:
    """Add what a request may leave out, if it did not."""
    if setup.time_per_cycle_ms is not None:
        state["time_per_cycle_ms"] = setup.time_per_cycle_ms
    if setup.increment_ms:
        state["increment_ms"] = setup.increment_ms
    if setup.max_time_ms is not None:
        state["max_time_ms"] = setup.max_time_ms
    if setup.time_control is not None:
        state["time_control"] = _control(setup.time_control)
    if setup.warn_at_ms:
        state["warn_at_ms"] = list(setup.warn_at_ms)
    if setup.soft_close is not None:
        state["soft_close"] = _soft_close(setup.soft_close)
    if setup.turn_taking is not TurnTaking.GIVE:
        state["turn_taking"] = setup.turn_taking
    if setup.participants_may:
        state["participants_may"] = list(setup.participants_may)
    if setup.metadata is not None:
        state["metadata"] = setup.metadata


def switch_result(state: SessionState, expired_participant_id: str | None) -> SwitchResult:
    """The fields of a state that a switch changes."""
    result: SwitchResult = {
        "session_id": state["session_id"],
        "version": state["version"],
        "active_participant_id": state["active_participant_id"],
        "cycle_started_at": state["cycle_started_at"],
        "participants": state["participants"],
        "status": state["status"],
    }
    if expired_participant_id is not None:
        result["expired_participant_id"] = expired_participant_id
    return result


def event_view(event: Event) -> EventView:
    """The public form of an event, without fields that are None."""
    view: dict[str, Any] = {"type": event.type, "at": iso(event.at_ms)}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name != "at_ms" and value is not None:
            view[field.name] = list(value) if isinstance(value, tuple) else value
    if isinstance(event, ParticipantJoined) and event.time_control is not None:
        view["time_control"] = _control(event.time_control)
    return view


def event_views(events: Iterable[Event]) -> list[EventView]:
    return [event_view(event) for event in events]


def log_page(events: Sequence[tuple[str, int, Event]], limit: int) -> LogPage:
    """The first ``limit`` of events with their ids and versions; one more means more follow."""
    shown = events[:limit]
    return {
        "events": [
            {"id": event_id, "version": version, **event_view(event)}
            for event_id, version, event in shown
        ],
        "next": shown[-1][0] if len(events) > limit else None,
    }


def _control(control: TimeControl) -> TimeControlView:
    """The object that a request gives, without what it may leave out."""
    view: TimeControlView = {"type": control.type}
    for field in fields(control):
        value = getattr(control, field.name)
        if field.default is MISSING or value != field.default:
            view[field.name] = value
    if isinstance(control, Stages):
        view["stages"] = list(map(_stage, control.stages))
    return view


def _stage(stage: Stage) -> dict[str, Any]:
    view: dict[str, Any] = {"time_ms": stage.time_ms}
    if stage.cycles is not None:
        view["cycles"] = stage.cycles
    if stage.control is not None:
        view["control"] = _control(stage.control)
    return view


def _ids(setup: Setup) -> list[str]:
    return [participant.participant_id for participant in setup.participants]
