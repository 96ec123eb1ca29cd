"""A session's setup: the validated creation request, with the edits made since (see ``edits``)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

from .appointments import NO_APPOINTMENTS, Appointments
from .errors import InvalidSetup
from .limits import MAX_CLOCK_MS
from .time_controls import SUDDEN_DEATH, Fischer, Stages, TimeControl


class SyncMode(StrEnum):
    PER_PARTICIPANT = "per_participant"
    PER_GROUP = "per_group"
    PER_CYCLE = "per_cycle"
    GLOBAL = "global"
    COUNT_UP = "count_up"
    SIMULTANEOUS = "simultaneous"


class TimeoutAction(StrEnum):
    NOTIFY = "notify"
    SKIP_CYCLE = "skip_cycle"
    END_SESSION = "end_session"


class TurnTaking(StrEnum):
    """What participants may do with turns: end their own, or make any their own."""

    GIVE = "give"
    TAKE = "take"


class SoftClose(NamedTuple):
    """A switch that finds less than ``extend_to_ms`` on the session clock sets it to that.

    All extensions together are at most ``max_extension_ms``, if that is given.
    """

    extend_to_ms: int
    max_extension_ms: int | None = None


class Permission(StrEnum):
    """What a simultaneous session lets participants do with their own clock, besides finishing."""

    START = "start"
    PAUSE = "pause"


THOUSANDTHS = 1_000
"""Time factors are whole numbers of thousandths, so that they multiply exactly."""


class MessageStyle(StrEnum):
    NORMAL = "normal"
    ALERT = "alert"


class Message(NamedTuple):
    """What a host tells every screen, since ``at_ms``."""

    text: str
    style: MessageStyle
    at_ms: int


class Participant(NamedTuple):
    """A member of the rotation; ``bank_index`` is the position of their bank in the session's."""

    participant_id: str
    participant_index: int
    total_time_ms: int
    group_id: str | None = None
    bank_index: int | None = None


class Original(NamedTuple):
    """What a participant who was changed later had at first; ``time_factor`` in thousandths."""

    participant_id: str
    name: str | None
    time_factor: int | None


class Group(NamedTuple):
    """Participants who share one bank of ``total_time_ms``."""

    group_id: str
    total_time_ms: int


@dataclass(frozen=True)
class Setup:
    """A session as requested, or as edited since. ``participants`` are in rotation order.

    ``own_controls`` are parallel to ``participants``, or empty if none has their own time control.
    ``time_factors`` are, too, in thousandths; only simultaneous sessions have them, and their
    participants' ``total_time_ms`` is already multiplied. ``unscaled_ms`` are their times before
    that; empty if no factor multiplies. ``names`` are parallel to ``participants``, or empty if
    none has one. ``withdrawn`` are the ids of those who don't take part at present, ``originals``
    the rows of those whose name or factor was changed. ``warn_at_ms`` is in descending order.
    ``action_data`` and ``metadata`` are opaque: clients get them back unchanged. ``appointments``
    are those of the creation request; the session has the present ones. ``requested`` is the
    fingerprint of that request, if the setup has changed since. ``gives_main_time`` says that the
    session's time control contained the main time of those who have none.
    """

    session_id: str
    sync_mode: SyncMode
    participants: tuple[Participant, ...]
    total_time_ms: int
    groups: tuple[Group, ...] = ()
    time_per_cycle_ms: int | None = None
    increment_ms: int = 0
    max_time_ms: int | None = None
    time_control: TimeControl | None = None
    action_on_timeout: TimeoutAction = TimeoutAction.NOTIFY
    action_data: object = None
    metadata: Mapping[str, object] | None = None
    own_controls: tuple[TimeControl | None, ...] = ()
    warn_at_ms: tuple[int, ...] = ()
    soft_close: SoftClose | None = None
    turn_taking: TurnTaking = TurnTaking.GIVE
    time_factors: tuple[int, ...] = ()
    participants_may: tuple[Permission, ...] = ()
    message: Message | None = None
    appointments: Appointments = NO_APPOINTMENTS
    requested: str | None = None
    names: tuple[str | None, ...] = ()
    withdrawn: frozenset[str] = frozenset()
    originals: tuple[Original, ...] = ()
    unscaled_ms: tuple[int, ...] = dataclasses.field(default=(), compare=False)
    gives_main_time: bool = dataclasses.field(default=False, compare=False)

    def was_requested_as(self, other: Setup) -> bool:
        """Whether an unedited setup is that of the request which created this session."""
        return (self.requested or fingerprint(self)) == fingerprint(other)

    @property
    def has_banks(self) -> bool:
        return self.sync_mode in BANKED

    @property
    def control(self) -> TimeControl:
        """The session's time control; ``increment_ms`` is short for Fischer."""
        if self.time_control is not None:
            return self.time_control
        return Fischer(self.increment_ms) if self.increment_ms else SUDDEN_DEATH

    @cached_property
    def controls(self) -> tuple[TimeControl, ...]:
        """The time control of each bank: its participant's own, or the session's."""
        if self.own_controls:
            return tuple(own or self.control for own in self.own_controls)
        bank_count = len(self.groups) if self.groups else len(self.participants)
        return (self.control,) * bank_count

    @cached_property
    def cycle_lengths_ms(self) -> tuple[int | None, ...]:
        """How long each participant's cycle may last; ``None`` in modes without such a limit."""
        if self.sync_mode is SyncMode.PER_CYCLE:
            return tuple(
                self.time_per_cycle_ms or participant.total_time_ms
                for participant in self.participants
            )
        is_global = self.sync_mode is SyncMode.GLOBAL
        return (self.time_per_cycle_ms if is_global else None,) * len(self.participants)

    def has_withdrawn(self, position: int) -> bool:
        """Whether the participant at ``position`` takes no part at present."""
        return self.participants[position].participant_id in self.withdrawn

    def position_of(self, participant_id: str) -> int | None:
        return self._positions.get(participant_id)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {one.participant_id: position for position, one in enumerate(self.participants)}


