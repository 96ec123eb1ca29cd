"""What each command does to a simultaneous session.

Each function returns the changed session and its events, or raises why the command is refused. Due
timeouts have been settled before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from .clock_blocks import Clock, ClockState
from .cycles import ENDINGS
from .errors import (
    InvalidAdjustment,
    InvalidClockTransition,
    InvalidTransition,
    UnknownParticipant,
)
from .events import (
    Event,
    ParticipantPaused,
    ParticipantResumed,
    ParticipantStarted,
    SessionCompleted,
    SessionPaused,
    SessionReopened,
    SessionResumed,
    SessionStarted,
    TimeAdjusted,
)
from .limits import MAX_CLOCK_MS
from .session import (
    ENDED,
    LIVE,
    Simultaneous,
    Status,
    admit,
    updated,
    without_past_appointments,
)
from .setup import THOUSANDTHS, Setup, TimeoutAction
from .simultaneous import (
    clock_of,
    finish_event,
    finished,
    has_open_clocks,
    session_time_ms,
    settle,
    stopped,
    with_clocks,
)

Changed = tuple[Simultaneous, tuple[Event, ...]]


def start(session: Simultaneous, participant_id: str | None, now_ms: int) -> Changed:
    """Start the session and all waiting clocks, or the one named."""
    if session.status not in (Status.PENDING, Status.RUNNING):
        raise InvalidTransition("start", session.status)
    if participant_id is not None:
        position = _position_of(session, participant_id)
        clock = _require(session, position, "start", ClockState.WAITING)
        waiting = {position: clock}
    else:
        waiting = _clocks_in(session, ClockState.WAITING)
        if not waiting and session.status is Status.RUNNING:
            raise InvalidTransition("start", session.status)
        session = _without_start(session)
    return _begin(session, waiting, participant_id, now_ms)


def start_as_appointed(session: Simultaneous, at_ms: int) -> Changed:
    """Start the session, or only the clocks that are still waiting."""
    waiting = _clocks_in(session, ClockState.WAITING)
    return _begin(replace(session, starts_waiting=False), waiting, None, at_ms)


def is_start_ahead(session: Simultaneous) -> bool:
    """Whether the session, or a clock that is still waiting, is to start as appointed."""
    return session.starts_waiting and (
        session.status is Status.PENDING or bool(_clocks_in(session, ClockState.WAITING))
    )


def past_start(session: Simultaneous, now_ms: int) -> Simultaneous:
    """The session with its appointed start behind it, if no clock was waiting for that.

    Clocks that wait from now on don't begin by themselves.
    """
    starts_at_ms = session.appointments.starts_at_ms
    is_past = starts_at_ms is not None and starts_at_ms <= now_ms
    if session.starts_waiting and is_past and session.status is Status.RUNNING:
        return replace(session, starts_waiting=False)
    return session


def _without_start(session: Simultaneous) -> Simultaneous:
    if session.appointments.starts_at_ms is None:
        return session
    appointments = session.appointments._replace(starts_at_ms=None)
    return replace(session, appointments=appointments, starts_waiting=False)


def _begin(
    session: Simultaneous, waiting: Mapping[int, Clock], participant_id: str | None, now_ms: int
) -> Changed:
    is_first = session.status is Status.PENDING
    if is_first and not waiting:
        # They have all withdrawn.
        return end(session, Status.EXPIRED, now_ms)
    if is_first:
        session = replace(
            session, status=Status.RUNNING, running_since_ms=now_ms, started_at_ms=now_ms
        )
    session, time_ms = _at_now(session, now_ms)
    started = {
        position: clock._replace(
            state=ClockState.RUNNING, counted_to_ms=time_ms, started_at_ms=now_ms
        )
        for position, clock in waiting.items()
    }
    events: list[Event] = []
    if is_first:
        events.append(SessionStarted(now_ms, None))
    if participant_id is not None or not is_first:
        events.append(ParticipantStarted(now_ms, participant_id))
    return with_clocks(session, started, time_ms), tuple(events)


def finish(session: Simultaneous, participant_id: str, now_ms: int) -> Changed:
    """Finish a participant's clock; with the last one, the session is completed."""
    if session.status not in LIVE:
        raise InvalidTransition("finish", session.status)
    position = _position_of(session, participant_id)
    clock = _require(session, position, "finish", ClockState.RUNNING, ClockState.PAUSED)
    session, time_ms = _at_now(session, now_ms)
    clock = finished(clock.at(time_ms), now_ms)
    session = with_clocks(session, {position: clock}, time_ms)
    event = finish_event(session, position, clock, now_ms)
    return _completed_if_over(session, (event,), now_ms)


