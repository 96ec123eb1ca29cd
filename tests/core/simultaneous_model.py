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
    Pause,
    Reopen,
    Reset,
    Resume,
    SetTurn,
    Start,
    Switch,
    Undo,
    Update,
)
from chalicelib.core.edits import Patch
from chalicelib.core.setup import Setup, TimeoutAction
from tests.core.appointments_model import refusal_of_appointments, still_to_come

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

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "running", "paused")

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

    def __post_init__(self) -> None:
        self.starts_at, self.ends_at = self.setup.appointments
        for one, thousandths in zip(self.setup.participants, self.setup.time_factors, strict=True):
            total, factor = one.total_time_ms, Decimal(thousandths) / 1000
            self.clocks.append(OwnClock(one.participant_id, one.group_id, factor, total, total))

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
        waiting = [clock for clock in self.clocks if clock.state == "waiting"]
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
            if clock.state in ("running", "paused"):
                clock.was, clock.state = clock.state, "stopped"

    # Commands

    def told_to_begin_again(self, command: Reopen | Reset) -> None:
        if isinstance(command, Reset):
            log = [*self.log, (self.now, "session_reset", None)]
            self.__dict__.update(SimultaneousModel(self.setup, self.now, log=log).__dict__)
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

    def named(self, name: str) -> OwnClock | None:
        return next((clock for clock in self.clocks if clock.name == name), None)

    def told_to_start(self, name: str | None) -> str | None:
        waiting = [clock for clock in self.clocks if clock.state == "waiting"]
        if name is not None:
            if self.named(name) is None:
                return INVALID
            waiting = [clock for clock in waiting if clock.name == name]
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
        if clock.state not in ("running", "paused"):
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
        if clock.state not in ("paused", "finished") or clock.timed_out:
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
                "clock_state": clock.state,
                "time_factor": float(clock.factor),
                **({} if clock.group is None else {"group_id": clock.group}),
            }
            for clock in self.clocks
        }

    def groups(self) -> list[Shown]:
        return []
