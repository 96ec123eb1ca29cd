"""Codec: encodes sessions, events and idempotency records to bytes, and decodes them.

Pure: no I/O, no clock. A session is stored in two parts: its setup, written when it changes,
and its facts, written with each commit. Epoch and version are stored separately in plain text,
because the scripts compare them. Both parts carry a format number, so that later releases
can read them. The clocks of a simultaneous session follow its other facts in lines, one for
each block, so that a commit decodes and encodes only the blocks it changes.

Participants, groups, tallies and banks are stored in columns, one per field, in order: a
thousand of them are encoded in a fifth of the time of rows and decoded in two thirds. A
new field becomes a column at the end, and a new format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from itertools import repeat
from typing import Any, TypeVar, cast

from pydantic_core import from_json, to_json

from ..core import events
from ..core.appointments import NO_APPOINTMENTS, Appointments
from ..core.clock_blocks import Block, Clock, ClockState, Summary
from ..core.events import Event
from ..core.session import Cycle, Rotation, Session, Simultaneous, Status, Tally, UndoRecord
from ..core.setup import (
    Group,
    Message,
    MessageStyle,
    Original,
    Participant,
    Permission,
    Setup,
    SoftClose,
    SyncMode,
    TimeoutAction,
    TurnTaking,
)
from ..core.time_controls import (
    Bank,
    Bronstein,
    Byoyomi,
    Canadian,
    Delay,
    Fischer,
    Hourglass,
    Stage,
    StageControl,
    Stages,
    TimeControl,
)
from ..ports import IdempotencyRecord

FORMAT = 1

Row = TypeVar("Row", Participant, Group, Tally, Bank, Clock)

_CONTROLS: dict[str, Callable[..., TimeControl]] = {
    control.type: control
    for control in (Fischer, Delay, Bronstein, Byoyomi, Canadian, Hourglass, Stages)
}

_EVENTS: dict[str, type[Event]] = {
    kind.type: kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and hasattr(kind, "type")
}


class UnreadableSession(Exception):
    """The stored session can't be decoded."""


class UnknownFormat(UnreadableSession):
    """The stored session has a format this release doesn't support."""

    def __init__(self, part: str, found: object) -> None:
        super().__init__(f"The {part} is in format {found!r}; this release reads {FORMAT}")
        self.part = part
        self.found = found


def encode_setup(setup: Setup) -> bytes:
    stored: dict[str, object] = {
        "format": FORMAT,
        "session_id": setup.session_id,
        "sync_mode": setup.sync_mode.value,
        "participants": _columns(setup.participants),
        "total_time_ms": setup.total_time_ms,
        "groups": _columns(setup.groups),
        "time_per_cycle_ms": setup.time_per_cycle_ms,
        "increment_ms": setup.increment_ms,
        "max_time_ms": setup.max_time_ms,
        "time_control": _control_fields(setup.time_control),
        "action_on_timeout": setup.action_on_timeout.value,
        "action_data": setup.action_data,
        "metadata": setup.metadata,
    }
    return to_json(stored | {name: value for name, value in _optional(setup).items() if value})


def _optional(setup: Setup) -> dict[str, object]:
    """What most setups don't have; left out if empty, as in what older releases wrote."""
    takes = setup.turn_taking is not TurnTaking.GIVE
    return {
        "own_controls": [_control_fields(control) for control in setup.own_controls],
        "warn_at_ms": setup.warn_at_ms,
        "soft_close": setup.soft_close,
        "turn_taking": setup.turn_taking.value if takes else None,
        "time_factors": setup.time_factors,
        "participants_may": setup.participants_may,
        "message": setup.message,
        "appointments": None if setup.appointments == NO_APPOINTMENTS else setup.appointments,
        "requested": setup.requested,
        "names": setup.names,
        "withdrawn": sorted(setup.withdrawn),
        "originals": setup.originals,
        "unscaled_ms": setup.unscaled_ms,
        "gives_main_time": setup.gives_main_time,
    }


def encode_facts(session: Session) -> bytes:
    facts: dict[str, object] = {
        "format": FORMAT,
        "status": session.status.value,
        "total_time_ms": session.total_time_ms,
        "elapsed_ms": session.elapsed_ms,
        "created_at_ms": session.created_at_ms,
        "updated_at_ms": session.updated_at_ms,
        "started_at_ms": session.started_at_ms,
        "completed_at_ms": session.completed_at_ms,
    }
    if session.appointments != NO_APPOINTMENTS:
        facts["appointments"] = session.appointments
    match session:
        case Simultaneous():
            return _encode_blocks(session, facts)
        case Rotation():
            return to_json(facts | _rotation_facts(session))
    raise TypeError(f"A {type(session).__name__} can't be stored")


def _encode_blocks(session: Simultaneous, facts: dict[str, object]) -> bytes:
    """One line for the session and the summaries of its blocks, and one for each block's clocks."""
    facts["running_since_ms"] = session.running_since_ms
    if session.starts_waiting:
        facts["starts_waiting"] = True
    facts["blocks"] = [block.summary for block in session.blocks]
    return b"\n".join((to_json(facts), *map(_block_line, session.blocks)))


