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
    ParticipantFinished,
    ParticipantJoined,
    ParticipantPaused,
    ParticipantResumed,
    ParticipantStarted,
    ParticipantUpdated,
    ParticipantWithdrawn,
    SessionEnded,
    SessionPaused,
    SessionReopened,
    SessionReset,
    SessionResumed,
    SessionStarted,
    SwitchUndone,
    TimeAdjusted,
    TimeoutsSkipped,
    TimeWarning,
)
from chalicelib.core.setup import THOUSANDTHS, Setup, SyncMode, TimeoutAction


@dataclass(frozen=True)
class Person:
    """What a participant was created or has joined with."""

    name: str
    index: int
    group: str | None
    total: int


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
    last_active: str | None = None
    """Whose cycle the session ended with."""
    before_switch: Scenario | None = None
    people: list[Person] = field(default_factory=list)
    """In rotation order."""
    withdrawn: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.people = self.people or [
            Person(one.participant_id, one.participant_index, one.group_id, one.total_time_ms)
            for one in self.setup.participants
        ]

    def replay(self, events: Iterable[Event]) -> Scenario:
        for event in events:
            self.replay_one(event)
        return self

    def replay_one(self, event: Event) -> None:
        match event:
            case SessionStarted(at, str(active)):
                self.begin(active, at)
            case SwitchUndone(_, previous, active):
                assert self.before_switch is not None
                assert self.active == previous
                self.__dict__.update(self.before_switch.__dict__)
                assert self.active == active
            case CycleSwitched(at, previous, active, used, overtime):
                self.before_switch = replace(self, cycles=list(self.cycles))
                self.cycles.append((previous, used, overtime))
                # An arbiter sets the turn in a pause.
                since, status = None if self.since is None else at, self.status
                self.begin(active, at)
                self.since, self.status = since, status
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
            case ParticipantJoined() | ParticipantWithdrawn():
                self.replay_people(event)
            case SessionEnded() | SessionReopened() | SessionReset():
                self.replay_ending(event)

    def replay_people(self, event: ParticipantJoined | ParticipantWithdrawn) -> None:
        name = event.participant_id
        if isinstance(event, ParticipantWithdrawn):
            self.withdrawn = self.withdrawn | {name}
            return
        self.withdrawn = self.withdrawn - {name}
        if all(one.name != name for one in self.people):
            joined = Person(name, event.participant_index, event.group_id, event.total_time_ms)
            self.people = sorted([*self.people, joined], key=lambda one: one.index)

    def replay_ending(self, event: SessionEnded | SessionReopened | SessionReset) -> None:
        match event:
            case SessionEnded(at, previous, used, overtime):
                if previous is not None and used is not None and overtime is not None:
                    self.cycles.append((previous, used, overtime))
                    self.elapsed, self.since = used + overtime, None
                self.status = event.type.removeprefix("session_")
                self.last_active, self.active, self.ended_at = previous, None, at
            case SessionReopened():
                # The last cycle goes on.
                if self.last_active is not None:
                    self.cycles.pop()
                self.status = "pending" if self.last_active is None else "paused"
                self.active, self.ended_at = self.last_active, None
            case SessionReset():
                again = Scenario(self.setup, people=self.people, withdrawn=self.withdrawn)
                self.__dict__.update(again.__dict__)

    def begin(self, active: str, at: int) -> None:
        self.status, self.active = "running", active
        self.elapsed, self.since, self.out_at, self.over_before = 0, at, None, 0

    def gives_time(self, event: TimeAdjusted) -> bool:
        """Whether the adjusted clock is the one that had run out."""
        groups = {one.name: one.group for one in self.people}
        active = groups.get(self.active or "")
        match self.setup.sync_mode:
            case SyncMode.PER_PARTICIPANT:
                return event.participant_id == self.active
            case SyncMode.PER_GROUP:
                return event.group_id == active
        return self.setup.sync_mode is SyncMode.PER_CYCLE

    def skip(self, count: int, at: int) -> None:
        queue = [one for one in self.people if one.name not in self.withdrawn]
        position = [one.name for one in queue].index(self.active or "")
        for _ in range(count):
            one = queue[position]
            self.cycles.append((one.name, self.setup.time_per_cycle_ms or one.total, 0))
            position = (position + 1) % len(queue)
        self.begin(queue[position].name, at)

    def elapsed_at(self, now: int) -> int:
        return self.elapsed if self.since is None else self.elapsed + now - self.since

    def used_at(self, now: int) -> dict[str, tuple[int, int, int]]:
        """Time used, overtime and number of ended cycles of each participant."""
        totals = {one.name: [0, 0, 0] for one in self.people}
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


