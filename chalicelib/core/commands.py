"""Commands, and how each changes a session.

Due timeouts are settled before a command is applied; both together make one version.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from . import cycles, participants, simultaneous_commands, timeouts
from .adjustments import adjust
from .edits import AFTER_THE_END, WITHOUT_CLOCKS, Patch, edit
from .errors import (
    InvalidCommand,
    InvalidTransition,
    NothingToUndo,
    NotPermitted,
    ParticipantExists,
    ParticipantExpired,
    ParticipantNotFound,
    ParticipantWithdrawn,
    RuleError,
    StaleCycle,
    TurnForbidden,
    TurnTaken,
    UnknownParticipant,
)
from .events import (
    Event,
    SessionPaused,
    SessionReopened,
    SessionReset,
    SessionResumed,
    SessionUpdated,
    SwitchUndone,
    TimeAdjusted,
    TimeExtended,
)
from .participants import Joiner, ParticipantPatch
from .rules import settle, start
from .session import (
    ENDED,
    Cycle,
    Rotation,
    S,
    Session,
    Simultaneous,
    Status,
    admit,
    reset,
    updated,
    without_past_appointments,
)
from .setup import Permission, Setup, TurnTaking
from .soft_close import extend


@dataclass(frozen=True, slots=True)
class Start:
    """Start the session; in simultaneous, all waiting clocks, or the named participant's.

    ``requested_by``, here and below, is the participant who asks, for their own clock.
    """

    name: ClassVar[str] = "start"
    participant_id: str | None = None
    requested_by: str | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """End the running cycle; ``current_participant_id``, if given, must be its participant.

    ``requested_by`` is the participant who asks, who may not do everything; ``None`` for a host.
    """

    name: ClassVar[str] = "switch"
    next_participant_id: str | None = None
    current_participant_id: str | None = None
    requested_by: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Pause the session; in simultaneous also one participant's clock."""

    name: ClassVar[str] = "pause"
    current_participant_id: str | None = None
    participant_id: str | None = None
    requested_by: str | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Resume the session; in simultaneous also one participant's clock."""

    name: ClassVar[str] = "resume"
    participant_id: str | None = None
    requested_by: str | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """Finish a participant's clock, in simultaneous."""

    name: ClassVar[str] = "finish"
    participant_id: str | None = None
    requested_by: str | None = None


@dataclass(frozen=True, slots=True)
class Complete:
    name: ClassVar[str] = "complete"


@dataclass(frozen=True, slots=True)
class Cancel:
    name: ClassVar[str] = "cancel"


@dataclass(frozen=True, slots=True)
class Adjust:
    """Add ``delta_ms`` to the named clock, or remove time if negative; see ``adjustments``."""

    name: ClassVar[str] = "adjust"
    delta_ms: int
    participant_id: str | None = None
    group_id: str | None = None
    reason: str | None = None
    scaled: bool = False


@dataclass(frozen=True, slots=True)
class Undo:
    """Undo the last switch, unless another command or a timeout followed it."""

    name: ClassVar[str] = "undo"


@dataclass(frozen=True, slots=True)
class SetTurn:
    """In a pause, end the standing cycle and make ``participant_id`` the active one."""

    name: ClassVar[str] = "set_turn"
    participant_id: str


@dataclass(frozen=True, slots=True)
class Reopen:
    """Take back the end of the session: it is paused, as it stood then."""

    name: ClassVar[str] = "reopen"


@dataclass(frozen=True, slots=True)
class Reset:
    """Make the session pending again, with its clocks as at its creation."""

    name: ClassVar[str] = "reset"


@dataclass(frozen=True, slots=True)
class Update:
    """Change the setup by a JSON merge patch; see ``edits``."""

    name: ClassVar[str] = "update"
    patch: Patch


@dataclass(frozen=True, slots=True)
class Join:
    """Let a participant take part: a new one, or one who has withdrawn."""

    name: ClassVar[str] = "join"
    joiner: Joiner


