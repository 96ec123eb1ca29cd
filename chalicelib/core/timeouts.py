"""Settling: what ran out is made a fact, at its own instant.

A deadline follows from the facts, so it does not matter who notices it, or
when. Settling twice is settling once, and a long absence costs no more than
one rotation: whole rounds of skipped cycles are counted, not walked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .cycles import cycle_deadline_ms, end, session_deadline_ms, switch
from .events import Event, ParticipantExpired, TimeoutsSkipped
from .session import Cycle, Session, Status, Tally, lasted_ms
from .setup import SyncMode, TimeoutAction

LISTED_TIMEOUTS = 100
"""At most so many timeouts are events of their own in one commit."""


def settle(session: Session, now_ms: int) -> tuple[Session, tuple[Event, ...]]:
    """Apply every timeout due at ``now_ms``; the very same session if none is."""
    log = _Log()
    while (cycle := session.cycle) is not None and cycle.started_at_ms is not None:
        session_end_ms = session_deadline_ms(session, cycle.started_at_ms)
        cycle_end_ms = cycle_deadline_ms(session, cycle, cycle.started_at_ms)
        # Where both clocks run out at one instant, the session's comes first.
        if session_end_ms is not None and (cycle_end_ms is None or session_end_ms <= cycle_end_ms):
            if session_end_ms > now_ms:
                break
            session, log.ending = end(session, Status.EXPIRED, session_end_ms)
        elif cycle_end_ms is None or cycle_end_ms > now_ms:
            break
        elif log.is_full and not log.rounds_skipped:
            # Once is enough: what is left afterwards is less than a round.
            log.rounds_skipped = True
            rounds = _whole_rounds(session, cycle.started_at_ms, now_ms)
            if rounds:
                session, at_ms = _skip_rounds(session, cycle, cycle.started_at_ms, rounds)
                log.skip(rounds * len(session.tallies), at_ms)
        else:
            session = _run_out(session, cycle, cycle_end_ms, log)
    return session, log.events(session)


@dataclass(slots=True)
class _Log:
    """The events of one settling, which lists no more timeouts than it may."""

    listed: list[Event] = field(default_factory=list)
    timeouts: int = 0
    skipped_at_ms: int = 0
    rounds_skipped: bool = False
    ending: Event | None = None

    @property
    def is_full(self) -> bool:
        return self.timeouts >= LISTED_TIMEOUTS

    def skip(self, timeouts: int, at_ms: int) -> None:
        self.timeouts += timeouts
        self.skipped_at_ms = at_ms

    def events(self, session: Session) -> tuple[Event, ...]:
        events = self.listed
        if self.timeouts > LISTED_TIMEOUTS and session.cycle is not None:
            active = session.setup.participants[session.cycle.position]
            count = self.timeouts - LISTED_TIMEOUTS
            events.append(TimeoutsSkipped(self.skipped_at_ms, count, active.participant_id))
        if self.ending is not None:
            events.append(self.ending)
        return tuple(events)


def _run_out(session: Session, cycle: Cycle, at_ms: int, log: _Log) -> Session:
    """A clock ran out at ``at_ms``: say so, and do what was asked for in that case."""
    setup = session.setup
    participant = setup.participants[cycle.position]
    spent = cycle._replace(overtime_from_ms=lasted_ms(cycle, at_ms))
    session = replace(session, cycle=spent, undoable=None)
    if participant.bank is not None:
        banks = list(session.banks)
        banks[participant.bank] = banks[participant.bank]._replace(has_expired=True)
        session = replace(session, banks=tuple(banks))
    happened: list[Event] = [
        ParticipantExpired(
            at_ms,
            participant.participant_id,
            participant.group_id,
            setup.action_on_timeout,
            setup.action_data,
        )
    ]
    if setup.action_on_timeout is TimeoutAction.END_SESSION:
        session, log.ending = end(session, Status.EXPIRED, at_ms)
    elif setup.action_on_timeout is TimeoutAction.SKIP_CYCLE:
        session, followed = switch(session, spent, None, at_ms)
        if session.status is Status.EXPIRED:
            log.ending = followed
        else:
            happened.append(followed)
    if not log.is_full:
        log.listed += happened
    log.skip(1, at_ms)
    return session


def _whole_rounds(session: Session, started_at_ms: int, now_ms: int) -> int:
    """How many whole rotations of skipped cycles, begun just now, are over."""
    if session.setup.sync_mode not in (SyncMode.PER_CYCLE, SyncMode.GLOBAL):
        # Elsewhere a clock that has run out is out: there is no second round.
        return 0
    session_end_ms = session_deadline_ms(session, started_at_ms)
    # A cycle that would end with the session does not time out.
    until_ms = now_ms if session_end_ms is None else min(now_ms, session_end_ms - 1)
    return (until_ms - started_at_ms) // sum(_lengths_ms(session))


def _skip_rounds(
    session: Session, cycle: Cycle, started_at_ms: int, rounds: int
) -> tuple[Session, int]:
    """So many rotations later, the same participant's cycle begins, all of it left."""
    lengths_ms = _lengths_ms(session)
    passed_ms = rounds * sum(lengths_ms)
    resumed_at_ms = started_at_ms + passed_ms
    later = replace(
        session,
        tallies=tuple(
            Tally(used_ms + rounds * length_ms, over_ms, count + rounds)
            for (used_ms, over_ms, count), length_ms in zip(
                session.tallies, lengths_ms, strict=True
            )
        ),
        ran_ms=session.ran_ms + passed_ms,
        cycle=cycle._replace(started_at_ms=resumed_at_ms),
    )
    return later, resumed_at_ms


def _lengths_ms(session: Session) -> list[int]:
    return [
        session.setup.cycle_length_ms(position) or 0 for position in range(len(session.tallies))
    ]
