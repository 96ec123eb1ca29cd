"""Reference model of a simultaneous session: counts every clock, one millisecond at a time.

Written from the rules' text, to compare with the core. It has no formulas and no session time: a
clock that runs has one millisecond less after each millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal

from chalicelib.core.commands import (
    Adjust,
    Command,
    Complete,
    Finish,
    Join,
    Pause,
    Reopen,
    Reset,
    Resume,
    SetTurn,
    Start,
    Switch,
    Undo,
    Update,
    UpdateParticipant,
    Withdraw,
)
from chalicelib.core.edits import Patch
from chalicelib.core.limits import MAX_CLOCK_MS
from chalicelib.core.participants import Joiner
from chalicelib.core.setup import Setup, TimeoutAction
from tests.core.appointments_model import refusal_of_appointments, still_to_come

from .model import index_of, is_the_same, people_of, with_place

Shown = dict[str, object]

ALLOWED_FROM = {
    "start": "pending running",
    "finish": "running paused",
    "complete": "pending running paused completed",
    "cancel": "pending running paused cancelled",
    "adjust": "pending running paused",
    "reopen": "expired completed cancelled",
    "reset": "pending running paused expired completed cancelled",
}
INVALID, REFUSED = "VALIDATION_ERROR", "INVALID_STATE_TRANSITION"


@dataclass
class OwnClock:
    """One participant's clock."""

    name: str
    group: str | None
    factor: Decimal
    total: int
    left: int
    state: str = "waiting"
    used: int = 0
    overtime: int = 0
    expired: bool = False
    timed_out: bool = False
    begun_at: int | None = None
    was: str = ""
    """What it was before the session stopped it."""
    ended_session: bool = False
    has_withdrawn: bool = False

    @property
    def shown_state(self) -> str:
        return "withdrawn" if self.has_withdrawn else self.state

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "running", "paused") and not self.has_withdrawn

    def tick(self) -> None:
        if self.expired:
            self.overtime += 1
        else:
            self.left -= 1
            self.used += 1

    def change(self, delta: int) -> None:
        self.left += delta
        self.total += delta
        if delta > 0:
            self.expired = False


