"""What a command changes for many participants at once, in a few bytes.

A thousand clocks that are given five minutes each change alike: one object says so for all of them.
Only for simultaneous sessions, whose clocks clients can bring to the instant of a push by
themselves (see docs/protocol.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from ..core.session import Session, Simultaneous
from .states import ParticipantState, session_state

_DERIVED = "deadline_at"
"""Clients calculate it from the time that is left."""

_NUMBERS = ("total_time_ms", "time_used_ms", "time_remaining_ms", "overtime_ms")
"""What can be added to; other fields are set."""


class ParticipantChanges(TypedDict):
    """Values to set, and numbers to add, for the participants at some positions.

    ``positions`` are pairs of the first and the last of consecutive participants, in the rotation
    order of the base version, from 0.
    """

    positions: list[tuple[int, int]]
    set: Mapping[str, str | int | float | bool | None]
    add: Mapping[str, int]


def participant_changes(
    before: Session,
    after: Session,
    now_ms: int,
    positions: Sequence[int],
    shown_after: Sequence[ParticipantState],
) -> list[ParticipantChanges] | None:
    """The changes of the participants at ``positions``, both sessions shown as of ``now_ms``.

    ``shown_after`` are these participants as ``after`` shows them. ``None`` if there is no such
    form of it: in another mode, or if participants joined.
    """
    if not isinstance(after, Simultaneous) or before.setup.participants != after.setup.participants:
        return None
    shown_before = session_state(before, now_ms, positions)["participants"]
    pairs = [(_told(was), _told(now)) for was, now in zip(shown_before, shown_after, strict=True)]
    if any(was.keys() != now.keys() for was, now in pairs):
        return None
    added = {name for name in _NUMBERS if _is_shorter_added(pairs, name)}
    grouped: dict[tuple[Any, ...], ParticipantChanges] = {}
    for position, (was, now) in zip(positions, pairs, strict=True):
        differing = [name for name in now if was[name] != now[name]]
        if not differing:
            # Such as a clock that was paused by itself, when the session pauses.
            continue
        to_set = {name: now[name] for name in differing if name not in added}
        to_add = {name: now[name] - was[name] for name in differing if name in added}
        alike = grouped.setdefault(
            (*to_set.items(), None, *to_add.items()),
            {"positions": [], "set": to_set, "add": to_add},
        )
        _extend(alike["positions"], position)
    return list(grouped.values())


def _told(shown: ParticipantState) -> dict[str, Any]:
    """A participant as a client has them: a clock whose timeout is due stands at zero."""
    told: dict[str, Any] = {**shown}
    del told[_DERIVED]
    told["time_remaining_ms"] = max(told["time_remaining_ms"], 0)
    return told


def _is_shorter_added(pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]], name: str) -> bool:
    """Whether to tell how much was added to each takes no more values than what each is now."""
    numbers = [(was[name], now[name]) for was, now in pairs if was[name] != now[name]]
    return len({now - was for was, now in numbers}) <= len({now for _, now in numbers})


def _extend(ranges: list[tuple[int, int]], position: int) -> None:
    if ranges and ranges[-1][1] == position - 1:
        ranges[-1] = ranges[-1][0], position
    else:
        ranges.append((position, position))
