"""Who takes part: participants join, are changed, withdraw, and come back.

A participant who has withdrawn stays in the setup, with their clock as it stood, and out of the
rotation. These functions check a change against the setup, as a creation would, and apply it;
``commands`` says when, and ``simultaneous_commands`` has the clocks that run all at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple, TypeVar

from typing_extensions import TypedDict

from .errors import InvalidSetup
from .events import ParticipantJoined, ParticipantUpdated, ParticipantWithdrawn
from .limits import MAX_INDEX, MAX_PARTICIPANTS
from .setup import (
    THOUSANDTHS,
    Group,
    Original,
    Participant,
    Setup,
    SyncMode,
    allocation_ms,
    check_main_time,
    check_stages,
    fingerprint,
)
from .time_controls import TimeControl

T = TypeVar("T")


class Joiner(NamedTuple):
    """A participant as a request to join gives them; ``time_factor`` is in thousandths."""

    participant_id: str
    participant_index: int | None = None
    total_time_ms: int | None = None
    group_id: str | None = None
    time_control: TimeControl | None = None
    time_factor: int | None = None
    name: str | None = None


class ParticipantPatch(TypedDict, total=False):
    """A value for each field to change; None restores what a participant without it has."""

    name: str | None
    time_factor: int | None
    """In thousandths."""


def admitted(setup: Setup, joiner: Joiner) -> tuple[Setup, int]:
    """The setup with a participant who was not in it, and their position.

    Raises:
        InvalidSetup: The session has no room for them, or their fields contradict it.
    """
    before, count = setup, len(setup.participants)
    if count >= MAX_PARTICIPANTS:
        raise InvalidSetup(
            "participant_id",
            f"A session has at most {MAX_PARTICIPANTS} participants; this would be {count + 1}",
        )
    _check_control(setup, joiner)
    total_ms, factor = _total_ms(setup, joiner), joiner.time_factor or THOUSANDTHS
    control = joiner.time_control or setup.control
    has_bank = setup.sync_mode is SyncMode.PER_PARTICIPANT
    check_main_time("total_time_ms", total_ms, control, has_bank=has_bank)
    is_simultaneous = setup.sync_mode is SyncMode.SIMULTANEOUS
    if factor != THOUSANDTHS and not is_simultaneous:
        raise InvalidSetup("time_factor", f"{setup.sync_mode} participants have no time_factor")
    position, index = _place(setup, joiner.participant_index)
    participant = Participant(
        joiner.participant_id,
        index,
        allocation_ms("time_factor", total_ms, factor),
        joiner.group_id,
    )
    setup = _with_group(setup, participant, control)
    if is_simultaneous:
        setup = replace(
            setup,
            unscaled_ms=_inserted(_unscaled(setup), position, total_ms),
            time_factors=_inserted(setup.time_factors, position, factor),
        )
    own_controls, names = setup.own_controls, setup.names
    setup = replace(
        setup,
        participants=_numbered(setup, _inserted(setup.participants, position, participant)),
        own_controls=_inserted_if_any(own_controls, count, position, joiner.time_control),
        names=_inserted_if_any(names, count, position, joiner.name),
    )
    return _edited(before, setup), position


def is_repeated(setup: Setup, position: int, joiner: Joiner) -> bool:
    """Whether these are the fields that the participant at ``position`` was first given.

    Their id alone is, too: a host need not remember what a participant had before every change.
    """
    if joiner == Joiner(joiner.participant_id):
        return True
    one = setup.participants[position]
    original = _original(setup, position)
    total_ms = _unscaled(setup)[position] if setup.time_factors else one.total_time_ms
    own = setup.own_controls[position] if setup.own_controls else None
    return (
        joiner.participant_index in (None, one.participant_index)
        and _total_ms(setup, joiner) == total_ms
        and joiner.group_id == one.group_id
        and joiner.time_control == own
        and (joiner.time_factor or THOUSANDTHS) == (original.time_factor or THOUSANDTHS)
        and joiner.name == original.name
    )


def withdrawn(setup: Setup, position: int, at_ms: int) -> tuple[Setup, ParticipantWithdrawn]:
    """The setup with a participant who takes no part any more, and the event."""
    participant_id = setup.participants[position].participant_id
    edited = _edited(setup, replace(setup, withdrawn=setup.withdrawn | {participant_id}))
    return edited, ParticipantWithdrawn(at_ms, participant_id)


def returned(setup: Setup, participant_id: str) -> Setup:
    """The setup with a participant back in it."""
    return replace(setup, withdrawn=setup.withdrawn - {participant_id})


def patched(
    setup: Setup, position: int, patch: ParticipantPatch, at_ms: int
) -> tuple[Setup, ParticipantUpdated | None]:
    """The setup with a participant's fields changed, and the event; None if none changes.

    Raises:
        InvalidSetup: The mode has no time factors, or this one gives a clock too much.
    """
    before, changed, factor = setup, [], None
    name = patch.get("name")
    if "name" in patch and name != _name(setup, position):
        setup = _renamed(setup, position, name)
        changed.append("name")
    if "time_factor" in patch:
        factor = patch["time_factor"] or THOUSANDTHS
        if factor != _factor(before, position):
            setup = _rescaled(setup, position, factor)
            changed.append("time_factor")
    if not changed:
        return before, None
    event = ParticipantUpdated(
        at_ms,
        before.participants[position].participant_id,
        tuple(changed),
        name if "name" in changed else None,
        time_factor(factor) if factor is not None and "time_factor" in changed else None,
    )
    return _edited(before, _with_original(before, setup, position)), event


def _renamed(setup: Setup, position: int, name: str | None) -> Setup:
    names = setup.names or (None,) * len(setup.participants)
    names = (*names[:position], name, *names[position + 1 :])
    return replace(setup, names=names if any(names) else ())


def _rescaled(setup: Setup, position: int, factor: int) -> Setup:
    if not setup.time_factors:
        raise InvalidSetup("time_factor", f"{setup.sync_mode} participants have no time_factor")
    unscaled_ms, factors = _unscaled(setup), setup.time_factors
    one = setup.participants[position]
    total_ms = allocation_ms("time_factor", unscaled_ms[position], factor)
    before, after = setup.participants[:position], setup.participants[position + 1 :]
    return replace(
        setup,
        participants=(*before, one._replace(total_time_ms=total_ms), *after),
        time_factors=(*factors[:position], factor, *factors[position + 1 :]),
        unscaled_ms=unscaled_ms,
    )


def joined(setup: Setup, position: int, at_ms: int) -> ParticipantJoined:
    """The event of a participant who joins, or comes back, with their fields."""
    one = setup.participants[position]
    factor = _factor(setup, position)
    return ParticipantJoined(
        at_ms,
        one.participant_id,
        one.participant_index,
        _unscaled(setup)[position] if setup.time_factors else one.total_time_ms,
        one.group_id,
        setup.own_controls[position] if setup.own_controls else None,
        None if factor == THOUSANDTHS else time_factor(factor),
        _name(setup, position),
    )


def time_factor(thousandths: int) -> int | float:
    """A factor as a request gives it: a whole number is an integer."""
    whole, rest = divmod(thousandths, THOUSANDTHS)
    return thousandths / THOUSANDTHS if rest else whole


def joined_position(before: Setup, after: Setup) -> int | None:
    """The position of the one participant whom ``after`` has and ``before`` lacks, if any."""
    if len(before.participants) == len(after.participants):
        return None
    return next(
        (
            position
            for position, one in enumerate(before.participants)
            if one.participant_id != after.participants[position].participant_id
        ),
        len(before.participants),
    )


def differences(before: Setup, after: Setup) -> Iterable[int]:
    """The positions at which other names, factors or withdrawals are shown."""
    changed_ids = before.withdrawn ^ after.withdrawn
    for position, one in enumerate(after.participants):
        if (
            one.participant_id in changed_ids
            or _name(before, position) != _name(after, position)
            or _factor(before, position) != _factor(after, position)
        ):
            yield position


def _check_control(setup: Setup, joiner: Joiner) -> None:
    own, mode = joiner.time_control, setup.sync_mode
    if own is not None and mode is not SyncMode.PER_PARTICIPANT:
        raise InvalidSetup(
            "time_control",
            f"{mode} participants cannot have their own time_control; use per_participant",
        )
    if own is not None and own.transfers:
        raise InvalidSetup("time_control", "An hourglass must be the time_control of the session")
    check_stages("time_control", own)
    makes_bank = mode is SyncMode.PER_PARTICIPANT
    if mode is SyncMode.PER_GROUP:
        if joiner.group_id is None:
            raise InvalidSetup("group_id", "Every participant of per_group needs a group_id")
        makes_bank = all(group.group_id != joiner.group_id for group in setup.groups)
    if makes_bank and setup.control.transfers:
        field = "group_id" if mode is SyncMode.PER_GROUP else "participant_id"
        raise InvalidSetup(field, "An hourglass has exactly 2 clocks; this would be a third")


def _total_ms(setup: Setup, joiner: Joiner) -> int:
    """The main time that is given, or that the session gives those who have none."""
    if joiner.total_time_ms is not None:
        return joiner.total_time_ms
    if setup.gives_main_time or setup.sync_mode is SyncMode.SIMULTANEOUS:
        return setup.total_time_ms
    raise InvalidSetup("total_time_ms", "total_time_ms is required: the session gives none")


def _place(setup: Setup, index: int | None) -> tuple[int, int]:
    """The position of a joiner, after those of the same index, and their index."""
    indexes = [one.participant_index for one in setup.participants]
    if index is None:
        index = min(indexes[-1] + 1, MAX_INDEX)
    return sum(other <= index for other in indexes), index


def _with_group(setup: Setup, participant: Participant, control: TimeControl) -> Setup:
    """The setup with a group for the participant, if theirs is new."""
    if setup.sync_mode is not SyncMode.PER_GROUP or participant.group_id is None:
        return setup
    if any(group.group_id == participant.group_id for group in setup.groups):
        return setup
    check_main_time("total_time_ms", participant.total_time_ms, control, has_bank=True)
    group = Group(participant.group_id, participant.total_time_ms)
    return replace(setup, groups=(*setup.groups, group))


def _numbered(setup: Setup, participants: tuple[Participant, ...]) -> tuple[Participant, ...]:
    """The participants with the positions of their banks."""
    if setup.sync_mode is SyncMode.PER_PARTICIPANT:
        return tuple(one._replace(bank_index=position) for position, one in enumerate(participants))
    if setup.sync_mode is SyncMode.PER_GROUP:
        banks = {group.group_id: position for position, group in enumerate(setup.groups)}
        return tuple(one._replace(bank_index=banks[one.group_id or ""]) for one in participants)
    return participants


def _unscaled(setup: Setup) -> tuple[int, ...]:
    """The participants' times before their factors."""
    if setup.unscaled_ms:
        return setup.unscaled_ms
    pairs = zip(setup.participants, setup.time_factors, strict=True)
    return tuple(one.total_time_ms * THOUSANDTHS // factor for one, factor in pairs)


def _original(setup: Setup, position: int) -> Original:
    """What a participant had at first of what can be changed."""
    participant_id = setup.participants[position].participant_id
    for one in setup.originals:
        if one.participant_id == participant_id:
            return one
    return Original(
        participant_id,
        _name(setup, position),
        setup.time_factors[position] if setup.time_factors else None,
    )


def _with_original(before: Setup, after: Setup, position: int) -> Setup:
    """The edited setup, which remembers what the participant had at first."""
    original = _original(before, position)
    if original in after.originals:
        return after
    return replace(after, originals=(*after.originals, original))


def _name(setup: Setup, position: int) -> str | None:
    return setup.names[position] if setup.names else None


def _factor(setup: Setup, position: int) -> int:
    return setup.time_factors[position] if setup.time_factors else THOUSANDTHS


def _edited(before: Setup, after: Setup) -> Setup:
    """The edited setup, which remembers the request that created it."""
    return replace(after, requested=before.requested or fingerprint(before))


def _inserted(items: tuple[T, ...], position: int, item: T) -> tuple[T, ...]:
    return (*items[:position], item, *items[position:])


def _inserted_if_any(
    items: tuple[T | None, ...], count: int, position: int, item: T | None
) -> tuple[T | None, ...]:
    """As :func:`_inserted`, of items that are empty if no participant has one."""
    if not items and item is None:
        return ()
    return _inserted(items or (None,) * count, position, item)
