"""Request models: validate the shape of a request; the core validates its meaning.

Models parse JSON text, never Python values, so that pydantic's strict parser is the only one.
Unknown fields are ignored; the last of duplicate fields counts. Integers must be JSON integers: no
floats, strings or booleans. :func:`read_json` rejects a body that is not JSON (MALFORMED_JSON).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any, NamedTuple, TypeVar, cast
from unicodedata import category

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError, from_json

from ..core import commands
from ..core.appointments import Appointments
from ..core.commands import Adjust, Finish, Pause, Resume, Start, Switch
from ..core.edits import Patch
from ..core.json_values import (
    MAX_ACTION_DATA_BYTES,
    MAX_METADATA_BYTES,
    MAX_NESTING,
    depth,
    size_bytes,
)
from ..core.participants import MAX_INDEX, Joiner, ParticipantPatch
from ..core.setup import (
    MAX_PARTICIPANTS,
    THOUSANDTHS,
    Group,
    MessageStyle,
    Participant,
    Permission,
    Setup,
    SoftClose,
    SyncMode,
    TimeoutAction,
    TurnTaking,
    create_setup,
)
from .errors import FieldProblem, InvalidRequest, MalformedJson, from_validation
from .fields import (
    MAX_DURATION_MS,
    UUID_PATTERN,
    Duration,
    Instant,
    MainTime,
    Request,
    Uuid,
)
from .time_controls import MAX_INCREMENT_MS, StagesRequest, TimeControlRequest

MAX_WARNING_MS = 86_400_000
DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000


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
    Field(ge=0.1, le=10, description="At most three decimals"),
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
    StringConstraints(min_length=1, max_length=80),
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
    extend_to_ms: Annotated[int, Field(ge=1_000, le=3_600_000)]
    max_extension_ms: Annotated[int, Field(ge=1, le=MAX_DURATION_MS)] | None = None


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
    groups: Annotated[list[GroupRequest], Field(max_length=1000)] | None = None
    time_control: TimeControlRequest | None = None
    action_on_timeout: ActionOnTimeoutRequest | None = None
    warn_at_ms: Annotated[list[WarningTime], Field(max_length=10)] | None = None
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
            total_time_ms=_first(self.total_time_ms, self._written_ms) or 0,
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
        return _first(
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
                    _contradiction(
                        field, "Differs from the main time in the participant's time_control"
                    )
                )
            elif participant.total_time_ms is not None and self._writes_groups:
                # Ambiguous: it could be the group's time or a share of it.
                message = "Leave it out: time_control sets the time of each group"
                wrong.append(_contradiction(field, message))
        total_ms = _first(self.total_time_ms, self._written_ms)
        if total_ms is None:
            message = "Field required"
            wrong.append({"field": "total_time_ms", "message": message, "code": "missing"})
        elif self._written_ms not in (None, total_ms):
            message = "Differs from the main time in time_control"
            wrong.append(_contradiction("total_time_ms", message))
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


def _first(*totals_ms: int | None) -> int | None:
    """The first that is given; 0 is."""
    return next((total_ms for total_ms in totals_ms if total_ms is not None), None)


def _contradiction(field: str, message: str) -> FieldProblem:
    return {"field": field, "message": message, "code": "contradiction"}


class MessagePatch(Request):
    text: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    style: Annotated[MessageStyle, Field(strict=False)] | None = None


class ActionOnTimeoutPatch(Request):
    type: Annotated[TimeoutAction, Field(strict=False)] | None = None
    data: Annotated[JsonValue, Numbers] = Field(
        None, description=f"At most {MAX_ACTION_DATA_BYTES} bytes of JSON when merged"
    )


class SoftClosePatch(Request):
    extend_to_ms: Annotated[int, Field(ge=1_000, le=3_600_000)] | None = None
    max_extension_ms: Annotated[int, Field(ge=1, le=MAX_DURATION_MS)] | None = None


class UpdateSession(Request):
    """PATCH /v1/sessions/{id}, a JSON merge patch (RFC 7396); any other field is refused."""

    model_config = ConfigDict(extra="forbid")

    metadata: Annotated[dict[str, JsonValue], Numbers] | None = Field(
        None,
        description=f"At most {MAX_METADATA_BYTES} bytes of JSON, {MAX_NESTING} levels deep when"
        " merged",
    )
    message: MessagePatch | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    warn_at_ms: Annotated[list[WarningTime], Field(max_length=10)] | None = None
    action_on_timeout: ActionOnTimeoutPatch | None = None
    soft_close: SoftClosePatch | None = None
    participants_may: (
        Annotated[list[Annotated[Permission, Field(strict=False)]], Field(max_length=2)] | None
    ) = None

    def command(self) -> commands.Update:
        return commands.Update(cast(Patch, self.model_dump(exclude_unset=True)))


class JoinSession(ParticipantRequest):
    """POST /v1/sessions/{id}/participants: a participant as in a creation.

    ``total_time_ms`` is optional where it is in a creation; ``participant_index`` is by default one
    more than the highest.
    """

    def command(self) -> commands.Join:
        """The command for the core.

        Raises:
            InvalidRequest: The total time contradicts the time control.
        """
        total_ms = _first(self.total_time_ms, self.written_ms)
        if self.written_ms not in (None, total_ms):
            message = "Differs from the main time in time_control"
            raise InvalidRequest([_contradiction("total_time_ms", message)])
        joiner = Joiner(
            self.participant_id,
            self.participant_index,
            total_ms,
            self.group_id,
            self.time_control.control() if self.time_control else None,
            None if self.time_factor is None else thousandths(self.time_factor),
            self.name,
        )
        return commands.Join(joiner)


class PatchParticipant(Request):
    """PATCH /v1/sessions/{id}/participants/{participant_id}, a JSON merge patch (RFC 7396).

    Any other field is refused.
    """

    model_config = ConfigDict(extra="forbid")

    name: ParticipantName | None = None
    time_factor: TimeFactor | None = None


class UpdateParticipant(PatchParticipant):
    """The same with the participant's id, which the path has in REST."""

    participant_id: Uuid

    def command(self) -> commands.UpdateParticipant:
        patch = self.model_dump(exclude_unset=True, exclude={"participant_id"})
        if self.time_factor is not None:
            patch["time_factor"] = thousandths(self.time_factor)
        return commands.UpdateParticipant(self.participant_id, cast(ParticipantPatch, patch))


