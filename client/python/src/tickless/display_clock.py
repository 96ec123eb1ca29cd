"""What a screen shows of a session's clocks, and when that changes next.

Nothing is counted down: each frame reads the server's time and calculates. Draws nothing itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal, Protocol

from .appointments import epoch_ms, snapshot_at, starts_at_ms
from .clock_math import participant_at, session_remaining_ms
from .format import (
    TENTHS_BELOW_MS,
    elapsed_changes_in_ms,
    format_elapsed,
    format_remaining,
    remaining_changes_in_ms,
)
from .server_clock import ServerClock
from .state_version import Snapshot
from .wire_types import ClockState, ParticipantState, SessionState

Phase = Literal["plain", "warning", "unconfirmed", "expired", "overtime"]

TIMER_SLACK_MS = 1
"""Timers may fire slightly early, when the digits are still the same."""


@dataclass(frozen=True, slots=True)
class ClockFace:
    """One clock as displayed at an instant.

    ``id`` is the participant's, or ``session`` for the session clock of ``global``. ``text``
    has the digits: with byo-yomi and Canadian overtime of the main time, then of the period; in
    ``count_up`` of the time used. ``phase`` is ``unconfirmed`` at zero until the server says that
    the clock has run out. ``warning`` is how many marks of ``warn_at_ms`` have been
    passed. ``delay`` and ``overtime`` are digits, or empty. ``periods`` is what follows the main
    time, as ``then 5 x 0:30``, or which period runs, as ``period 2 of 5, then 3 x 0:30``; with
    Canadian overtime ``then 20 turns in 15:00``, and ``7 turns to go``; in a stage ``40 moves: 12
    to go``. ``periods_left`` includes the period that is running; ``cycles_left`` is of the block,
    or of the stage; ``stage`` counts from 1. ``clock_state`` is for ``simultaneous``. ``name`` is
    empty for a participant without one. ``starts_in`` has the digits of the time until the clock
    starts by itself, or is empty.
    """

    id: str
    text: str
    phase: Phase = "plain"
    warning: int = 0
    is_active: bool = False
    is_running: bool = False
    delay: str = ""
    overtime: str = ""
    periods: str = ""
    periods_left: int | None = None
    cycles_left: int | None = None
    stage: int | None = None
    clock_state: ClockState | None = None
    name: str = ""
    has_withdrawn: bool = False
    starts_in: str = ""


@dataclass(frozen=True, slots=True)
class DisplayFrame:
    """Every clock at an instant, in rotation order, the session clock last.

    ``changes_in_ms`` is when the next frame differs; infinite if no clock is running.
    """

    faces: tuple[ClockFace, ...] = ()
    changes_in_ms: float = inf


class DisplaySource(Protocol):
    """What a display needs of a SessionClient."""

    @property
    def snapshot(self) -> Snapshot | None: ...
    @property
    def clock(self) -> ServerClock: ...
    @property
    def is_closed(self) -> bool: ...
    async def wait_for_change(self, timeout_ms: float = inf) -> None: ...


async def display_frames(
    client: DisplaySource, *, tenths_below_ms: float = TENTHS_BELOW_MS
) -> AsyncIterator[DisplayFrame]:
    """A frame whenever what is displayed has changed, until the client is closed."""
    while not client.is_closed:
        frame = display_frame(client.snapshot, client.clock.now(), tenths_below_ms)
        yield frame
        await client.wait_for_change(frame.changes_in_ms + TIMER_SLACK_MS)


def display_frame(
    snapshot: Snapshot | None, now_ms: float, tenths_below_ms: float = TENTHS_BELOW_MS
) -> DisplayFrame:
    """The frame at an instant of the server's time; 0 for ``tenths_below_ms`` shows no tenths."""
    if snapshot is None:
        return DisplayFrame()
    # Clocks stop at an appointed end, also before the server says so.
    ends_ms = epoch_ms(snapshot.state.get("ends_at"))
    has_ended = now_ms >= ends_ms
    now_ms = ends_ms if has_ended else now_ms
    snapshot = snapshot_at(snapshot, now_ms)
    state = snapshot.state

    def since_ms(timestamp: int) -> float:
        # NaN until something is known of the server's time.
        elapsed_ms = now_ms - timestamp
        return elapsed_ms if elapsed_ms > 0 else 0.0

    clocks = []
    for one in state["participants"]:
        elapsed_ms = since_ms(snapshot.timestamp_of(one["participant_id"]))
        now = participant_at(one, state, elapsed_ms)
        face, in_ms = _participant_face(now, state, tenths_below_ms)
        clocks.append(_starting(face, in_ms, starts_at_ms(snapshot, one) - now_ms))
    if state.get("session_remaining_ms") is not None:
        left_ms = session_remaining_ms(state, since_ms(snapshot.timestamp))
        face, in_ms = _session_face(left_ms, state, tenths_below_ms)
        clocks.append(_starting(face, in_ms, starts_at_ms(snapshot) - now_ms))
    changes_in_ms = inf if has_ended else min(in_ms for _, in_ms in clocks)
    return DisplayFrame(tuple(face for face, _ in clocks), changes_in_ms)


def _starting(face: ClockFace, in_ms: float, starts_in_ms: float) -> tuple[ClockFace, float]:
    """The face with the time until its clock starts by itself, and when it changes."""
    if not 0 < starts_in_ms < inf:
        return face, in_ms
    face = replace(face, starts_in=format_remaining(starts_in_ms, 0))
    return face, min(in_ms, remaining_changes_in_ms(starts_in_ms, 0))