@dataclass
class OwnClock:
    """One participant's clock of a simultaneous session; it counts ``since`` an instant, or not."""

    state: str = "waiting"
    since: int | None = None
    used: int = 0
    overtime: int = 0
    has_expired: bool = False
    ended_session: bool = False
    """Whether its timeout ended the session."""
    has_withdrawn: bool = False
    total: int = 0
    """What its participant was given, before the factor."""
    factor: int = THOUSANDTHS

    @property
    def allocation(self) -> int:
        return -(-self.total * self.factor // THOUSANDTHS)

    def count_to(self, at: int) -> None:
        if self.since is None:
            return
        if self.has_expired:
            self.overtime += at - self.since
        else:
            self.used += at - self.since
        self.since = at


@dataclass
class SimultaneousScenario:
    """As Scenario, for a session in which each participant has a clock of their own."""

    setup: Setup
    status: str = "pending"
    active: str | None = None
    ended_at: int | None = None
    has_begun: bool = False
    clocks: dict[str, OwnClock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        setup = self.setup
        totals = setup.unscaled_ms or [one.total_time_ms for one in setup.participants]
        given = zip(setup.participants, totals, setup.time_factors, strict=True)
        self.clocks = self.clocks or {
            one.participant_id: OwnClock(total=total, factor=factor) for one, total, factor in given
        }

    def replay(self, events: Iterable[Event]) -> SimultaneousScenario:
        told = list(events)
        for event, following in zip(told, [*told[1:], None], strict=False):
            for clock in self.clocks.values():
                if not isinstance(event, TimeWarning):
                    clock.count_to(event.at_ms)
            # A start of one participant leaves the others waiting.
            is_alone = isinstance(following, ParticipantStarted) and following.participant_id
            self.replay_one(event, starts_all=not is_alone)
        return self

    def replay_one(self, event: Event, *, starts_all: bool) -> None:
        match event:
            case SessionStarted(at):
                self.status, self.has_begun = "running", True
                if starts_all:
                    self.start(self.clocks.values(), at)
            case SessionPaused():
                self.stop("paused")
            case SessionResumed(at):
                self.status = "running"
                self.run([one for one in self.clocks.values() if one.state == "running"], at)
            case SessionEnded(at):
                self.stop(event.type.removeprefix("session_"))
                self.ended_at = at
            case TimeAdjusted(_, one, _, delta) if delta > 0:
                for name, clock in self.clocks.items():
                    is_open = clock.state != "finished" and not clock.has_withdrawn
                    if one in (None, name) and is_open:
                        clock.has_expired = False
            case _:
                self.replay_own(event)

    def replay_own(self, event: Event) -> None:
        """An event of one participant's clock, or of all together."""
        match event:
            case ParticipantStarted(at, one):
                self.start(self.clocks.values() if one is None else [self.clocks[one]], at)
            case ParticipantResumed(at, one):
                self.run([self.clocks[one]], at)
            case ParticipantPaused(_, one):
                self.clocks[one].state, self.clocks[one].since = "paused", None
            case ParticipantFinished(_, one, used, overtime):
                clock = self.clocks[one]
                assert (clock.used, clock.overtime) == (used, overtime)
                clock.state, clock.since = "finished", None
            case SessionReopened():
                self.reopen()
            case SessionReset():
                clocks = {
                    name: OwnClock(
                        has_withdrawn=clock.has_withdrawn, total=clock.total, factor=clock.factor
                    )
                    for name, clock in self.clocks.items()
                }
                self.__dict__.update(SimultaneousScenario(self.setup, clocks=clocks).__dict__)
            case ParticipantJoined() | ParticipantWithdrawn() | ParticipantUpdated():
                self.replay_person(event)
            case ParticipantExpired(_, one, _, action):
                self.clocks[one].has_expired = True
                self.clocks[one].ended_session = action is TimeoutAction.END_SESSION

    def replay_person(
        self, event: ParticipantJoined | ParticipantWithdrawn | ParticipantUpdated
    ) -> None:
        name = event.participant_id
        match event:
            case ParticipantJoined() if name in self.clocks:
                self.clocks[name].has_withdrawn = False
            case ParticipantJoined():
                factor = round((event.time_factor or 1) * THOUSANDTHS)
                self.clocks[name] = OwnClock(total=event.total_time_ms, factor=factor)
            case ParticipantWithdrawn():
                clock = self.clocks[name]
                clock.has_withdrawn, clock.since = True, None
                if clock.state == "running":
                    clock.state = "paused"
            case ParticipantUpdated(time_factor=float() | int() as factor):
                clock = self.clocks[name]
                before, clock.factor = clock.allocation, round(factor * THOUSANDTHS)
                if clock.allocation > before:
                    clock.has_expired = False

    def reopen(self) -> None:
        self.status, self.ended_at = "paused" if self.has_begun else "pending", None
        for clock in self.clocks.values():
            if clock.ended_session:
                clock.state, clock.ended_session = "running", False

    def start(self, clocks: Iterable[OwnClock], at: int) -> None:
        waiting = [one for one in clocks if one.state == "waiting" and not one.has_withdrawn]
        self.run(waiting, at)

    def run(self, clocks: Iterable[OwnClock], at: int) -> None:
        for clock in clocks:
            clock.state, clock.since = "running", at

    def stop(self, status: str) -> None:
        self.status = status
        for clock in self.clocks.values():
            clock.since = None

    def used_at(self, now: int) -> dict[str, tuple[int, int, int]]:
        """Time used, overtime and whether they have finished, of each participant."""
        for clock in self.clocks.values():
            clock.count_to(now)
        return {
            name: (clock.used, clock.overtime, int(clock.state == "finished"))
            for name, clock in self.clocks.items()
        }


def scenario_of(setup: Setup) -> Scenario | SimultaneousScenario:
    """A session without events."""
    if setup.sync_mode is SyncMode.SIMULTANEOUS:
        return SimultaneousScenario(setup)
    return Scenario(setup)
