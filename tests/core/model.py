"""Reference model of a session: advances real clocks one millisecond at a time.

Written from the rules' text, to compare with the core. It has no formulas: clocks count down,
periods are used one by one, and a timeout happens in the millisecond in which a clock reaches zero.
Slow, but plainly right.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace

from chalicelib.core import time_controls as tc
from chalicelib.core.commands import (
    Adjust,
    Cancel,
    Command,
    Complete,
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
from chalicelib.core.participants import Joiner
from chalicelib.core.setup import Setup, SyncMode, TimeoutAction, TurnTaking
from tests.core.appointments_model import refusal_of_appointments, still_to_come

Shown = dict[str, object]

ALLOWED_FROM = {
    "start": "pending",
    "switch": "running",
    "pause": "running",
    "resume": "paused",
    "complete": "pending running paused completed",
    "cancel": "pending running paused cancelled",
    "adjust": "pending running paused",
    "undo": "running",
    "set_turn": "paused",
    "reopen": "expired completed cancelled",
    "reset": "pending running paused expired completed cancelled",
    "update": "pending running paused",
    "join": "pending running paused",
}


def people_of(setup: Setup) -> list[Joiner]:
    """The participants of a setup, in rotation order, as if they had joined."""
    count = len(setup.participants)
    totals = setup.unscaled_ms or [one.total_time_ms for one in setup.participants]
    return [
        Joiner(
            one.participant_id,
            one.participant_index,
            total,
            one.group_id,
            own,
            factor if setup.sync_mode is SyncMode.SIMULTANEOUS else None,
            name,
        )
        for one, total, own, factor, name in zip(
            setup.participants,
            totals,
            setup.own_controls or [None] * count,
            setup.time_factors or [None] * count,
            setup.names or [None] * count,
            strict=True,
        )
    ]


def with_place(people: list[Joiner], joiner: Joiner) -> Joiner:
    """The joiner with an index: by default they come last."""
    if joiner.participant_index is not None:
        return joiner
    return joiner._replace(participant_index=max(index_of(one) for one in people) + 1)


def index_of(one: Joiner) -> int:
    assert one.participant_index is not None
    return one.participant_index


def is_the_same(one: Joiner, joiner: Joiner) -> bool:
    if joiner == Joiner(one.participant_id):
        return True
    if joiner.participant_index is None:
        joiner = joiner._replace(participant_index=one.participant_index)
    return joiner == one


@dataclass
class BankClock:
    """A chess clock's one side."""

    control: tc.TimeControl
    main: int
    expired: bool = False
    delay: int = 0
    periods: int = 0
    period: int = 0
    canadian_period: int = 0
    cycles: int = 0
    run: int = 0
    main_at_start: int = 0
    """The main time at the start of the run."""
    after_main: int = 0
    """How much of the run was after main time."""
    total: int = 0
    stages: tuple[tc.Stage, ...] = ()
    stage: int = 0
    to_go: int = 0
    """How many runs are to be completed in this stage; 0 in one for the rest."""

    def __post_init__(self) -> None:
        if isinstance(self.control, tc.Stages):
            self.stages = self.control.stages
            self.begin_stage(1)
        match self.control:
            case tc.Fischer(first_increment=True):
                self.total = self.main
                self.give_back()
                self.begin_run()
                return
            case tc.Delay(delay_ms):
                self.delay = delay_ms
            case tc.Byoyomi(period_ms, periods):
                self.period, self.periods = period_ms, periods
            case tc.Canadian(period_ms, cycles):
                self.canadian_period, self.cycles = period_ms, cycles
        self.total = self.main
        self.begin_run()

    def begin_stage(self, number: int) -> None:
        stage = self.stages[number - 1]
        self.stage, self.to_go = number, stage.cycles or 0
        self.control = stage.control or tc.Fischer(0)
        self.delay = stage.control.delay_ms if isinstance(stage.control, tc.Delay) else 0

    def complete_run(self) -> None:
        if self.to_go == 0:
            return
        self.to_go -= 1
        if self.to_go == 0:
            self.begin_stage(min(self.stage + 1, len(self.stages)))
            for _ in range(self.stages[self.stage - 1].time_ms):
                self.main += 1
                self.total += 1

    def begin_run(self) -> None:
        self.run = self.after_main = 0
        self.main_at_start = self.main

    def tick(self) -> None:
        self.run += 1
        if self.delay > 0:
            self.delay -= 1
        elif self.main > 0:
            self.main -= 1
        elif self.periods > 0:
            self.after_main += 1
            self.period -= 1
            if self.period == 0:
                self.periods -= 1
                self.refill_period()
        elif self.canadian_period > 0:
            self.after_main += 1
            self.canadian_period -= 1

    def give_one(self) -> None:
        """Add one millisecond of main time; it first pays back what was used after main time."""
        self.main_at_start += 1
        self.total += 1
        if self.after_main == 0:
            self.main += 1
            return
        self.after_main -= 1
        if isinstance(self.control, tc.Canadian):
            self.canadian_period += 1
        elif self.period == self.control.period_ms:  # type: ignore[attr-defined]
            self.periods, self.period = self.periods + 1, 1
        else:
            self.period += 1

    def take_one(self) -> None:
        self.main_at_start -= 1
        self.total = max(0, self.total - 1)
        self.main -= 1

    def revive(self, given: int, *, in_use: bool) -> None:
        self.expired = False
        self.total += given
        self.main = given
        self.periods = self.period = self.canadian_period = self.cycles = self.after_main = 0
        if isinstance(self.control, tc.Delay) and not in_use:
            self.delay = self.control.delay_ms

    def refill_period(self) -> None:
        if isinstance(self.control, tc.Byoyomi):
            self.period = self.control.period_ms

    @property
    def is_out_of_time(self) -> bool:
        return self.main == self.delay == self.periods == self.canadian_period == 0

    def stop(self) -> int:
        """Hand over to another bank; returns what that bank gains."""
        gained_by_other = self.run if isinstance(self.control, tc.Hourglass) else 0
        if not self.expired:
            self.give_back()
            self.complete_run()
            self.begin_run()
        return gained_by_other

    def give_back(self) -> None:
        match self.control:
            case tc.Fischer(increment, cap, _):
                for _ in range(increment):
                    if cap is None or self.main < cap:
                        self.main += 1
            case tc.Delay(delay):
                self.delay = delay
            case tc.Bronstein(delay):
                self.main += min(self.run, delay)
            case tc.Byoyomi():
                self.refill_period()
            case tc.Canadian(period, cycles) if self.after_main or self.main_at_start == 0:
                self.cycles -= 1
                if self.cycles == 0:
                    self.canadian_period, self.cycles = period, cycles

    def shown(self) -> Shown:
        remaining, readings = self.main, {}
        match self.control:
            case tc.Delay():
                readings = {"delay_remaining_ms": self.delay}
            case tc.Byoyomi(period):
                if self.periods:
                    remaining += (self.periods - 1) * period + self.period
                readings = {
                    "main_remaining_ms": self.main,
                    "period_remaining_ms": self.period if self.periods else 0,
                    "periods_left": self.periods,
                }
            case tc.Canadian():
                remaining += self.canadian_period
                readings = {
                    "main_remaining_ms": self.main,
                    "period_remaining_ms": self.canadian_period,
                    "cycles_left": self.cycles,
                }
        shown: Shown = {"time_remaining_ms": remaining, **readings}
        if self.to_go:
            shown["cycles_left"] = self.to_go
        if self.expired:
            shown = dict.fromkeys(shown, 0)
        return {**shown, "stage": self.stage} if self.stages else shown


