"""Cycles: start, begin, stop, switch, undo, end, reopen; rotation order; elapsed time; deadlines.

Elapsed time excludes pauses. A cycle's elapsed time is its time used, which its clock counts, plus
its overtime, after the clock has run out. A session's elapsed time is the sum of its cycles'.

These functions leave the session's version and ``updated_at_ms`` alone: their callers set them.
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
    SessionStarted,
)
from .session import Cycle, Rotation, Status, Tally, UndoRecord
from .setup import SyncMode
from .time_controls import Bank

T = TypeVar("T")


def start(session: Rotation, at_ms: int) -> tuple[Rotation, tuple[Event, ...]]:
    """Begin the first cycle, that of the first in rotation; expire if there is none."""
    position = next_in_rotation(session, -1)
    if position is None:
        # They have all withdrawn.
        ended, event = end(session, Status.EXPIRED, at_ms)
        return ended, (event,)
    started = replace(begin(session, position, at_ms), started_at_ms=at_ms)
    first = session.setup.participants[position]
    return started, (SessionStarted(at_ms, first.participant_id),)


def begin(session: Rotation, position: int, at_ms: int | None) -> Rotation:
    """Begin a cycle of the participant at ``position``: running from ``at_ms``, or paused."""
    cycle = Cycle(position, at_ms, length_ms=session.setup.cycle_lengths_ms[position])
    status = Status.PAUSED if at_ms is None else Status.RUNNING
    return replace(session, status=status, cycle=cycle)


def stop(session: Rotation, cycle: Cycle, at_ms: int) -> Rotation:
    """Stop the clock at ``at_ms``; its reading stays what it is."""
    elapsed_ms = cycle_elapsed_ms(cycle, at_ms)
    return replace(
        session,
        elapsed_ms=session.elapsed_ms + elapsed_ms - cycle.elapsed_ms,
        cycle=cycle._replace(started_at_ms=None, elapsed_ms=elapsed_ms),
        undo_record=None,
    )


def switch(
    session: Rotation, cycle: Cycle, successor: int | None, at_ms: int
) -> tuple[Rotation, Event]:
    """End a cycle and begin the successor's, or that of the next participant in rotation.

    A paused cycle is followed by a paused one. The session expires if no participant has time left.
    """
    ended = _end_cycle(session, cycle, at_ms)
    if successor is None:
        successor = next_in_rotation(ended.session, cycle.position)
    if successor is None:
        return _end_session(ended, Status.EXPIRED, at_ms)
    participants = session.setup.participants
    event = CycleSwitched(
        at_ms,
        participants[cycle.position].participant_id,
        participants[successor].participant_id,
        ended.time_used_ms,
        ended.overtime_ms,
    )
    runs_from_ms = None if cycle.started_at_ms is None else at_ms
    return begin(_apply_time_control(ended, successor), successor, runs_from_ms), event


def undo_record(session: Rotation, cycle: Cycle) -> UndoRecord:
    """What :func:`undo_switch` needs to undo a switch that ends this cycle now."""
    bank = session.setup.participants[cycle.position].bank_index
    return UndoRecord(cycle, None if bank is None else session.banks[bank])


def undo_switch(session: Rotation, record: UndoRecord, switched_at_ms: int) -> Rotation:
    """The session without the switch at ``switched_at_ms``, the earlier cycle still running."""
    cycle = record.cycle
    elapsed_ms = cycle_elapsed_ms(cycle, switched_at_ms) - cycle.elapsed_ms
    return replace(
        session,
        tallies=_tallies_before(session, cycle, switched_at_ms),
        banks=_banks_before(session, record, time_used_ms(cycle, switched_at_ms)),
        elapsed_ms=session.elapsed_ms - elapsed_ms,
        total_time_ms=session.total_time_ms - record.extension_ms,
        extended_ms=session.extended_ms - record.extension_ms,
        cycle=cycle,
        undo_record=None,
    )


def _tallies_before(session: Rotation, cycle: Cycle, ended_at_ms: int) -> tuple[Tally, ...]:
    """The tallies without this cycle, which was the last to be added."""
    tally = session.tallies[cycle.position]
    earlier = Tally(
        tally.time_used_ms - time_used_ms(cycle, ended_at_ms),
        tally.overtime_ms - overtime_ms(cycle, ended_at_ms),
        tally.cycle_count - 1,
    )
    return _replaced(session.tallies, cycle.position, earlier)


def _banks_before(session: Rotation, record: UndoRecord, used_ms: int) -> tuple[Bank, ...]:
    participants, banks, current = session.setup.participants, session.banks, session.cycle
    previous_bank = participants[record.cycle.position].bank_index
    if previous_bank is None or record.bank is None or current is None:
        return banks
    next_bank = participants[current.position].bank_index
    if next_bank is not None and next_bank != previous_bank and session.setup.control.transfers:
        kept_ms = banks[next_bank].main_ms - (record.bank.run_ms + used_ms)
        banks = _replaced(banks, next_bank, banks[next_bank]._replace(main_ms=kept_ms))
    return _replaced(banks, previous_bank, record.bank)


def end(session: Rotation, status: Status, at_ms: int) -> tuple[Rotation, Event]:
    """End the session; banks get no increment, refill or transfer."""
    if session.cycle is None:
        event = ENDINGS[status](at_ms, None, 0, 0)
        return replace(session, status=status, completed_at_ms=at_ms), event
    return _end_session(_end_cycle(session, session.cycle, at_ms), status, at_ms)


def reopen(session: Rotation) -> Rotation:
    """The session paused as it stood when it ended; pending if that was before its start."""
    cycle, ended_at_ms = session.cycle, session.completed_at_ms
    if cycle is None or ended_at_ms is None:
        return replace(session, status=Status.PENDING, completed_at_ms=None)
    banks, index = session.banks, session.setup.participants[cycle.position].bank_index
    if index is not None:
        run_ms = banks[index].run_ms - time_used_ms(cycle, ended_at_ms)
        banks = _replaced(banks, index, banks[index]._replace(run_ms=run_ms))
    return replace(
        session,
        status=Status.PAUSED,
        tallies=_tallies_before(session, cycle, ended_at_ms),
        banks=banks,
        completed_at_ms=None,
    )


class EndedCycle(NamedTuple):
    """A session whose cycle was stopped and added to its participant's tally."""

    session: Rotation
    cycle: Cycle
    time_used_ms: int
    overtime_ms: int


