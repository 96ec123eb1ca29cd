"""Push messages to subscribers, as bytes, each at most one frame.

A session that fits is sent whole. Otherwise the difference to the previous version is sent: the
participants that changed or, if those are too many, what changed for them (see docs/protocol.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, NotRequired

from pydantic_core import to_json
from typing_extensions import TypedDict

from ..core.errors import Ending
from ..core.events import Event
from ..core.rules import changed_positions
from ..core.session import Rotation, Session, Simultaneous
from .participant_changes import ParticipantChanges, participant_changes
from .states import EventView, SessionState, event_views, iso, session_state, shown_at_ms

FRAME_BYTES = 32 * 1024
"""API Gateway's maximum frame size, which is also its billing unit."""

MAX_EVENTS_PER_FRAME = 50

MIN_PARTICIPANT_BYTES = {Rotation: 214, Simultaneous: 326}
"""The minimum size of a participant, to skip encoding what cannot fit."""


class StateUpdate(TypedDict):
    type: Literal["STATE_UPDATE"]
    timestamp: int
    sessionId: str
    epoch: str
    version: int
    state: SessionState
    events: list[EventView]
    eventsOmitted: NotRequired[int]
    partial: NotRequired[bool]
    baseVersion: NotRequired[int]
    baseUpdatedAt: NotRequired[str]
    participantChanges: NotRequired[list[ParticipantChanges]]


class SessionDeleted(TypedDict):
    type: Literal["SESSION_DELETED"]
    timestamp: int
    sessionId: str
    reason: Ending


def state_update(
    before: Session | None,
    session: Session,
    now_ms: int,
    events: Sequence[Event],
    whole_state: Callable[[], SessionState],
) -> bytes:
    """STATE_UPDATE from ``before`` to ``session``, as of ``now_ms``.

    ``whole_state`` is called only if the whole state may fit, or if all participants changed.
    """
    now_ms = shown_at_ms(session, now_ms)
    if _may_fit(session, len(session.setup.participants)):
        whole = _fit(_update(session, whole_state(), now_ms), events)
        if whole is not None:
            return whole
    if before is not None:
        partial = _partial(before, session, now_ms, events, whole_state)
        if partial is not None:
            return partial
    # A difference to a version that no client has yet, so each client requests the pages.
    update = _difference(_bare(session, now_ms), session)
    return _fit(update, events) or to_json(update)


def _partial(
    before: Session,
    session: Session,
    now_ms: int,
    events: Sequence[Event],
    whole_state: Callable[[], SessionState],
) -> bytes | None:
    """The difference to ``before``; ``None`` if it does not fit."""
    changed = changed_positions(before, session)
    may_fit = _may_fit(session, len(changed))
    if not may_fit and not isinstance(session, Simultaneous):
        # Only simultaneous sessions can tell more of them: see participant_changes.
        return None
    if len(changed) == len(session.setup.participants):
        state = whole_state()
    else:
        state = session_state(session, now_ms, changed)
    if may_fit:
        state = _without_other_groups(state)
        partial = _fit(_difference(_update(session, state, now_ms), before), events)
        if partial is not None:
            return partial
    changes = participant_changes(before, session, now_ms, changed, state["participants"])
    if changes is None:
        return None
    update = _difference(_bare(session, now_ms), before)
    update["participantChanges"] = changes
    return _fit(update, events)


def _may_fit(session: Session, participants: int) -> bool:
    return participants * MIN_PARTICIPANT_BYTES[type(session)] < FRAME_BYTES


def session_deleted(session_id: str, now_ms: int, reason: Ending = "deleted") -> bytes:
    """SESSION_DELETED, the final message of a session, or of one that there is no more."""
    final_message: SessionDeleted = {
        "type": "SESSION_DELETED",
        "timestamp": now_ms,
        "sessionId": session_id,
        "reason": reason,
    }
    return to_json(final_message)


def is_final_message(message: bytes) -> bool:
    """Whether a push is SESSION_DELETED, without parsing it."""
    return message.startswith(b'{"type":"SESSION_DELETED"')


_VERSION = re.compile(rb'"epoch":"([^"]*)","version":(\d+)')
_HEAD_BYTES = 256
"""Upper bound of what precedes epoch and version: type, timestamp and session id."""


def version_of(message: bytes) -> tuple[str, int] | None:
    """Epoch and version of a push, without parsing it; ``None`` for the final message."""
    match = _VERSION.search(message, 0, _HEAD_BYTES)
    return (match[1].decode(), int(match[2])) if match else None


def _update(session: Session, state: SessionState, now_ms: int) -> StateUpdate:
    return {
        "type": "STATE_UPDATE",
        "timestamp": now_ms,
        "sessionId": session.setup.session_id,
        "epoch": session.epoch,
        "version": session.version,
        "state": state,
        "events": [],
    }


def _bare(session: Session, now_ms: int) -> StateUpdate:
    """An update without participants."""
    state = _without_other_groups(session_state(session, now_ms, ()))
    return _update(session, state, now_ms)


def _difference(update: StateUpdate, base: Session) -> StateUpdate:
    """Mark the update as partial: it applies only to ``base``."""
    update["partial"] = True
    update["baseVersion"], update["baseUpdatedAt"] = base.version, iso(base.updated_at_ms)
    return update


def _fit(update: StateUpdate, events: Sequence[Event]) -> bytes | None:
    """The update with as many events as fit; ``None`` if it is too large without any."""
    count = min(len(events), MAX_EVENTS_PER_FRAME)
    while True:
        # Keep the newest: they tell the command and its result.
        update["events"] = event_views(events[len(events) - count :])
        if count < len(events):
            update["eventsOmitted"] = len(events) - count
        message = to_json(update)
        if len(message) <= FRAME_BYTES:
            return message
        if count == 0:
            return None
        count //= 2


def _without_other_groups(state: SessionState) -> SessionState:
    """Drop the groups of participants that are not shown."""
    shown = {participant.get("group_id") for participant in state["participants"]}
    if "groups" in state:
        state["groups"] = [group for group in state["groups"] if group["group_id"] in shown]
    return state