@dataclass
class Player:
    name: str
    total: int
    group: str | None
    used: int = 0
    overtime: int = 0
    cycles: int = 0
    expired: bool = False
    cycle: int | None = None
    """The time left in this participant's own cycle, or when it last ended."""


@dataclass
class Model:
    setup: Setup
    now: int
    status: str = "pending"
    players: list[Player] = field(default_factory=list)
    banks: dict[str, BankClock] = field(default_factory=dict)
    active: Player | None = None
    session_left: int = 0
    extended: int = 0
    """How much switches have extended the session clock."""
    shared_cycle: int | None = None
    in_overtime: bool = False
    switched_at: int = 0
    completed_at: int | None = None
    last_active: Player | None = None
    log: list[tuple[int, str, str | None]] = field(default_factory=list)
    session_warned_to: int = 0
    """Until when the session clock has warned, regardless of undone switches."""
    before_switch: Model | None = None
    """The state before the last switch, until the next command or timeout."""
    starts_at: int | None = None
    ends_at: int | None = None
    people: list[Joiner] = field(default_factory=list)
    """What each participant had at first, in rotation order."""
    group_totals: dict[str, int] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        setup = self.setup
        self.starts_at, self.ends_at = setup.appointments
        self.mode = setup.sync_mode
        self.control = setup.time_control or tc.Fischer(setup.increment_ms)
        self.session_left = setup.total_time_ms
        if not self.people:
            self.people = people_of(setup)
            self.group_totals = {one.group_id: one.total_time_ms for one in setup.groups}
            self.names = {one.participant_id: one.name for one in self.people if one.name}
        for group, total in self.group_totals.items():
            self.banks[group] = BankClock(self.control, total)
        for one in self.people:
            self.players.append(self.player_of(one))
        if self.mode is SyncMode.GLOBAL:
            self.shared_cycle = setup.time_per_cycle_ms

    def player_of(self, one: Joiner) -> Player:
        assert one.total_time_ms is not None
        player = Player(one.participant_id, one.total_time_ms, one.group_id)
        if self.mode is SyncMode.PER_CYCLE:
            player.cycle = self.full_cycle(player)
        if self.mode is SyncMode.PER_PARTICIPANT:
            control = one.time_control or self.control
            self.banks[player.name] = BankClock(control, player.total)
        return player

    def full_cycle(self, player: Player) -> int:
        return self.setup.time_per_cycle_ms or player.total

    def bank_of(self, player: Player) -> BankClock | None:
        if self.mode is SyncMode.PER_GROUP:
            return self.banks[player.group or ""]
        return self.banks.get(player.name)

    # Time

    def advance(self, now: int) -> None:
        while self.now < now:
            self.now += 1
            if self.status == "running":
                self.tick()
            elif self.now == self.ends_at and self.status in ("pending", "paused"):
                self.end("expired", self.now)
            elif self.now == self.starts_at and self.status == "pending":
                self.start()

    def start(self) -> None:
        queue = [one for one in self.players if one.name not in self.withdrawn]
        if not queue:
            self.end("expired", self.now)
            return
        self.status = "running"
        self.log.append((self.now, "session_started", queue[0].name))
        self.begin(queue[0])

    def tick(self) -> None:
        player = self.active
        assert player is not None
        before = self.counted_down(player)
        if self.in_overtime:
            player.overtime += 1
        else:
            player.used += 1
            self.count_down(player)
        if self.mode is SyncMode.GLOBAL:
            self.session_left -= 1
        if self.now == self.ends_at:
            self.end("expired", self.now)
            return
        self.warn(player, before)
        if self.mode is SyncMode.GLOBAL and self.session_left == 0:
            self.end("expired", self.now)
            return
        if not self.in_overtime and self.has_run_out(player):
            self.time_out(player)

    def counted_down(self, player: Player) -> list[int]:
        """The session clock's and the active participant's readings; 0 without one."""
        own = 0
        if bank := self.bank_of(player):
            own = int(str(bank.shown()["time_remaining_ms"]))
        elif self.mode is SyncMode.PER_CYCLE:
            own = player.cycle or 0
        elif self.mode is SyncMode.GLOBAL:
            own = self.shared_cycle or 0
            # All participants show the smaller clock.
            own = own if own < self.session_left else 0
        elif self.mode is SyncMode.COUNT_UP:
            own = (self.setup.max_time_ms or player.total) - player.used
        return [self.session_left if self.mode is SyncMode.GLOBAL else 0, own]

    def warn(self, player: Player, before: list[int]) -> None:
        session, own = self.counted_down(player)
        marks = self.setup.warn_at_ms
        if session in marks and session < before[0] and self.now > self.session_warned_to:
            self.log.append((self.now, "time_warning", None))
        if own in marks and own < before[1]:
            self.log.append((self.now, "time_warning", player.name))

    def count_down(self, player: Player) -> None:
        if bank := self.bank_of(player):
            bank.tick()
        elif self.mode is SyncMode.PER_CYCLE and player.cycle is not None:
            player.cycle -= 1
        elif self.mode is SyncMode.GLOBAL and self.shared_cycle is not None:
            self.shared_cycle -= 1

    def has_run_out(self, player: Player) -> bool:
        if bank := self.bank_of(player):
            return bank.is_out_of_time
        match self.mode:
            case SyncMode.PER_CYCLE:
                return player.cycle == 0
            case SyncMode.GLOBAL:
                return self.shared_cycle == 0
        limit = self.setup.max_time_ms
        return limit is not None and player.used == limit

    def time_out(self, player: Player) -> None:
        self.before_switch = None
        self.log.append((self.now, "participant_expired", player.name))
        self.in_overtime = True
        player.expired = True
        if bank := self.bank_of(player):
            bank.expired = True
            for other in self.players:
                other.expired |= self.bank_of(other) is bank
        if self.setup.action_on_timeout is TimeoutAction.END_SESSION:
            self.end("expired", self.now)
        elif self.setup.action_on_timeout is TimeoutAction.SKIP_CYCLE:
            self.switch(None)

    # Commands

    def carry_out(self, command: Command | None) -> tuple[str | None, str | None]:
        """The error code, and the participant whose clock had run out before a switch."""
        if command is None:
            return None, None
        if isinstance(command, Switch) and self.is_forbidden(command):
            return "FORBIDDEN", None
        if isinstance(command, Update):
            return self.update(command.patch), None
        if isinstance(command, UpdateParticipant):
            return self.update_participant(command), None
        if isinstance(command, Withdraw):
            return self.withdraw(command.participant_id), None
        if isinstance(command, Join) and self.status in ALLOWED_FROM["join"].split():
            return self.join(command.joiner), None
        if self.status not in ALLOWED_FROM[command.name].split():
            return "INVALID_STATE_TRANSITION", None
        if isinstance(command, Undo):
            return self.undo(), None
        before = deepcopy(self)
        refused, expired = self.carry_out_allowed(command)
        if refused is None:
            before.before_switch = None
            switched = isinstance(command, Switch) and self.status == "running"
            self.before_switch = before if switched else None
        return refused, expired

    def update(self, patch: Patch) -> str | None:
        """Only what concerns clocks: whether, and how, the next timeouts and warnings come."""
        is_over = self.status not in ALLOWED_FROM["update"].split()
        if is_over and not set(patch) <= {"metadata", "message"}:
            return "INVALID_STATE_TRANSITION"
        refused = refusal_of_appointments(self, patch)
        if refused is not None:
            return refused
        if patch.get("participants_may"):
            return "VALIDATION_ERROR"
        setup = self.setup
        if "warn_at_ms" in patch:
            marks = sorted(patch["warn_at_ms"] or [], reverse=True)
            setup = replace(setup, warn_at_ms=tuple(marks))
        if "action_on_timeout" in patch:
            usual = "end_session" if self.mode is SyncMode.COUNT_UP else "notify"
            action = TimeoutAction((patch["action_on_timeout"] or {}).get("type") or usual)
            data = setup.action_data if patch["action_on_timeout"] else None
            if (action, data) != (setup.action_on_timeout, setup.action_data):
                self.before_switch = None
            setup = replace(setup, action_on_timeout=action, action_data=data)
        self.setup = setup
        ends_at, self.ends_at = self.ends_at, patch.get("ends_at", self.ends_at)
        if ends_at != self.ends_at:
            self.before_switch = None
        self.starts_at = patch.get("starts_at", self.starts_at)
        if self.status == "pending" and self.starts_at is not None and self.starts_at <= self.now:
            self.start()
        return None

    def update_participant(self, command: UpdateParticipant) -> str | None:
        name = command.participant_id
        if name not in [one.participant_id for one in self.people]:
            return "PARTICIPANT_NOT_FOUND"
        if command.patch.get("time_factor") not in (None, 1_000):
            return "VALIDATION_ERROR"
        if "name" in command.patch and command.patch["name"] != self.names.get(name):
            given = {name: command.patch["name"]}
            self.names = {
                one: called for one, called in {**self.names, **given}.items() if called is not None
            }
            self.log.append((self.now, "participant_updated", name))
        return None

    def join(self, joiner: Joiner) -> str | None:
        name = joiner.participant_id
        for one in self.people:
            if one.participant_id == name:
                if not is_the_same(one, joiner):
                    return "PARTICIPANT_EXISTS"
                if name not in self.withdrawn:
                    return None
                self.withdrawn.remove(name)
                break
        else:
            is_new_group = joiner.group_id not in {None, *self.group_totals}
            if isinstance(self.control, tc.Hourglass) and (
                is_new_group or self.mode is SyncMode.PER_PARTICIPANT
            ):
                return "VALIDATION_ERROR"
            if is_new_group and self.mode is SyncMode.PER_GROUP:
                assert joiner.group_id is not None
                assert joiner.total_time_ms is not None
                self.group_totals[joiner.group_id] = joiner.total_time_ms
                self.banks[joiner.group_id] = BankClock(self.control, joiner.total_time_ms)
            joiner = with_place(self.people, joiner)
            at = sum(index_of(one) <= index_of(joiner) for one in self.people)
            player = self.player_of(joiner)
            bank = self.bank_of(player)
            player.expired = bank is not None and bank.expired
            self.names = self.names | ({name: joiner.name} if joiner.name else {})
            self.people.insert(at, joiner)
            self.players.insert(at, player)
        self.before_switch = None
        self.log.append((self.now, "participant_joined", name))
        return None

    def withdraw(self, name: str) -> str | None:
        if name not in [one.participant_id for one in self.people]:
            return "PARTICIPANT_NOT_FOUND"
        if name in self.withdrawn:
            return None
        if self.status not in ALLOWED_FROM["join"].split():
            return "INVALID_STATE_TRANSITION"
        self.withdrawn.add(name)
        self.before_switch = None
        self.log.append((self.now, "participant_withdrawn", name))
        if self.active is not None and self.active.name == name:
            self.switch(None)
        return None

    def undo(self) -> str | None:
        before, until = self.before_switch, self.now
        if before is None or until - self.switched_at > 10_000:
            return "INVALID_STATE_TRANSITION"
        log, extended, setup, names = self.log, self.extended, self.setup, self.names
        self.__dict__.update(before.__dict__)
        assert self.active is not None
        self.log, self.setup, self.names = log, setup, names
        if self.extended == extended:
            self.session_warned_to = until
        self.log.append((until, "switch_undone", self.active.name))
        # The time since the switch belongs to the restored cycle.
        self.advance(until)
        return None

    def carry_out_allowed(self, command: Command) -> tuple[str | None, str | None]:
        match command:
            case Start():
                self.starts_at = None
                self.start()
            case Switch():
                return self.command_switch(command)
            case Pause(current):
                if self.is_stale(current):
                    return "STALE_CYCLE", None
                self.status = "paused"
                self.log.append((self.now, "session_paused", None))
            case Resume():
                self.status = "running"
                self.log.append((self.now, "session_resumed", None))
                if self.mode is SyncMode.GLOBAL and self.session_left == 0:
                    self.end("expired", self.now)
                elif self.active and not self.in_overtime and self.has_run_out(self.active):
                    self.time_out(self.active)
            case Complete() | Cancel():
                self.command_end("completed" if isinstance(command, Complete) else "cancelled")
            case _:
                return self.correct(command)
        return None, None

    def correct(self, command: Command) -> tuple[str | None, str | None]:
        match command:
            case Adjust():
                return self.command_adjust(command)
            case SetTurn(named):
                return self.command_set_turn(named)
            case Reopen():
                self.reopen()
            case Reset():
                log = [*self.log, (self.now, "session_reset", None)]
                again = Model(
                    self.setup,
                    self.now,
                    log=log,
                    session_warned_to=self.now,
                    people=self.people,
                    group_totals=self.group_totals,
                    withdrawn=self.withdrawn,
                    names=self.names,
                )
                again.starts_at = again.ends_at = None
                self.__dict__.update(again.__dict__)
        return None, None

    def is_forbidden(self, command: Switch) -> bool:
        """Whether a participant names another one where they may not."""
        if command.requested_by in self.withdrawn:
            return True
        named = command.current_participant_id
        if self.setup.turn_taking is TurnTaking.TAKE:
            named = command.next_participant_id
        return None not in (command.requested_by, named) and named != command.requested_by

    def command_set_turn(self, named: str) -> tuple[str | None, str | None]:
        assert self.active is not None
        if named == self.active.name:
            return None, None
        refused, _ = self.command_switch(Switch(named))
        return refused, None

    def reopen(self) -> None:
        self.log.append((self.now, "session_reopened", None))
        self.active, self.completed_at = self.last_active, None
        self.starts_at, self.ends_at = still_to_come(self)
        if self.active is not None:
            self.active.cycles -= 1
        self.status = "pending" if self.active is None else "paused"

    def command_switch(self, command: Switch) -> tuple[str | None, str | None]:
        assert self.active is not None
        asking, wanted = command.requested_by, command.next_participant_id
        if self.is_stale(command.current_participant_id):
            return "STALE_CYCLE", None
        if asking is not None and self.setup.turn_taking is TurnTaking.GIVE:
            if self.is_stale(asking):
                return "STALE_CYCLE", None
        elif asking is not None:
            if not self.is_stale(asking):
                return "STALE_CYCLE", None
            wanted = asking
        successor = next((one for one in self.players if one.name == wanted), None)
        refused = None if wanted is None else self.refusal_of_successor(successor)
        if refused is not None:
            return refused, None
        expired = self.active.name if self.in_overtime else None
        self.switch(successor)
        if self.status == "running":
            self.extend()
        return None, expired

    def refusal_of_successor(self, successor: Player | None) -> str | None:
        if successor is None:
            return "VALIDATION_ERROR"
        if successor.name in self.withdrawn:
            return "PARTICIPANT_WITHDRAWN"
        has_run_out = successor.expired and self.expires_for_good
        return "PARTICIPANT_EXPIRED" if has_run_out else None

    def extend(self) -> None:
        soft_close, extended = self.setup.soft_close, self.extended
        if soft_close is None:
            return
        while self.session_left < soft_close.extend_to_ms:
            if self.extended == soft_close.max_extension_ms:
                break
            self.session_left += 1
            self.extended += 1
        if self.extended > extended:
            self.log.append((self.now, "time_extended", None))

    def command_end(self, status: str) -> None:
        if self.status != status:
            self.end(status, self.now)

    def command_adjust(self, command: Adjust) -> tuple[str | None, str | None]:
        target = command.participant_id, command.group_id
        runs = self.status == "running" and not self.in_overtime
        match self.mode, target:
            case (SyncMode.PER_PARTICIPANT, (str(named), None)) | (
                SyncMode.PER_GROUP,
                (None, str(named)),
            ) if named in self.banks:
                done = self.adjust_bank(self.banks[named], command.delta_ms, runs=runs)
            case (SyncMode.GLOBAL, (None, None)):
                done = self.adjust_session(command.delta_ms)
            case (SyncMode.PER_CYCLE, (None, None)):
                done = self.adjust_cycle(command.delta_ms, runs=runs)
            case _:
                done = False
        if not done:
            return "VALIDATION_ERROR", None
        self.log.append((self.now, "time_adjusted", command.participant_id))
        if self.mode is SyncMode.GLOBAL and self.session_left == 0:
            self.end("expired", self.now)
        elif runs and self.active is not None and self.has_run_out(self.active):
            self.time_out(self.active)
        return None, None

    def adjust_session(self, delta: int) -> bool:
        if self.session_left + delta <= 0 and self.status != "running":
            return False
        self.session_left = max(0, self.session_left + delta)
        return True

    def adjust_cycle(self, delta: int, *, runs: bool) -> bool:
        player = self.active
        if player is None or player.cycle is None or (player.cycle + delta <= 0 and not runs):
            return False
        player.cycle = max(0, player.cycle + delta)
        if player.cycle and self.in_overtime:
            self.in_overtime = player.expired = False
        return True

    def adjust_bank(self, bank: BankClock, delta: int, *, runs: bool) -> bool:
        in_use = self.active is not None and self.bank_of(self.active) is bank
        if bank.expired:
            if delta < 0:
                return False
            bank.revive(delta, in_use=in_use)
            for player in self.players:
                player.expired &= self.bank_of(player) is not bank
            if in_use:
                self.in_overtime = False
            return True
        besides_main = bank.delay > 0 or bank.periods > 0 or bank.canadian_period > 0
        if bank.main + delta <= 0 and not (runs and in_use) and not besides_main:
            return False
        for _ in range(max(0, delta)):
            bank.give_one()
        for _ in range(min(bank.main, -delta)):
            bank.take_one()
        return True

    def is_stale(self, current: str | None) -> bool:
        assert self.active is not None
        return current is not None and current != self.active.name

    @property
    def expires_for_good(self) -> bool:
        return self.mode not in (SyncMode.PER_CYCLE, SyncMode.GLOBAL)

    # Cycles

    def begin(self, player: Player) -> None:
        self.active, self.in_overtime = player, False
        if not self.expires_for_good:
            for one in self.players:
                one.expired = False
        if self.mode is SyncMode.PER_CYCLE:
            for one in self.players:
                one.cycle = self.full_cycle(one)
        if self.mode is SyncMode.GLOBAL:
            self.shared_cycle = self.setup.time_per_cycle_ms

    def switch(self, successor: Player | None) -> None:
        player = self.active
        assert player is not None
        if successor is None:
            at = self.players.index(player)
            queue = self.players[at + 1 :] + self.players[: at + 1]
            queue = [one for one in queue if one.name not in self.withdrawn]
            in_time = [one for one in queue if not (one.expired and self.expires_for_good)]
            if not in_time:
                self.end("expired", self.now)
                return
            successor = in_time[0]
        player.cycles += 1
        if self.mode is SyncMode.COUNT_UP and player.used == self.setup.max_time_ms:
            # An appointed end had stopped this stopwatch in its last millisecond.
            player.expired = True
        previous, following = self.bank_of(player), self.bank_of(successor)
        if previous is not None and following is not None and previous is not following:
            following.main += previous.stop()
            following.begin_run()
        self.log.append((self.now, "cycle_switched", successor.name))
        self.switched_at = self.now
        self.begin(successor)

    def end(self, status: str, at: int) -> None:
        """Stop the clocks; their readings stay."""
        self.log.append((at, f"session_{status}", self.active.name if self.active else None))
        if self.active is not None:
            self.active.cycles += 1
        self.last_active, self.active = self.active, None
        self.status, self.completed_at = status, at

    # What is shown

    def shown(self) -> dict[str, Shown]:
        running = self.status == "running" and not self.in_overtime
        return {
            player.name: {
                **self.readings(player),
                "time_used_ms": player.used,
                "overtime_ms": player.overtime,
                "cycle_count": player.cycles,
                "is_active": player is self.active,
                "has_expired": player.expired,
                "is_running": running and self.runs_with_active(player),
                "total_time_ms": self.total_of(player),
                **({} if player.group is None else {"group_id": player.group}),
            }
            for player in self.players
        }

    def total_of(self, player: Player) -> int:
        bank = self.banks.get(player.name)
        return player.total if bank is None else bank.total

    def runs_with_active(self, player: Player) -> bool:
        if self.mode is SyncMode.GLOBAL or player is self.active:
            return True
        assert self.active is not None
        return self.mode is SyncMode.PER_GROUP and player.group == self.active.group

    def readings(self, player: Player) -> Shown:
        if bank := self.bank_of(player):
            return bank.shown()
        match self.mode:
            case SyncMode.PER_CYCLE:
                return {"time_remaining_ms": player.cycle}
            case SyncMode.GLOBAL:
                clocks = [self.session_left]
                if self.shared_cycle is not None:
                    clocks.append(self.shared_cycle)
                return {"time_remaining_ms": min(clocks)}
        limit = self.setup.max_time_ms or player.total
        return {"time_remaining_ms": max(0, limit - player.used)}

    def groups(self) -> list[Shown]:
        return [
            {
                "group_id": group,
                "total_time_ms": self.banks[group].total,
                "time_remaining_ms": self.banks[group].shown()["time_remaining_ms"],
                "has_expired": self.banks[group].expired,
            }
            for group in self.group_totals
        ]
