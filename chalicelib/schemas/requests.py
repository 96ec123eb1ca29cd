"""What clients send: checked for shape here, for sense by the core.

Models read JSON text, never Python values, so that pydantic's own strict
parser is the only one in use. Unknown fields are ignored; of a field given
twice the last one counts. Integers are integers: no floats, strings, booleans.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError, from_json, to_json

from ..core.setup import Group, Participant, Setup, SyncMode, TimeoutAction, create_setup
from .errors import FieldProblem, InvalidRequest, MalformedJson, from_validation
from .fields import MOST_DURATION_MS, UUID_PATTERN, Duration, Request, Uuid
from .time_controls import TimeControlRequest

METADATA_BYTES = 4096
ACTION_DATA_BYTES = 1024
NESTING = 32
"""Deep enough for anything meant; well within what every parser on the way takes."""

EVENTS_A_PAGE = 100
MOST_EVENTS_A_PAGE = 1_000


def _at_most(limit_bytes: int) -> AfterValidator:
    def check(value: JsonValue) -> JsonValue:
        if _depth(value) > NESTING:
            raise PydanticCustomError(
                "too_deep", "Nested deeper than {limit} levels", {"limit": NESTING}
            )
        if len(to_json(value)) > limit_bytes:
            raise PydanticCustomError(
                "too_large", "Larger than {limit} bytes of JSON", {"limit": limit_bytes}
            )
        return value

    return AfterValidator(check)


def _depth(value: JsonValue) -> int:
    # The parser has bounded the depth, so this recursion is bounded too.
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    if isinstance(value, float) and not isfinite(value):
        # 1e999 is JSON, but no number that could be given back.
        raise PydanticCustomError("number_range", "A number is out of range")
    return 0


class GroupRequest(Request):
    group_id: Uuid
    total_time_ms: Duration


class ParticipantRequest(Request):
    participant_id: Uuid
    participant_index: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None
    total_time_ms: Duration | None = None
    group_id: Uuid | None = None
    time_control: TimeControlRequest | None = None

    @property
    def written_ms(self) -> int | None:
        """What the participant's own time control, as written, puts on the clock."""
        return self.time_control.main_ms if self.time_control else None


class ActionOnTimeoutRequest(Request):
    type: TimeoutAction
    data: Annotated[JsonValue, _at_most(ACTION_DATA_BYTES)] = Field(
        None, description=f"At most {ACTION_DATA_BYTES} bytes of JSON; handed back in the event"
    )


WarningTime = Annotated[int, Field(ge=1, le=MOST_DURATION_MS)]


class CreateSession(Request):
    """POST /v1/sessions.

    ``total_time_ms`` may be left out, here and of a participant, where a time
    control that is written as text says how much time there is.
    """

    session_id: Uuid
    sync_mode: SyncMode
    participants: Annotated[list[ParticipantRequest], Field(min_length=1, max_length=1000)]
    total_time_ms: Duration | None = None
    time_per_cycle_ms: Duration | None = None
    increment_ms: Annotated[int, Field(ge=0, le=60_000)] | None = None
    max_time_ms: Duration | None = None
    groups: Annotated[list[GroupRequest], Field(max_length=1000)] | None = None
    time_control: TimeControlRequest | None = None
    action_on_timeout: ActionOnTimeoutRequest | None = None
    warn_at_ms: Annotated[list[WarningTime], Field(max_length=10)] | None = None
    metadata: Annotated[dict[str, JsonValue], _at_most(METADATA_BYTES)] | None = Field(
        None, description=f"At most {METADATA_BYTES} bytes of JSON, {NESTING} levels deep"
    )

    def setup(self) -> Setup:
        """The setup asked for.

        Raises:
            InvalidRequest: It is said twice, or not at all, how much time there is.
            InvalidSetup: Its fields contradict each other.
        """
        self._check_totals()
        action, control = self.action_on_timeout, self.time_control
        return create_setup(
            session_id=self.session_id,
            sync_mode=self.sync_mode,
            participants=[
                Participant(
                    participant.participant_id,
                    position
                    if participant.participant_index is None
                    else participant.participant_index,
                    self._total_ms(participant),
                    participant.group_id,
                )
                for position, participant in enumerate(self.participants)
            ],
            total_time_ms=self.total_time_ms or self._written_ms or 0,
            groups=self._groups(),
            time_per_cycle_ms=self.time_per_cycle_ms,
            increment_ms=self.increment_ms or 0,
            max_time_ms=self.max_time_ms,
            time_control=control.control() if control else None,
            action_on_timeout=action.type if action else None,
            action_data=action.data if action else None,
            warn_at_ms=self.warn_at_ms or (),
            metadata=self.metadata,
            own_controls={
                participant.participant_id: participant.time_control.control()
                for participant in self.participants
                if participant.time_control is not None
            },
        )

    @property
    def _written_ms(self) -> int | None:
        return self.time_control.main_ms if self.time_control else None

    def _total_ms(self, participant: ParticipantRequest) -> int:
        return participant.total_time_ms or participant.written_ms or self._written_ms or 0

    def _check_totals(self) -> None:
        wrong: list[FieldProblem] = []
        for position, participant in enumerate(self.participants):
            field = f"participants.{position}.total_time_ms"
            if not self._total_ms(participant):
                wrong.append({"field": field, "message": "Field required", "code": "missing"})
            elif participant.written_ms not in (None, self._total_ms(participant)):
                wrong.append(_contradiction(field, "The participant's time_control says otherwise"))
            elif participant.total_time_ms and self._writes_groups:
                # Is it the group's, or a part of it? Nobody could tell.
                wrong.append(_contradiction(field, "A group has what time_control says"))
        if not self.total_time_ms and self._written_ms is None:
            message = "Field required"
            wrong.append({"field": "total_time_ms", "message": message, "code": "missing"})
        elif self.total_time_ms and self._written_ms not in (None, self.total_time_ms):
            wrong.append(_contradiction("total_time_ms", "The time_control says otherwise"))
        if wrong:
            raise InvalidRequest(wrong)

    @property
    def _writes_groups(self) -> bool:
        """Whether a time control as written says what each group's clock holds."""
        is_told = self.groups is not None or self._written_ms is None
        return self.sync_mode is SyncMode.PER_GROUP and not is_told

    def _groups(self) -> list[Group] | None:
        if self.groups is not None:
            return [Group(group.group_id, group.total_time_ms) for group in self.groups]
        if not self._writes_groups:
            return None
        ids = dict.fromkeys(member.group_id for member in self.participants if member.group_id)
        return [Group(group_id, self._written_ms or 0) for group_id in ids]


