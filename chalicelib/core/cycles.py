"""Cycles: how one begins, how it ends, whose is next, and when it runs out.

The verbs here leave version and time stamps of the session alone; that is for
whoever decides to call them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, TypeVar

from .events import (
    CycleSwitched,
    Event,
    SessionCancelled,
    SessionCompleted,
    SessionEnded,
    SessionExpired,
)
from .session import Cycle, Session, Status, Tally, Undoable, lasted_ms, overtime_ms, used_ms
from .setup import SyncMode
from .time_controls import Bank

T = TypeVar("T")


def begin(session: Session, position: int, at_ms: int) -> Session:
    """Start a new cycle for the participant at ``position``."""
    cycle = Cycle(position, at_ms, length_ms=session.setup.cycle_length_ms(position))
    return replace(session, status=Status.RUNNING, cycle=cycle)


def stop(session: Session, cycle: Cycle, at_ms: int) -> Session:
    """The clock stands at ``at_ms``; whatever it shows, it goes on showing."""
    lasted = lasted_ms(cycle, at_ms)
    return replace(
        session,
        ran_ms=session.ran_ms + lasted - cycle.elapsed_ms,
        cycle=cycle._replace(started_at_ms=None, elapsed_ms=lasted),
        undoable=None,
    )


def switch(
    session: Session, cycle: Cycle, successor: int | None, at_ms: int
) -> tuple[Session, Event]:
    """End a cycle and begin the successor's, or the next one's in rotation.

    Where nobody is left to take a cycle, the session expires.
    """
    booked = _book(session, cycle, at_ms)
    if successor is None:
        successor = _next_in_rotation(booked.session, cycle.position)
    if successor is None:
        return _end_booked(booked, Status.EXPIRED, at_ms)
    participants = session.setup.participants
    event = CycleSwitched(
        at_ms,
        participants[cycle.position].participant_id,
        participants[successor].participant_id,
        booked.time_used_ms,
        booked.overtime_ms,
    )
    return begin(_hand_over(booked, successor), successor, at_ms), event


def undoable(session: Session, cycle: Cycle) -> Undoable:
    """What to keep of ``session`` so that a switch which now ends its cycle can be undone."""
    bank = session.setup.participants[cycle.position].bank
    return Undoable(cycle, None if bank is None else session.banks[bank])


def undo_switch(session: Session, kept: Undoable, switched_at_ms: int) -> Session:
    """The session as if the switch at that instant had not been, its cycle still running."""
    cycle = kept.cycle
    over_ms, used = overtime_ms(cycle, switched_at_ms), used_ms(cycle, switched_at_ms)
    tally = session.tallies[cycle.position]
    tally = Tally(tally.time_used_ms - used, tally.overtime_ms - over_ms, tally.cycle_count - 1)
    return replace(
        session,
        tallies=_with(session.tallies, cycle.position, tally),
        banks=_banks_before(session, kept, used),
        ran_ms=session.ran_ms - (lasted_ms(cycle, switched_at_ms) - cycle.elapsed_ms),
        cycle=cycle,
        undoable=None,
    )


def _banks_before(session: Session, kept: Undoable, used: int) -> tuple[Bank, ...]:
    participants, banks, current = session.setup.participants, session.banks, session.cycle
    giver = participants[kept.cycle.position].bank
    if giver is None or kept.bank is None or current is None:
        return banks
    taker = participants[current.position].bank
    if taker is not None and taker != giver and session.setup.control.transfers:
        gained_ms = kept.bank.run_ms + used
        banks = _with(banks, taker, banks[taker]._replace(held_ms=banks[taker].held_ms - gained_ms))
    return _with(banks, giver, kept.bank)


def end(session: Session, status: Status, at_ms: int) -> tuple[Session, Event]:
    """End the session; nothing is added, refilled or transferred."""
    if session.cycle is None:
        event = ENDINGS[status](at_ms, None, 0, 0)
        return replace(session, status=status, completed_at_ms=at_ms), event
    return _end_booked(_book(session, session.cycle, at_ms), status, at_ms)


class Booked(NamedTuple):
    """A session whose last cycle stands and has been added to its tally."""

    session: Session
    cycle: Cycle
    time_used_ms: int
    overtime_ms: int


def _book(session: Session, cycle: Cycle, at_ms: int) -> Booked:
    over_ms = overtime_ms(cycle, at_ms)
    used_ms = lasted_ms(cycle, at_ms) - over_ms
    tally = session.tallies[cycle.position]
    tally = Tally(tally.time_used_ms + used_ms, tally.overtime_ms + over_ms, tally.cycle_count + 1)
    stopped = cycle._replace(started_at_ms=None, elapsed_ms=used_ms + over_ms)
    booked = replace(
        session,
        tallies=_with(session.tallies, cycle.position, tally),
        ran_ms=session.ran_ms + stopped.elapsed_ms - cycle.elapsed_ms,
        cycle=stopped,
        undoable=None,
    )
    return Booked(booked, stopped, used_ms, over_ms)


def _end_booked(booked: Booked, status: Status, at_ms: int) -> tuple[Session, Event]:
    session, cycle = booked.session, booked.cycle
    last = session.setup.participants[cycle.position].participant_id
    event = ENDINGS[status](at_ms, last, booked.time_used_ms, booked.overtime_ms)
    # Handed over to itself, a bank keeps its run and goes on showing what it showed.
    kept = _hand_over(booked, cycle.position)
    return replace(kept, status=status, completed_at_ms=at_ms), event


ENDINGS: dict[Status, type[SessionEnded]] = {
    Status.COMPLETED: SessionCompleted,
    Status.CANCELLED: SessionCancelled,
    Status.EXPIRED: SessionExpired,
}


def _hand_over(booked: Booked, position: int) -> Session:
    """Account for the banks as a booked cycle gives way to one of ``position``."""
    session, cycle = booked.session, booked.cycle
    participants = session.setup.participants
    giver, taker = participants[cycle.position].bank, participants[position].bank
    if giver is None or taker is None:
        return session
    control, banks = session.setup.control_of(giver), session.banks
    bank = banks[giver]
    run_ms = bank.run_ms + booked.time_used_ms
    if giver == taker:
        # One run, however many cycles: to the time control nothing has ended.
        return replace(session, banks=_with(banks, giver, bank._replace(run_ms=run_ms)))
    if control.transfers:
        # The taker has time left, or it could not take over.
        gainer = banks[taker]._replace(held_ms=banks[taker].held_ms + run_ms)
        banks = _with(banks, taker, gainer)
    if not bank.has_expired:
        banks = _with(banks, giver, control.hand_over(bank, run_ms))
    return replace(session, banks=banks)


def _next_in_rotation(session: Session, position: int) -> int | None:
    """Who follows ``position``, itself last; ``None`` if nobody has time left."""
    count = len(session.tallies)
    for step in range(1, count + 1):
        candidate = (position + step) % count
        if not session.is_out(candidate):
            return candidate
    return None


def budget_ms(session: Session, cycle: Cycle) -> int | None:
    """How much the cycle may use before its clock runs out; ``None``: any time."""
    setup = session.setup
    bank = setup.participants[cycle.position].bank
    if bank is not None:
        return setup.control_of(bank).budget_ms(session.banks[bank]) - session.banks[bank].run_ms
    if setup.sync_mode is SyncMode.COUNT_UP:
        if setup.max_time_ms is None:
            return None
        return setup.max_time_ms - session.tallies[cycle.position].time_used_ms
    return cycle.length_ms


def session_deadline_ms(session: Session, started_at_ms: int) -> int | None:
    """When the session clock runs out, if nothing stops it first."""
    if session.setup.sync_mode is not SyncMode.GLOBAL:
        return None
    return started_at_ms + session.total_time_ms - session.ran_ms


def cycle_deadline_ms(session: Session, cycle: Cycle, started_at_ms: int) -> int | None:
    """When the running cycle's clock runs out; ``None`` once it has."""
    if cycle.overtime_from_ms is not None:
        return None
    cycle_budget_ms = budget_ms(session, cycle)
    if cycle_budget_ms is None:
        return None
    return started_at_ms + cycle_budget_ms - (cycle.elapsed_ms - cycle.earlier_overtime_ms)


def deadline_ms(session: Session) -> int | None:
    """The next instant at which anything will run out."""
    cycle = session.cycle
    if cycle is None or cycle.started_at_ms is None:
        return None
    ends = (
        session_deadline_ms(session, cycle.started_at_ms),
        cycle_deadline_ms(session, cycle, cycle.started_at_ms),
    )
    return min((end for end in ends if end is not None), default=None)


def _with(items: tuple[T, ...], position: int, item: T) -> tuple[T, ...]:
    return (*items[:position], item, *items[position + 1 :])
