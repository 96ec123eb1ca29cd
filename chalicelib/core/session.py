"""A session's facts, as an immutable value.

They change only with a command or a timeout. A running clock changes none of them: its elapsed time
is ``now_ms`` minus the instant it last started.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, TypeVar, cast

from .appointments import NO_APPOINTMENTS, Appointments
from .clock_blocks import BLOCK_SIZE, Block, Clock, ClockState, make_blocks
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
    """The totals of one participant's ended cycles."""

    time_used_ms: int = 0
    overtime_ms: int = 0
    cycle_count: int = 0


class Cycle(NamedTuple):
    """The turn of the participant at ``position`` in the rotation.

    ``started_at_ms`` is ``None`` while the cycle is stopped; ``elapsed_ms`` is its time before
    that, without pauses. ``length_ms`` is the length of its own clock, in modes that have one.
    ``overtime_from_ms`` is its elapsed time when the clock ran out; ``earlier_overtime_ms``, its
    overtime before an adjustment gave the clock time again. An ended session keeps its last
    cycle, because clients still see its readings.
    """

    position: int
    started_at_ms: int | None
    elapsed_ms: int = 0
    length_ms: int | None = None
    overtime_from_ms: int | None = None
    earlier_overtime_ms: int = 0


class UndoRecord(NamedTuple):
    """What undoing the last switch needs: the cycle it ended, as it was before.

    ``bank`` is that cycle's bank before the time control was applied, ``extension_ms`` what a soft
    close added to the session clock. Everything else that the switch changed follows from these.
    """

    cycle: Cycle
    bank: Bank | None
    extension_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One incarnation (``epoch``) of a session, as of ``version``.

    ``elapsed_ms`` is how long it had run, without pauses, when a clock last started.
    ``appointments`` stay when they have been kept, and until they are changed or cleared.
    """

    setup: Setup
    epoch: str
    version: int
    status: Status
    total_time_ms: int
    elapsed_ms: int
    created_at_ms: int
    updated_at_ms: int
    started_at_ms: int | None = None
    completed_at_ms: int | None = None
    appointments: Appointments = NO_APPOINTMENTS

    @property
    def active_cycle(self) -> Cycle | None:
        """The active participant's cycle; ``None`` if participants don't take turns, or not now."""
        return None


S = TypeVar("S", bound=Session)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation(Session):
    """A session whose participants take turns: one cycle at a time.

    ``tallies`` are parallel to ``setup.participants``. ``banks`` are parallel to the participants
    or, in per_group, to the groups; empty in modes without banks. ``undo_record`` is set from a
    switch until the next command or timeout. ``extended_ms`` is the part of ``total_time_ms`` that
    a soft close has added.
    """

    tallies: tuple[Tally, ...]
    banks: tuple[Bank, ...]
    cycle: Cycle | None
    undo_record: UndoRecord | None = None
    extended_ms: int = 0

    @property
    def active_cycle(self) -> Cycle | None:
        """The active participant's cycle; ``None`` before the start and after the end."""
        return self.cycle if self.status in LIVE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Simultaneous(Session):
    """A session in which every participant has a clock of their own, all running at once.

    ``blocks`` hold the clocks in rotation order. ``running_since_ms`` is the instant at which
    ``elapsed_ms`` was brought up to date; ``None`` while the session does not run.
    ``starts_waiting`` says that clocks which wait begin at the appointed start, still to come.
    """

    blocks: tuple[Block, ...]
    running_since_ms: int | None = None
    starts_waiting: bool = False


def create(setup: Setup, epoch: str, now_ms: int) -> Session:
    """A pending session, version 1 of its epoch.

    Raises:
        InvalidSetup: An appointment is not possible any more, or too far ahead.
    """
    setup.appointments.check_start(now_ms)
    setup.appointments.check_end(now_ms)
    return with_appointments(_pending(setup, epoch, now_ms), setup.appointments)


