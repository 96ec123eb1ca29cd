"""Adjusting: an operator gives a clock time, or takes some.

It adjusts the clock that runs, or will: a bank, the session clock, the current
cycle. Allocations change with it, and they are facts; what was asked for when
the session was created is not touched.
"""

from __future__ import annotations

from dataclasses import replace

from .cycles import stop
from .errors import InvalidAdjustment
from .session import Cycle, Session, Status, lasted_ms, overtime_ms, ran_ms, used_ms
from .setup import Setup, SyncMode


def adjust(
    session: Session, participant_id: str | None, group_id: str | None, delta_ms: int, at_ms: int
) -> tuple[Session, int]:
    """Give the clock that is named ``delta_ms``; with it what was really given or taken.

    Taking stops where no main time is left. A clock that has nothing left then
    is due, and it is for the caller to settle that.

    Raises:
        InvalidAdjustment: The mode has no such clock, or it does not run and
            would be left with nothing.
    """
    bank = _bank_named(session.setup, participant_id, group_id)
    if bank is not None:
        return _adjust_bank(session, bank, delta_ms, at_ms)
    if session.setup.sync_mode is SyncMode.GLOBAL:
        return _adjust_session(session, delta_ms, at_ms)
    return _adjust_cycle(session, delta_ms, at_ms)


def _bank_named(setup: Setup, participant_id: str | None, group_id: str | None) -> int | None:
    """The position of the bank that is meant; ``None`` in modes without banks."""
    mode = setup.sync_mode
    if mode is SyncMode.COUNT_UP:
        raise InvalidAdjustment("delta_ms", "count_up sessions have no clock to adjust")
    if participant_id is not None and mode is not SyncMode.PER_PARTICIPANT:
        raise InvalidAdjustment("participant_id", f"{mode} participants have no clock of their own")
    if group_id is not None and mode is not SyncMode.PER_GROUP:
        raise InvalidAdjustment("group_id", f"{mode} sessions have no groups' clocks")
    if mode is SyncMode.PER_PARTICIPANT:
        everybody = [one.participant_id for one in setup.participants]
        return _position("participant_id", participant_id, everybody)
    if mode is SyncMode.PER_GROUP:
        return _position("group_id", group_id, [one.group_id for one in setup.groups])
    return None


def _position(field: str, named_id: str | None, ids: list[str]) -> int:
    if named_id is None:
        raise InvalidAdjustment(field, f"Say by {field} whose clock is meant")
    if named_id not in ids:
        raise InvalidAdjustment(field, f"{named_id} is not part of this session")
    return ids.index(named_id)


def _adjust_bank(session: Session, position: int, delta_ms: int, at_ms: int) -> tuple[Session, int]:
    control = session.setup.control_of(position)
    bank, cycle = session.banks[position], session.active
    if cycle is not None and session.setup.participants[cycle.position].bank != position:
        cycle = None
    run_ms = bank.run_ms + used_ms(cycle, at_ms) if cycle is not None else 0
    if bank.has_expired:
        _refuse_to_leave_nothing(delta_ms < 0)
        if cycle is not None:
            session = _go_on(session, cycle, at_ms)
        else:
            bank = bank._replace(run_ms=0)
        adjusted, applied_ms = control.revive(bank, run_ms, delta_ms), delta_ms
    else:
        applied_ms = max(delta_ms, -control.main_ms(bank, run_ms))
        adjusted = control.add(bank, applied_ms)
        runs = cycle is not None and session.status is Status.RUNNING
        left_ms = control.figures(adjusted, run_ms)["time_remaining_ms"]
        _refuse_to_leave_nothing(left_ms == 0 and not runs)
    banks = (*session.banks[:position], adjusted, *session.banks[position + 1 :])
    return replace(session, banks=banks), applied_ms


def _adjust_session(session: Session, delta_ms: int, at_ms: int) -> tuple[Session, int]:
    left_ms = session.total_time_ms - ran_ms(session, at_ms)
    applied_ms = max(delta_ms, -left_ms)
    runs = session.status is Status.RUNNING
    _refuse_to_leave_nothing(left_ms + applied_ms == 0 and not runs)
    return replace(session, total_time_ms=session.total_time_ms + applied_ms), applied_ms


def _adjust_cycle(session: Session, delta_ms: int, at_ms: int) -> tuple[Session, int]:
    cycle = session.active
    if cycle is None:
        raise InvalidAdjustment("delta_ms", "There is no cycle to adjust before the start")
    length_ms = cycle.length_ms or 0
    left_ms = length_ms - used_ms(cycle, at_ms)
    applied_ms = max(delta_ms, -left_ms)
    runs = session.status is Status.RUNNING and cycle.overtime_from_ms is None
    _refuse_to_leave_nothing(left_ms + applied_ms == 0 and not runs)
    if cycle.overtime_from_ms is not None:
        session = _go_on(session, cycle, at_ms)
        cycle = session.cycle or cycle
    cycle = cycle._replace(length_ms=length_ms + applied_ms)
    return replace(session, cycle=cycle), applied_ms


def _go_on(session: Session, cycle: Cycle, at_ms: int) -> Session:
    """End the overtime of a cycle whose clock has been given time; so far it stays overtime."""
    stopped = stop(session, cycle, at_ms)
    # It starts anew, so that a store that steps back takes nothing of what was.
    goes_on = cycle._replace(
        started_at_ms=None if cycle.started_at_ms is None else at_ms,
        elapsed_ms=lasted_ms(cycle, at_ms),
        overtime_from_ms=None,
        earlier_overtime_ms=overtime_ms(cycle, at_ms),
    )
    return replace(stopped, cycle=goes_on)


def _refuse_to_leave_nothing(would: bool) -> None:
    if would:
        raise InvalidAdjustment("delta_ms", "A clock that does not run can't be taken to 0")
