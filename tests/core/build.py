"""Session builder for examples: short ids, a clock that starts at 0, commands as methods."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from chalicelib.core.appointments import NO_APPOINTMENTS
from chalicelib.core.commands import (
    Adjust,
    Cancel,
    Command,
    Complete,
    Decision,
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
    apply,
)
from chalicelib.core.edits import Patch
from chalicelib.core.errors import RuleError
from chalicelib.core.events import Event
from chalicelib.core.participants import Joiner, ParticipantPatch
from chalicelib.core.rules import clocks, deadline_ms
from chalicelib.core.session import Rotation, S, Session, create, with_appointments
from chalicelib.core.setup import Participant, Setup, SyncMode, TimeoutAction, create_setup
from chalicelib.core.view import Clocks, ParticipantView

PER_PARTICIPANT = SyncMode.PER_PARTICIPANT
PER_GROUP = SyncMode.PER_GROUP
PER_CYCLE = SyncMode.PER_CYCLE
GLOBAL = SyncMode.GLOBAL
COUNT_UP = SyncMode.COUNT_UP
NOTIFY = TimeoutAction.NOTIFY
SKIP = TimeoutAction.SKIP_CYCLE
END = TimeoutAction.END_SESSION

TEN_S = 10_000


def make_participants(names: Iterable[str] = "ab", total_ms: int = TEN_S) -> list[Participant]:
    """Participants in this order; ``x.a`` is participant a of group x."""
    participants = []
    for position, name in enumerate(names):
        group_id, _, participant_id = name.rpartition(".")
        participants.append(Participant(participant_id, position, total_ms, group_id or None))
    return participants


def setup(mode: SyncMode, names: Iterable[str] = "ab", **fields: Any) -> Setup:
    """A setup with defaults: ten seconds per participant, a minute in total."""
    total_ms = fields.pop("each_ms", TEN_S)
    arguments: dict[str, Any] = {
        "session_id": "session",
        "sync_mode": mode,
        "participants": make_participants(names, total_ms),
        "total_time_ms": 60_000,
        **fields,
    }
    return create_setup(**arguments)


def joiner(participant_id: str, **fields: Any) -> Joiner:
    """A participant who joins with ten seconds."""
    return Joiner(**{"participant_id": participant_id, "total_time_ms": TEN_S, **fields})


class Game:
    """A session, with commands applied at increasing instants."""

    def __init__(self, setup: Setup) -> None:
        self.session: Session = create(setup, "epoch", 0)
        self.events: tuple[Event, ...] = ()
        self.decision = Decision(self.session)

    def apply_command(self, at_ms: int, command: Command | None) -> Decision:
        self.decision = apply(self.session, command, at_ms)
        self.session, self.events = self.decision.session, self.decision.events
        return self.decision

    def _carry_out(self, at_ms: int, command: Command | None) -> Game:
        refusal = self.apply_command(at_ms, command).refusal
        assert refusal is None, refusal
        return self

    def start(self, at_ms: int = 0) -> Game:
        return self._carry_out(at_ms, Start())

    def switch(self, at_ms: int, to: str | None = None, current: str | None = None) -> Game:
        return self._carry_out(at_ms, Switch(to, current))

    def pause(self, at_ms: int, current: str | None = None) -> Game:
        return self._carry_out(at_ms, Pause(current))

    def resume(self, at_ms: int) -> Game:
        return self._carry_out(at_ms, Resume())

    def complete(self, at_ms: int) -> Game:
        return self._carry_out(at_ms, Complete())

    def cancel(self, at_ms: int) -> Game:
        return self._carry_out(at_ms, Cancel())

    def undo(self, at_ms: int) -> Game:
        return self._carry_out(at_ms, Undo())

    def set_turn(self, at_ms: int, to: str) -> Game:
        return self._carry_out(at_ms, SetTurn(to))

    def reopen(self, at_ms: int) -> Game:
        return self._carry_out(at_ms, Reopen())

    def reset(self, at_ms: int) -> Game:
        return self._carry_out(at_ms, Reset())

    def update(self, at_ms: int, **patch: Any) -> Game:
        return self._carry_out(at_ms, Update(cast(Patch, patch)))

    def finish(self, at_ms: int, participant_id: str) -> Game:
        return self._carry_out(at_ms, Finish(participant_id))

    def join(self, at_ms: int, participant_id: str, **fields: Any) -> Game:
        return self._carry_out(at_ms, Join(joiner(participant_id, **fields)))

    def update_participant(self, at_ms: int, participant_id: str, **patch: Any) -> Game:
        command = UpdateParticipant(participant_id, cast(ParticipantPatch, patch))
        return self._carry_out(at_ms, command)

    def withdraw(self, at_ms: int, participant_id: str) -> Game:
        return self._carry_out(at_ms, Withdraw(participant_id))

    def adjust(
        self, at_ms: int, delta_ms: int, participant_id: str | None = None, group: str | None = None
    ) -> Game:
        return self._carry_out(at_ms, Adjust(delta_ms, participant_id, group))

    def read(self, at_ms: int) -> Game:
        return self._carry_out(at_ms, None)

    def refused(self, at_ms: int, command: Command) -> RuleError:
        refusal = self.apply_command(at_ms, command).refusal
        assert refusal is not None, "carried out"
        return refusal

    @property
    def rotation(self) -> Rotation:
        """The session, as one whose participants take turns."""
        assert isinstance(self.session, Rotation)
        return self.session

    @property
    def status(self) -> str:
        return self.session.status.value

    @property
    def active(self) -> str | None:
        cycle = self.session.active_cycle
        return None if cycle is None else self.session.setup.participants[cycle.position][0]

    @property
    def deadline_ms(self) -> int | None:
        return deadline_ms(self.session)

    def clocks(self, at_ms: int) -> Clocks:
        """What a read at ``at_ms`` would show; does not change the game."""
        return clocks(apply(self.session, None, at_ms).session, at_ms)

    def shown(self, at_ms: int) -> dict[str, ParticipantView]:
        return {view["participant_id"]: view for view in self.clocks(at_ms).participants}

    def remaining(self, at_ms: int) -> dict[str, int]:
        return {name: view["time_remaining_ms"] for name, view in self.shown(at_ms).items()}

    def used(self, at_ms: int) -> dict[str, int]:
        return {name: view["time_used_ms"] for name, view in self.shown(at_ms).items()}

    def overtime(self, at_ms: int) -> dict[str, int]:
        return {name: view["overtime_ms"] for name, view in self.shown(at_ms).items()}

    def cycle_counts(self, at_ms: int) -> dict[str, int]:
        return {name: view["cycle_count"] for name, view in self.shown(at_ms).items()}

    def expired(self, at_ms: int) -> set[str]:
        return {name for name, view in self.shown(at_ms).items() if view["has_expired"]}

    def running(self, at_ms: int) -> set[str]:
        return {name for name, view in self.shown(at_ms).items() if view["is_running"]}


def game(mode: SyncMode, names: Iterable[str] = "ab", **fields: Any) -> Game:
    return Game(setup(mode, names, **fields))


def started(mode: SyncMode, names: Iterable[str] = "ab", **fields: Any) -> Game:
    """A session started at 0."""
    return game(mode, names, **fields).start(0)


def without_appointments(session: S) -> S:
    """The session with its clocks alone."""
    return with_appointments(session, NO_APPOINTMENTS)


def stopped_views(views: list[ParticipantView], ended: str | None = None) -> list[dict[str, Any]]:
    """The clocks of an ended session; ``ended`` is the participant whose cycle ended with it."""
    stopped: list[dict[str, Any]] = [
        {**view, "is_active": False, "is_running": False} for view in views
    ]
    for view in stopped:
        view["cycle_count"] += view["participant_id"] == ended
    return stopped


def counted_on(view: dict[str, Any], since_ms: int, mode: SyncMode) -> dict[str, Any]:
    """A clock as a client shows it ``since_ms`` after the view."""
    if not view["is_running"]:
        return view
    delay_ms = view.get("delay_remaining_ms") or 0
    remaining_ms = max(0, view["time_remaining_ms"] - max(0, since_ms - delay_ms))
    shown = {**view, "time_remaining_ms": remaining_ms}
    if mode is COUNT_UP:
        shown["time_used_ms"] += since_ms
    return shown
