"""Adjustments: an operator adds time to a clock, or removes some.

The adjusted clock is a bank, the session clock, or the current cycle, depending on the mode. The
allocation in the session's facts changes with it; the setup does not.
"""

from __future__ import annotations

from dataclasses import replace

from .cycles import cycle_elapsed_ms, overtime_ms, session_elapsed_ms, stop, time_used_ms
from .errors import InvalidAdjustment
from .limits import MAX_CLOCK_MS
from .session import Cycle, Rotation, Status
from .setup import Setup, SyncMode


def adjust(
    session: Rotation, participant_id: str | None, group_id: str | None, delta_ms: int, at_ms: int
) -> tuple[Rotation, int]:
    """Add ``delta_ms`` to the named clock; returns the session and the time actually added.

    A removal stops when no main time is left. A running clock at 0 is then due, and the caller
    settles it.

    Raises:
        InvalidAdjustment: The mode has no such clock, or the clock is stopped and would be at 0,
            or it would have more than MAX_CLOCK_MS.
    """
    bank = _bank_named(session.setup, participant_id, group_id)
    if bank is not None:
        return _adjust_bank(session, bank, delta_ms, at_ms)
    if session.setup.sync_mode is SyncMode.GLOBAL:
        return _adjust_session(session, delta_ms, at_ms)
    return _adjust_cycle(session, delta_ms, at_ms)


def _bank_named(setup: Setup, participant_id: str | None, group_id: str | None) -> int | None:
    """The position of the named bank; ``None`` in modes without banks."""
    mode = setup.sync_mode
    if mode is SyncMode.COUNT_UP:
        raise InvalidAdjustment("delta_ms", "count_up sessions have no clock to adjust")
    if participant_id is not None and mode is not SyncMode.PER_PARTICIPANT:
        raise InvalidAdjustment(
            "participant_id",
            f"{mode} sessions have no participant clocks; leave participant_id out",
        )
    if group_id is not None and mode is not SyncMode.PER_GROUP:
        raise InvalidAdjustment(
            "group_id", f"{mode} sessions have no group clocks; leave group_id out"
        )
    if mode is SyncMode.PER_PARTICIPANT:
        ids = [one.participant_id for one in setup.participants]
        return _position("participant_id", participant_id, ids)
    if mode is SyncMode.PER_GROUP:
        return _position("group_id", group_id, [one.group_id for one in setup.groups])
    return None


def _position(field: str, given_id: str | None, ids: list[str]) -> int:
    if given_id is None:
        raise InvalidAdjustment(field, f"{field} is required to choose the clock")
    if given_id not in ids:
        raise InvalidAdjustment(field, f"{given_id} is not part of this session")
    return ids.index(given_id)


def _adjust_bank(
    session: Rotation, position: int, delta_ms: int, at_ms: int
) -> tuple[Rotation, int]:
    control = session.setup.controls[position]
    bank, cycle = session.banks[position], session.active_cycle
    if cycle is not None and session.setup.participants[cycle.position].bank_index != position:
        cycle = None
    run_ms = bank.run_ms + time_used_ms(cycle, at_ms) if cycle is not None else 0
    if bank.has_expired:
        _refuse_emptied_clock(delta_ms < 0)
        if cycle is not None:
            session = _end_overtime(session, cycle, at_ms)
        else:
            bank = bank._replace(run_ms=0)
        adjusted, applied_ms = control.revive(bank, run_ms, delta_ms), delta_ms
    else:
        applied_ms = max(delta_ms, -control.main_remaining_ms(bank, run_ms))
        adjusted = control.add_main_time(bank, applied_ms)
        runs = cycle is not None and session.status is Status.RUNNING
        # A delay that has not passed, periods and a block are left without main time, too.
        is_emptied = control.budget_ms(adjusted) == run_ms
        _refuse_emptied_clock(is_emptied and not runs)
    _refuse_too_much(control.reading(adjusted, run_ms)["time_remaining_ms"], applied_ms)
    banks = (*session.banks[:position], adjusted, *session.banks[position + 1 :])
    return replace(session, banks=banks), applied_ms


def _adjust_session(session: Rotation, delta_ms: int, at_ms: int) -> tuple[Rotation, int]:
    left_ms = session.total_time_ms - session_elapsed_ms(session, at_ms)
    applied_ms = max(delta_ms, -left_ms)
    runs = session.status is Status.RUNNING
    _refuse_emptied_clock(left_ms + applied_ms == 0 and not runs)
    _refuse_too_much(left_ms + applied_ms, applied_ms)
    return replace(session, total_time_ms=session.total_time_ms + applied_ms), applied_ms


def _adjust_cycle(session: Rotation, delta_ms: int, at_ms: int) -> tuple[Rotation, int]:
    cycle = session.active_cycle
    if cycle is None:
        raise InvalidAdjustment("delta_ms", "No cycle to adjust: the session has not started")
    length_ms = cycle.length_ms or 0
    left_ms = length_ms - time_used_ms(cycle, at_ms)
    applied_ms = max(delta_ms, -left_ms)
    runs = session.status is Status.RUNNING and cycle.overtime_from_ms is None
    _refuse_emptied_clock(left_ms + applied_ms == 0 and not runs)
    _refuse_too_much(left_ms + applied_ms, applied_ms)
    if cycle.overtime_from_ms is not None:
        session = _end_overtime(session, cycle, at_ms)
        cycle = session.cycle or cycle
    cycle = cycle._replace(length_ms=length_ms + applied_ms)
    return replace(session, cycle=cycle), applied_ms


def _end_overtime(session: Rotation, cycle: Cycle, at_ms: int) -> Rotation:
    """Continue a cycle whose clock was given time; the overtime so far stays overtime."""
    stopped = stop(session, cycle, at_ms)
    # It restarts now, so that a store clock that steps back cannot undo past time.
    continued = cycle._replace(
        started_at_ms=None if cycle.started_at_ms is None else at_ms,
        elapsed_ms=cycle_elapsed_ms(cycle, at_ms),
        overtime_from_ms=None,
        earlier_overtime_ms=overtime_ms(cycle, at_ms),
    )
    return replace(stopped, cycle=continued)


def _refuse_too_much(left_ms: int, applied_ms: int) -> None:
    # Increments may have lifted it higher; then it can still be lowered.
    if left_ms > MAX_CLOCK_MS and applied_ms > 0:
        raise InvalidAdjustment(
            "delta_ms", f"A clock can be set to at most {MAX_CLOCK_MS} ms; this would be {left_ms}"
        )


def _refuse_emptied_clock(is_emptied: bool) -> None:
    if is_emptied:
        raise InvalidAdjustment("delta_ms", "A stopped clock must keep some time")
