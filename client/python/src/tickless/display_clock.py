"""What stands on a screen, and for how long it is right.

Nothing is counted: each look reads the server's time and calculates. It draws
nothing; who asked does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from math import inf
from typing import Literal, Protocol

from .figures import participant_at, session_remaining_ms
from .format import (
    TENTHS_BELOW_MS,
    time_left,
    time_left_changes_in_ms,
    time_passed,
    time_passed_changes_in_ms,
)
from .place import Held
from .server_clock import ServerClock
from .states import ParticipantState, SessionState

Phase = Literal["plain", "warning", "expired", "overtime"]

AFTER_MS = 1
"""Timers may come a little early, and would then find the same digits."""


@dataclass(frozen=True, slots=True)
class Face:
    """One clock as it is shown now.

    ``id`` is the participant's, or ``session`` for the session clock of ``global``.
    ``text`` has the digits: with byo-yomi and Canadian overtime of the main time,
    then of the period; in ``count_up`` of the time used. ``warning`` says how many
    marks of ``warn_at_ms`` have been reached; ``delay`` and ``overtime`` are empty
    where there is none. Of ``periods_left`` the one that runs is part.
    """

    id: str
    text: str
    phase: Phase = "plain"
    warning: int = 0
    is_active: bool = False
    is_running: bool = False
    delay: str = ""
    overtime: str = ""
    periods_left: int | None = None
    cycles_left: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """All faces, in rotation order and the session's last; ``changes_in_ms`` may be infinite."""

    faces: tuple[Face, ...] = ()
    changes_in_ms: float = inf


class Watched(Protocol):
    """What a display needs of a SessionClient."""

    @property
    def held(self) -> Held | None: ...
    @property
    def clock(self) -> ServerClock: ...
    @property
    def is_over(self) -> bool: ...
    async def changed(self, within_ms: float = inf) -> None: ...


async def looks(
    client: Watched, *, tenths_below_ms: float = TENTHS_BELOW_MS
) -> AsyncIterator[Look]:
    """What to show, whenever that has changed, until the client is closed."""
    while not client.is_over:
        look = look_at(client.held, client.clock.now(), tenths_below_ms)
        yield look
        await client.changed(look.changes_in_ms + AFTER_MS)


def look_at(held: Held | None, now_ms: float, tenths_below_ms: float = TENTHS_BELOW_MS) -> Look:
    """What is right at an instant of the server's; 0 for ``tenths_below_ms`` shows no tenths."""
    if held is None:
        return Look()
    state = held.state
    elapsed_ms = now_ms - held.timestamp
    # NaN, as long as nothing is known of the server's time.
    elapsed_ms = elapsed_ms if elapsed_ms > 0 else 0.0
    found = [
        _of_participant(participant_at(one, state, elapsed_ms), state, tenths_below_ms)
        for one in state["participants"]
    ]
    if "session_remaining_ms" in state:
        left_ms = session_remaining_ms(state, elapsed_ms)
        found.append(_of_session(left_ms, state, tenths_below_ms))
    return Look(tuple(face for face, _ in found), min(in_ms for _, in_ms in found))


def _of_session(left_ms: float, state: SessionState, tenths_below_ms: float) -> tuple[Face, float]:
    is_running = state["status"] == "running"
    warning, next_in_ms = _marks(state, left_ms)
    face = Face(
        id="session",
        text=time_left(left_ms, tenths_below_ms),
        phase="expired" if left_ms <= 0 else "warning" if warning else "plain",
        warning=warning,
        is_active=is_running,
        is_running=is_running,
    )
    changes_in_ms = min(time_left_changes_in_ms(left_ms, tenths_below_ms), next_in_ms)
    return face, changes_in_ms if is_running else inf


def _of_participant(
    now: ParticipantState, state: SessionState, tenths_below_ms: float
) -> tuple[Face, float]:
    """The face for figures as they are now."""
    left_ms = now["time_remaining_ms"]
    dial_ms = now.get("main_remaining_ms") or now.get("period_remaining_ms", left_ms)
    delay_ms = now.get("delay_remaining_ms", 0)
    counts_up = state["sync_mode"] == "count_up"
    used_ms = min(now["time_used_ms"], (counts_up and state["max_time_ms"]) or inf)
    warning, next_in_ms = _marks(state, left_ms)
    in_overtime = now["is_active"] and now["has_expired"] and not now["is_running"]
    ran_out = now["has_expired"] or (left_ms <= 0 and not counts_up)
    face = Face(
        id=now["participant_id"],
        text=time_passed(used_ms) if counts_up else time_left(dial_ms, tenths_below_ms),
        phase=_phase(in_overtime=in_overtime, ran_out=ran_out, warned=warning > 0),
        warning=warning,
        is_active=now["is_active"],
        is_running=now["is_running"],
        delay=time_left(delay_ms, 0) if delay_ms > 0 and now["is_running"] else "",
        overtime=time_passed(now["overtime_ms"]) if now["overtime_ms"] > 0 else "",
        periods_left=now.get("periods_left"),
        cycles_left=now.get("cycles_left"),
    )
    if now["is_running"]:
        dial_in_ms = delay_ms + time_left_changes_in_ms(dial_ms, tenths_below_ms)
        changes_in_ms = min(
            time_left_changes_in_ms(delay_ms, 0),
            time_passed_changes_in_ms(used_ms) if counts_up else dial_in_ms,
            delay_ms + next_in_ms,
        )
    elif in_overtime and state["status"] == "running":
        changes_in_ms = time_passed_changes_in_ms(now["overtime_ms"])
    else:
        changes_in_ms = inf
    return face, changes_in_ms


def _phase(*, in_overtime: bool, ran_out: bool, warned: bool) -> Phase:
    if in_overtime:
        return "overtime"
    if ran_out:
        return "expired"
    return "warning" if warned else "plain"


def _marks(state: SessionState, left_ms: float) -> tuple[int, float]:
    """How many of the marks have been reached, and how far it is to the next."""
    marks_ms = state.get("warn_at_ms", [])
    ahead = [mark_ms for mark_ms in marks_ms if mark_ms < left_ms]
    return len(marks_ms) - len(ahead), left_ms - max(ahead, default=-inf)