@dataclass(frozen=True, slots=True)
class UpdateParticipant:
    """Change a participant by a JSON merge patch."""

    name: ClassVar[str] = "update_participant"
    participant_id: str
    patch: ParticipantPatch


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take a participant out of the session; they can come back with a join."""

    name: ClassVar[str] = "withdraw"
    participant_id: str


Command = (
    Start
    | Switch
    | Pause
    | Resume
    | Finish
    | Complete
    | Cancel
    | Adjust
    | Undo
    | SetTurn
    | Reopen
    | Reset
    | Update
    | Join
    | UpdateParticipant
    | Withdraw
)

UNDO_WINDOW_MS = 10_000
"""How long after a switch it can be undone."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of applying a command.

    ``refusal`` is why the command was rejected; due timeouts are applied even then.
    ``expired_participant_id`` is set if the cycle that a switch ended was in overtime.
    """

    session: Session
    events: tuple[Event, ...] = ()
    refusal: RuleError | None = None
    expired_participant_id: str | None = None


def apply(session: Session, command: Command | None, now_ms: int) -> Decision:
    """Settle ``session`` and apply ``command``; ``None`` only settles.

    Returns the same session object if nothing changed, else its next version.
    """
    settled, expired = settle(session, now_ms)
    if command is None:
        return Decision(_next_version(session, settled, now_ms), expired)
    try:
        decision = _decide(settled, command, now_ms)
    except RuleError as refusal:
        return Decision(_next_version(session, settled, now_ms), expired, refusal)
    return Decision(
        _next_version(session, decision.session, now_ms),
        expired + decision.events,
        expired_participant_id=decision.expired_participant_id,
    )


def _next_version(before: S, after: S, now_ms: int) -> S:
    if after is before:
        return before
    # A store clock that steps back must not make events due again that were already sent.
    updated_at_ms = max(after.updated_at_ms, now_ms)
    return replace(after, version=before.version + 1, updated_at_ms=updated_at_ms)


def _decide(session: Session, command: Command, now_ms: int) -> Decision:
    if not isinstance(session, Simultaneous) or not session.starts_waiting:
        return _carry_out(session, command, now_ms)
    current = simultaneous_commands.past_start(session, now_ms)
    decision = _carry_out(current, command, now_ms)
    return replace(decision, session=session) if decision.session is current else decision


def _carry_out(session: Session, command: Command, now_ms: int) -> Decision:
    if isinstance(command, Update):
        return _update(session, command, now_ms)
    if isinstance(command, Reset):
        return Decision(reset(session), (SessionReset(now_ms),))
    if session.setup.withdrawn:
        _check_requester(session, command)
    if isinstance(command, Join):
        return _join(session, command.joiner, now_ms)
    if isinstance(command, UpdateParticipant):
        return _update_participant(session, command, now_ms)
    if isinstance(command, Withdraw):
        return _withdraw(session, command, now_ms)
    match session:
        case Simultaneous():
            return _decide_simultaneous(session, command, now_ms)
        case Rotation():
            return _decide_in_rotation(session, command, now_ms)
    raise TypeError(f"No commands for a {type(session).__name__}")


def _update(session: Session, command: Update, now_ms: int) -> Decision:
    if session.status in ENDED and not command.patch.keys() <= AFTER_THE_END:
        raise InvalidTransition(command.name, session.status)
    edited, changed = edit(session, command.patch, now_ms)
    if not changed:
        return Decision(session)
    if isinstance(edited, Rotation) and not WITHOUT_CLOCKS.issuperset(changed):
        edited = replace(edited, undo_record=None)
    if isinstance(edited, Simultaneous) and "warn_at_ms" in changed:
        edited = simultaneous_commands.with_new_warnings(edited, now_ms)
    events: tuple[Event, ...] = (SessionUpdated(now_ms, changed),)
    starts_at_ms = edited.appointments.starts_at_ms
    if "starts_at" in changed and starts_at_ms is not None and starts_at_ms <= now_ms:
        # One within the grace.
        edited, started = start(edited, now_ms)
        events += started
    return Decision(edited, events)


def _check_requester(session: Session, command: Command) -> None:
    """Refuse what a participant who has withdrawn asks for.

    Raises:
        NotPermitted: The command is theirs.
    """
    match command:
        case (
            Start(requested_by=str(participant_id))
            | Switch(requested_by=str(participant_id))
            | Pause(requested_by=str(participant_id))
            | Resume(requested_by=str(participant_id))
            | Finish(requested_by=str(participant_id))
        ) if participant_id in session.setup.withdrawn:
            raise NotPermitted


def _join(session: Session, joiner: Joiner, now_ms: int) -> Decision:
    """Idempotent by the fields first given, and by the participant's id alone."""
    if session.status in ENDED:
        raise InvalidTransition(Join.name, session.status)
    setup = session.setup
    position = setup.position_of(joiner.participant_id)
    if position is None:
        setup, position = participants.admitted(setup, joiner)
        if isinstance(session, Simultaneous):
            admitted: Session = simultaneous_commands.admit_clock(session, setup, position, now_ms)
        else:
            admitted = admit(session, setup, position)
    elif not participants.is_repeated(setup, position, joiner):
        raise ParticipantExists(joiner.participant_id)
    elif not setup.has_withdrawn(position):
        return Decision(session)
    else:
        setup = participants.returned(setup, joiner.participant_id)
        admitted = _with_setup(session, setup)
        if isinstance(admitted, Simultaneous):
            admitted = simultaneous_commands.take_back(admitted, position, now_ms)
    return Decision(admitted, (participants.joined(setup, position, now_ms),))