def _contradiction(field: str, message: str) -> FieldProblem:
    return {"field": field, "message": message, "code": "contradiction"}


class SwitchCycle(Request):
    """POST /v1/sessions/{id}/switch; every field may be left out, and the body too."""

    next_participant_id: Uuid | None = None
    current_participant_id: Uuid | None = None


class PauseSession(Request):
    """POST /v1/sessions/{id}/pause; the body may be left out."""

    current_participant_id: Uuid | None = None


def _not_zero(value: int) -> int:
    if value == 0:
        raise PydanticCustomError("zero", "Input should be above or below 0")
    return value


class AdjustTime(Request):
    """POST /v1/sessions/{id}/adjust; which clock there is depends on the mode."""

    participant_id: Uuid | None = None
    group_id: Uuid | None = None
    delta_ms: Annotated[
        int,
        Field(ge=-86_400_000, le=86_400_000, json_schema_extra={"not": {"const": 0}}),
        AfterValidator(_not_zero),
    ]
    reason: Annotated[str, StringConstraints(max_length=200)] | None = None


class NoFields(Request):
    """The body of a command that takes none: an object, or nothing."""


Model = TypeVar("Model", bound=Request)


def read(model: type[Model], body: bytes) -> Model:
    """A request from its body; an empty one stands for ``{}``.

    Raises:
        MalformedJson: It is no JSON.
        InvalidRequest: It is not what the model wants.
    """
    # The model's own parser would let NaN and Infinity pass where a field
    # takes any JSON, and in fields that it ignores.
    read_json(body or b"{}")
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise from_validation(error) from None


def read_json(text: bytes) -> Any:
    """Any value of JSON as RFC 8259 has it, in UTF-8.

    Raises:
        MalformedJson: It is none.
    """
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedJson(str(error)) from None


def read_value(model: type[Model], value: object) -> Model:
    """A request from JSON that was read before; ``None`` stands for ``{}``.

    Raises:
        InvalidRequest: It is not what the model wants.
    """
    try:
        return model.model_validate({} if value is None else value)
    except ValidationError as error:
        raise from_validation(error) from None


def read_session_id(text: str) -> str:
    """A session id from a path or a query, in lower case.

    Raises:
        InvalidRequest: It is no UUID in canonical form.
    """
    if not re.fullmatch(UUID_PATTERN, text):
        raise InvalidRequest([{"field": "session_id", "message": "Not a UUID", "code": "uuid"}])
    return text.lower()


class Page(NamedTuple):
    """Which part of a log is asked for: so many events from behind the one called ``after``."""

    after: str | None
    limit: int


def read_page(query: Mapping[str, str]) -> Page:
    """The page that a query string asks for.

    Raises:
        InvalidRequest: ``after`` is no event's id, or ``limit`` no number that is allowed.
    """
    after, limit = query.get("after"), query.get("limit", str(EVENTS_A_PAGE))
    wrong: list[FieldProblem] = []
    if after is not None and not _is_event_id(after):
        wrong.append({"field": "after", "message": "Not the id of an event", "code": "event_id"})
    if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= MOST_EVENTS_A_PAGE:
        message = f"Not a whole number from 1 to {MOST_EVENTS_A_PAGE}"
        wrong.append({"field": "limit", "message": message, "code": "page_limit"})
    if wrong:
        raise InvalidRequest(wrong)
    return Page(after, int(limit))


def _is_event_id(text: str) -> bool:
    numbers = re.fullmatch("([0-9]{1,19})-([0-9]{1,19})", text)
    return numbers is not None and all(int(number) < 2**63 for number in numbers.groups())