def fingerprint(setup: Setup) -> str:
    """A digest that unedited setups share if, and only if, they are the same as JSON."""
    given = {}
    for one in fields(setup):
        value = getattr(setup, one.name)
        if one.compare and (one.default is MISSING or value != one.default):
            given[one.name] = value
    text = json.dumps(given, sort_keys=True, default=_control_as_json)
    return sha256(text.encode()).hexdigest()


def _control_as_json(control: TimeControl) -> dict[str, object]:
    return {"type": control.type, **asdict(control)}


BANKED = frozenset({SyncMode.PER_PARTICIPANT, SyncMode.PER_GROUP})


def create_setup(
    *,
    session_id: str,
    sync_mode: SyncMode,
    participants: Iterable[Participant],
    total_time_ms: int,
    groups: Iterable[Group] | None = None,
    time_per_cycle_ms: int | None = None,
    increment_ms: int = 0,
    max_time_ms: int | None = None,
    time_control: TimeControl | None = None,
    action_on_timeout: TimeoutAction | None = None,
    action_data: object = None,
    metadata: Mapping[str, object] | None = None,
    own_controls: Mapping[str, TimeControl] | None = None,
    warn_at_ms: Iterable[int] = (),
    soft_close: SoftClose | None = None,
    turn_taking: TurnTaking = TurnTaking.GIVE,
    time_factors: Mapping[str, int] | None = None,
    participants_may: Iterable[Permission] = (),
    names: Mapping[str, str] | None = None,
    gives_main_time: bool = False,
    appointments: Appointments = NO_APPOINTMENTS,
) -> Setup:
    """Validate a request, sort it into rotation order, and fill in groups and defaults.

    ``own_controls``, ``names`` and ``time_factors``, in thousandths, are by participant id;
    ``warn_at_ms``, the remaining times to warn at, in any order.

    Raises:
        InvalidSetup: The fields contradict each other.
    """
    # Sorting is stable: equal indexes keep the order of the request.
    rotation = sorted(participants, key=lambda participant: participant.participant_index)
    _check_unique("participants", [participant.participant_id for participant in rotation])
    banks: tuple[Group, ...] = ()
    if sync_mode is SyncMode.PER_GROUP:
        banks = _group_banks(rotation, groups)
        bank_of = {group.group_id: position for position, group in enumerate(banks)}
        rotation = [
            participant._replace(bank_index=bank_of[participant.group_id or ""])
            for participant in rotation
        ]
    elif groups is not None:
        raise InvalidSetup("groups", "Only per_group sessions have groups")
    if sync_mode is SyncMode.PER_PARTICIPANT:
        rotation = [
            participant._replace(bank_index=position)
            for position, participant in enumerate(rotation)
        ]
    factors = _time_factors(sync_mode, rotation, time_factors or {})
    unscaled_ms: tuple[int, ...] = ()
    if any(factor != THOUSANDTHS for factor in factors):
        unscaled_ms = tuple(one.total_time_ms for one in rotation)
        rotation = _allocations(rotation, factors)
    bank_count = len(banks) if sync_mode is SyncMode.PER_GROUP else len(rotation)
    _check_control(sync_mode, time_control, increment_ms, bank_count)
    _check_own_controls(sync_mode, time_control, own_controls or {})
    check_stages("time_control", time_control)
    for own_control in (own_controls or {}).values():
        check_stages("participants", own_control)
    _check_main_times(total_time_ms, rotation, banks, time_control, own_controls or {})
    _check_turns(sync_mode, turn_taking)
    appointments.check_order()
    return Setup(
        session_id=session_id,
        sync_mode=sync_mode,
        participants=tuple(rotation),
        total_time_ms=total_time_ms,
        groups=banks,
        time_per_cycle_ms=time_per_cycle_ms,
        increment_ms=increment_ms,
        max_time_ms=max_time_ms,
        time_control=time_control,
        action_on_timeout=action_on_timeout or default_action(sync_mode),
        action_data=action_data,
        metadata=metadata,
        own_controls=tuple(own_controls.get(one.participant_id) for one in rotation)
        if own_controls
        else (),
        warn_at_ms=in_warning_order(warn_at_ms),
        soft_close=checked_soft_close(sync_mode, soft_close),
        turn_taking=turn_taking,
        time_factors=factors,
        participants_may=checked_permissions(sync_mode, participants_may),
        names=tuple(names.get(one.participant_id) for one in rotation) if names else (),
        unscaled_ms=unscaled_ms,
        gives_main_time=gives_main_time,
        appointments=appointments,
    )