def _completed_if_over(session: Simultaneous, events: tuple[Event, ...], now_ms: int) -> Changed:
    """The session, completed if no clock is open after these events."""
    if has_open_clocks(session):
        return session, events
    completed = stopped(session, Status.COMPLETED, now_ms)
    return completed, (*events, SessionCompleted(now_ms, None, None, None))


def withdraw(session: Simultaneous, position: int, event: Event, now_ms: int) -> Changed:
    """Stop the clock of a participant who withdraws; with the last one, the session ends."""
    session, time_ms = _at_now(session, now_ms)
    clock = clock_of(session, position).at(time_ms)
    clock = clock._replace(state=ClockState.WITHDRAWN, counted_to_ms=None)
    session = with_clocks(session, {position: clock}, time_ms)
    if session.status not in LIVE:
        return session, (event,)
    return _completed_if_over(session, (event,), now_ms)


def take_back(session: Simultaneous, position: int, now_ms: int) -> Simultaneous:
    """Let a clock be as it stood when its participant withdrew; a running one is paused."""
    session, time_ms = _at_now(session, now_ms)
    clock = clock_of(session, position)
    state = ClockState.WAITING if clock.started_at_ms is None else ClockState.PAUSED
    if clock.has_finished:
        state = ClockState.FINISHED
    return with_clocks(session, {position: clock._replace(state=state)}, time_ms)


def admit_clock(session: Simultaneous, setup: Setup, position: int, now_ms: int) -> Simultaneous:
    """The session with ``setup``, in which the participant at ``position`` is new."""
    session, _ = _at_now(session, now_ms)
    return admit(session, setup, position)


def require_adjustable(session: Simultaneous, position: int, command: str) -> None:
    """Refuse to change the time of a clock that is finished or withdrawn, or of an ended session.

    Raises:
        InvalidTransition: It is.
    """
    if session.status in ENDED:
        raise InvalidTransition(command, session.status)
    _require(session, position, command, *_ADJUSTABLE)


def rescale(
    session: Simultaneous, setup: Setup, position: int, event: Event, now_ms: int
) -> Changed:
    """Adjust a clock by what ``setup``, with another time factor, gives it more or less."""
    clock = clock_of(session, position)
    before_ms = session.setup.participants[position].total_time_ms
    delta_ms = setup.participants[position].total_time_ms - before_ms
    session, time_ms = _at_now(replace(session, setup=setup), now_ms)
    if delta_ms == 0:
        return session, (event,)
    adjusted = {position: _adjusted_alone(session, clock, delta_ms, time_ms, "time_factor")}
    return _settle_adjusted(session, adjusted, event, "time_factor", now_ms)


def pause(session: Simultaneous, participant_id: str | None, now_ms: int) -> Changed:
    """Pause the session, which changes no clock's state, or one participant's clock."""
    if session.status is not Status.RUNNING:
        raise InvalidTransition("pause", session.status)
    if participant_id is not None:
        position = _position_of(session, participant_id)
        clock = _require(session, position, "pause", ClockState.RUNNING)
        session, time_ms = _at_now(session, now_ms)
        paused = clock.at(time_ms)._replace(state=ClockState.PAUSED, counted_to_ms=None)
        event: Event = ParticipantPaused(now_ms, participant_id)
        return with_clocks(session, {position: paused}, time_ms), (event,)
    session, _ = _at_now(session, now_ms)
    return replace(session, status=Status.PAUSED, running_since_ms=None), (SessionPaused(now_ms),)


