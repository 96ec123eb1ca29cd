"""What the clocks of a session show at an instant, calculated from its facts.

The figures of a moving clock are right at the instant the view was made;
``is_running`` tells a client to count on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from typing_extensions import TypedDict

from .session import LIVE, Session, Status, overtime_ms, ran_ms, used_ms
from .setup import SyncMode
from .time_controls import Figures


class ParticipantView(Figures):
    """One participant's clock, with the further figures of its time control."""

    participant_id: str
    participant_index: int
    group_id: str | None
    total_time_ms: int
    time_used_ms: int
    overtime_ms: int
    cycle_count: int
    is_active: bool
    is_running: bool
    has_expired: bool


class GroupView(TypedDict):
    """The bank that the members of a group share."""

    group_id: str
    total_time_ms: int
    time_remaining_ms: int
    has_expired: bool


class Clocks(NamedTuple):
    """Every clock of a session; ``session_remaining_ms`` where the session has one."""

    participants: list[ParticipantView]
    groups: list[GroupView]
    session_remaining_ms: int | None


class ClockReading(NamedTuple):
    """The dial of a clock, apart from the time its owner has used."""

    total_time_ms: int
    figures: Figures
    has_expired: bool
    is_running: bool


ClockFactory = Callable[[int], ClockReading]
"""The clock of the participant at a position."""


class CycleSnapshot(NamedTuple):
    """The hands at one instant: what the current, or last, cycle has used.

    ``active`` is the position of whoever is active; ``moving``, whether that
    clock runs, which one in overtime does not.
    """

    used_ms: int
    overtime_ms: int
    session_ran_ms: int
    active: int | None
    moving: bool


def clocks(session: Session, now_ms: int, positions: Iterable[int] | None = None) -> Clocks:
    """What the clocks of a settled session show at ``now_ms``: all, or those at ``positions``."""
    setup, reading = session.setup, _read(session, now_ms)
    dial = _DIALS[setup.sync_mode](session, reading)
    if positions is None:
        positions = range(len(session.tallies))
    views = []
    for position in positions:
        face, tally = dial(position), session.tallies[position]
        participant = setup.participants[position]
        view: ParticipantView = {
            "participant_id": participant.participant_id,
            "participant_index": participant.participant_index,
            "group_id": participant.group_id,
            "total_time_ms": face.total_time_ms,
            "time_used_ms": tally.time_used_ms,
            "overtime_ms": tally.overtime_ms,
            "cycle_count": tally.cycle_count,
            "is_active": False,
            "is_running": face.is_running,
            "has_expired": face.has_expired,
            **face.figures,
        }
        if position == reading.active:
            view["is_active"] = True
            view["time_used_ms"] += reading.used_ms
            view["overtime_ms"] += reading.overtime_ms
        views.append(view)
    return Clocks(views, _groups(session, reading), _session_remaining_ms(session, reading))


def changed_positions(before: Session, after: Session) -> list[int]:
    """Whose clocks can't be told at ``after`` from what they showed at ``before``.

    Where clocks are shared, one of those who share it stands for all.
    """
    changed = {cycle.position for cycle in (before.cycle, after.cycle) if cycle is not None}
    for position, (old, new) in enumerate(zip(before.tallies, after.tallies, strict=True)):
        if old != new:
            changed.add(position)
    if before.banks is not after.banks:
        participants = after.setup.participants
        pairs = enumerate(zip(before.banks, after.banks, strict=True))
        moved = {bank for bank, (held, holds) in pairs if held != holds}
        for bank in moved - {participants[position].bank for position in changed}:
            owners = (position for position, one in enumerate(participants) if one.bank == bank)
            changed.add(next(owners))
    if not changed and before.total_time_ms != after.total_time_ms:
        changed.add(0)
    return sorted(changed)


def _read(session: Session, now_ms: int) -> CycleSnapshot:
    cycle = session.cycle
    if cycle is None:
        return CycleSnapshot(0, 0, 0, None, False)
    return CycleSnapshot(
        used_ms(cycle, now_ms),
        overtime_ms(cycle, now_ms),
        ran_ms(session, now_ms),
        cycle.position if session.status in LIVE else None,
        session.status is Status.RUNNING and cycle.overtime_from_ms is None,
    )