def _end_cycle(session: Rotation, cycle: Cycle, at_ms: int) -> EndedCycle:
    over_ms = overtime_ms(cycle, at_ms)
    used_ms = cycle_elapsed_ms(cycle, at_ms) - over_ms
    tally = session.tallies[cycle.position]
    tally = Tally(tally.time_used_ms + used_ms, tally.overtime_ms + over_ms, tally.cycle_count + 1)
    stopped = cycle._replace(started_at_ms=None, elapsed_ms=used_ms + over_ms)
    counted = replace(
        session,
        tallies=_replaced(session.tallies, cycle.position, tally),
        elapsed_ms=session.elapsed_ms + stopped.elapsed_ms - cycle.elapsed_ms,
        cycle=stopped,
        undo_record=None,
    )
    return EndedCycle(counted, stopped, used_ms, over_ms)


def _end_session(ended: EndedCycle, status: Status, at_ms: int) -> tuple[Rotation, Event]:
    session, cycle = ended.session, ended.cycle
    last = session.setup.participants[cycle.position].participant_id
    event = ENDINGS[status](at_ms, last, ended.time_used_ms, ended.overtime_ms)
    # Followed by its own bank, the run goes on, so the reading stays the same.
    ended_session = _apply_time_control(ended, cycle.position)
    return replace(ended_session, status=status, completed_at_ms=at_ms), event


ENDINGS: dict[Status, type[SessionEnded]] = {
    Status.COMPLETED: SessionCompleted,
    Status.CANCELLED: SessionCancelled,
    Status.EXPIRED: SessionExpired,
}


def _apply_time_control(ended: EndedCycle, position: int) -> Rotation:
    """Update the banks when the cycle after an ended one is that of ``position``."""
    session, cycle = ended.session, ended.cycle
    participants = session.setup.participants
    previous_bank = participants[cycle.position].bank_index
    next_bank = participants[position].bank_index
    if previous_bank is None or next_bank is None:
        return session
    control, banks = session.setup.controls[previous_bank], session.banks
    bank = banks[previous_bank]
    run_ms = bank.run_ms + ended.time_used_ms
    if previous_bank == next_bank:
        # Consecutive cycles on one bank are one run: to the time control, it continues.
        return replace(session, banks=_replaced(banks, previous_bank, bank._replace(run_ms=run_ms)))
    if control.transfers:
        # The next bank has time left, or its participant would not be in the rotation.
        credited = banks[next_bank]._replace(main_ms=banks[next_bank].main_ms + run_ms)
        banks = _replaced(banks, next_bank, credited)
    if not bank.has_expired:
        banks = _replaced(banks, previous_bank, control.end_run(bank, run_ms))
    return replace(session, banks=banks)


