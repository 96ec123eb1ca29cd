"""Simultaneous sessions: session time, deadlines, and settling.

All clocks run at once, each with its own end. Settling applies every timeout and warning that is
due at its own instant; several at one instant, in rotation order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from .clock_blocks import BLOCK_SIZE, Block, Clock, ClockState, make_block
from .events import (
    Event,
    ParticipantExpired,
    ParticipantFinished,
    SessionExpired,
    TimeWarning,
)
from .session import Simultaneous, Status, updated
from .setup import TimeoutAction


def session_time_ms(session: Simultaneous, now_ms: int) -> int:
    """How long the session has run at ``now_ms``, without pauses."""
    if session.running_since_ms is None:
        return session.elapsed_ms
    # A failover can step the store's clock back; session time never falls below a past change.
    return session.elapsed_ms + max(0, now_ms - session.running_since_ms)


def clock_of(session: Simultaneous, position: int) -> Clock:
    return session.blocks[position // BLOCK_SIZE].clocks[position % BLOCK_SIZE]


def with_clocks(
    session: Simultaneous, changed: Mapping[int, Clock], time_ms: int, also: Iterable[int] = ()
) -> Simultaneous:
    """The session with these clocks, by position, and its warnings up to ``time_ms`` emitted.

    ``also`` are numbers of blocks that have emitted warnings, but changed no clock.
    """
    blocks = list(session.blocks)
    for number in {*also, *(position // BLOCK_SIZE for position in changed)}:
        first = number * BLOCK_SIZE
        clocks = [
            changed.get(position, clock)
            for position, clock in enumerate(blocks[number].clocks, first)
        ]
        blocks[number] = make_block(clocks, session.setup.warn_at_ms, time_ms)
    return replace(session, blocks=tuple(blocks))


def has_open_clocks(session: Simultaneous) -> bool:
    """Whether a clock is waiting, running or paused; without one, the session ends."""
    return any(block.summary.open_count for block in session.blocks)


def deadline_ms(session: Simultaneous) -> int | None:
    """When the next clock runs out; ``None`` if none is running."""
    return _instant_ms(session, _earliest(block.summary.due_ms for block in session.blocks))


def last_deadline_ms(session: Simultaneous) -> int | None:
    """When the last of the clocks that are running runs out."""
    due = (block.summary.last_due_ms for block in session.blocks)
    return _instant_ms(session, max((one for one in due if one is not None), default=None))


def next_warning_ms(session: Simultaneous) -> int | None:
    """When the next warning is due."""
    return _instant_ms(session, _earliest(block.summary.warning_ms for block in session.blocks))


def _earliest(times_ms: Iterable[int | None]) -> int | None:
    return min((time_ms for time_ms in times_ms if time_ms is not None), default=None)


def _instant_ms(session: Simultaneous, time_ms: int | None) -> int | None:
    """A point in session time in the store's time; ``None`` while the session does not run."""
    if time_ms is None or session.running_since_ms is None:
        return None
    return session.running_since_ms + time_ms - session.elapsed_ms


class _Timeout(NamedTuple):
    due_ms: int
    position: int
    clock: Clock