def _session_face(
    left_ms: float, state: SessionState, tenths_below_ms: float
) -> tuple[ClockFace, float]:
    """The face of the session clock, and in how many milliseconds it changes."""
    is_running = state["status"] == "running"
    warning, next_warning_in_ms = _warnings(state, left_ms)
    face = ClockFace(
        id="session",
        text=format_remaining(left_ms, tenths_below_ms),
        phase=_phase(left_ms, is_running=is_running, is_warning=warning > 0),
        warning=warning,
        is_active=is_running,
        is_running=is_running,
    )
    changes_in_ms = min(remaining_changes_in_ms(left_ms, tenths_below_ms), next_warning_in_ms)
    return face, changes_in_ms if is_running else inf


def _participant_face(
    now: ParticipantState, state: SessionState, tenths_below_ms: float
) -> tuple[ClockFace, float]:
    """The face of a participant's clock, and in how many milliseconds it changes."""
    left_ms = now["time_remaining_ms"]
    period_left_ms = now.get("period_remaining_ms")
    shown_ms = now.get("main_remaining_ms") or (
        left_ms if period_left_ms is None else period_left_ms
    )
    delay_ms = now.get("delay_remaining_ms") or 0
    counts_up = state["sync_mode"] == "count_up"
    used_ms = min(now["time_used_ms"], (counts_up and state.get("max_time_ms")) or inf)
    warning, next_warning_in_ms = _warnings(state, left_ms)
    in_overtime = now["is_active"] and now["has_expired"] and not now["is_running"]
    # Without a maximum, a stopwatch never runs out.
    until_zero_ms = inf if counts_up and not state.get("max_time_ms") else left_ms + delay_ms
    face = ClockFace(
        id=now["participant_id"],
        text=format_elapsed(used_ms) if counts_up else format_remaining(shown_ms, tenths_below_ms),
        phase=_phase(
            until_zero_ms,
            is_running=now["is_running"],
            is_warning=warning > 0,
            in_overtime=in_overtime,
            has_expired=now["has_expired"],
        ),
        warning=warning,
        is_active=now["is_active"],
        is_running=now["is_running"],
        delay=format_remaining(delay_ms, 0) if delay_ms > 0 and now["is_active"] else "",
        overtime=format_elapsed(now["overtime_ms"]) if now["overtime_ms"] > 0 else "",
        periods=_periods(now, now.get("time_control") or state.get("time_control") or {}),
        periods_left=now.get("periods_left"),
        cycles_left=now.get("cycles_left"),
        stage=now.get("stage"),
        clock_state=now.get("clock_state"),
        name=now.get("name", ""),
        has_withdrawn=now.get("has_withdrawn", False),
    )
    if now["is_running"]:
        digits_in_ms = delay_ms + remaining_changes_in_ms(shown_ms, tenths_below_ms)
        changes_in_ms = min(
            remaining_changes_in_ms(delay_ms, 0),
            elapsed_changes_in_ms(used_ms) if counts_up else digits_in_ms,
            delay_ms + next_warning_in_ms,
        )
    elif in_overtime and state["status"] == "running":
        changes_in_ms = elapsed_changes_in_ms(now["overtime_ms"])
    else:
        changes_in_ms = inf
    return face, changes_in_ms


def _periods(now: ParticipantState, control: Mapping[str, Any]) -> str:
    """What the digits leave open.

    The same digits in main time and in the last period are different times until the clock runs
    out.
    """
    main_ms, period_left_ms = now.get("main_remaining_ms"), now.get("period_remaining_ms")
    cycles_left = now.get("cycles_left")
    if stage := now.get("stage"):
        cycles = control["stages"][stage - 1].get("cycles")
        return f"{cycles} move{'' if cycles == 1 else 's'}: {cycles_left} to go" * bool(cycles_left)
    if not period_left_ms:
        return ""
    if cycles_left:
        turns = f"{cycles_left} turn{'' if cycles_left == 1 else 's'}"
        return (
            f"then {turns} in {format_remaining(period_left_ms, 0)}"
            if main_ms
            else f"{turns} to go"
        )
    left = now.get("periods_left") or 0
    following = left if main_ms else left - 1
    parts = [f"then {following} x {format_remaining(control['period_ms'], 0)}"] * (following > 0)
    if left and not main_ms:
        parts.insert(0, f"period {control['periods'] - left + 1} of {control['periods']}")
    return ", ".join(parts)


def _phase(
    left_ms: float,
    *,
    is_running: bool,
    is_warning: bool,
    in_overtime: bool = False,
    has_expired: bool = False,
) -> Phase:
    if in_overtime:
        return "overtime"
    if has_expired:
        return "expired"
    if left_ms <= 0:
        # By the client's reckoning alone: it may have been paused, or been given time.
        return "unconfirmed" if is_running else "expired"
    return "warning" if is_warning else "plain"


def _warnings(state: SessionState, left_ms: float) -> tuple[int, float]:
    """How many warnings have been passed, and how far it is to the next."""
    marks_ms = state.get("warn_at_ms") or []
    ahead_ms = [mark_ms for mark_ms in marks_ms if mark_ms < left_ms]
    return len(marks_ms) - len(ahead_ms), left_ms - max(ahead_ms, default=-inf)