def resume(session: Simultaneous, participant_id: str | None, now_ms: int) -> Changed:
    """Resume the session, or one clock that is paused or that its participant has finished."""
    if participant_id is not None:
        if session.status is not Status.RUNNING:
            raise InvalidTransition("resume", session.status)
        position = _position_of(session, participant_id)
        clock = _require(session, position, "resume", ClockState.PAUSED, ClockState.FINISHED)
        if clock.has_timed_out:
            raise InvalidClockTransition("resume", participant_id, "finished by its timeout")
        session, time_ms = _at_now(session, now_ms)
        resumed = clock._replace(
            state=ClockState.RUNNING, counted_to_ms=time_ms, finished_at_ms=None
        )
        event: Event = ParticipantResumed(now_ms, participant_id)
        return _settled(with_clocks(session, {position: resumed}, time_ms), (event,), now_ms)
    if session.status is not Status.PAUSED:
        raise InvalidTransition("resume", session.status)
    session = replace(session, status=Status.RUNNING, running_since_ms=now_ms)
    # An appointed start in the pause is made up for, and a clock that an appointed end has
    # stopped at 0 runs out.
    events: tuple[Event, ...] = (SessionResumed(now_ms),)
    starts_at_ms = session.appointments.starts_at_ms
    if starts_at_ms is not None and starts_at_ms <= now_ms and is_start_ahead(session):
        session, begun = start_as_appointed(session, now_ms)
        events += begun
    return _settled(session, events, now_ms)


def _settled(session: Simultaneous, events: tuple[Event, ...], now_ms: int) -> Changed:
    """With what is due at this instant."""
    settled, timeouts = settle(updated(session, now_ms), now_ms)
    return settled, (*events, *timeouts)


def end(session: Simultaneous, status: Status, now_ms: int) -> Changed:
    """End the session as ``status``."""
    return stopped(session, status, now_ms), (ENDINGS[status](now_ms, None, None, None),)


def reopen(session: Simultaneous, now_ms: int) -> Changed:
    """Take back the end: the session is paused, its clocks in the state that they had.

    Clocks whose timeout ended the session are running, at 0 and expired.
    """
    if session.status not in ENDED:
        raise InvalidTransition("reopen", session.status)
    ends_session = session.setup.action_on_timeout is TimeoutAction.END_SESSION
    ended_it = session.status is Status.EXPIRED and ends_session
    timed_out = {
        position: clock._replace(
            state=ClockState.RUNNING,
            counted_to_ms=session.elapsed_ms,
            has_timed_out=False,
            finished_at_ms=None,
        )
        for position, clock in _clocks_in(session, ClockState.FINISHED).items()
        if ended_it and clock.has_timed_out and clock.finished_at_ms == session.completed_at_ms
    }
    session = with_clocks(session, timed_out, session.elapsed_ms)
    status = Status.PENDING if session.started_at_ms is None else Status.PAUSED
    session = replace(session, status=status, completed_at_ms=None)
    return without_past_appointments(session, now_ms), (SessionReopened(now_ms),)


def with_new_warnings(session: Simultaneous, now_ms: int) -> Simultaneous:
    """The session whose ``warn_at_ms`` was changed: marks passed by now give no warning."""
    session, time_ms = _at_now(session, now_ms)
    return with_clocks(session, {}, time_ms, also=range(len(session.blocks)))


def adjust(
    session: Simultaneous,
    participant_id: str | None,
    delta_ms: int,
    is_scaled: bool,
    reason: str | None,
    now_ms: int,
) -> Changed:
    """Add time to one clock, or to every one that is not finished; see docs/clocks.md."""
    if session.status in ENDED:
        raise InvalidTransition("adjust", session.status)
    session, time_ms = _at_now(session, now_ms)
    if participant_id is not None:
        if is_scaled:
            raise InvalidAdjustment("scaled", "scaled adjusts all clocks; leave participant_id out")
        position = _position_of(session, participant_id)
        clock = _require(session, position, "adjust", *_ADJUSTABLE)
        adjusted = {position: _adjusted_alone(session, clock, delta_ms, time_ms, "delta_ms")}
        applied_ms = adjusted[position].total_ms - clock.total_ms
        event = TimeAdjusted(now_ms, participant_id, None, applied_ms, reason)
    else:
        delta_of = _scaled(session, delta_ms) if is_scaled else lambda _: delta_ms
        adjusted = {
            position: _adjusted(session, clock, delta_of(position), time_ms)
            for position, clock in _clocks_in(session, *_ADJUSTABLE).items()
        }
        event = TimeAdjusted(now_ms, None, None, delta_ms, reason, is_scaled or None)
    return _settle_adjusted(session, adjusted, event, "delta_ms", now_ms)