def settle(session: Simultaneous, now_ms: int) -> tuple[Simultaneous, tuple[Event, ...]]:
    """Apply every timeout and emit every warning due at ``now_ms``.

    Returns the same session object if none is due, else one updated at ``now_ms``.
    """
    if session.running_since_ms is None:
        return session, ()
    until_ms = session_time_ms(session, now_ms)
    due = [number for number, block in enumerate(session.blocks) if block.summary.is_due(until_ms)]
    if not due:
        return session, ()
    timeouts = sorted(timeout for number in due for timeout in _timeouts(session, number, until_ms))
    if timeouts and session.setup.action_on_timeout is TimeoutAction.END_SESSION:
        until_ms = timeouts[0].due_ms
        timeouts = [timeout for timeout in timeouts if timeout.due_ms == until_ms]
    offset_ms = session.running_since_ms - session.elapsed_ms
    # Warnings come first, because a clock shows its mark before another's end can stop it.
    told: list[tuple[int, int, int, tuple[Event, ...]]] = [
        (at_ms, 0, position, (event,))
        for number in due
        for at_ms, position, event in _warnings(session, number, until_ms, offset_ms)
    ]
    changed: dict[int, Clock] = {}
    for timeout in timeouts:
        clock, events = _time_out(session, timeout, timeout.due_ms + offset_ms)
        changed[timeout.position] = clock
        told.append((timeout.due_ms, 1, timeout.position, events))
    told.sort(key=lambda one: one[:3])
    listed = [event for *_, events in told for event in events]
    settled = with_clocks(session, changed, until_ms, also=due)
    if timeouts:
        last_ms = timeouts[-1].due_ms
        last_at_ms = last_ms + offset_ms
        # As changed at the last timeout: session time can't fall below that any more.
        settled = replace(settled, elapsed_ms=last_ms, running_since_ms=last_at_ms)
        if _is_over(settled):
            settled = stopped(settled, Status.EXPIRED, last_at_ms)
            listed.append(SessionExpired(last_at_ms, None, None, None))
    return updated(settled, now_ms), tuple(listed)


def _is_over(settled: Simultaneous) -> bool:
    """Whether the timeouts just settled end the session."""
    if settled.setup.action_on_timeout is TimeoutAction.END_SESSION:
        return True
    return not has_open_clocks(settled)


def stopped(session: Simultaneous, status: Status, at_ms: int) -> Simultaneous:
    """The session ended at ``at_ms``; no clock changes, because session time stands still."""
    return replace(
        session,
        status=status,
        elapsed_ms=session_time_ms(session, at_ms),
        running_since_ms=None,
        completed_at_ms=at_ms,
    )


def finished(clock: Clock, at_ms: int) -> Clock:
    return clock._replace(state=ClockState.FINISHED, counted_to_ms=None, finished_at_ms=at_ms)


def _clocks(block: Block, number: int) -> Iterable[tuple[int, Clock]]:
    return enumerate(block.clocks, number * BLOCK_SIZE)


def _timeouts(session: Simultaneous, number: int, until_ms: int) -> Iterable[_Timeout]:
    for position, clock in _clocks(session.blocks[number], number):
        due_ms = clock.due_ms
        if due_ms is not None and due_ms <= until_ms:
            yield _Timeout(due_ms, position, clock)


def _warnings(
    session: Simultaneous, number: int, until_ms: int, offset_ms: int
) -> Iterable[tuple[int, int, TimeWarning]]:
    """Warnings due up to ``until_ms``, with their point in session time and their position."""
    block = session.blocks[number]
    from_ms = block.summary.warning_ms
    if from_ms is None or from_ms > until_ms:
        return
    for position, clock in _clocks(block, number):
        for at_ms, mark_ms in clock.warnings_ms(session.setup.warn_at_ms):
            if from_ms <= at_ms <= until_ms:
                one = session.setup.participants[position]
                warning = TimeWarning(at_ms + offset_ms, one.participant_id, one.group_id, mark_ms)
                yield at_ms, position, warning


def _time_out(
    session: Simultaneous, timeout: _Timeout, at_ms: int
) -> tuple[Clock, tuple[Event, ...]]:
    """The clock after it ran out at ``at_ms``, and the events."""
    setup = session.setup
    participant = setup.participants[timeout.position]
    clock = timeout.clock.at(timeout.due_ms)._replace(has_expired=True)
    action = setup.action_on_timeout
    expired = ParticipantExpired(
        at_ms, participant.participant_id, participant.group_id, action, setup.action_data
    )
    if action is TimeoutAction.NOTIFY:
        return clock, (expired,)
    clock = finished(clock, at_ms)._replace(has_timed_out=True)
    return clock, (expired, finish_event(session, timeout.position, clock, at_ms))


def finish_event(
    session: Simultaneous, position: int, clock: Clock, at_ms: int
) -> ParticipantFinished:
    participant_id = session.setup.participants[position].participant_id
    return ParticipantFinished(at_ms, participant_id, clock.used_ms, clock.overtime_ms)