def _pending(setup: Setup, epoch: str, now_ms: int) -> Session:
    if setup.sync_mode is SyncMode.SIMULTANEOUS:
        clocks = [_new_clock(setup, position) for position in range(len(setup.participants))]
        return Simultaneous(
            setup=setup,
            epoch=epoch,
            version=1,
            status=Status.PENDING,
            total_time_ms=setup.total_time_ms,
            elapsed_ms=0,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            blocks=make_blocks(clocks, setup.warn_at_ms, 0),
        )
    totals_ms: tuple[int, ...] = ()
    if setup.sync_mode is SyncMode.PER_GROUP:
        totals_ms = tuple(group.total_time_ms for group in setup.groups)
    elif setup.sync_mode is SyncMode.PER_PARTICIPANT:
        totals_ms = tuple(participant.total_time_ms for participant in setup.participants)
    return Rotation(
        setup=setup,
        epoch=epoch,
        version=1,
        status=Status.PENDING,
        total_time_ms=setup.total_time_ms,
        elapsed_ms=0,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
        tallies=(Tally(),) * len(setup.participants),
        banks=tuple(
            setup.controls[bank].new_bank(total_ms) for bank, total_ms in enumerate(totals_ms)
        ),
        cycle=None,
    )


def _new_clock(setup: Setup, position: int) -> Clock:
    state = ClockState.WITHDRAWN if setup.has_withdrawn(position) else ClockState.WAITING
    return Clock(setup.participants[position].total_time_ms, state)


def admit(session: S, setup: Setup, position: int) -> S:
    """The session with ``setup``, in which the participant at ``position`` is new."""
    match session:
        case Rotation():
            return cast(S, _admit_to_rotation(session, setup, position))
        case Simultaneous():
            return cast(S, _admit_to_blocks(session, setup, position))
    raise TypeError(f"No participants join a {type(session).__name__}")


def _admit_to_rotation(session: Rotation, setup: Setup, position: int) -> Rotation:
    banks, bank = session.banks, setup.participants[position].bank_index
    if bank is not None and len(setup.controls) > len(banks):
        total_ms = (setup.groups or setup.participants)[bank].total_time_ms
        new_bank = setup.controls[bank].new_bank(total_ms)
        banks = (*banks[:bank], new_bank, *banks[bank:])
    cycle = session.cycle
    if cycle is not None and cycle.position >= position:
        cycle = cycle._replace(position=cycle.position + 1)
    return replace(
        session,
        setup=setup,
        tallies=(*session.tallies[:position], Tally(), *session.tallies[position:]),
        banks=banks,
        cycle=cycle,
        undo_record=None,
    )


def _admit_to_blocks(session: Simultaneous, setup: Setup, position: int) -> Simultaneous:
    first = position // BLOCK_SIZE
    clocks = [clock for block in session.blocks[first:] for clock in block.clocks]
    clocks.insert(position % BLOCK_SIZE, _new_clock(setup, position))
    moved = make_blocks(clocks, setup.warn_at_ms, session.elapsed_ms)
    return replace(session, setup=setup, blocks=(*session.blocks[:first], *moved))


def reset(session: Session) -> Session:
    """The session as if just created with its present setup, at the same version.

    It has no appointments: those of the setup may be long past.
    """
    again = _pending(session.setup, session.epoch, session.created_at_ms)
    return replace(again, version=session.version, updated_at_ms=session.updated_at_ms)


def with_appointments(session: S, appointments: Appointments) -> S:
    """The session with these appointments, the start still to come."""
    session = replace(session, appointments=appointments)
    if isinstance(session, Simultaneous):
        return replace(session, starts_waiting=appointments.starts_at_ms is not None)
    return session


def without_past_appointments(session: S, now_ms: int) -> S:
    """The session without the appointments that are not still to come."""
    ahead = session.appointments.after(now_ms)
    if ahead == session.appointments:
        return session
    session = replace(session, appointments=ahead)
    if isinstance(session, Simultaneous) and ahead.starts_at_ms is None:
        return replace(session, starts_waiting=False)
    return session


def updated(session: S, now_ms: int) -> S:
    """The session as changed at ``now_ms``."""
    # A store clock that steps back must not make events due again that were already sent.
    return replace(session, updated_at_ms=max(session.updated_at_ms, now_ms))
