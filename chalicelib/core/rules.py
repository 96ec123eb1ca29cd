"""The rules of every session behind one interface.

A session is a rotation, in which participants take turns, or simultaneous, in which each has a
clock of their own. The functions here are for both; the modules they call know only one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from . import cycles, simultaneous, simultaneous_view, timeouts, view, warnings
from .events import Event
from .participants import differences, joined_position
from .session import Rotation, S, Session, Simultaneous, Status, admit
from .setup import SyncMode, TimeoutAction
from .view import Clocks


@dataclass(frozen=True, slots=True)
class _Rules(Generic[S]):
    settle: Callable[[S, int], tuple[S, tuple[Event, ...]]]
    deadline_ms: Callable[[S], int | None]
    last_deadline_ms: Callable[[S], int | None] | None
    """None where one clock runs at a time, whose deadline is the first and the last."""
    next_warning_ms: Callable[[S], int | None]
    clocks: Callable[[S, int, Iterable[int] | None], Clocks]
    changed_positions: Callable[[S, S], list[int]]


_RULES: Mapping[type[Session], _Rules[Any]] = {
    Rotation: _Rules(
        timeouts.settle,
        cycles.deadline_ms,
        None,
        warnings.next_warning_ms,
        view.clocks,
        view.changed_positions,
    ),
    Simultaneous: _Rules(
        simultaneous.settle,
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
    """Apply every timeout and emit every warning due at ``now_ms``, each at its own instant.

    Returns the same session object if none is due, else one updated at ``now_ms``. Deadlines follow
    from the facts, so it does not matter when, or by which process, they are settled.
    """
    return _rules_of(session).settle(session, now_ms)


def deadline_ms(session: Session) -> int | None:
    """When the next clock runs out; ``None`` if none is running."""
    return _rules_of(session).deadline_ms(session)


def last_deadline_ms(session: Session, first_ms: int | None) -> int | None:
    """When the last of the clocks that are running now runs out, the first at ``first_ms``."""
    last_ms = _rules_of(session).last_deadline_ms
    return first_ms if last_ms is None else last_ms(session)


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
    setup = session.setup
    if session.status is not Status.RUNNING or setup.sync_mode is SyncMode.GLOBAL:
        return False
    return setup.action_on_timeout is TimeoutAction.NOTIFY or deadline_ms(session) is None


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
