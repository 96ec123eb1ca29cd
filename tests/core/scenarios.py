"""A session reconstructed from its events: status, active participant and times used.

Independent of the core's arithmetic. In addition to the events it needs the participants and, for
skipped cycles that are not listed, the length of each cycle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from chalicelib.core.events import (
    CycleSwitched,
    Event,
    ParticipantExpired,
    SessionEnded,
    SessionPaused,
    SessionResumed,
    SessionStarted,
    SwitchUndone,
    TimeAdjusted,
    TimeoutsSkipped,
)
from chalicelib.core.setup import Setup, SyncMode


@dataclass
class Scenario:
    setup: Setup
    status: str = "pending"
    active: str | None = None
    cycles: list[tuple[str, int, int]] = field(default_factory=list)
    """Every ended cycle: participant, time used, overtime."""
    elapsed: int = 0
    since: int | None = None
    out_at: int | None = None
    """The current cycle's elapsed time when its clock ran out."""
    over_before: int = 0
    """Overtime of the current cycle before an adjustment revived its clock."""
    ended_at: int | None = None
    before_switch: Scenario | None = None

    def replay(self, events: Iterable[Event]) -> Scenario:
        for event in events:
            self.replay_one(event)
        return self

    def replay_one(self, event: Event) -> None:
        match event:
            case SessionStarted(at, active):
                self.begin(active, at)
            case SwitchUndone(_, previous, active):
                assert self.before_switch is not None
                assert self.active == previous
                self.__dict__.update(self.before_switch.__dict__)
                assert self.active == active
            case CycleSwitched(at, previous, active, used, overtime):
                self.before_switch = replace(self, cycles=list(self.cycles))
                self.cycles.append((previous, used, overtime))
                self.begin(active, at)
            case TimeoutsSkipped(at, count, active):
                self.skip(count, at)
                assert self.active == active
            case SessionPaused(at) | SessionResumed(at):
                resumed = isinstance(event, SessionResumed)
                self.elapsed, self.since = self.elapsed_at(at), at if resumed else None
                self.status = "running" if resumed else "paused"
            case ParticipantExpired(at):
                self.out_at = self.elapsed_at(at)
            case TimeAdjusted(at) if self.out_at is not None and self.gives_time(event):
                self.over_before += self.elapsed_at(at) - self.out_at
                self.out_at = None
            case SessionEnded(at, previous, used, overtime):
                if previous is not None:
                    self.cycles.append((previous, used, overtime))
                self.status = event.type.removeprefix("session_")
                self.active, self.ended_at = None, at

    def begin(self, active: str, at: int) -> None:
        self.status, self.active = "running", active
        self.elapsed, self.since, self.out_at, self.over_before = 0, at, None, 0

    def gives_time(self, event: TimeAdjusted) -> bool:
        """Whether the adjusted clock is the one that had run out."""
        groups = {one.participant_id: one.group_id for one in self.setup.participants}
        active = groups.get(self.active or "")
        match self.setup.sync_mode:
            case SyncMode.PER_PARTICIPANT:
                return event.participant_id == self.active
            case SyncMode.PER_GROUP:
                return event.group_id == active
        return self.setup.sync_mode is SyncMode.PER_CYCLE

    def skip(self, count: int, at: int) -> None:
        names = [participant.participant_id for participant in self.setup.participants]
        position = names.index(self.active or "")
        for _ in range(count):
            self.cycles.append((names[position], self.setup.cycle_lengths_ms[position] or 0, 0))
            position = (position + 1) % len(names)
        self.begin(names[position], at)

    def elapsed_at(self, now: int) -> int:
        return self.elapsed if self.since is None else self.elapsed + now - self.since

    def used_at(self, now: int) -> dict[str, tuple[int, int, int]]:
        """Time used, overtime and number of ended cycles of each participant."""
        totals = {participant.participant_id: [0, 0, 0] for participant in self.setup.participants}
        for name, used, overtime in self.cycles:
            totals[name][0] += used
            totals[name][1] += overtime
            totals[name][2] += 1
        if self.active is not None:
            elapsed = self.elapsed_at(now)
            used = elapsed if self.out_at is None else self.out_at
            totals[self.active][0] += used - self.over_before
            totals[self.active][1] += elapsed - used + self.over_before
        return {name: (used, over, count) for name, (used, over, count) in totals.items()}