class WithdrawParticipant(Request):
    """DELETE /v1/sessions/{id}/participants/{participant_id}, whose path has the id."""

    participant_id: Uuid

    def command(self) -> commands.Withdraw:
        return commands.Withdraw(self.participant_id)


class SwitchCycle(Request):
    """POST /v1/sessions/{id}/switch; all fields, and the body itself, are optional."""

    next_participant_id: Uuid | None = None
    current_participant_id: Uuid | None = None

    def command(self) -> Switch:
        return Switch(self.next_participant_id, self.current_participant_id)


class StartSession(Request):
    """POST /v1/sessions/{id}/start; a ``participant_id`` is for simultaneous sessions."""

    participant_id: Uuid | None = None

    def command(self) -> Start:
        return Start(self.participant_id)


class PauseSession(Request):
    """POST /v1/sessions/{id}/pause; a ``participant_id`` is for simultaneous sessions."""

    current_participant_id: Uuid | None = None
    participant_id: Uuid | None = None

    def command(self) -> Pause:
        return Pause(self.current_participant_id, self.participant_id)


class ResumeSession(Request):
    """POST /v1/sessions/{id}/resume; a ``participant_id`` is for simultaneous sessions."""

    participant_id: Uuid | None = None

    def command(self) -> Resume:
        return Resume(self.participant_id)


class FinishClock(Request):
    """POST /v1/sessions/{id}/finish; a participant may leave their own ``participant_id`` out."""

    participant_id: Uuid | None = None

    def command(self) -> Finish:
        return Finish(self.participant_id)