def next_in_rotation(session: Rotation, position: int) -> int | None:
    """The position after ``position``, itself last; ``None`` if no participant has time left.

    Withdrawn participants are skipped.
    """
    count, withdrawn = len(session.tallies), session.setup.withdrawn
    for step in range(1, count + 1):
        candidate = (position + step) % count
        if withdrawn and session.setup.has_withdrawn(candidate):
            continue
        if not is_out_of_time(session, candidate):
            return candidate
    return None


def is_out_of_time(session: Rotation, position: int) -> bool:
    """Whether this participant's clock has run out, so that no cycle can be theirs again.

    Never in per_cycle and global, where each cycle has a new clock.
    """
    bank = session.setup.participants[position].bank_index
    if bank is not None:
        return session.banks[bank].has_expired
    limit_ms = session.setup.max_time_ms
    if session.setup.sync_mode is not SyncMode.COUNT_UP or limit_ms is None:
        return False
    if session.cycle is not None and session.cycle.position == position:
        # At the limit it may be an appointed end that stopped the clock.
        return cycle_has_expired(session, position)
    return session.tallies[position].time_used_ms >= limit_ms


def cycle_has_expired(session: Rotation, position: int) -> bool:
    """Whether the current, or last, cycle is this participant's and its clock has run out."""
    cycle = session.cycle
    if cycle is None or cycle.position != position:
        return False
    return cycle.overtime_from_ms is not None


def cycle_elapsed_ms(cycle: Cycle, now_ms: int) -> int:
    """A cycle's time up to ``now_ms``, without pauses."""
    if cycle.started_at_ms is None:
        return cycle.elapsed_ms
    # A failover can step the store's clock back. A cycle that started "in the future" has
    # had no more time, and a clock that has run out stays run out.
    elapsed_ms = cycle.elapsed_ms + max(0, now_ms - cycle.started_at_ms)
    return max(elapsed_ms, cycle.overtime_from_ms or 0)


def overtime_ms(cycle: Cycle, now_ms: int) -> int:
    """How much of a cycle is after its clock ran out."""
    if cycle.overtime_from_ms is None:
        return cycle.earlier_overtime_ms
    return cycle.earlier_overtime_ms + cycle_elapsed_ms(cycle, now_ms) - cycle.overtime_from_ms


def time_used_ms(cycle: Cycle, now_ms: int) -> int:
    """How much of a cycle its clock has counted: its elapsed time without overtime."""
    return cycle_elapsed_ms(cycle, now_ms) - overtime_ms(cycle, now_ms)


def session_elapsed_ms(session: Rotation, now_ms: int) -> int:
    """The time of all cycles up to ``now_ms``, without pauses."""
    cycle = session.cycle
    if cycle is None:
        return session.elapsed_ms
    return session.elapsed_ms + cycle_elapsed_ms(cycle, now_ms) - cycle.elapsed_ms


def budget_ms(session: Rotation, cycle: Cycle) -> int | None:
    """How much the cycle may use before its clock runs out; ``None`` if it never does."""
    setup = session.setup
    bank = setup.participants[cycle.position].bank_index
    if bank is not None:
        return setup.controls[bank].budget_ms(session.banks[bank]) - session.banks[bank].run_ms
    if setup.sync_mode is SyncMode.COUNT_UP:
        if setup.max_time_ms is None:
            return None
        return setup.max_time_ms - session.tallies[cycle.position].time_used_ms
    return cycle.length_ms


def session_deadline_ms(session: Rotation, started_at_ms: int) -> int | None:
    """When the session clock runs out; ``None`` in modes without one."""
    if session.setup.sync_mode is not SyncMode.GLOBAL:
        return None
    return started_at_ms + session.total_time_ms - session.elapsed_ms


def cycle_deadline_ms(session: Rotation, cycle: Cycle, started_at_ms: int) -> int | None:
    """When the running cycle's clock runs out; ``None`` in overtime or without a limit."""
    if cycle.overtime_from_ms is not None:
        return None
    cycle_budget_ms = budget_ms(session, cycle)
    if cycle_budget_ms is None:
        return None
    return started_at_ms + cycle_budget_ms - (cycle.elapsed_ms - cycle.earlier_overtime_ms)


def deadline_ms(session: Rotation) -> int | None:
    """When the next clock runs out; ``None`` if none is running."""
    cycle = session.cycle
    if cycle is None or cycle.started_at_ms is None:
        return None
    session_end_ms = session_deadline_ms(session, cycle.started_at_ms)
    cycle_end_ms = cycle_deadline_ms(session, cycle, cycle.started_at_ms)
    if session_end_ms is None or cycle_end_ms is None:
        return cycle_end_ms if session_end_ms is None else session_end_ms
    return min(session_end_ms, cycle_end_ms)


def _replaced(items: tuple[T, ...], position: int, item: T) -> tuple[T, ...]:
    return (*items[:position], item, *items[position + 1 :])
