"""Settling: apply due timeouts and warnings, each at its own instant.

Deadlines follow from the facts, so it does not matter when, or by which process, they are settled.
Settling is idempotent, and its cost is bounded by one rotation: whole rounds of skipped cycles are
computed, not iterated.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .cycles import (
    cycle_deadline_ms,
    cycle_elapsed_ms,
    deadline_ms,
    end,
    session_deadline_ms,
    switch,
)
from .events import Event, ParticipantExpired, TimeoutsSkipped
from .session import Cycle, Rotation, Status, Tally, updated
from .setup import SyncMode, TimeoutAction
from .warnings import cycle_countdown, session_countdown

MAX_LISTED_TIMEOUTS = 100
"""The maximum number of timeouts listed as separate events in one commit."""


def settle(
    session: Rotation,
    now_ms: int,
    cycle_since_ms: int | None = None,
    session_since_ms: int | None = None,
) -> tuple[Rotation, tuple[Event, ...]]:
    """Apply every timeout and emit every warning due at ``now_ms``.

    Returns the same session object if none is due, else one updated at ``now_ms``.
    ``cycle_since_ms`` is when the cycle was last settled, if that is before the session's last
    update, and ``session_since_ms`` the same of the session clock.
    """
    log = _SettledEvents(
        session.updated_at_ms if session_since_ms is None else session_since_ms,
        session.updated_at_ms if cycle_since_ms is None else cycle_since_ms,
    )
    settled = session
    while (cycle := settled.cycle) is not None and cycle.started_at_ms is not None:
        session_end_ms = session_deadline_ms(settled, cycle.started_at_ms)
        cycle_end_ms = cycle_deadline_ms(settled, cycle, cycle.started_at_ms)
        if settled.setup.warn_at_ms:
            log.warn(settled, cycle, cycle.started_at_ms, now_ms)
        # If both clocks run out at the same instant, the session's comes first.
        if session_end_ms is not None and (cycle_end_ms is None or session_end_ms <= cycle_end_ms):
            if session_end_ms > now_ms:
                break
            settled, log.ending = end(settled, Status.EXPIRED, session_end_ms)
        elif cycle_end_ms is None or cycle_end_ms > now_ms:
            break
        elif log.is_full and not log.rounds_skipped:
            # Once is enough: less than a round is left afterwards.
            log.rounds_skipped = True
            rounds = _whole_rounds(settled, cycle.started_at_ms, now_ms)
            if rounds:
                settled, at_ms = _skip_rounds(settled, cycle, cycle.started_at_ms, rounds)
                log.skip(rounds * (len(settled.tallies) - len(settled.setup.withdrawn)), at_ms)
        else:
            settled = _expire_clock(settled, cycle, cycle_end_ms, log)
    events = log.events(settled)
    return (updated(settled, now_ms) if events else session), events


@dataclass(slots=True)
class _SettledEvents:
    """The events of one call of ``settle``, with at most ``MAX_LISTED_TIMEOUTS`` timeouts.

    ``session_warned_ms`` and ``cycle_warned_ms`` are the instants up to which warnings of the
    session clock and of the first cycle's were already emitted. A cycle that both began and ran
    out within one call emits no warning: it would be too late.
    """

    session_warned_ms: int
    cycle_warned_ms: int
    cycles_seen: int = 0
    listed: list[Event] = field(default_factory=list)
    timeouts: int = 0
    skipped_at_ms: int = 0
    rounds_skipped: bool = False
    ending: Event | None = None

    @property
    def is_full(self) -> bool:
        return self.timeouts >= MAX_LISTED_TIMEOUTS

    def warn(self, session: Rotation, cycle: Cycle, started_at_ms: int, now_ms: int) -> None:
        """List the warnings up to now, or up to the next timeout if that is earlier."""
        ends_ms = deadline_ms(session)
        until_ms = now_ms if ends_ms is None else min(now_ms, ends_ms)
        marks_ms = session.setup.warn_at_ms
        if (clock := session_countdown(session, started_at_ms)) is not None:
            self.listed += clock.warnings(marks_ms, self.session_warned_ms, until_ms)
            self.session_warned_ms = max(self.session_warned_ms, until_ms)
        self.cycles_seen += 1
        if self.cycles_seen > 1 and until_ms == ends_ms:
            return
        if (clock := cycle_countdown(session, cycle, started_at_ms)) is not None:
            self.listed += clock.warnings(marks_ms, self.cycle_warned_ms, until_ms)

    def skip(self, timeouts: int, at_ms: int) -> None:
        self.timeouts += timeouts
        self.skipped_at_ms = at_ms

    def events(self, session: Rotation) -> tuple[Event, ...]:
        events = self.listed
        if self.timeouts > MAX_LISTED_TIMEOUTS and session.cycle is not None:
            active = session.setup.participants[session.cycle.position]
            count = self.timeouts - MAX_LISTED_TIMEOUTS
            events.append(TimeoutsSkipped(self.skipped_at_ms, count, active.participant_id))
        if session.setup.warn_at_ms:
            # Two clocks may have been counting down, and some timeouts are not listed.
            events.sort(key=lambda event: event.at_ms)
        if self.ending is not None:
            events.append(self.ending)
        return tuple(events)


def _expire_clock(session: Rotation, cycle: Cycle, at_ms: int, log: _SettledEvents) -> Rotation:
    """A clock ran out at ``at_ms``: record the event and apply ``action_on_timeout``."""
    setup = session.setup
    participant = setup.participants[cycle.position]
    expired = cycle._replace(overtime_from_ms=cycle_elapsed_ms(cycle, at_ms))
    session = replace(session, cycle=expired, undo_record=None)
    if participant.bank_index is not None:
        banks = list(session.banks)
        banks[participant.bank_index] = banks[participant.bank_index]._replace(has_expired=True)
        session = replace(session, banks=tuple(banks))
    events: list[Event] = [
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
        session, event = switch(session, expired, None, at_ms)
        if session.status is Status.EXPIRED:
            log.ending = event
        else:
            events.append(event)
    if not log.is_full:
        log.listed += events
    log.skip(1, at_ms)
    return session


def _whole_rounds(session: Rotation, started_at_ms: int, now_ms: int) -> int:
    """How many whole rotations of skipped cycles, starting at ``started_at_ms``, are over."""
    if session.setup.sync_mode not in (SyncMode.PER_CYCLE, SyncMode.GLOBAL):
        # In the other modes a clock that ran out stays out: there is no second round.
        return 0
    session_end_ms = session_deadline_ms(session, started_at_ms)
    # A cycle that would run out with the session does not time out.
    until_ms = now_ms if session_end_ms is None else min(now_ms, session_end_ms - 1)
    return (until_ms - started_at_ms) // sum(_lengths_ms(session))


def _skip_rounds(
    session: Rotation, cycle: Cycle, started_at_ms: int, rounds: int
) -> tuple[Rotation, int]:
    """The session ``rounds`` rotations later, as the same participant's cycle begins."""
    lengths_ms = _lengths_ms(session)
    passed_ms = rounds * sum(lengths_ms)
    resumed_at_ms = started_at_ms + passed_ms
    later = replace(
        session,
        tallies=tuple(
            Tally(used_ms + rounds * length_ms, over_ms, count + rounds if length_ms else count)
            for (used_ms, over_ms, count), length_ms in zip(
                session.tallies, lengths_ms, strict=True
            )
        ),
        elapsed_ms=session.elapsed_ms + passed_ms,
        cycle=cycle._replace(started_at_ms=resumed_at_ms),
    )
    return later, resumed_at_ms


def _lengths_ms(session: Rotation) -> list[int]:
    """How long each participant's cycle lasts in a round; 0 for a withdrawn one."""
    setup = session.setup
    return [
        0 if setup.withdrawn and setup.has_withdrawn(position) else length_ms or 0
        for position, length_ms in enumerate(setup.cycle_lengths_ms)
    ]
