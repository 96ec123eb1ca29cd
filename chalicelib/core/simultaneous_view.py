"""What the clocks of a simultaneous session show at an instant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .clock_blocks import BLOCK_SIZE, Clock, ClockState
from .participants import time_factor
from .session import ENDED, LIVE, Simultaneous, Status
from .simultaneous import clock_of, session_time_ms
from .view import Clocks, ParticipantView


class ClockInstants(NamedTuple):
    """When a clock first started, was finished, and will run out, in the store's time."""

    started_at_ms: int | None
    finished_at_ms: int | None
    deadline_ms: int | None


def clocks(session: Simultaneous, now_ms: int, positions: Iterable[int] | None = None) -> Clocks:
    """The clocks of a settled session at ``now_ms``: all, or those at ``positions``."""
    if positions is None:
        positions = range(len(session.setup.participants))
    time_ms = session_time_ms(session, now_ms)
    return Clocks([_view(session, position, time_ms) for position in positions], [], None, None)


def clock_instants(session: Simultaneous, position: int) -> ClockInstants:
    clock = clock_of(session, position)
    deadline_ms = None
    if session.running_since_ms is not None and clock.due_ms is not None:
        deadline_ms = session.running_since_ms + clock.due_ms - session.elapsed_ms
    return ClockInstants(clock.started_at_ms, clock.finished_at_ms, deadline_ms)


def changed_positions(before: Simultaneous, after: Simultaneous) -> list[int]:
    """The participants whose clocks at ``after`` don't follow from those shown at ``before``."""
    changed: list[int] = []
    # Whether the session runs, is paused or has ended is shown of every clock that has begun.
    affected = _BEGUN if before.status is not after.status else ()
    for number, (old, new) in enumerate(zip(before.blocks, after.blocks, strict=True)):
        if old is new and not affected:
            continue
        changed += [
            position
            for position, (was, now) in enumerate(
                zip(old.clocks, new.clocks, strict=True), number * BLOCK_SIZE
            )
            if was != now or now.state in affected
        ]
    return changed


_BEGUN = (ClockState.RUNNING, ClockState.PAUSED)


def _view(session: Simultaneous, position: int, time_ms: int) -> ParticipantView:
    setup = session.setup
    participant, clock = setup.participants[position], clock_of(session, position).at(time_ms)
    is_running = clock.state is ClockState.RUNNING
    view: ParticipantView = {
        "participant_id": participant.participant_id,
        "participant_index": participant.participant_index,
        "total_time_ms": clock.total_ms,
        "time_used_ms": clock.used_ms,
        "time_remaining_ms": clock.remaining_ms,
        "overtime_ms": clock.overtime_ms,
        "cycle_count": 1 if clock.has_finished else 0,
        "is_active": is_running and session.status in LIVE,
        "is_running": is_running and session.status is Status.RUNNING and not clock.has_expired,
        "has_expired": clock.has_expired,
        "clock_state": _shown_state(session, clock),
        "time_factor": time_factor(setup.time_factors[position]),
    }
    if participant.group_id is not None:
        view["group_id"] = participant.group_id
    return view


def _shown_state(session: Simultaneous, clock: Clock) -> ClockState:
    return ClockState.STOPPED if session.status in ENDED and clock.state in _BEGUN else clock.state