def _block_line(block: Block) -> bytes:
    if isinstance(block.read, _StoredClocks):
        return block.read.line
    return to_json(_columns(block.clocks))


@dataclass(frozen=True, slots=True)
class _StoredClocks:
    """A block's clocks as stored. They are decoded only if needed, and kept if unchanged."""

    line: bytes

    def __call__(self) -> tuple[Clock, ...]:
        try:
            rows = _rows(Clock, from_json(self.line))
            return tuple(row._replace(state=ClockState(row.state)) for row in rows)
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableSession(f"A stored session is damaged: {error!r}") from error


def _rotation_facts(session: Rotation) -> dict[str, object]:
    facts: dict[str, object] = {
        "cycle": _cycle_row(session.cycle),
        "banks": _bank_columns(session.banks),
        "tallies": _columns(session.tallies),
    }
    if session.undo_record is not None:
        facts["undo_record"] = _undo_row(session.undo_record)
    if session.extended_ms:
        facts["extended_ms"] = session.extended_ms
    return facts


def decode(epoch: str, version: int, setup: bytes, facts: bytes) -> Session:
    """The session that was stored.

    Raises:
        UnknownFormat: This release doesn't support its format.
        UnreadableSession: It is damaged.
    """
    head, *lines = facts.split(b"\n")
    current = _read("facts", head)
    try:
        known: dict[str, Any] = {
            "setup": _setup(setup),
            "epoch": epoch,
            "version": version,
            "status": Status(current["status"]),
            "total_time_ms": current["total_time_ms"],
            "elapsed_ms": current["elapsed_ms"],
            "created_at_ms": current["created_at_ms"],
            "updated_at_ms": current["updated_at_ms"],
            "started_at_ms": current["started_at_ms"],
            "completed_at_ms": current["completed_at_ms"],
            # Optional, and missing in what older releases wrote.
            "appointments": _appointments(current),
        }
        if "blocks" in current:
            blocks = zip(current["blocks"], lines, strict=True)
            return Simultaneous(
                **known,
                running_since_ms=current["running_since_ms"],
                starts_waiting=current.get("starts_waiting", False),
                blocks=tuple(Block(Summary(*one), _StoredClocks(line)) for one, line in blocks),
            )
        cycle = current["cycle"]
        return Rotation(
            **known,
            tallies=_rows(Tally, current["tallies"]),
            banks=_rows(Bank, current["banks"]),
            cycle=None if cycle is None else Cycle(*cycle),
            # Optional, and missing in what older releases wrote.
            undo_record=_undo_record(current.get("undo_record")),
            extended_ms=current.get("extended_ms", 0),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableSession(f"A stored session is damaged: {error!r}") from error


def encode_event(event: Event) -> bytes:
    """JSON: the event's ``type`` and each of its fields by name."""
    row: dict[str, object] = {"type": event.type}
    for field in fields(event):
        row[field.name] = getattr(event, field.name)
    if isinstance(event, events.ParticipantJoined):
        row["time_control"] = _control_fields(event.time_control)
    return to_json(row)


def decode_event(stored: bytes) -> Event:
    """The event that was stored.

    Raises:
        UnreadableSession: This release knows no such event.
    """
    try:
        row = from_json(stored)
        kind = _EVENTS[row.pop("type")]
        if "action" in row:
            row["action"] = TimeoutAction(row["action"])
        if "fields" in row:
            row["fields"] = tuple(row["fields"])
        if "time_control" in row:
            row["time_control"] = _control(row["time_control"])
        return kind(**row)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableSession(f"A stored event is damaged: {error!r}") from error


def encode_record(record: IdempotencyRecord) -> bytes:
    """``version``, or ``version:epoch fingerprint response`` if a response is saved."""
    version = str(record.version)
    if not record.fingerprint:
        return version.encode()
    made = f"{version}:{record.epoch}".encode()
    return b" ".join((made, record.fingerprint, record.response))


def decode_record(stored: bytes) -> IdempotencyRecord:
    made, *kept = stored.split(b" ", 2)
    version, _, epoch = made.partition(b":")
    fingerprint, answer = kept or (b"", b"")
    return IdempotencyRecord(int(version), fingerprint, answer, epoch.decode())


def _columns(rows: tuple[tuple[object, ...], ...]) -> list[object]:
    """The number of rows, then one column per field; a constant column is stored as one value.

    Most columns are constant: without periods, for example, all their counts are zero.
    """
    return [
        len(rows),
        *(
            column[0] if column.count(column[0]) == len(column) else column
            for column in zip(*rows, strict=True)
        ),
    ]


def _bank_columns(banks: tuple[Bank, ...]) -> list[object]:
    """Without a column of stages if no bank has any: releases without stages can read it then."""
    columns = _columns(banks)
    return columns[:-1] if banks and columns[-1] == 0 else columns


def _rows(kind: type[Row], stored: list[Any]) -> tuple[Row, ...]:
    count, *columns = stored
    if count == 0:
        return ()
    if kind is Bank and len(columns) == len(Bank._fields) - 1:
        columns.append(0)
    if len(columns) != len(kind._fields):
        raise ValueError(f"{len(columns)} columns of {kind.__name__}")
    values = [column if isinstance(column, list) else repeat(column, count) for column in columns]
    # The same as kind._make, without running Python code for each row.
    make = cast(Callable[[tuple[Any, ...]], Row], partial(tuple.__new__, kind))
    return tuple(map(make, zip(*values, strict=True)))


def _cycle_row(cycle: Cycle | None) -> tuple[object, ...] | None:
    """A cycle by position; the last field is omitted if it has its default.

    Few cycles have earlier overtime, and releases without it can read all others.
    """
    if cycle is None or cycle.earlier_overtime_ms:
        return cycle
    return cycle[:-1]


def _bank_row(bank: Bank | None) -> tuple[object, ...] | None:
    """A bank by position; the stage is omitted if it has none, as in the columns."""
    return bank if bank is None or bank.stage else bank[:-1]


def _undo_row(record: UndoRecord) -> tuple[object, ...]:
    row = (_cycle_row(record.cycle), _bank_row(record.bank))
    return (*row, record.extension_ms) if record.extension_ms else row


def _undo_record(row: list[Any] | None) -> UndoRecord | None:
    if row is None:
        return None
    cycle, bank, *extension_ms = row
    return UndoRecord(Cycle(*cycle), None if bank is None else Bank(*bank), *extension_ms)


def _read(part: str, stored: bytes) -> dict[str, Any]:
    try:
        read = from_json(stored)
    except ValueError as error:
        raise UnreadableSession(f"The {part} of a stored session is no JSON") from error
    if not isinstance(read, dict) or read.get("format") != FORMAT:
        found = read.get("format") if isinstance(read, dict) else None
        raise UnknownFormat(part, found)
    return read


@lru_cache(maxsize=64)
def _setup(stored: bytes) -> Setup:
    # Cached: a setup seldom changes, and every load returns the same bytes.
    known = _read("setup", stored)
    return Setup(
        session_id=known["session_id"],
        sync_mode=SyncMode(known["sync_mode"]),
        participants=_rows(Participant, known["participants"]),
        total_time_ms=known["total_time_ms"],
        groups=_rows(Group, known["groups"]),
        time_per_cycle_ms=known["time_per_cycle_ms"],
        increment_ms=known["increment_ms"],
        max_time_ms=known["max_time_ms"],
        time_control=_control(known["time_control"]),
        action_on_timeout=TimeoutAction(known["action_on_timeout"]),
        action_data=known["action_data"],
        metadata=known["metadata"],
        own_controls=tuple(map(_control, known.get("own_controls", ()))),
        warn_at_ms=tuple(known.get("warn_at_ms", ())),
        soft_close=SoftClose(*known["soft_close"]) if "soft_close" in known else None,
        turn_taking=TurnTaking(known.get("turn_taking", TurnTaking.GIVE)),
        time_factors=tuple(known.get("time_factors", ())),
        participants_may=tuple(map(Permission, known.get("participants_may", ()))),
        message=_message(known.get("message")),
        appointments=_appointments(known),
        requested=known.get("requested"),
        names=tuple(known.get("names", ())),
        withdrawn=frozenset(known.get("withdrawn", ())),
        originals=tuple(Original(*row) for row in known.get("originals", ())),
        unscaled_ms=tuple(known.get("unscaled_ms", ())),
        gives_main_time=known.get("gives_main_time", False),
    )


def _appointments(known: dict[str, Any]) -> Appointments:
    return Appointments(*known["appointments"]) if "appointments" in known else NO_APPOINTMENTS


def _message(row: list[Any] | None) -> Message | None:
    if row is None:
        return None
    text, style, at_ms = row
    return Message(text, MessageStyle(style), at_ms)


def _control_fields(control: TimeControl | None) -> dict[str, object] | None:
    if control is None:
        return None
    stored: dict[str, object] = {"type": control.type}
    for field in fields(control):
        stored[field.name] = getattr(control, field.name)
    if isinstance(control, Stages):
        stored["stages"] = [
            (stage.time_ms, stage.cycles, _control_fields(stage.control))
            for stage in control.stages
        ]
    return stored


def _control(stored: dict[str, Any] | None) -> TimeControl | None:
    if stored is None:
        return None
    arguments = dict(stored)
    if "stages" in arguments:
        arguments["stages"] = tuple(
            Stage(time_ms, cycles, cast(StageControl | None, _control(control)))
            for time_ms, cycles, control in arguments["stages"]
        )
    return _CONTROLS[arguments.pop("type")](**arguments)
