"""What watchers are sent of their own accord, as bytes, none larger than a frame.

A session that fits is pushed whole. One that does not is pushed as the
difference to the version before, which a client merges by ``participant_id``;
docs/protocol.md says how.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, NotRequired

from pydantic_core import to_json
from typing_extensions import TypedDict

from ..core.events import Event
from ..core.session import Session
from ..core.view import changed_positions
from .states import EventView, SessionState, event_view, iso, session_state

FRAME_BYTES = 32 * 1024
"""API Gateway bills, and limits, WebSocket messages by frames of this size."""

EVENTS_A_FRAME = 50

LEAST_PARTICIPANT_BYTES = 230
"""No participant takes less, so that what can't fit need not be tried."""


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


class SessionDeleted(TypedDict):
    type: Literal["SESSION_DELETED"]
    timestamp: int
    sessionId: str


def state_update(
    before: Session | None,
    session: Session,
    now_ms: int,
    events: Sequence[Event],
    whole_state: Callable[[], SessionState],
) -> bytes:
    """The push that tells every watcher of ``session``, made from ``before``, as of ``now_ms``.

    ``whole_state`` is asked for the state only where it may fit.
    """
    if len(session.tallies) * LEAST_PARTICIPANT_BYTES < FRAME_BYTES:
        whole = _fit(_update(session, whole_state(), now_ms), events)
        if whole is not None:
            return whole
    if before is not None:
        changed = changed_positions(before, session)
        if len(changed) * LEAST_PARTICIPANT_BYTES < FRAME_BYTES:
            state = _without_other_groups(session_state(session, now_ms, changed))
            partial = _fit(_difference(_update(session, state, now_ms), before), events)
            if partial is not None:
                return partial
    # A difference to a version that nobody holds yet: everybody asks for the pages.
    bare = _without_other_groups(session_state(session, now_ms, ()))
    update = _difference(_update(session, bare, now_ms), session)
    return _fit(update, events) or to_json(update)


def session_deleted(session_id: str, now_ms: int) -> bytes:
    """The push that tells every watcher that there is nothing left to watch."""
    final_message: SessionDeleted = {
        "type": "SESSION_DELETED",
        "timestamp": now_ms,
        "sessionId": session_id,
    }
    return to_json(final_message)


def is_final_message(message: bytes) -> bool:
    """Whether a push is the last one of its session; told without reading it all."""
    return message.startswith(b'{"type":"SESSION_DELETED"')


_VERSION = re.compile(rb'"epoch":"([^"]*)","version":(\d+)')
_HEAD_BYTES = 256
"""Type, timestamp and the session's id stand before epoch and version, and never take more."""


def version_of(message: bytes) -> tuple[str, int] | None:
    """Epoch and version of the commit that a push tells of; told without reading it all.

    ``None`` for a farewell, which has neither.
    """
    found = _VERSION.search(message, 0, _HEAD_BYTES)
    return (found[1].decode(), int(found[2])) if found else None


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


def _difference(update: StateUpdate, base: Session) -> StateUpdate:
    """The update as one that fits only who holds ``base``."""
    update["partial"] = True
    update["baseVersion"], update["baseUpdatedAt"] = base.version, iso(base.updated_at_ms)
    return update


def _fit(update: StateUpdate, events: Sequence[Event]) -> bytes | None:
    """The update with as many of its events as a frame takes; ``None`` if it alone is too large."""
    count = min(len(events), EVENTS_A_FRAME)
    while True:
        # The newest say what has been asked for, and how it ended.
        update["events"] = [event_view(event) for event in events[len(events) - count :]]
        if count < len(events):
            update["eventsOmitted"] = len(events) - count
        message = to_json(update)
        if len(message) <= FRAME_BYTES:
            return message
        if count == 0:
            return None
        count //= 2


def _without_other_groups(state: SessionState) -> SessionState:
    """Keep the groups of the participants shown, as there can be as many groups as participants."""
    shown = {participant["group_id"] for participant in state["participants"]}
    if "groups" in state:
        state["groups"] = [group for group in state["groups"] if group["group_id"] in shown]
    return state