def _own_bank(session: Session, reading: CycleSnapshot) -> ClockFactory:
    banks, active = session.banks, reading.active
    default, own = session.setup.control, session.setup.own_controls

    def face(position: int) -> ClockReading:
        bank = banks[position]
        control = (own[position] if own else None) or default
        run_ms, moving = bank.run_ms, False
        if position == active:
            run_ms, moving = run_ms + reading.used_ms, reading.moving
        figures = control.empty() if bank.has_expired else control.figures(bank, run_ms)
        return ClockReading(bank.total_ms, figures, bank.has_expired, moving)

    return face


def _group_bank(session: Session, reading: CycleSnapshot) -> ClockFactory:
    """What a group's bank shows, every member shows; the allocation is each one's own."""
    participants = session.setup.participants
    faces = _bank_faces(session, reading)

    def face(position: int) -> ClockReading:
        participant = participants[position]
        return faces[participant.bank or 0]._replace(total_time_ms=participant.total_time_ms)

    return face


def _bank_faces(session: Session, reading: CycleSnapshot) -> list[ClockReading]:
    # A bank's dial is the same as a participant's who has it for himself.
    drawn_on = None
    if reading.active is not None:
        drawn_on = session.setup.participants[reading.active].bank
    return list(
        map(_own_bank(session, reading._replace(active=drawn_on)), range(len(session.banks)))
    )


def _groups(session: Session, reading: CycleSnapshot) -> list[GroupView]:
    if session.setup.sync_mode is not SyncMode.PER_GROUP:
        return []
    return [
        {
            "group_id": group.group_id,
            "total_time_ms": face.total_time_ms,
            "time_remaining_ms": face.figures["time_remaining_ms"],
            "has_expired": face.has_expired,
        }
        for group, face in zip(session.setup.groups, _bank_faces(session, reading), strict=True)
    ]


def _own_cycle(session: Session, reading: CycleSnapshot) -> ClockFactory:
    """per_cycle: what is left of the current cycle, a full one for the others."""
    setup, cycle = session.setup, session.cycle

    def face(position: int) -> ClockReading:
        remaining_ms = setup.cycle_length_ms(position) or 0
        if cycle is not None and cycle.position == position:
            remaining_ms = max(0, (cycle.length_ms or 0) - reading.used_ms)
        return ClockReading(
            setup.participants[position].total_time_ms,
            {"time_remaining_ms": remaining_ms},
            session.ran_out(position),
            reading.moving and position == reading.active,
        )

    return face


def _session_remaining_ms(session: Session, reading: CycleSnapshot) -> int | None:
    if session.setup.sync_mode is not SyncMode.GLOBAL:
        return None
    return max(0, session.total_time_ms - reading.session_ran_ms)


def _shared_clock(session: Session, reading: CycleSnapshot) -> ClockFactory:
    """global: everybody shows the smaller of the session clock and the cycle clock."""
    participants, length_ms = session.setup.participants, session.setup.time_per_cycle_ms
    remaining_ms = max(0, session.total_time_ms - reading.session_ran_ms)
    if length_ms is not None:
        remaining_ms = min(remaining_ms, max(0, length_ms - reading.used_ms))

    def face(position: int) -> ClockReading:
        return ClockReading(
            participants[position].total_time_ms,
            {"time_remaining_ms": remaining_ms},
            session.ran_out(position),
            reading.moving,
        )

    return face


def _stopwatch(session: Session, reading: CycleSnapshot) -> ClockFactory:
    """count_up: what is left until the limit, or of the participant's allocation."""
    setup = session.setup

    def face(position: int) -> ClockReading:
        participant = setup.participants[position]
        used_ms = session.tallies[position].time_used_ms
        if position == reading.active:
            used_ms += reading.used_ms
        limit_ms = setup.max_time_ms or participant.total_time_ms
        return ClockReading(
            participant.total_time_ms,
            {"time_remaining_ms": max(0, limit_ms - used_ms)},
            session.is_out(position),
            reading.moving and position == reading.active,
        )

    return face


_DIALS: dict[SyncMode, Callable[[Session, CycleSnapshot], ClockFactory]] = {
    SyncMode.PER_PARTICIPANT: _own_bank,
    SyncMode.PER_GROUP: _group_bank,
    SyncMode.PER_CYCLE: _own_cycle,
    SyncMode.GLOBAL: _shared_clock,
    SyncMode.COUNT_UP: _stopwatch,
}