def _with_setup(session: S, setup: Setup) -> S:
    """The session with another setup, which ends what can be undone."""
    if isinstance(session, Rotation):
        return replace(session, setup=setup, undo_record=None)
    return replace(session, setup=setup)


def _position_named(session: Session, participant_id: str) -> int:
    position = session.setup.position_of(participant_id)
    if position is None:
        raise ParticipantNotFound(participant_id)
    return position


def _update_participant(session: Session, command: UpdateParticipant, now_ms: int) -> Decision:
    position = _position_named(session, command.participant_id)
    if isinstance(session, Simultaneous) and "time_factor" in command.patch:
        simultaneous_commands.require_adjustable(session, position, command.name)
    setup, event = participants.patched(session.setup, position, command.patch, now_ms)
    if event is None:
        return Decision(session)
    if isinstance(session, Simultaneous) and event.time_factor is not None:
        return Decision(*simultaneous_commands.rescale(session, setup, position, event, now_ms))
    # A name changes no clock, so a switch before can still be undone.
    return Decision(replace(session, setup=setup), (event,))


def _withdraw(session: Session, command: Withdraw, now_ms: int) -> Decision:
    """Idempotent, in every status."""
    position = _position_named(session, command.participant_id)
    if session.setup.has_withdrawn(position):
        return Decision(session)
    if session.status in ENDED:
        raise InvalidTransition(command.name, session.status)
    setup, event = participants.withdrawn(session.setup, position, now_ms)
    session = _with_setup(session, setup)
    if isinstance(session, Simultaneous):
        return Decision(*simultaneous_commands.withdraw(session, position, event, now_ms))
    cycle = session.active_cycle
    if cycle is None or cycle.position != position or not isinstance(session, Rotation):
        return Decision(session, (event,))
    switched, what_follows = cycles.switch(session, cycle, None, now_ms)
    return Decision(switched, (event, what_follows))


def _decide_simultaneous(session: Simultaneous, command: Command, now_ms: int) -> Decision:
    _check_simultaneous(command)
    match command:
        case Start():
            participant_id = _whose(session, command, Permission.START)
            changed = simultaneous_commands.start(session, participant_id, now_ms)
        case Pause():
            participant_id = _whose(session, command, Permission.PAUSE)
            changed = simultaneous_commands.pause(session, participant_id, now_ms)
        case Resume():
            participant_id = _whose(session, command, Permission.PAUSE)
            changed = simultaneous_commands.resume(session, participant_id, now_ms)
        case Finish(participant_id=str(participant_id)):
            changed = simultaneous_commands.finish(session, participant_id, now_ms)
        case Adjust(delta_ms, participant_id, _, reason, scaled):
            changed = simultaneous_commands.adjust(
                session, participant_id, delta_ms, scaled, reason, now_ms
            )
        case Complete() | Cancel():
            status = Status.COMPLETED if isinstance(command, Complete) else Status.CANCELLED
            if _is_ended_as(session, command.name, status):
                return Decision(session)
            changed = simultaneous_commands.end(session, status, now_ms)
        case Reopen():
            changed = simultaneous_commands.reopen(session, now_ms)
        case _:
            raise TypeError(f"{command.name} was not refused")
    return Decision(*changed)


def _check_simultaneous(command: Command) -> None:
    """Refuse what only a rotation has."""
    match command:
        case Switch() | Undo() | SetTurn():
            raise InvalidCommand(
                "sync_mode", f"simultaneous sessions have no turns to {command.name}; use finish"
            )
        case Pause(current_participant_id=str()):
            raise InvalidCommand(
                "current_participant_id",
                "simultaneous sessions have no current participant; use participant_id",
            )
        case Finish(participant_id=None):
            raise InvalidCommand("participant_id", "participant_id is required")
        case Adjust(group_id=str()):
            raise InvalidCommand(
                "group_id", "simultaneous sessions have no group clocks; leave group_id out"
            )


