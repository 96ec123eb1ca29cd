"""The request that creates a session: its fields, and the setup that they make.

Bounds are in ``core/limits.py``; rules between fields that need the meaning of a mode or time
control are the core's.
"""

from __future__ import annotations

from math import isfinite
from typing import Annotated
from unicodedata import category

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from ..core.appointments import Appointments
from ..core.json_values import (
    depth,
    size_bytes,
)
from ..core.limits import (
    MAX_ACTION_DATA_BYTES,
    MAX_CLOCK_MS,
    MAX_EXTEND_TO_MS,
    MAX_GROUPS,
    MAX_INCREMENT_MS,
    MAX_INDEX,
    MAX_METADATA_BYTES,
    MAX_NAME_CHARACTERS,
    MAX_NESTING,
    MAX_PARTICIPANTS,
    MAX_TIME_FACTOR,
    MAX_WARNING_MS,
    MAX_WARNINGS,
    MIN_EXTEND_TO_MS,
    MIN_TIME_FACTOR,
)
from ..core.setup import (
    THOUSANDTHS,
    Group,
    Participant,
    Permission,
    Setup,
    SoftClose,
    SyncMode,
    TimeoutAction,
    TurnTaking,
    create_setup,
)
from .errors import FieldProblem, InvalidRequest
from .fields import (
    Duration,
    Instant,
    MainTime,
    Request,
    Uuid,
)
from .time_controls import StagesRequest, TimeControlRequest


def _check_numbers(value: JsonValue) -> JsonValue:
    # The JSON parser limits nesting, which bounds this recursion.
    if isinstance(value, dict):
        list(map(_check_numbers, value.values()))
    if isinstance(value, list):
        list(map(_check_numbers, value))
    if isinstance(value, float) and not isfinite(value):
        # 1e999 is valid JSON, but we could not send it back.
        raise PydanticCustomError("number_range", "Numbers must fit into a 64-bit float")
    return value


Numbers = AfterValidator(_check_numbers)


def _at_most(limit_bytes: int) -> AfterValidator:
    def check(value: JsonValue) -> JsonValue:
        if depth(_check_numbers(value)) > MAX_NESTING:
            raise PydanticCustomError(
                "too_deep", "Must be nested at most {limit} levels deep", {"limit": MAX_NESTING}
            )
        size = size_bytes(value)
        if size > limit_bytes:
            raise PydanticCustomError(
                "too_large",
                "Must be at most {limit} bytes of JSON, got {size}",
                {"limit": limit_bytes, "size": size},
            )
        return value

    return AfterValidator(check)


class GroupRequest(Request):
    group_id: Uuid
    total_time_ms: MainTime


def thousandths(value: float) -> int:
    """A time factor as the core multiplies by it."""
    return round(value * THOUSANDTHS)


def _three_decimals(value: float) -> float:
    # Only the decimal number that was written is as close to the value as this.
    if thousandths(value) / THOUSANDTHS != value:
        raise PydanticCustomError("decimals", "Input should have at most three decimals")
    return value


TimeFactor = Annotated[
    float,
    Field(ge=MIN_TIME_FACTOR, le=MAX_TIME_FACTOR, description="At most three decimals"),
    AfterValidator(_three_decimals),
]


def _without_control_characters(value: str) -> str:
    found = next((one for one in value if category(one) == "Cc"), None)
    if found is not None:
        raise PydanticCustomError(
            "control_character",
            "Input should have no control characters, got U+{code_point}",
            {"code_point": f"{ord(found):04X}"},
        )
    return value


