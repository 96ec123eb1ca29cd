"""Time warnings: a running clock reaches one of the session's ``warn_at_ms``.

Warnings are not stored. When one is due follows from the facts, as deadlines do; whether it was
emitted follows from ``updated_at_ms``, because every change settles what was due by then. So a
clock that gains time emits the warning again when it passes the same mark again, and a clock that
starts at a mark, or is adjusted past it, does not emit it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .cycles import cycle_deadline_ms, session_deadline_ms
from .events import TimeWarning
from .session import Cycle, Rotation
from .setup import SyncMode


class Countdown(NamedTuple):
    """A running clock: what it showed when it started, and when it reaches 0."""

    participant_id: str | None
    group_id: str | None
    shown_ms: int
    ends_ms: int

    def warnings(
        self, marks_ms: tuple[int, ...], since_ms: int, until_ms: int
    ) -> Iterator[TimeWarning]:
        """The warnings due after ``since_ms``, up to and including ``until_ms``."""
        for mark_ms in marks_ms:
            at_ms = self.ends_ms - mark_ms
            if mark_ms < self.shown_ms and since_ms < at_ms <= until_ms:
                yield TimeWarning(at_ms, self.participant_id, self.group_id, mark_ms)

    def next_warning_ms(self, marks_ms: tuple[int, ...], since_ms: int) -> int | None:
        """When the first warning after ``since_ms`` is due."""
        upcoming = (self.ends_ms - mark_ms for mark_ms in marks_ms if mark_ms < self.shown_ms)
        return min((at_ms for at_ms in upcoming if at_ms > since_ms), default=None)


def session_countdown(session: Rotation, started_at_ms: int) -> Countdown | None:
    """The session clock of global."""
    ends_ms = session_deadline_ms(session, started_at_ms)
    if ends_ms is None:
        return None
    return Countdown(None, None, session.total_time_ms, ends_ms)


def cycle_countdown(session: Rotation, cycle: Cycle, started_at_ms: int) -> Countdown | None:
    """The active participant's clock; ``None`` in overtime.

    In global, participants show the smaller of two clocks, so the cycle's clock warns only if it
    runs out before the session's.
    """
    ends_ms = _reaches_zero_at_ms(session, cycle, started_at_ms)
    session_ends_ms = session_deadline_ms(session, started_at_ms)
    if ends_ms is None or (session_ends_ms is not None and session_ends_ms <= ends_ms):
        return None
    participant = session.setup.participants[cycle.position]
    shown_ms = ends_ms - started_at_ms
    if participant.bank_index is not None:
        # During a delay, a clock shows less than the time until it runs out.
        control = session.setup.controls[participant.bank_index]
        shown_ms = control.reading(session.banks[participant.bank_index], 0)["time_remaining_ms"]
    return Countdown(participant.participant_id, participant.group_id, shown_ms, ends_ms)


def next_warning_ms(session: Rotation) -> int | None:
    """When the next warning is due."""
    cycle, marks_ms = session.cycle, session.setup.warn_at_ms
    if not marks_ms or cycle is None or cycle.started_at_ms is None:
        return None
    clocks = (
        session_countdown(session, cycle.started_at_ms),
        cycle_countdown(session, cycle, cycle.started_at_ms),
    )
    due = (
        clock.next_warning_ms(marks_ms, session.updated_at_ms)
        for clock in clocks
        if clock is not None
    )
    return min((at_ms for at_ms in due if at_ms is not None), default=None)


def _reaches_zero_at_ms(session: Rotation, cycle: Cycle, started_at_ms: int) -> int | None:
    deadline_ms = cycle_deadline_ms(session, cycle, started_at_ms)
    setup = session.setup
    if deadline_ms is not None or setup.sync_mode is not SyncMode.COUNT_UP or setup.max_time_ms:
        return deadline_ms
    # A stopwatch without a limit shows the rest of its allocation, and keeps running.
    left_ms = setup.participants[cycle.position].total_time_ms
    left_ms -= session.tallies[cycle.position].time_used_ms + cycle.elapsed_ms
    return started_at_ms + left_ms
