"""Clock views: what each clock of a session shows at an instant, computed from the facts.

A running clock's values are valid at the instant of the view; ``is_running`` tells clients to count
down from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, NotRequired, cast

from typing_extensions import TypedDict

from .clock_blocks import ClockState
from .cycles import (
    cycle_has_expired,
    is_out_of_time,
    overtime_ms,
    session_elapsed_ms,
    time_used_ms,
)
from .session import LIVE, Cycle, Rotation, Status
from .setup import SyncMode
from .time_controls import BankReading


class ParticipantView(BankReading):
    """One participant's clock, with the values that its time control or its mode adds."""

    participant_id: str
    participant_index: int
    group_id: NotRequired[str]
    total_time_ms: int
    time_used_ms: int
    overtime_ms: int
    cycle_count: int
    is_active: bool
    is_running: bool
    has_expired: bool
    clock_state: NotRequired[ClockState]
    time_factor: NotRequired[float]


class GroupView(TypedDict):
    """The bank that the members of a group share."""

    group_id: str
    total_time_ms: int
    time_remaining_ms: int
    has_expired: bool


class Clocks(NamedTuple):
    """The clocks of a session; ``session_remaining_ms`` is None without a session clock.

    ``active_cycle`` is None if participants don't take turns, before the start and after the end.
    """

    participants: list[ParticipantView]
    groups: list[GroupView]
    session_remaining_ms: int | None
    active_cycle: Cycle | None


class ClockReading(NamedTuple):
    """What one clock shows at an instant."""

    total_time_ms: int
    bank_reading: BankReading
    has_expired: bool
    is_running: bool


ClockReader = Callable[[int], ClockReading]
"""Returns the clock reading of the participant at a position."""


class CycleSnapshot(NamedTuple):
    """The current, or last, cycle at one instant.

    ``active_position`` is the active participant's; ``is_running``, whether their clock counts,
    which it does not in overtime.
    """

    time_used_ms: int
    overtime_ms: int
    session_elapsed_ms: int
    active_position: int | None
    is_running: bool


def clocks(session: Rotation, now_ms: int, positions: Iterable[int] | None = None) -> Clocks:
    """The clocks of a settled session at ``now_ms``: all, or those at ``positions``."""
    setup, snapshot = session.setup, _snapshot(session, now_ms)
    clock_at = _CLOCK_READERS[setup.sync_mode](session, snapshot)
    if positions is None:
        positions = range(len(session.tallies))
    views = []
    for position in positions:
        reading, tally = clock_at(position), session.tallies[position]
        participant = setup.participants[position]
        view: ParticipantView = {
            "participant_id": participant.participant_id,
            "participant_index": participant.participant_index,
            "total_time_ms": reading.total_time_ms,
            "time_used_ms": tally.time_used_ms,
            "overtime_ms": tally.overtime_ms,
            "cycle_count": tally.cycle_count,
            "is_active": False,
            "is_running": reading.is_running,
            "has_expired": reading.has_expired,
            **cast(ParticipantView, reading.bank_reading),
        }
        if participant.group_id is not None:
            view["group_id"] = participant.group_id
        if position == snapshot.active_position:
            view["is_active"] = True
            view["time_used_ms"] += snapshot.time_used_ms
            view["overtime_ms"] += snapshot.overtime_ms
        views.append(view)
    return Clocks(
        views,
        _groups(session, snapshot),
        _session_remaining_ms(session, snapshot),
        session.cycle if session.status in LIVE else None,
    )


def changed_positions(before: Rotation, after: Rotation) -> list[int]:
    """The participants whose clocks at ``after`` don't follow from those shown at ``before``.

    For a shared clock, one of its participants stands for all.
    """
    changed = {cycle.position for cycle in (before.cycle, after.cycle) if cycle is not None}
    for position, (old, new) in enumerate(zip(before.tallies, after.tallies, strict=True)):
        if old != new:
            changed.add(position)
    if before.banks is not after.banks:
        participants = after.setup.participants
        pairs = enumerate(zip(before.banks, after.banks, strict=True))
        changed_banks = {bank for bank, (old, new) in pairs if old != new}
        for bank in changed_banks - {participants[position].bank_index for position in changed}:
            changed.add(
                next(index for index, one in enumerate(participants) if one.bank_index == bank)
            )
    if not changed and before.total_time_ms != after.total_time_ms:
        changed.add(0)
    return sorted(changed)


def _snapshot(session: Rotation, now_ms: int) -> CycleSnapshot:
    cycle = session.cycle
    if cycle is None:
        return CycleSnapshot(0, 0, 0, None, False)
    return CycleSnapshot(
        time_used_ms(cycle, now_ms),
        overtime_ms(cycle, now_ms),
        session_elapsed_ms(session, now_ms),
        cycle.position if session.status in LIVE else None,
        session.status is Status.RUNNING and cycle.overtime_from_ms is None,
    )