ParticipantName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_NAME_CHARACTERS),
    Field(json_schema_extra={"pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}),
    AfterValidator(_without_control_characters),
]
"""What people call a participant; no control characters."""


class ParticipantRequest(Request):
    participant_id: Uuid
    participant_index: Annotated[int, Field(ge=0, le=MAX_INDEX)] | None = None
    total_time_ms: MainTime | None = None
    group_id: Uuid | None = None
    time_control: TimeControlRequest | None = None
    time_factor: TimeFactor | None = None
    name: ParticipantName | None = None

    @property
    def written_ms(self) -> int | None:
        """The main time in the participant's own time control, if that contains it."""
        return self.time_control.main_ms if self.time_control else None


class ActionOnTimeoutRequest(Request):
    type: TimeoutAction
    data: Annotated[JsonValue, _at_most(MAX_ACTION_DATA_BYTES)] = Field(
        None, description=f"At most {MAX_ACTION_DATA_BYTES} bytes of JSON; returned in the event"
    )


class SoftCloseRequest(Request):
    extend_to_ms: Annotated[int, Field(ge=MIN_EXTEND_TO_MS, le=MAX_EXTEND_TO_MS)]
    max_extension_ms: Annotated[int, Field(ge=1, le=MAX_CLOCK_MS)] | None = None


WarningTime = Annotated[int, Field(ge=1, le=MAX_WARNING_MS)]


class CreateSession(Request):
    """POST /v1/sessions.

    ``total_time_ms``, here and of a participant, is optional if a ``time_control`` contains the
    main time: one written as text, or stages. In simultaneous, a participant's is the session's by
    default.
    """

    session_id: Uuid
    sync_mode: SyncMode
    participants: Annotated[
        list[ParticipantRequest], Field(min_length=1, max_length=MAX_PARTICIPANTS)
    ]
    total_time_ms: MainTime | None = None
    time_per_cycle_ms: Duration | None = None
    increment_ms: Annotated[int, Field(ge=0, le=MAX_INCREMENT_MS)] | None = None
    max_time_ms: Duration | None = None
    groups: Annotated[list[GroupRequest], Field(max_length=MAX_GROUPS)] | None = None
    time_control: TimeControlRequest | None = None
    action_on_timeout: ActionOnTimeoutRequest | None = None
    warn_at_ms: Annotated[list[WarningTime], Field(max_length=MAX_WARNINGS)] | None = None
    soft_close: SoftCloseRequest | None = None
    turn_taking: TurnTaking | None = None
    participants_may: Annotated[list[Permission], Field(max_length=2)] | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    metadata: Annotated[dict[str, JsonValue], _at_most(MAX_METADATA_BYTES)] | None = Field(
        None, description=f"At most {MAX_METADATA_BYTES} bytes of JSON, {MAX_NESTING} levels deep"
    )

    def setup(self) -> Setup:
        """The setup for the core.

        Raises:
            InvalidRequest: A total time is missing, or contradicts the time control.
            InvalidSetup: The fields contradict each other.
        """
        self._check_totals()
        action, control, soft_close = self.action_on_timeout, self.time_control, self.soft_close
        return create_setup(
            session_id=self.session_id,
            sync_mode=self.sync_mode,
            participants=[
                Participant(
                    participant.participant_id,
                    position
                    if participant.participant_index is None
                    else participant.participant_index,
                    self._total_ms(participant) or 0,
                    participant.group_id,
                )
                for position, participant in enumerate(self.participants)
            ],
            total_time_ms=first_given(self.total_time_ms, self._written_ms) or 0,
            groups=self._groups(),
            time_per_cycle_ms=self.time_per_cycle_ms,
            increment_ms=self.increment_ms or 0,
            max_time_ms=self.max_time_ms,
            time_control=control.control() if control else None,
            action_on_timeout=action.type if action else None,
            action_data=action.data if action else None,
            warn_at_ms=self.warn_at_ms or (),
            soft_close=SoftClose(soft_close.extend_to_ms, soft_close.max_extension_ms)
            if soft_close
            else None,
            turn_taking=self.turn_taking or TurnTaking.GIVE,
            metadata=self.metadata,
            own_controls={
                participant.participant_id: participant.time_control.control()
                for participant in self.participants
                if participant.time_control is not None
            },
            time_factors={
                participant.participant_id: thousandths(participant.time_factor)
                for participant in self.participants
                if participant.time_factor is not None
            },
            participants_may=self.participants_may or (),
            names={
                participant.participant_id: participant.name
                for participant in self.participants
                if participant.name is not None
            },
            gives_main_time=self._written_ms is not None,
            appointments=Appointments(self.starts_at, self.ends_at),
        )

    @property
    def _written_ms(self) -> int | None:
        return self.time_control.main_ms if self.time_control else None

    def _total_ms(self, participant: ParticipantRequest) -> int | None:
        is_simultaneous = self.sync_mode is SyncMode.SIMULTANEOUS
        default_ms = self.total_time_ms if is_simultaneous else None
        return first_given(
            participant.total_time_ms, participant.written_ms, self._written_ms, default_ms
        )

    def _check_totals(self) -> None:
        wrong: list[FieldProblem] = []
        for position, participant in enumerate(self.participants):
            field = f"participants.{position}.total_time_ms"
            if self._total_ms(participant) is None:
                wrong.append({"field": field, "message": "Field required", "code": "missing"})
            elif participant.written_ms not in (None, self._total_ms(participant)):
                wrong.append(
                    contradiction(
                        field, "Differs from the main time in the participant's time_control"
                    )
                )
            elif participant.total_time_ms is not None and self._writes_groups:
                # Ambiguous: it could be the group's time or a share of it.
                message = "Leave it out: time_control sets the time of each group"
                wrong.append(contradiction(field, message))
        total_ms = first_given(self.total_time_ms, self._written_ms)
        if total_ms is None:
            message = "Field required"
            wrong.append({"field": "total_time_ms", "message": message, "code": "missing"})
        elif self._written_ms not in (None, total_ms):
            message = "Differs from the main time in time_control"
            wrong.append(contradiction("total_time_ms", message))
        if wrong:
            raise InvalidRequest(wrong)

    @property
    def _writes_groups(self) -> bool:
        """Whether the main time in the time control is each group's total."""
        if self.sync_mode is not SyncMode.PER_GROUP or self.groups is not None:
            return False
        if isinstance(self.time_control, StagesRequest):
            # As with other objects, members may have a share each.
            return all(member.total_time_ms is None for member in self.participants)
        return self._written_ms is not None

    def _groups(self) -> list[Group] | None:
        if self.groups is not None:
            return [Group(group.group_id, group.total_time_ms) for group in self.groups]
        if not self._writes_groups:
            return None
        ids = dict.fromkeys(member.group_id for member in self.participants if member.group_id)
        return [Group(group_id, self._written_ms or 0) for group_id in ids]


def first_given(*totals_ms: int | None) -> int | None:
    """The first that is given; 0 is."""
    return next((total_ms for total_ms in totals_ms if total_ms is not None), None)


def contradiction(field: str, message: str) -> FieldProblem:
    return {"field": field, "message": message, "code": "contradiction"}