@dataclass
class SimultaneousModel:
    setup: Setup
    now: int
    status: str = "pending"
    clocks: list[OwnClock] = field(default_factory=list)
    completed_at: int | None = None
    has_begun: bool = False
    log: list[tuple[int, str, str | None]] = field(default_factory=list)
    starts_at: int | None = None
    ends_at: int | None = None
    start_missed: bool = False
    """Whether the start passed in this pause."""

    people: list[Joiner] = field(default_factory=list)
    """What each participant had at first, in rotation order."""
    names: dict[str, str] = field(default_factory=dict)
    factors: dict[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.starts_at, self.ends_at = self.setup.appointments
        if not self.people:
            self.people = people_of(self.setup)
            self.names = {one.participant_id: one.name for one in self.people if one.name}
        for one in self.people:
            self.clocks.append(self.clock_of(one))

    @property
    def withdrawn(self) -> set[str]:
        return {clock.name for clock in self.clocks if clock.has_withdrawn}

    def clock_of(self, one: Joiner) -> OwnClock:
        factor = Decimal(one.time_factor or 1000) / 1000
        factor = self.factors.setdefault(one.participant_id, factor)
        total = self.allocation(one, factor)
        return OwnClock(one.participant_id, one.group_id, factor, total, total)

    def allocation(self, one: Joiner, factor: Decimal) -> int:
        total = self.setup.total_time_ms if one.total_time_ms is None else one.total_time_ms
        return int((total * factor).to_integral_value(ROUND_CEILING))

    # Time

    def advance(self, now: int) -> None:
        while self.now < now:
            self.now += 1
            if self.status == "running":
                for clock in self.running:
                    clock.tick()
            if self.now == self.ends_at and self.status in ("pending", "running", "paused"):
                self.end("expired")
            if self.now == self.starts_at:
                self.start_missed = self.status == "paused"
                if self.status in ("pending", "running"):
                    self.start_waiting()
            if self.status == "running":
                self.tick()

    def start_waiting(self) -> None:
        waiting = [one for one in self.clocks if one.state == "waiting" and one.is_open]
        if self.status == "pending" and not waiting:
            self.end("expired")
            return
        if self.status == "pending":
            self.log.append((self.now, "session_started", None))
        elif waiting:
            self.log.append((self.now, "participant_started", None))
        self.status, self.has_begun = "running", True
        for clock in waiting:
            clock.state, clock.begun_at = "running", self.now

    @property
    def running(self) -> list[OwnClock]:
        return [clock for clock in self.clocks if clock.state == "running"]

    def tick(self) -> None:
        for clock in self.running:
            has_ticked = clock.begun_at != self.now and not clock.expired
            if has_ticked and clock.left in self.setup.warn_at_ms:
                self.log.append((self.now, "time_warning", clock.name))
        self.time_out()

    def time_out(self) -> None:
        """Every clock at zero runs out."""
        due = [clock for clock in self.running if clock.left == 0 and not clock.expired]
        for clock in due:
            clock.expired = True
            self.log.append((self.now, "participant_expired", clock.name))
            if self.setup.action_on_timeout is not TimeoutAction.NOTIFY:
                clock.state, clock.timed_out = "finished", True
                self.log.append((self.now, "participant_finished", clock.name))
        ends = self.setup.action_on_timeout is TimeoutAction.END_SESSION
        for clock in due:
            clock.ended_session = ends
        if due and (ends or not any(clock.is_open for clock in self.clocks)):
            self.end("expired")

    def end(self, status: str) -> None:
        self.status, self.completed_at = status, self.now
        self.log.append((self.now, f"session_{status}", None))
        for clock in self.clocks:
            if clock.state in ("running", "paused") and not clock.has_withdrawn:
                clock.was, clock.state = clock.state, "stopped"

    # Commands

    def told_to_begin_again(self, command: Reopen | Reset) -> None:
        if isinstance(command, Reset):
            log = [*self.log, (self.now, "session_reset", None)]
            withdrawn = self.withdrawn
            again = SimultaneousModel(
                self.setup,
                self.now,
                log=log,
                people=self.people,
                names=self.names,
                factors=self.factors,
            )
            for clock in again.clocks:
                clock.has_withdrawn = clock.name in withdrawn
            self.__dict__.update(again.__dict__)
            self.starts_at = self.ends_at = None
            return
        self.log.append((self.now, "session_reopened", None))
        self.status, self.completed_at = "paused" if self.has_begun else "pending", None
        self.starts_at, self.ends_at = still_to_come(self)
        for clock in self.clocks:
            if clock.ended_session:
                clock.state, clock.timed_out, clock.ended_session = "running", False, False
            if clock.state == "stopped":
                clock.state = clock.was

    def carry_out(self, command: Command | None) -> tuple[str | None, str | None]:
        """The error code; the second value is a switch's, and there is none."""
        if command is None:
            return None, None
        if isinstance(command, Update):
            return self.update(command.patch), None
        if isinstance(command, Join | Withdraw | UpdateParticipant):
            return self.told_of_people(command), None
        return self.refusal_of(command), None

    def update(self, patch: Patch) -> str | None:
        """Only what concerns clocks: how the next timeouts come, and which warnings."""
        if self.completed_at is not None and not set(patch) <= {"metadata", "message"}:
            return REFUSED
        refused = refusal_of_appointments(self, patch)
        if refused is not None:
            return refused
        if "warn_at_ms" in patch:
            marks = sorted(patch["warn_at_ms"] or [], reverse=True)
            self.setup = replace(self.setup, warn_at_ms=tuple(marks))
        if "action_on_timeout" in patch:
            action = (patch["action_on_timeout"] or {}).get("type") or TimeoutAction.NOTIFY
            self.setup = replace(self.setup, action_on_timeout=action)
        self.ends_at = patch.get("ends_at", self.ends_at)
        self.starts_at = patch.get("starts_at", self.starts_at)
        if self.status == "pending" and self.starts_at is not None and self.starts_at <= self.now:
            self.start_waiting()
        return None

    def refusal_of(self, command: Command) -> str | None:
        """The error code, if the command is refused."""
        match command:
            case (
                Switch()
                | Undo()
                | SetTurn()
                | Pause(current_participant_id=str())
                | Adjust(group_id=str())
            ):
                return INVALID
            case Pause(participant_id=who):
                return self.told_to_pause(who)
            case Resume(participant_id=who):
                return self.told_to_resume(who)
        if self.status not in ALLOWED_FROM[command.name].split():
            return REFUSED
        if isinstance(command, Reopen | Reset):
            self.told_to_begin_again(command)
            return None
        match command:
            case Start(participant_id=who):
                return self.told_to_start(who)
            case Finish(participant_id=str(who)):
                return self.told_to_finish(who)
            case Adjust():
                return self.told_to_adjust(command)
        status = "completed" if isinstance(command, Complete) else "cancelled"
        if self.status != status:
            self.end(status)
        return None

    def told_of_people(self, command: Join | Withdraw | UpdateParticipant) -> str | None:
        if isinstance(command, Join):
            return REFUSED if self.completed_at is not None else self.told_to_join(command.joiner)
        clock = self.named(command.participant_id)
        if clock is None:
            return "PARTICIPANT_NOT_FOUND"
        if isinstance(command, UpdateParticipant):
            return self.told_to_update(clock, command)
        if clock.has_withdrawn:
            return None
        if self.completed_at is not None:
            return REFUSED
        clock.has_withdrawn = True
        if clock.state == "running":
            clock.state = "paused"
        self.log.append((self.now, "participant_withdrawn", clock.name))
        if self.status != "pending" and not any(one.is_open for one in self.clocks):
            self.end("completed")
        return None

    def told_to_join(self, joiner: Joiner) -> str | None:
        name = joiner.participant_id
        for one in self.people:
            if one.participant_id == name:
                if not is_the_same(one, joiner):
                    return "PARTICIPANT_EXISTS"
                clock = self.named(name)
                assert clock is not None
                if not clock.has_withdrawn:
                    return None
                clock.has_withdrawn = False
                self.log.append((self.now, "participant_joined", name))
                return None
        joiner = with_place(self.people, joiner)
        at = sum(index_of(one) <= index_of(joiner) for one in self.people)
        self.people.insert(at, joiner)
        self.clocks.insert(at, self.clock_of(joiner))
        self.names |= {name: joiner.name} if joiner.name else {}
        self.log.append((self.now, "participant_joined", name))
        return None

    def told_to_update(self, clock: OwnClock, command: UpdateParticipant) -> str | None:
        patch, name, delta = command.patch, clock.name, 0
        factor = clock.factor
        if "time_factor" in patch:
            if self.completed_at is not None or not clock.is_open:
                return REFUSED
            factor = Decimal(patch["time_factor"] or 1000) / 1000
            (given,) = [one for one in self.people if one.participant_id == name]
            if self.allocation(given, factor) > MAX_CLOCK_MS:
                return INVALID
            delta = self.allocation(given, factor) - self.allocation(given, clock.factor)
            if delta and not self.counts(clock) and clock.left + delta <= 0:
                return INVALID
        is_renamed = "name" in patch and patch["name"] != self.names.get(name)
        if factor == clock.factor and not is_renamed:
            return None
        if is_renamed:
            self.names = {one: called for one, called in self.names.items() if one != name}
            self.names |= {name: patch["name"]} if patch["name"] else {}
        self.log.append((self.now, "participant_updated", name))
        self.factors[name] = clock.factor = factor
        clock.change(max(delta, -clock.left))
        if self.status == "running":
            self.time_out()
        return None

    def named(self, name: str) -> OwnClock | None:
        return next((clock for clock in self.clocks if clock.name == name), None)

    def told_to_start(self, name: str | None) -> str | None:
        waiting = [one for one in self.clocks if one.state == "waiting" and one.is_open]
        if name is not None:
            if self.named(name) is None:
                return INVALID
            waiting = [clock for clock in waiting if clock.name == name]
        if not waiting and name is None and self.status == "pending":
            self.end("expired")
            return None
        if not waiting:
            return REFUSED
        if name is None:
            self.starts_at = None
        is_first = self.status == "pending"
        self.status, self.has_begun = "running", True
        for clock in waiting:
            clock.state = "running"
        if is_first:
            self.log.append((self.now, "session_started", None))
        if name is not None or not is_first:
            self.log.append((self.now, "participant_started", name))
        return None

    def told_to_finish(self, name: str) -> str | None:
        clock = self.named(name)
        if clock is None:
            return INVALID
        if clock.state not in ("running", "paused") or clock.has_withdrawn:
            return REFUSED
        clock.state = "finished"
        self.log.append((self.now, "participant_finished", name))
        if not any(clock.is_open for clock in self.clocks):
            self.end("completed")
        return None

    def told_to_pause(self, name: str | None) -> str | None:
        if self.status != "running":
            return REFUSED
        if name is None:
            self.status = "paused"
            self.log.append((self.now, "session_paused", None))
            return None
        clock = self.named(name)
        if clock is None:
            return INVALID
        if clock.state != "running":
            return REFUSED
        clock.state = "paused"
        self.log.append((self.now, "participant_paused", name))
        return None

    def told_to_resume(self, name: str | None) -> str | None:
        if self.status != ("paused" if name is None else "running"):
            return REFUSED
        if name is None:
            self.status = "running"
            self.log.append((self.now, "session_resumed", None))
            if self.start_missed:
                self.start_missed = False
                self.start_waiting()
            self.time_out()
            return None
        clock = self.named(name)
        if clock is None:
            return INVALID
        if clock.state not in ("paused", "finished") or clock.timed_out or clock.has_withdrawn:
            return REFUSED
        clock.state = "running"
        self.log.append((self.now, "participant_resumed", name))
        self.time_out()
        return None

    def told_to_adjust(self, command: Adjust) -> str | None:
        if command.participant_id is not None:
            refused = self.adjust_one(command.participant_id, command)
            if refused is not None:
                return refused
        else:
            for clock in self.clocks:
                if clock.is_open:
                    self.adjust_with_all(clock, command)
        self.log.append((self.now, "time_adjusted", command.participant_id))
        if self.status == "running":
            self.time_out()
        return None

    def counts(self, clock: OwnClock) -> bool:
        return self.status == "running" and clock.state == "running" and not clock.expired

    def adjust_one(self, name: str, command: Adjust) -> str | None:
        clock, delta = self.named(name), command.delta_ms
        if command.scaled or clock is None:
            return INVALID
        if not clock.is_open:
            return REFUSED
        if not self.counts(clock) and clock.left + delta <= 0:
            return INVALID
        clock.change(max(delta, -clock.left))
        return None

    def adjust_with_all(self, clock: OwnClock, command: Adjust) -> None:
        delta = command.delta_ms
        if command.scaled:
            size = (abs(delta) * clock.factor).to_integral_value(ROUND_CEILING)
            delta = int(size) if delta > 0 else -int(size)
        while delta < 0 and clock.left > (0 if self.counts(clock) else 1):
            clock.change(-1)
            delta += 1
        clock.change(max(0, delta))

    # What is shown

    def shown(self) -> dict[str, Shown]:
        return {
            clock.name: {
                "total_time_ms": clock.total,
                "time_used_ms": clock.used,
                "time_remaining_ms": clock.left,
                "overtime_ms": clock.overtime,
                "cycle_count": int(clock.state == "finished"),
                "is_active": clock.state == "running",
                "is_running": self.counts(clock),
                "has_expired": clock.expired,
                "clock_state": clock.shown_state,
                "time_factor": float(clock.factor),
                **({} if clock.group is None else {"group_id": clock.group}),
            }
            for clock in self.clocks
        }

    def groups(self) -> list[Shown]:
        return []