def _bank_clocks(session: Rotation, snapshot: CycleSnapshot) -> ClockReader:
    banks, active = session.banks, snapshot.active_position
    controls = session.setup.controls

    def read_clock(position: int) -> ClockReading:
        bank, control = banks[position], controls[position]
        run_ms, is_running = bank.run_ms, False
        if position == active:
            run_ms, is_running = run_ms + snapshot.time_used_ms, snapshot.is_running
        bank_reading = (
            control.expired_reading(bank) if bank.has_expired else control.reading(bank, run_ms)
        )
        return ClockReading(bank.total_ms, bank_reading, bank.has_expired, is_running)

    return read_clock


def _group_clocks(session: Rotation, snapshot: CycleSnapshot) -> ClockReader:
    """per_group: each member shows the group's bank, with their own allocation."""
    participants = session.setup.participants
    readings = _bank_readings(session, snapshot)

    def read_clock(position: int) -> ClockReading:
        participant = participants[position]
        reading = readings[participant.bank_index or 0]
        return reading._replace(total_time_ms=participant.total_time_ms)

    return read_clock


def _bank_readings(session: Rotation, snapshot: CycleSnapshot) -> list[ClockReading]:
    # A group's bank reads as if it were the bank of a single participant.
    active_bank = None
    if snapshot.active_position is not None:
        active_bank = session.setup.participants[snapshot.active_position].bank_index
    read_clock = _bank_clocks(session, snapshot._replace(active_position=active_bank))
    return list(map(read_clock, range(len(session.banks))))


def _groups(session: Rotation, snapshot: CycleSnapshot) -> list[GroupView]:
    if session.setup.sync_mode is not SyncMode.PER_GROUP:
        return []
    return [
        {
            "group_id": group.group_id,
            "total_time_ms": reading.total_time_ms,
            "time_remaining_ms": reading.bank_reading["time_remaining_ms"],
            "has_expired": reading.has_expired,
        }
        for group, reading in zip(
            session.setup.groups, _bank_readings(session, snapshot), strict=True
        )
    ]


def _cycle_clocks(session: Rotation, snapshot: CycleSnapshot) -> ClockReader:
    """per_cycle: the rest of the current cycle, and a full cycle for the others."""
    setup, cycle = session.setup, session.cycle

    def read_clock(position: int) -> ClockReading:
        remaining_ms = setup.cycle_lengths_ms[position] or 0
        if cycle is not None and cycle.position == position:
            remaining_ms = max(0, (cycle.length_ms or 0) - snapshot.time_used_ms)
        return ClockReading(
            setup.participants[position].total_time_ms,
            {"time_remaining_ms": remaining_ms},
            cycle_has_expired(session, position),
            snapshot.is_running and position == snapshot.active_position,
        )

    return read_clock


def _session_remaining_ms(session: Rotation, snapshot: CycleSnapshot) -> int | None:
    if session.setup.sync_mode is not SyncMode.GLOBAL:
        return None
    return max(0, session.total_time_ms - snapshot.session_elapsed_ms)


def _global_clocks(session: Rotation, snapshot: CycleSnapshot) -> ClockReader:
    """global: all participants show the smaller of the session clock and the cycle clock."""
    participants, length_ms = session.setup.participants, session.setup.time_per_cycle_ms
    remaining_ms = max(0, session.total_time_ms - snapshot.session_elapsed_ms)
    if length_ms is not None:
        remaining_ms = min(remaining_ms, max(0, length_ms - snapshot.time_used_ms))

    def read_clock(position: int) -> ClockReading:
        return ClockReading(
            participants[position].total_time_ms,
            {"time_remaining_ms": remaining_ms},
            cycle_has_expired(session, position),
            snapshot.is_running,
        )

    return read_clock


def _stopwatches(session: Rotation, snapshot: CycleSnapshot) -> ClockReader:
    """count_up: the time left until the limit, or of the participant's allocation."""
    setup = session.setup

    def read_clock(position: int) -> ClockReading:
        participant = setup.participants[position]
        time_used_ms = session.tallies[position].time_used_ms
        if position == snapshot.active_position:
            time_used_ms += snapshot.time_used_ms
        limit_ms = setup.max_time_ms or participant.total_time_ms
        return ClockReading(
            participant.total_time_ms,
            {"time_remaining_ms": max(0, limit_ms - time_used_ms)},
            is_out_of_time(session, position),
            snapshot.is_running and position == snapshot.active_position,
        )

    return read_clock


_CLOCK_READERS: dict[SyncMode, Callable[[Rotation, CycleSnapshot], ClockReader]] = {
    SyncMode.PER_PARTICIPANT: _bank_clocks,
    SyncMode.PER_GROUP: _group_clocks,
    SyncMode.PER_CYCLE: _cycle_clocks,
    SyncMode.GLOBAL: _global_clocks,
    SyncMode.COUNT_UP: _stopwatches,
}
