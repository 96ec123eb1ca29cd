"""Sessions, events and receipts as bytes, and back.

A session is stored in two parts: its setup, written once, and its facts,
written with each commit. Epoch and version stand beside them in the clear,
because the scripts compare them. Both parts carry the number of the format
they were written in, so that a later release can read what this one wrote.

Pure: no I/O, no clock. Participants, groups, tallies and banks stand in columns,
one for each field in its order, which makes a thousand of them cheap (written
in a fifth of the time that rows take, read in two thirds of it). A new field becomes
a column at the end, and a new format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache, partial
from itertools import repeat
from typing import Any, TypeVar, cast

from pydantic_core import from_json, to_json

from ..core import events
from ..core.events import Event
from ..core.session import Cycle, Session, Status, Tally, Undoable
from ..core.setup import Group, Participant, Setup, SyncMode, TimeoutAction
from ..core.time_controls import (
    Bank,
    Bronstein,
    Byoyomi,
    Canadian,
    Delay,
    Fischer,
    Hourglass,
    TimeControl,
)
from ..ports import IdempotencyRecord

FORMAT = 1

Row = TypeVar("Row", Participant, Group, Tally, Bank)

_CONTROLS: dict[str, Callable[..., TimeControl]] = {
    control.type: control for control in (Fischer, Delay, Bronstein, Byoyomi, Canadian, Hourglass)
}

_EVENTS: dict[str, type[Event]] = {
    kind.type: kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and hasattr(kind, "type")
}


class UnreadableSession(Exception):
    """What is stored is not a session that this release can read."""


class UnknownFormat(UnreadableSession):
    """It was written by a release that this one does not know."""

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
    if setup.own_controls:
        stored["own_controls"] = [_control_fields(control) for control in setup.own_controls]
    if setup.warn_at_ms:
        stored["warn_at_ms"] = setup.warn_at_ms
    return to_json(stored)


def encode_facts(session: Session) -> bytes:
    facts: dict[str, object] = {
        "format": FORMAT,
        "status": session.status.value,
        "total_time_ms": session.total_time_ms,
        "ran_ms": session.ran_ms,
        "created_at_ms": session.created_at_ms,
        "updated_at_ms": session.updated_at_ms,
        "started_at_ms": session.started_at_ms,
        "completed_at_ms": session.completed_at_ms,
        "cycle": _cycle_row(session.cycle),
        "banks": _columns(session.banks),
        "tallies": _columns(session.tallies),
    }
    if session.undoable is not None:
        facts["undoable"] = (_cycle_row(session.undoable.cycle), session.undoable.bank)
    return to_json(facts)


def decode(epoch: str, version: int, setup: bytes, facts: bytes) -> Session:
    """The session that was stored.

    Raises:
        UnknownFormat: A release that this one does not know has written it.
        UnreadableSession: It is damaged.
    """
    current = _read("facts", facts)
    try:
        cycle = current["cycle"]
        return Session(
            setup=_setup(setup),
            epoch=epoch,
            version=version,
            status=Status(current["status"]),
            tallies=_rows(Tally, current["tallies"]),
            banks=_rows(Bank, current["banks"]),
            total_time_ms=current["total_time_ms"],
            ran_ms=current["ran_ms"],
            cycle=None if cycle is None else Cycle(*cycle),
            created_at_ms=current["created_at_ms"],
            updated_at_ms=current["updated_at_ms"],
            started_at_ms=current["started_at_ms"],
            completed_at_ms=current["completed_at_ms"],
            # Only there for a while, and not at all in what older releases wrote.
            undoable=_undoable(current.get("undoable")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableSession(f"A stored session is damaged: {error!r}") from error


def encode_event(event: Event) -> bytes:
    """JSON: the event's ``type`` and each of its fields by name."""
    row: dict[str, object] = {"type": event.type}
    for field in fields(event):
        row[field.name] = getattr(event, field.name)
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
        return kind(**row)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableSession(f"A stored event is damaged: {error!r}") from error


def encode_record(record: IdempotencyRecord) -> bytes:
    """The version, and where an answer is kept: version:epoch, fingerprint, and answer as it is."""
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
    """Rows by columns, after their number; a column of one value is that value alone.

    Most columns are: who has no periods has none at any time, and of a
    thousand participants most have expired as little as the first.
    """
    return [
        len(rows),
        *(
            column[0] if column.count(column[0]) == len(column) else column
            for column in zip(*rows, strict=True)
        ),
    ]


def _rows(kind: type[Row], stored: list[Any]) -> tuple[Row, ...]:
    count, *columns = stored
    if count == 0:
        return ()
    if len(columns) != len(kind._fields):
        raise ValueError(f"{len(columns)} columns of {kind.__name__}")
    values = [column if isinstance(column, list) else repeat(column, count) for column in columns]
    # This is what _make does, without the step through Python for each row.
    make = cast(Callable[[tuple[Any, ...]], Row], partial(tuple.__new__, kind))
    return tuple(map(make, zip(*values, strict=True)))


def _cycle_row(cycle: Cycle | None) -> tuple[object, ...] | None:
    """A cycle by position; a last field that has its default is left out.

    Hardly any cycle has earlier overtime, and a release that knew of none can
    read all the others.
    """
    if cycle is None or cycle.earlier_overtime_ms:
        return cycle
    return cycle[:-1]


def _undoable(row: list[Any] | None) -> Undoable | None:
    if row is None:
        return None
    cycle, bank = row
    return Undoable(Cycle(*cycle), None if bank is None else Bank(*bank))


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
    # A setup never changes, and every command on a session brings it along
    # anew: what these very bytes mean is worth remembering.
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
    )


def _control_fields(control: TimeControl | None) -> dict[str, object] | None:
    if control is None:
        return None
    stored: dict[str, object] = {"type": control.type}
    for field in fields(control):
        stored[field.name] = getattr(control, field.name)
    return stored


def _control(stored: dict[str, Any] | None) -> TimeControl | None:
    if stored is None:
        return None
    arguments = dict(stored)
    return _CONTROLS[arguments.pop("type")](**arguments)
