"""What is drawn of a film: lines, levels, and what is said beside them.

All of it is chosen from what the film shows, and none of it worked out. It is
also what a picture's digest is made of, so that a change which is not to be
seen makes no picture stale.
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

from .film import Film, Frame


@dataclass(frozen=True)
class Line:
    """One clock over time; ``value_ms`` is ``None`` where it is not shown.

    ``owner`` is the place of whose clock it is, in rotation order or among the
    groups; ``None`` for one that belongs to the session.
    """

    name: str
    owner: int | None
    value_ms: Callable[[Frame], int | None]
    counts: Callable[[Frame], bool]
    """Whether the cycle at this frame is one on this clock."""


def lines(setup: Setup) -> list[Line]:
    """The clocks worth drawing in this mode."""
    if setup.sync_mode is SyncMode.PER_GROUP:
        return [_group_line(place, one.group_id) for place, one in enumerate(setup.groups)]
    everyone = range(len(setup.participants))
    if setup.sync_mode is SyncMode.PER_PARTICIPANT:
        return [_line(setup, place, "time_remaining_ms") for place in everyone]
    if setup.sync_mode is SyncMode.COUNT_UP:
        return [_line(setup, place, "time_used_ms") for place in everyone]
    # Here the clocks of those who wait say nothing.
    cycle = [_line(setup, place, "time_remaining_ms", waits=False) for place in everyone]
    if setup.sync_mode is SyncMode.GLOBAL:
        whole = Line(
            "session", None, lambda frame: frame.clocks.session_remaining_ms, lambda _: True
        )
        return [whole, *cycle]
    return cycle


def _line(setup: Setup, place: int, field: str, *, waits: bool = True) -> Line:
    def value_ms(frame: Frame) -> int | None:
        view: Any = frame.clocks.participants[place]
        return int(view[field]) if waits or view["is_active"] else None

    return Line(
        setup.participants[place].participant_id,
        place,
        value_ms,
        lambda frame: frame.clocks.participants[place]["is_active"],
    )


def _group_line(place: int, group_id: str) -> Line:
    def counts(frame: Frame) -> bool:
        return frame.active is not None and frame.active["group_id"] == group_id

    return Line(
        f"group {group_id}",
        place,
        lambda frame: frame.clocks.groups[place]["time_remaining_ms"],
        counts,
    )


def timeouts(film: Film) -> list[tuple[int, str]]:
    """When clocks ran out, and how one says so."""
    ends_ms = {one.at_ms for one in film.events if isinstance(one, SessionExpired)}
    said = []
    for event in film.events:
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
    """Levels below which time is no main time, or at which counting up ends."""
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


class Remark(NamedTuple):
    """A story's note, as it reads at its instant."""

    at_ms: int
    value_ms: int
    text: str
    owner: int | None


def remarks(film: Film) -> list[Remark]:
    by_name = {line.name: line for line in lines(film.setup)}
    made = []
    for note in film.story.notes:
        line = by_name[note.participant_id]
        frame = [one for one in film.frames if one.at_ms == note.at_ms][-1]
        (view,) = (one for one in frame.clocks.participants if one["participant_id"] == line.name)
        figures = {
            name: value / 1000 if name.endswith("_ms") and isinstance(value, int) else value
            for name, value in view.items()
        }
        text = note.text.format(**figures)
        made.append(Remark(note.at_ms, line.value_ms(frame) or 0, text, line.owner))
    return made


def is_delayed(frame: Frame) -> bool:
    """Whether a delay is running, and the bank does not yet."""
    return frame.active is not None and frame.active.get("delay_remaining_ms", 0) > 0


def digest(film: Film) -> str:
    """Changes whenever anything does that is to be seen."""
    drawn = lines(film.setup)
    seen = [
        [
            frame.at_ms,
            frame.status,
            frame.phase,
            frame.active and frame.active["participant_id"],
            is_delayed(frame),
            [(line.name, line.value_ms(frame), line.counts(frame)) for line in drawn],
        ]
        for frame in film.frames
    ]
    said = [timeouts(film), guides(film.setup), remarks(film)]
    return hashlib.sha256(json.dumps([seen, said]).encode()).hexdigest()