def _check_turns(sync_mode: SyncMode, turn_taking: TurnTaking) -> None:
    if turn_taking is TurnTaking.TAKE and sync_mode is SyncMode.SIMULTANEOUS:
        raise InvalidSetup("turn_taking", f"{sync_mode} sessions have no turns to take")


def checked_soft_close(sync_mode: SyncMode, soft_close: SoftClose | None) -> SoftClose | None:
    """The soft close, if the mode can have it.

    Raises:
        InvalidSetup: It can't.
    """
    if soft_close is not None and sync_mode is not SyncMode.GLOBAL:
        raise InvalidSetup(
            "soft_close", f"{sync_mode} sessions have no session clock to extend; use global"
        )
    return soft_close


def checked_permissions(
    sync_mode: SyncMode, participants_may: Iterable[Permission]
) -> tuple[Permission, ...]:
    """What participants may do with their own clock, if the mode can let them, in order.

    Raises:
        InvalidSetup: It can't, or two are the same.
    """
    given = list(participants_may)
    permissions = tuple(one for one in Permission if one in given)
    if permissions and sync_mode is not SyncMode.SIMULTANEOUS:
        raise InvalidSetup("participants_may", "Only simultaneous sessions have participants_may")
    for one in permissions:
        if given.count(one) > 1:
            message = f"The permissions in participants_may must be unique, got {one} twice"
            raise InvalidSetup("participants_may", message)
    return permissions


def default_action(sync_mode: SyncMode) -> TimeoutAction:
    counts_up = sync_mode is SyncMode.COUNT_UP
    return TimeoutAction.END_SESSION if counts_up else TimeoutAction.NOTIFY


def in_warning_order(warn_at_ms: Iterable[int]) -> tuple[int, ...]:
    """The remaining times to warn at, in descending order.

    Raises:
        InvalidSetup: Two are the same.
    """
    warnings_ms = tuple(sorted(warn_at_ms, reverse=True))
    for one_ms, next_ms in pairwise(warnings_ms):
        if one_ms == next_ms:
            message = f"The times in warn_at_ms must be unique, got {one_ms} twice"
            raise InvalidSetup("warn_at_ms", message)
    return warnings_ms


def _time_factors(
    sync_mode: SyncMode, rotation: Iterable[Participant], given: Mapping[str, int]
) -> tuple[int, ...]:
    if sync_mode is SyncMode.SIMULTANEOUS:
        return tuple(given.get(one.participant_id, THOUSANDTHS) for one in rotation)
    if any(factor != THOUSANDTHS for factor in given.values()):
        raise InvalidSetup("participants", "Only simultaneous participants have a time_factor")
    return ()


def _allocations(rotation: Iterable[Participant], factors: Iterable[int]) -> list[Participant]:
    """The participants with their time multiplied, rounded up."""
    return [
        one._replace(total_time_ms=allocation_ms("participants", one.total_time_ms, factor))
        for one, factor in zip(rotation, factors, strict=True)
    ]


