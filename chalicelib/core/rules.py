"""The rules of every session behind one interface, and its appointments.

A session is a rotation, in which participants take turns, or simultaneous, in which each has a
clock of their own. The functions here are for both; the modules they call know only one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from . import (
    cycles,
    simultaneous,
    simultaneous_commands,
    simultaneous_view,
    timeouts,
    view,
    warnings,
)
from .appointments import NO_APPOINTMENTS
from .events import Event
from .participants import differences, joined_position
from .session import ENDED, Rotation, S, Session, Simultaneous, Status, admit, updated
from .setup import SyncMode, TimeoutAction
from .view import Clocks


@dataclass(frozen=True, slots=True)
class _Rules(Generic[S]):
    settle: Callable[[S, int], tuple[S, tuple[Event, ...]]]
    start: Callable[[S, int], tuple[S, tuple[Event, ...]]]
    """Starts the session, or what is still to start, by an appointment."""
    end: Callable[[S, Status, int], tuple[S, tuple[Event, ...]]]
    deadline_ms: Callable[[S], int | None]
    last_deadline_ms: Callable[[S], int | None] | None
    """None where one clock runs at a time, whose deadline is the first and the last."""
    next_warning_ms: Callable[[S], int | None]
    clocks: Callable[[S, int, Iterable[int] | None], Clocks]
    changed_positions: Callable[[S, S], list[int]]


def _end_rotation(
    session: Rotation, status: Status, at_ms: int
) -> tuple[Rotation, tuple[Event, ...]]:
    ended, event = cycles.end(session, status, at_ms)
    return ended, (event,)


_RULES: Mapping[type[Session], _Rules[Any]] = {
    Rotation: _Rules(
        timeouts.settle,
        cycles.start,
        _end_rotation,
        cycles.deadline_ms,
        None,
        warnings.next_warning_ms,
        view.clocks,
        view.changed_positions,
    ),
    Simultaneous: _Rules(
        simultaneous.settle,
        simultaneous_commands.start_as_appointed,
        simultaneous_commands.end,
        simultaneous.deadline_ms,
        simultaneous.last_deadline_ms,
        simultaneous.next_warning_ms,
        simultaneous_view.clocks,
        simultaneous_view.changed_positions,
    ),
}


def _rules_of(session: S) -> _Rules[S]:
    return _RULES[type(session)]


def settle(session: S, now_ms: int) -> tuple[S, tuple[Event, ...]]:
    """Apply every timeout and appointment and emit every warning due at ``now_ms``.

    Each happens at its own instant. Returns the same session object if none is due, else one
    updated at ``now_ms``. Deadlines follow from the facts, so it does not matter when, or by which
    process, they are settled.
    """
    rules = _rules_of(session)
    if session.appointments == NO_APPOINTMENTS:
        return rules.settle(session, now_ms)
    events: list[Event] = []
    settled, starts_ms = session, _start_due_ms(session)
    if starts_ms is not None and starts_ms <= now_ms:
        # Clocks that run out at this very instant do so after the start.
        settled, earlier = rules.settle(settled, starts_ms - 1)
        events += earlier
        if settled.status not in ENDED:
            settled, started = rules.start(settled, starts_ms)
            events += started
    ends_ms = _end_due_ms(settled)
    is_over = ends_ms is not None and ends_ms <= now_ms
    # The end comes before all else that is due at its instant.
    settled, later = rules.settle(settled, ends_ms - 1 if is_over and ends_ms else now_ms)
    events += later
    if is_over and ends_ms is not None and settled.status not in ENDED:
        settled, ended = rules.end(settled, Status.EXPIRED, ends_ms)
        events += ended
    return (updated(settled, now_ms) if events else session), tuple(events)


def start(session: S, at_ms: int) -> tuple[S, tuple[Event, ...]]:
    """Start a pending session by its appointment, at ``at_ms``."""
    return _rules_of(session).start(session, at_ms)


def _start_due_ms(session: Session) -> int | None:
    """When the session, or what is still to start, starts by itself."""
    starts_at_ms = session.appointments.starts_at_ms
    if starts_at_ms is None:
        return None
    if session.status is Status.PENDING:
        # Created with a start within the grace, it starts at its creation.
        return max(starts_at_ms, session.created_at_ms)
    is_due = (
        isinstance(session, Simultaneous)
        and session.status is Status.RUNNING
        and simultaneous_commands.is_start_ahead(session)
    )
    return starts_at_ms if is_due else None


def _end_due_ms(session: Session) -> int | None:
    """When the session ends by itself, whether or not a clock runs out before."""
    return None if session.status in ENDED else session.appointments.ends_at_ms


def deadline_ms(session: Session) -> int | None:
    """When the next clock runs out or the session starts or ends by itself; ``None`` for never."""
    clocks_ms = _rules_of(session).deadline_ms(session)
    if session.appointments == NO_APPOINTMENTS:
        return clocks_ms
    instants = (clocks_ms, _start_due_ms(session), _end_due_ms(session))
    return min((one for one in instants if one is not None), default=None)


def last_deadline_ms(session: Session, first_ms: int | None) -> int | None:
    """When the last of the clocks that are running now runs out, and at least the appointments.

    ``first_ms`` is the deadline.
    """
    last_deadline_ms = _rules_of(session).last_deadline_ms
    last_ms = first_ms if last_deadline_ms is None else last_deadline_ms(session)
    if session.appointments == NO_APPOINTMENTS:
        return last_ms
    starts_ms, ends_ms = _start_due_ms(session), _end_due_ms(session)
    if session.status is Status.PENDING:
        return starts_ms or ends_ms
    if ends_ms is not None and (last_ms is None or _goes_on(session)):
        return ends_ms
    instants = [one for one in (last_ms, starts_ms) if one is not None]
    return max(instants, default=None)


def due_ms(session: Session) -> int | None:
    """When the next timeout or warning is due."""
    return due_with_deadline_ms(session, deadline_ms(session))


def due_with_deadline_ms(session: Session, ends_ms: int | None) -> int | None:
    """As :func:`due_ms`, for a caller that knows the deadline already."""
    if not session.setup.warn_at_ms:
        return ends_ms
    warns_ms = _rules_of(session).next_warning_ms(session)
    if ends_ms is None or warns_ms is None:
        return warns_ms if ends_ms is None else ends_ms
    return min(ends_ms, warns_ms)


def runs_without_end(session: Session) -> bool:
    """Whether a clock goes on running until a command: a stopwatch, or overtime, now or later."""
    return _end_due_ms(session) is None and _goes_on(session)


def _goes_on(session: Session) -> bool:
    """Whether a clock goes on running until a command or an appointment."""
    setup = session.setup
    if session.status is not Status.RUNNING or setup.sync_mode is SyncMode.GLOBAL:
        return False
    return setup.action_on_timeout is TimeoutAction.NOTIFY or (
        _rules_of(session).deadline_ms(session) is None
    )


def clocks(session: Session, now_ms: int, positions: Iterable[int] | None = None) -> Clocks:
    """The clocks of a settled session at ``now_ms``: all, or those at ``positions``."""
    return _rules_of(session).clocks(session, now_ms, positions)


def changed_positions(before: S, after: S) -> list[int]:
    """The participants who are shown at ``after`` as does not follow from ``before``.

    For a shared clock, one of its participants stands for all.
    """
    if before.setup is after.setup:
        return _rules_of(after).changed_positions(before, after)
    joined = joined_position(before.setup, after.setup)
    if joined is not None:
        before = admit(before, after.setup, joined)
    clocks_changed = _rules_of(after).changed_positions(before, after)
    others = differences(before.setup, after.setup) if joined is None else (joined,)
    return sorted({*clocks_changed, *others})
