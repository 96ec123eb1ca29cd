"""The content of a picture: lines, levels and labels, from a recording.

It selects values of the recording and computes none. A picture's digest covers exactly
this content, so that an invisible change doesn't make a picture stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from chalicelib.core.events import ParticipantExpired, SessionExpired
from chalicelib.core.setup import Setup, SyncMode
from chalicelib.core.time_controls import Byoyomi, Canadian

from .recording import Frame, Recording


@dataclass(frozen=True)
class Line:
    """One clock over time; ``value_ms`` is None where it is not shown.

    ``owner`` is the position of its participant in the rotation, or of its group; None for
    the session's clock.
    """

    name: str
    owner: int | None
    value_ms: Callable[[Frame], int | None]
    counts: Callable[[Frame], bool]
    """Whether this clock is the active one in a frame."""


def lines(setup: Setup) -> list[Line]:
    """The clocks to draw in the setup's mode."""
    if setup.sync_mode is SyncMode.PER_GROUP:
        return [_group_line(position, one.group_id) for position, one in enumerate(setup.groups)]
    positions = range(len(setup.participants))
    if setup.sync_mode in (SyncMode.PER_PARTICIPANT, SyncMode.SIMULTANEOUS):
        return [_line(setup, position, "time_remaining_ms") for position in positions]
    if setup.sync_mode is SyncMode.COUNT_UP:
        return [_line(setup, position, "time_used_ms") for position in positions]
    # In these modes waiting participants have no clock.
    cycle = [
        _line(setup, position, "time_remaining_ms", shown_while_waiting=False)
        for position in positions
    ]
    if setup.sync_mode is SyncMode.GLOBAL:
        whole = Line(
            "session", None, lambda frame: frame.clocks.session_remaining_ms, lambda _: True
        )
        return [whole, *cycle]
    return cycle


def _line(setup: Setup, position: int, field: str, *, shown_while_waiting: bool = True) -> Line:
    participant_id = setup.participants[position].participant_id
    has_turns = setup.sync_mode is not SyncMode.SIMULTANEOUS

    def value_ms(frame: Frame) -> int | None:
        view: Any = frame.participant(participant_id)
        is_shown = view is not None and (shown_while_waiting or view["is_active"])
        return int(view[field]) if is_shown else None

    def counts(frame: Frame) -> bool:
        view = frame.participant(participant_id)
        return view is not None and view["is_active" if has_turns else "is_running"]

    return Line(participant_id, position, value_ms, counts)


def _group_line(position: int, group_id: str) -> Line:
    def counts(frame: Frame) -> bool:
        return frame.active is not None and frame.active["group_id"] == group_id

    return Line(
        f"group {group_id}",
        position,
        lambda frame: frame.clocks.groups[position]["time_remaining_ms"],
        counts,
    )


def timeouts(recording: Recording) -> list[tuple[int, str]]:
    """When clocks ran out, and the label for it."""
    ends_ms = {one.at_ms for one in recording.events if isinstance(one, SessionExpired)}
    said = []
    for event in recording.events:
        at = f"at {event.at_ms / 1000:g} s"
        if isinstance(event, ParticipantExpired):
            group = event.group_id
            whose = event.participant_id if group is None else f"group {group}"
            text = f"{whose} runs out {at}"
            if event.at_ms in ends_ms:
                text += ", the session ends"
            said.append((event.at_ms, text))
        elif isinstance(event, SessionExpired) and event.at_ms not in dict(said):
            said.append((event.at_ms, f"the session ends {at}"))
    return said


def guides(setup: Setup) -> list[tuple[float, str]]:
    """Levels at which main time ends, or at which counting up ends."""
    if setup.sync_mode is SyncMode.COUNT_UP and setup.max_time_ms is not None:
        return [(setup.max_time_ms / 1000, "max_time_ms")]
    match setup.control:
        case Byoyomi(period_ms, periods):
            return [
                (count * period_ms / 1000, f"{count} period{'s' * (count > 1)}")
                for count in range(1, periods + 1)
            ]
        case Canadian(period_ms):
            return [(period_ms / 1000, "a full block")]
    return []


class Annotation(NamedTuple):
    """A scenario's note with its values filled in."""

    at_ms: int
    value_ms: int
    text: str
    owner: int | None


def note_annotations(recording: Recording) -> list[Annotation]:
    by_name = {line.name: line for line in lines(recording.setup)}
    made = []
    for note in recording.scenario.notes:
        line = by_name[note.participant_id]
        # A participant who withdraws is last shown before that.
        *_, (frame, view) = (
            (frame, view)
            for frame in recording.frames
            if frame.at_ms == note.at_ms and (view := frame.participant(line.name)) is not None
        )
        values = {
            name: value / 1000 if name.endswith("_ms") and isinstance(value, int) else value
            for name, value in view.items()
        }
        text = note.text.format(**values)
        made.append(Annotation(note.at_ms, line.value_ms(frame) or 0, text, line.owner))
    return made


def is_delayed(frame: Frame) -> bool:
    """Whether a delay is running, so that the bank isn't yet."""
    return frame.active is not None and frame.active.get("delay_remaining_ms", 0) > 0


def digest(recording: Recording) -> str:
    """A hash of everything visible in the picture."""
    drawn = lines(recording.setup)
    seen = [
        [
            frame.at_ms,
            frame.status,
            frame.phase,
            frame.active and frame.active["participant_id"],
            is_delayed(frame),
            [(line.name, line.value_ms(frame), line.counts(frame)) for line in drawn],
        ]
        for frame in recording.frames
    ]
    said = [timeouts(recording), guides(recording.setup), note_annotations(recording)]
    return hashlib.sha256(json.dumps([seen, said]).encode()).hexdigest()
