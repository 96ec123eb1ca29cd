"""Requests: the fields of each command, and how a body is read.

They validate the shape of a request; the core validates its meaning. That of a creation is in
``creation.py``.

Models parse JSON text, never Python values, so that pydantic's strict parser is the only one.
Unknown fields are ignored; the last of duplicate fields counts. Integers must be JSON integers: no
floats, strings or booleans. :func:`read_json` rejects a body that is not JSON (MALFORMED_JSON).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, TypeVar, cast

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
from ..core.commands import Adjust, Finish, Pause, Resume, Start, Switch
from ..core.edits import Patch
from ..core.limits import (
    MAX_ACTION_DATA_BYTES,
    MAX_CLOCK_MS,
    MAX_EXTEND_TO_MS,
    MAX_MESSAGE_CHARACTERS,
    MAX_METADATA_BYTES,
    MAX_NESTING,
    MAX_REASON_CHARACTERS,
    MAX_WARNINGS,
    MIN_EXTEND_TO_MS,
)
from ..core.participants import Joiner, ParticipantPatch
from ..core.setup import (
    MessageStyle,
    Permission,
    TimeoutAction,
)
from .creation import (
    Numbers,
    ParticipantName,
    ParticipantRequest,
    TimeFactor,
    WarningTime,
    contradiction,
    first_given,
    thousandths,
)
from .errors import FieldProblem, InvalidRequest, MalformedJson, from_validation
from .fields import (
    UUID_PATTERN,
    Instant,
    Request,
    Uuid,
)

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000


class MessagePatch(Request):
    text: (
        Annotated[str, StringConstraints(min_length=1, max_length=MAX_MESSAGE_CHARACTERS)] | None
    ) = None
    style: Annotated[MessageStyle, Field(strict=False)] | None = None


class ActionOnTimeoutPatch(Request):
    type: Annotated[TimeoutAction, Field(strict=False)] | None = None
    data: Annotated[JsonValue, Numbers] = Field(
        None, description=f"At most {MAX_ACTION_DATA_BYTES} bytes of JSON when merged"
    )


class SoftClosePatch(Request):
    extend_to_ms: Annotated[int, Field(ge=MIN_EXTEND_TO_MS, le=MAX_EXTEND_TO_MS)] | None = None
    max_extension_ms: Annotated[int, Field(ge=1, le=MAX_CLOCK_MS)] | None = None


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
    warn_at_ms: Annotated[list[WarningTime], Field(max_length=MAX_WARNINGS)] | None = None
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
    more than the highest. The ``participant_id`` alone is enough for one who comes back.
    """

    def command(self) -> commands.Join:
        """The command for the core.

        Raises:
            InvalidRequest: The total time contradicts the time control.
        """
        total_ms = first_given(self.total_time_ms, self.written_ms)
        if self.written_ms not in (None, total_ms):
            message = "Differs from the main time in time_control"
            raise InvalidRequest([contradiction("total_time_ms", message)])
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
        Field(ge=-MAX_CLOCK_MS, le=MAX_CLOCK_MS, json_schema_extra={"not": {"const": 0}}),
        AfterValidator(_not_zero),
    ]
    reason: Annotated[str, StringConstraints(max_length=MAX_REASON_CHARACTERS)] | None = None
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