def allocation_ms(field: str, total_ms: int, factor: int) -> int:
    """A time multiplied by a factor in thousandths, rounded up.

    Raises:
        InvalidSetup: That is more than a clock can have; ``field`` is to blame.
    """
    multiplied_ms = -(-total_ms * factor // THOUSANDTHS)
    if multiplied_ms > MAX_CLOCK_MS:
        raise InvalidSetup(
            field,
            f"total_time_ms times time_factor can be at most {MAX_CLOCK_MS}, got {multiplied_ms}",
        )
    return multiplied_ms


def _check_own_controls(
    sync_mode: SyncMode, control: TimeControl | None, own: Mapping[str, TimeControl]
) -> None:
    if own and sync_mode is not SyncMode.PER_PARTICIPANT:
        raise InvalidSetup(
            "participants",
            f"{sync_mode} participants cannot have their own time_control; use per_participant",
        )
    if own and any(one is not None and one.transfers for one in (control, *own.values())):
        raise InvalidSetup("participants", "An hourglass must be the time_control of the session")


def check_stages(field: str, control: TimeControl | None) -> None:
    """Refuse stages that contradict each other; ``field`` has them.

    Raises:
        InvalidSetup: They do.
    """
    if not isinstance(control, Stages):
        return
    *earlier, last = control.stages
    for number, stage in enumerate(earlier, 1):
        if not stage.cycles:
            message = f"Each stage but the last needs cycles; stage {number} has none"
            raise InvalidSetup(field, message)
    if not earlier and not last.cycles:
        raise InvalidSetup(field, "A single stage without cycles is its control: give that instead")
    for number, stage in enumerate(control.stages[1:], 2):
        if isinstance(stage.control, Fischer) and stage.control.first_increment:
            message = f"Only the first stage can have first_increment; stage {number} has it"
            raise InvalidSetup(field, message)
    sum_ms = sum(stage.time_ms for stage in (earlier if last.cycles else control.stages))
    if sum_ms > MAX_CLOCK_MS:
        raise InvalidSetup(
            field,
            f"All stages but a repeating last one must sum up to at most {MAX_CLOCK_MS} ms, got"
            f" {sum_ms}",
        )


def _check_main_times(
    total_time_ms: int,
    participants: Iterable[Participant],
    groups: Iterable[Group],
    control: TimeControl | None,
    own: Mapping[str, TimeControl],
) -> None:
    default = control or SUDDEN_DEATH
    controls = [
        ("total_time_ms", total_time_ms, default),
        *(("groups", group.total_time_ms, default) for group in groups),
        *(
            ("participants", one.total_time_ms, own.get(one.participant_id) or default)
            for one in participants
        ),
    ]
    for field, main_ms, used in controls:
        # In per_group, the participants' times are shares that count for nothing.
        check_main_time(field, main_ms, used, has_bank=field != "participants" or not groups)


def check_main_time(field: str, main_ms: int, used: TimeControl, *, has_bank: bool) -> None:
    """Refuse a main time that does not go with the time control; ``field`` has it.

    Raises:
        InvalidSetup: It does not.
    """
    if main_ms == 0 and used.needs_main_time:
        raise InvalidSetup(
            field,
            "total_time_ms can be 0 only in per_participant and per_group sessions with a"
            " byoyomi or canadian time_control",
        )
    if isinstance(used, Stages) and has_bank and main_ms != used.stages[0].time_ms:
        raise InvalidSetup(
            field,
            f"total_time_ms must be the time_ms of the first stage, {used.stages[0].time_ms},"
            f" got {main_ms}; it can be left out",
        )


def _check_control(
    sync_mode: SyncMode, control: TimeControl | None, increment_ms: int, bank_count: int
) -> None:
    if sync_mode not in BANKED:
        if control is not None:
            raise InvalidSetup("time_control", f"{sync_mode} sessions have no time control")
        if increment_ms:
            raise InvalidSetup("increment_ms", f"{sync_mode} sessions have no increment")
    if control is not None and increment_ms:
        raise InvalidSetup("increment_ms", "Give either time_control or increment_ms, not both")
    if control is not None and control.transfers and bank_count != 2:
        raise InvalidSetup("time_control", f"An hourglass needs exactly 2 clocks, got {bank_count}")


def _group_banks(
    participants: Iterable[Participant], groups: Iterable[Group] | None
) -> tuple[Group, ...]:
    sums_ms: dict[str, int] = {}
    for participant in participants:
        if participant.group_id is None:
            raise InvalidSetup("participants", "Every participant of per_group needs a group_id")
        so_far_ms = sums_ms.get(participant.group_id, 0)
        sums_ms[participant.group_id] = so_far_ms + participant.total_time_ms
    if groups is None:
        return tuple(Group(group_id, sum_ms) for group_id, sum_ms in sums_ms.items())
    given = tuple(groups)
    _check_unique("groups", [group.group_id for group in given])
    if {group.group_id for group in given} != sums_ms.keys():
        raise InvalidSetup("groups", "groups must list each group_id of participants exactly once")
    return given


def _check_unique(field: str, ids: list[str]) -> None:
    for one, following in pairwise(sorted(ids)):
        if one == following:
            raise InvalidSetup(field, f"The ids in {field} must be unique, got {one} twice")
