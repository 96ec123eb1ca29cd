"""What a command changes for many participants at once, in a few bytes.

A thousand clocks that are given five minutes each change alike: one object says so for all of them.
Only for simultaneous sessions, whose clocks clients can bring to the instant of a push by
themselves (see docs/protocol.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from ..core.session import Session, Simultaneous
from .states import session_state

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
    before: Session, after: Session, now_ms: int, positions: Sequence[int]
) -> list[ParticipantChanges] | None:
    """The changes of the participants at ``positions``, both sessions shown as of ``now_ms``.

    ``None`` if there is no such form of it: in another mode, or if participants joined.
    """
    if not isinstance(after, Simultaneous) or before.setup.participants != after.setup.participants:
        return None
    shown_before, shown_after = (_shown(one, now_ms, positions) for one in (before, after))
    pairs = list(zip(shown_before, shown_after, strict=True))
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


def _shown(session: Session, now_ms: int, positions: Iterable[int]) -> list[dict[str, Any]]:
    """The participants as a client shows them: a clock whose timeout is due stands at zero."""
    return [
        {name: value for name, value in one.items() if name != _DERIVED}
        | {"time_remaining_ms": max(0, one["time_remaining_ms"])}
        for one in session_state(session, now_ms, positions)["participants"]
    ]


def _is_shorter_added(pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]], name: str) -> bool:
    """Whether to tell how much was added to each takes no more values than what each is now."""
    numbers = [(was[name], now[name]) for was, now in pairs if was[name] != now[name]]
    return len({now - was for was, now in numbers}) <= len({now for _, now in numbers})


def _extend(ranges: list[tuple[int, int]], position: int) -> None:
    if ranges and ranges[-1][1] == position - 1:
        ranges[-1] = ranges[-1][0], position
    else:
        ranges.append((position, position))