class SetTurn(Request):
    """POST /v1/sessions/{id}/set_turn."""

    participant_id: Uuid

    def command(self) -> commands.SetTurn:
        return commands.SetTurn(self.participant_id)


def _not_zero(value: int) -> int:
    if value == 0:
        raise PydanticCustomError("zero", "Input should not be 0")
    return value


class AdjustTime(Request):
    """POST /v1/sessions/{id}/adjust; the mode determines which clock can be named."""

    participant_id: Uuid | None = None
    group_id: Uuid | None = None
    delta_ms: Annotated[
        int,
        Field(ge=-MAX_DURATION_MS, le=MAX_DURATION_MS, json_schema_extra={"not": {"const": 0}}),
        AfterValidator(_not_zero),
    ]
    reason: Annotated[str, StringConstraints(max_length=200)] | None = None
    scaled: bool | None = None

    def command(self) -> Adjust:
        return Adjust(
            self.delta_ms, self.participant_id, self.group_id, self.reason, bool(self.scaled)
        )


class NoFields(Request):
    """The body of a command without fields: an object, or nothing."""


Model = TypeVar("Model", bound=Request)


def read(model: type[Model], body: bytes) -> Model:
    """Parse and validate a request body; an empty body means ``{}``.

    Raises:
        MalformedJson: The body is not JSON.
        InvalidRequest: The body does not match the model.
    """
    # The model's own parser accepts NaN and Infinity in fields of any JSON and in ignored fields.
    read_json(body or b"{}")
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise from_validation(error) from None


def read_json(text: bytes) -> Any:
    """Parse any JSON value (RFC 8259) in UTF-8.

    Raises:
        MalformedJson: The text is not JSON.
    """
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedJson(str(error)) from None


def read_value(model: type[Model], value: object) -> Model:
    """Validate parsed JSON; ``None`` means ``{}``.

    Raises:
        InvalidRequest: The value does not match the model.
    """
    try:
        return model.model_validate({} if value is None else value)
    except ValidationError as error:
        raise from_validation(error) from None


def parse_session_id(text: str) -> str | None:
    """A session id in lower case; None if it is not a UUID in canonical form."""
    return text.lower() if re.fullmatch(UUID_PATTERN, text) else None


def invalid_session_id() -> InvalidRequest:
    return InvalidRequest([{"field": "session_id", "message": "Must be a UUID", "code": "uuid"}])


def read_session_id(text: str) -> str:
    """A session id from a query, in lower case.

    Raises:
        InvalidRequest: The text is not a UUID in canonical form.
    """
    session_id = parse_session_id(text)
    if session_id is None:
        raise invalid_session_id()
    return session_id


class EventLogQuery(NamedTuple):
    """A page of the event log: up to ``limit`` events after the event ``after``."""

    after: str | None
    limit: int


def read_event_log_query(query: Mapping[str, str]) -> EventLogQuery:
    """The page that a query string requests.

    Raises:
        InvalidRequest: ``after`` is not an event id, or ``limit`` is out of range.
    """
    after, limit = query.get("after"), query.get("limit", str(DEFAULT_PAGE_SIZE))
    wrong: list[FieldProblem] = []
    if after is not None and not _is_event_id(after):
        wrong.append({"field": "after", "message": "Must be an event id", "code": "event_id"})
    if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= MAX_PAGE_SIZE:
        message = f"Must be a whole number between 1 and {MAX_PAGE_SIZE}"
        wrong.append({"field": "limit", "message": message, "code": "page_limit"})
    if wrong:
        raise InvalidRequest(wrong)
    return EventLogQuery(after, int(limit))


def _is_event_id(text: str) -> bool:
    numbers = re.fullmatch("([0-9]{1,19})-([0-9]{1,19})", text)
    return numbers is not None and all(int(number) < 2**63 for number in numbers.groups())