def _settle_adjusted(
    session: Simultaneous, adjusted: Mapping[int, Clock], event: Event, field: str, now_ms: int
) -> Changed:
    """The session with these clocks; ``field`` is to blame for what they can't have."""
    most_ms = max((clock.remaining_ms for clock in adjusted.values()), default=0)
    if most_ms > MAX_CLOCK_MS:
        raise InvalidAdjustment(
            field, f"A clock can be set to at most {MAX_CLOCK_MS} ms; this would be {most_ms}"
        )
    # A running clock that was taken to 0 runs out at this instant.
    return _settled(with_clocks(session, adjusted, session.elapsed_ms), (event,), now_ms)


_ADJUSTABLE = (ClockState.WAITING, ClockState.RUNNING, ClockState.PAUSED)


def _adjusted_alone(
    session: Simultaneous, clock: Clock, delta_ms: int, time_ms: int, field: str
) -> Clock:
    """A clock that is adjusted by itself."""
    adjusted = _adjusted(session, clock, delta_ms, time_ms, least_ms=0)
    is_stopped = session.status is not Status.RUNNING or clock.due_ms is None
    if (clock.has_expired and delta_ms < 0) or (is_stopped and adjusted.remaining_ms == 0):
        raise InvalidAdjustment(field, "A stopped clock must keep some time")
    return adjusted


def _adjusted(
    session: Simultaneous, clock: Clock, delta_ms: int, time_ms: int, *, least_ms: int = 1
) -> Clock:
    """The clock with ``delta_ms`` more, as of ``time_ms``; it keeps ``least_ms`` if it stands."""
    clock = clock.at(time_ms)
    if clock.has_expired:
        if delta_ms < 0:
            return clock
        return clock._replace(total_ms=clock.used_ms + delta_ms, has_expired=False)
    is_running = session.status is Status.RUNNING and clock.state is ClockState.RUNNING
    # A clock that an appointed end stopped at 0 has nothing to take.
    takeable_ms = max(0, clock.remaining_ms - (0 if is_running else least_ms))
    return clock._replace(total_ms=clock.total_ms + max(delta_ms, -takeable_ms))


def _scaled(session: Simultaneous, delta_ms: int) -> Callable[[int], int]:
    """``delta_ms`` times each participant's time factor, rounded away from zero."""
    factors, sign = session.setup.time_factors, 1 if delta_ms > 0 else -1

    def of(position: int) -> int:
        return sign * -(-abs(delta_ms) * factors[position] // THOUSANDTHS)

    return of


def _at_now(session: Simultaneous, now_ms: int) -> tuple[Simultaneous, int]:
    """The session as changed now, and session time."""
    time_ms = session_time_ms(session, now_ms)
    if session.running_since_ms is not None:
        session = replace(session, elapsed_ms=time_ms, running_since_ms=now_ms)
    return session, time_ms


def _position_of(session: Simultaneous, participant_id: str) -> int:
    position = session.setup.position_of(participant_id)
    if position is None:
        raise UnknownParticipant("participant_id", participant_id)
    return position


def _require(session: Simultaneous, position: int, command: str, *states: ClockState) -> Clock:
    clock = clock_of(session, position)
    if clock.state not in states:
        participant_id = session.setup.participants[position].participant_id
        raise InvalidClockTransition(command, participant_id, clock.state)
    return clock


def _clocks_in(session: Simultaneous, *states: ClockState) -> dict[int, Clock]:
    """The clocks in one of these states, by position."""
    clocks = (clock for block in session.blocks for clock in block.clocks)
    return {position: clock for position, clock in enumerate(clocks) if clock.state in states}
