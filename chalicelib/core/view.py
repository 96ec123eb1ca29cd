"""What the clocks of a session show at an instant, calculated from its facts.

The figures of a moving clock are right at the instant the view was made;
``is_running`` tells a client to count on from there.
"""

from __future__ import annotations

from typing import NamedTuple, TypedDict

from .session import LIVE, Session, Status, Tally, lasted_ms, overtime_ms
from .setup import Group, Participant, SyncMode
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


class Face(NamedTuple):
    """The dial of a clock, apart from the time its owner has used."""

    total_time_ms: int
    figures: Figures
    has_expired: bool
    is_running: bool


class Reading(NamedTuple):
    """The hands at one instant: how long the current, or last, cycle has lasted.

    ``active`` is the position of whoever is active; ``moving``, whether that
    clock runs, which one in overtime does not.
    """

    lasted_ms: int
    overtime_ms: int
    session_ran_ms: int
    active: int | None
    moving: bool


def clocks(session: Session, now_ms: int) -> Clocks:
    """What every clock of a settled session shows at ``now_ms``."""
    reading = _read(session, now_ms)
    groups: list[GroupView] = []
    session_remaining_ms = None
    match session.setup.sync_mode:
        case SyncMode.PER_PARTICIPANT:
            faces = _banks(session, reading)
        case SyncMode.PER_GROUP:
            shared = _banks(session, reading)
            groups = list(map(_group, session.setup.groups, shared))
            faces = [
                shared[participant.bank or 0]._replace(total_time_ms=participant.total_time_ms)
                for participant in session.setup.participants
            ]
        case SyncMode.PER_CYCLE:
            faces = _own_cycles(session, reading)
        case SyncMode.GLOBAL:
            session_remaining_ms = max(0, session.total_time_ms - reading.session_ran_ms)
            faces = _shared_clock(session, reading, session_remaining_ms)
        case SyncMode.COUNT_UP:
            faces = _stopwatches(session, reading)
    views = list(map(_participant, session.setup.participants, session.tallies, faces))
    if reading.active is not None:
        active = views[reading.active]
        active["is_active"] = True
        active["time_used_ms"] += reading.lasted_ms - reading.overtime_ms
        active["overtime_ms"] += reading.overtime_ms
    return Clocks(views, groups, session_remaining_ms)


def _read(session: Session, now_ms: int) -> Reading:
    cycle = session.cycle
    if cycle is None:
        return Reading(0, 0, 0, None, False)
    lasted = lasted_ms(cycle, now_ms)
    return Reading(
        lasted,
        overtime_ms(cycle, now_ms),
        session.ran_ms + lasted - cycle.elapsed_ms,
        cycle.position if session.status in LIVE else None,
        session.status is Status.RUNNING and cycle.overtime_from_ms is None,
    )


def _participant(participant: Participant, tally: Tally, face: Face) -> ParticipantView:
    return {
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


def _group(group: Group, face: Face) -> GroupView:
    return {
        "group_id": group.group_id,
        "total_time_ms": face.total_time_ms,
        "time_remaining_ms": face.figures["time_remaining_ms"],
        "has_expired": face.has_expired,
    }


def _banks(session: Session, reading: Reading) -> list[Face]:
    """One face for each bank; an expired one shows 0 in every figure."""
    control = session.setup.control
    drawn_on = None
    if reading.active is not None:
        drawn_on = session.setup.participants[reading.active].bank
    faces = []
    for position, bank in enumerate(session.banks):
        run_ms = bank.run_ms
        if position == drawn_on:
            run_ms += reading.lasted_ms
        figures = control.empty() if bank.has_expired else control.figures(bank, run_ms)
        moving = reading.moving and position == drawn_on
        faces.append(Face(bank.total_ms, figures, bank.has_expired, moving))
    return faces


def _own_cycles(session: Session, reading: Reading) -> list[Face]:
    """per_cycle: what is left of the current cycle, a full one for the others."""
    faces = []
    for position, participant in enumerate(session.setup.participants):
        remaining_ms = session.setup.cycle_length_ms(position) or 0
        cycle = session.cycle
        if cycle is not None and cycle.position == position:
            remaining_ms = max(0, (cycle.length_ms or 0) - reading.lasted_ms)
        faces.append(
            Face(
                participant.total_time_ms,
                {"time_remaining_ms": remaining_ms},
                session.ran_out(position),
                reading.moving and position == reading.active,
            )
        )
    return faces


def _shared_clock(session: Session, reading: Reading, session_remaining_ms: int) -> list[Face]:
    """global: everybody shows the smaller of the session clock and the cycle clock."""
    length_ms = session.setup.time_per_cycle_ms
    if session.cycle is not None:
        length_ms = session.cycle.length_ms
    remaining_ms = session_remaining_ms
    if length_ms is not None:
        remaining_ms = min(remaining_ms, max(0, length_ms - reading.lasted_ms))
    return [
        Face(
            participant.total_time_ms,
            {"time_remaining_ms": remaining_ms},
            session.ran_out(position),
            reading.moving,
        )
        for position, participant in enumerate(session.setup.participants)
    ]


def _stopwatches(session: Session, reading: Reading) -> list[Face]:
    """count_up: what is left until the limit, or of the participant's allocation."""
    faces = []
    for position, participant in enumerate(session.setup.participants):
        limit_ms = session.setup.max_time_ms or participant.total_time_ms
        used_ms = session.tallies[position].time_used_ms
        if position == reading.active:
            used_ms += reading.lasted_ms - reading.overtime_ms
        faces.append(
            Face(
                participant.total_time_ms,
                {"time_remaining_ms": max(0, limit_ms - used_ms)},
                session.is_out(position),
                reading.moving and position == reading.active,
            )
        )
    return faces