def _whose(
    session: Simultaneous, command: Start | Pause | Resume, permission: Permission
) -> str | None:
    """The participant whose clock is meant; ``None`` for the whole session."""
    if command.requested_by is None:
        return command.participant_id
    if permission not in session.setup.participants_may:
        raise NotPermitted
    return command.requested_by


def _decide_in_rotation(session: Rotation, command: Command, now_ms: int) -> Decision:
    _check_mode(session, command)
    match command:
        case Start():
            return _start(session, now_ms)
        case Switch():
            return _switch(session, command, now_ms)
        case Pause():
            return _pause(session, command, now_ms)
        case Resume():
            return _resume(session, now_ms)
        case Complete():
            return _end(session, command.name, Status.COMPLETED, now_ms)
        case Cancel():
            return _end(session, command.name, Status.CANCELLED, now_ms)
    return _correct(session, command, now_ms)


def _correct(session: Rotation, command: Command, now_ms: int) -> Decision:
    match command:
        case Adjust():
            return _adjust(session, command, now_ms)
        case Undo():
            return _undo(session, now_ms)
        case SetTurn():
            return _set_turn(session, command, now_ms)
        case Reopen():
            return _reopen(session, now_ms)
    raise TypeError(f"{command.name} was not refused")


def _check_mode(session: Rotation, command: Command) -> None:
    """Refuse what only simultaneous sessions have."""
    mode = session.setup.sync_mode
    match command:
        case Start(requested_by=str()) | Resume(requested_by=str()):
            raise NotPermitted
        case (
            Start(participant_id=str()) | Pause(participant_id=str()) | Resume(participant_id=str())
        ):
            raise InvalidCommand(
                "participant_id",
                f"{mode} sessions {command.name} as a whole; leave participant_id out",
            )
        case Finish():
            raise InvalidCommand("sync_mode", f"{mode} sessions have no finish; use switch")
        case Adjust(scaled=True):
            raise InvalidCommand("scaled", f"{mode} sessions have no time factors to scale by")


def _start(session: Rotation, now_ms: int) -> Decision:
    if session.status is not Status.PENDING:
        raise InvalidTransition(Start.name, session.status)
    appointments = session.appointments._replace(starts_at_ms=None)
    return Decision(*cycles.start(replace(session, appointments=appointments), now_ms))


def _switch(session: Rotation, command: Switch, now_ms: int) -> Decision:
    if command.requested_by is not None:
        command = _as_participant(session, command, command.requested_by)
    cycle = _require_running(session, command.name)
    _check_active(session, cycle, command.current_participant_id)
    successor = _successor(session, command.next_participant_id)
    undo_record = cycles.undo_record(session, cycle)
    switched, event = cycles.switch(session, cycle, successor, now_ms)
    events: tuple[Event, ...] = (event,)
    if switched.status is Status.RUNNING:
        soft_close, extension_ms = session.setup.soft_close, 0
        if soft_close is not None:
            switched, extension_ms = extend(switched, soft_close, now_ms)
        if extension_ms:
            undo_record = undo_record._replace(extension_ms=extension_ms)
            events = (event, TimeExtended(now_ms, extension_ms))
        switched = replace(switched, undo_record=undo_record)
    expired_id = None
    if cycle.overtime_from_ms is not None:
        expired_id = session.setup.participants[cycle.position].participant_id
    return Decision(switched, events, expired_participant_id=expired_id)


def _as_participant(session: Rotation, command: Switch, participant_id: str) -> Switch:
    """The switch that a participant may ask for: away from themselves, or to themselves.

    Raises:
        TurnForbidden: It names another participant where they may name only themselves.
        TurnTaken: They take the turn that they have.
    """
    if session.setup.turn_taking is TurnTaking.GIVE:
        if command.current_participant_id not in (None, participant_id):
            raise TurnForbidden
        return replace(command, current_participant_id=participant_id)
    if command.next_participant_id not in (None, participant_id):
        raise TurnForbidden
    cycle = session.active_cycle
    if session.status is Status.RUNNING and cycle is not None:
        _check_active(session, cycle, command.current_participant_id)
        if session.setup.participants[cycle.position].participant_id == participant_id:
            raise TurnTaken(participant_id)
    return replace(command, next_participant_id=participant_id)


