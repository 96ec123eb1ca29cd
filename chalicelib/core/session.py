"""A session's facts.

They change only with a command or a timeout. A running clock changes none of
them: how long it has run is ``now_ms`` less the instant it last began to run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from .setup import Setup, SyncMode
from .time_controls import Bank


class Status(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    EXPIRED = "expired"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


LIVE = frozenset({Status.RUNNING, Status.PAUSED})
ENDED = frozenset({Status.EXPIRED, Status.COMPLETED, Status.CANCELLED})


class Tally(NamedTuple):
    """What one participant's ended cycles add up to."""

    time_used_ms: int = 0
    overtime_ms: int = 0
    cycle_count: int = 0


class Cycle(NamedTuple):
    """The turn of the participant at ``position`` in the rotation.

    ``elapsed_ms`` is what of it ran before ``started_at_ms``, which is ``None``
    while it does not run. ``length_ms`` is what its own clock started with, in
    the modes where it has one. ``overtime_from_ms`` is how long it had lasted
    when its clock ran out; ``earlier_overtime_ms``, how much overtime it had
    before its clock was given time and went on. The last cycle stays on when the session has ended,
    because what it showed then goes on being shown.
    """

    position: int
    started_at_ms: int | None
    elapsed_ms: int = 0
    length_ms: int | None = None
    overtime_from_ms: int | None = None
    earlier_overtime_ms: int = 0


class Undoable(NamedTuple):
    """What the last switch can't be undone without: the cycle it ended, as it stood before.

    ``bank`` is what that cycle drew on, before the time control was applied.
    All else that the switch changed follows from these two.
    """

    cycle: Cycle
    bank: Bank | None


@dataclass(frozen=True, slots=True)
class Session:
    """One incarnation (``epoch``) of a session, as of ``version``.

    ``tallies`` run parallel to ``setup.participants``. ``banks`` belong to the
    participants, or to the groups, in their order, and are absent in modes
    without banks. ``ran_ms`` is how long the session had been running when its
    cycle last began to run. ``undoable`` is there from a switch until the next
    command or timeout.
    """

    setup: Setup
    epoch: str
    version: int
    status: Status
    tallies: tuple[Tally, ...]
    banks: tuple[Bank, ...]
    total_time_ms: int
    ran_ms: int
    cycle: Cycle | None
    created_at_ms: int
    updated_at_ms: int
    started_at_ms: int | None = None
    completed_at_ms: int | None = None
    undoable: Undoable | None = None

    @property
    def active(self) -> Cycle | None:
        """The cycle of whoever is active; ``None`` before the start and after the end."""
        return self.cycle if self.status in LIVE else None

    def is_out(self, position: int) -> bool:
        """Whether this participant's clock has run out for good.

        A clock that belongs to the cycle, as in per_cycle and global, starts
        anew with the next one.
        """
        bank = self.setup.participants[position].bank
        if bank is not None:
            return self.banks[bank].has_expired
        limit_ms = self.setup.max_time_ms
        if self.setup.sync_mode is not SyncMode.COUNT_UP or limit_ms is None:
            return False
        return self.tallies[position].time_used_ms >= limit_ms or self.ran_out(position)

    def ran_out(self, position: int) -> bool:
        """Whether this participant's clock ran out in the current, or last, cycle."""
        cycle = self.cycle
        if cycle is None or cycle.position != position:
            return False
        return cycle.overtime_from_ms is not None


def create(setup: Setup, epoch: str, now_ms: int) -> Session:
    """A session that waits for its start, as version 1 of its epoch."""
    totals_ms: tuple[int, ...] = ()
    if setup.sync_mode is SyncMode.PER_GROUP:
        totals_ms = tuple(group.total_time_ms for group in setup.groups)
    elif setup.sync_mode is SyncMode.PER_PARTICIPANT:
        totals_ms = tuple(participant.total_time_ms for participant in setup.participants)
    return Session(
        setup=setup,
        epoch=epoch,
        version=1,
        status=Status.PENDING,
        tallies=(Tally(),) * len(setup.participants),
        banks=tuple(
            setup.control_of(bank).fill(total_ms) for bank, total_ms in enumerate(totals_ms)
        ),
        total_time_ms=setup.total_time_ms,
        ran_ms=0,
        cycle=None,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )


def updated(session: Session, now_ms: int) -> Session:
    """The session as changed at ``now_ms``."""
    # A store that steps back must not make what was told of untold.
    return replace(session, updated_at_ms=max(session.updated_at_ms, now_ms))


def lasted_ms(cycle: Cycle, now_ms: int) -> int:
    """How long a cycle has lasted at ``now_ms``, pauses left out."""
    if cycle.started_at_ms is None:
        return cycle.elapsed_ms
    # A store that fails over may step back. A cycle that began "in the
    # future" has lasted no longer than it had, and a clock that has once run
    # out stays run out.
    lasted = cycle.elapsed_ms + max(0, now_ms - cycle.started_at_ms)
    return max(lasted, cycle.overtime_from_ms or 0)


def overtime_ms(cycle: Cycle, now_ms: int) -> int:
    """How much of a cycle lies behind the instant its clock ran out."""
    if cycle.overtime_from_ms is None:
        return cycle.earlier_overtime_ms
    return cycle.earlier_overtime_ms + lasted_ms(cycle, now_ms) - cycle.overtime_from_ms


def used_ms(cycle: Cycle, now_ms: int) -> int:
    """How much of a cycle its clock has counted: all but the overtime."""
    return lasted_ms(cycle, now_ms) - overtime_ms(cycle, now_ms)


def ran_ms(session: Session, now_ms: int) -> int:
    """How long the session has been running."""
    cycle = session.cycle
    if cycle is None:
        return session.ran_ms
    return session.ran_ms + lasted_ms(cycle, now_ms) - cycle.elapsed_ms