def _pause(session: Rotation, command: Pause, now_ms: int) -> Decision:
    cycle = _require_running(session, command.name)
    _check_active(session, cycle, command.current_participant_id or command.requested_by)
    paused = replace(cycles.stop(session, cycle, now_ms), status=Status.PAUSED)
    return Decision(paused, (SessionPaused(now_ms),))


def _resume(session: Rotation, now_ms: int) -> Decision:
    if session.status is not Status.PAUSED or session.cycle is None:
        raise InvalidTransition(Resume.name, session.status)
    cycle = session.cycle._replace(started_at_ms=now_ms)
    resumed = replace(session, status=Status.RUNNING, cycle=cycle)
    # A session that was reopened may have a clock at 0, which runs out at this instant.
    settled, expired = timeouts.settle(updated(resumed, now_ms), now_ms)
    return Decision(settled, (SessionResumed(now_ms), *expired))


def _end(session: Rotation, command: str, status: Status, now_ms: int) -> Decision:
    if _is_ended_as(session, command, status):
        return Decision(session)
    ended, event = cycles.end(session, status, now_ms)
    return Decision(ended, (event,))


def _is_ended_as(session: Session, command: str, status: Status) -> bool:
    """Whether the session ended like this already."""
    if session.status in ENDED and session.status is not status:
        raise InvalidTransition(command, session.status)
    return session.status is status


def _adjust(session: Rotation, command: Adjust, now_ms: int) -> Decision:
    if session.status in ENDED:
        raise InvalidTransition(command.name, session.status)
    participant_id, group_id = command.participant_id, command.group_id
    adjusted, applied_ms = adjust(session, participant_id, group_id, command.delta_ms, now_ms)
    event = TimeAdjusted(now_ms, participant_id, group_id, applied_ms, command.reason)
    # A running clock that was taken to 0 runs out at this instant.
    settled, expired = timeouts.settle(updated(replace(adjusted, undo_record=None), now_ms), now_ms)
    return Decision(settled, (event, *expired))


def _undo(session: Rotation, now_ms: int) -> Decision:
    cycle, undo_record = _require_running(session, Undo.name), session.undo_record
    switched_at_ms = cycle.started_at_ms
    if undo_record is None or switched_at_ms is None or now_ms - switched_at_ms > UNDO_WINDOW_MS:
        raise NothingToUndo(Undo.name, session.status, UNDO_WINDOW_MS)
    participants = session.setup.participants
    event = SwitchUndone(
        now_ms,
        participants[cycle.position].participant_id,
        participants[undo_record.cycle.position].participant_id,
    )
    # Timeouts of the restored cycle since the switch apply now, each at its own deadline.
    restored = cycles.undo_switch(session, undo_record, switched_at_ms)
    session_since_ms = switched_at_ms if undo_record.extension_ms else None
    settled, expired = timeouts.settle(restored, now_ms, switched_at_ms, session_since_ms)
    return Decision(settled, (event, *expired))


def _set_turn(session: Rotation, command: SetTurn, now_ms: int) -> Decision:
    cycle = session.cycle
    if session.status is not Status.PAUSED or cycle is None:
        raise InvalidTransition(command.name, session.status)
    if session.setup.participants[cycle.position].participant_id == command.participant_id:
        return Decision(session)
    successor = _successor(session, command.participant_id)
    switched, event = cycles.switch(session, cycle, successor, now_ms)
    return Decision(switched, (event,))


def _reopen(session: Rotation, now_ms: int) -> Decision:
    if session.status not in ENDED:
        raise InvalidTransition(Reopen.name, session.status)
    reopened = without_past_appointments(cycles.reopen(session), now_ms)
    return Decision(reopened, (SessionReopened(now_ms),))


def _require_running(session: Rotation, command: str) -> Cycle:
    if session.status is not Status.RUNNING or session.cycle is None:
        raise InvalidTransition(command, session.status)
    return session.cycle


def _check_active(session: Rotation, cycle: Cycle, expected_id: str | None) -> None:
    active_id = session.setup.participants[cycle.position].participant_id
    if expected_id is not None and expected_id != active_id:
        raise StaleCycle(expected_id, active_id)


def _successor(session: Rotation, participant_id: str | None) -> int | None:
    if participant_id is None:
        return None
    position = session.setup.position_of(participant_id)
    if position is None:
        raise UnknownParticipant("next_participant_id", participant_id)
    if session.setup.withdrawn and session.setup.has_withdrawn(position):
        raise ParticipantWithdrawn(participant_id)
    if cycles.is_out_of_time(session, position):
        raise ParticipantExpired(participant_id)
    return position
