"""Error responses: ``{"error": {"code", "message", "details"?}}``.

Exceptions are raised where the rule is; :func:`problem` is the only place that maps them to error
codes, HTTP statuses and headers (Retry-After, WWW-Authenticate).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NotRequired

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict

from ..core import errors as core
from .time_controls import VARIANTS, VARIANTS_BELOW


class FieldProblem(TypedDict):
    """What is wrong with one field, named by its dotted path: ``participants.0.group_id``."""

    field: str
    message: str
    code: str


class Versions(TypedDict):
    """The version a command expected, and the session's actual version."""

    expected_version: int | None
    actual_version: int | None


class ErrorBody(TypedDict):
    code: str
    message: str
    details: NotRequired[list[FieldProblem] | Versions]
    request_id: NotRequired[str]
    retry_after_seconds: NotRequired[int]


class ErrorAnswer(TypedDict):
    error: ErrorBody


class InvalidRequest(Exception):
    """The request is valid JSON but fails validation."""

    def __init__(self, details: Sequence[FieldProblem]) -> None:
        super().__init__("Request validation failed")
        self.details = details


class MalformedJson(Exception):
    """The body is not JSON."""

    code = "MALFORMED_JSON"


class PayloadTooLarge(Exception):
    """The body is larger than ``limit_bytes``."""

    code = "PAYLOAD_TOO_LARGE"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body must be at most {limit_bytes} bytes")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as an HTTP response; WebSocket errors use its code and message."""

    code: str
    message: str
    details: list[FieldProblem] | Versions | None = None
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after_seconds: int | None = None

    @property
    def status(self) -> int:
        return STATUS[self.code]

    def answer(self) -> ErrorAnswer:
        body: ErrorBody = {"code": self.code, "message": self.message}
        if self.details is not None:
            body["details"] = self.details
        if self.request_id is not None:
            body["request_id"] = self.request_id
        if self.retry_after_seconds is not None:
            body["retry_after_seconds"] = self.retry_after_seconds
        return {"error": body}


STATUS = {
    "VALIDATION_ERROR": 400,
    "INVALID_STATE_TRANSITION": 400,
    "PARTICIPANT_EXPIRED": 400,
    "PARTICIPANT_WITHDRAWN": 400,
    "MALFORMED_JSON": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "SESSION_NOT_FOUND": 404,
    "PARTICIPANT_NOT_FOUND": 404,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "STALE_CYCLE": 409,
    "CONFLICT": 409,
    "SESSION_EXISTS": 409,
    "PARTICIPANT_EXISTS": 409,
    "PRECONDITION_FAILED": 412,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "RATE_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
    "KEYS_UNAVAILABLE": 503,
    "STORE_UNAVAILABLE": 503,
}
"""The HTTP status of each error code."""

CODES = {
    400: "MALFORMED_JSON",
    405: "METHOD_NOT_ALLOWED",
    415: "UNSUPPORTED_MEDIA_TYPE",
}
"""Our code for requests that Chalice itself rejects, by status."""

RETRY_AFTER_SECONDS = 1

UNAVAILABLE = {
    "KEYS_UNAVAILABLE": "The signing keys are unavailable; try again",
    "STORE_UNAVAILABLE": "The store is unavailable; try again",
}
"""Public messages for dependencies that do not respond."""

MAX_MESSAGE_CHARACTERS = 300
MAX_VALUE_CHARACTERS = 40

OUT_OF_RANGE = frozenset(
    {"greater_than_equal", "less_than_equal", "enum", "literal_error"}
    | {"decimals", "main_time_range"}
)
TOO_LONG_OR_SHORT = frozenset({"string_too_long", "string_too_short"})
"""Pydantic's codes, and ours, of values whose bound the message has, but not what was given."""

FIELD_CODES: Mapping[type[core.RuleError], str] = {
    core.InvalidSetup: "invalid_setup",
    core.InvalidCommand: "invalid_command",
    core.InvalidAdjustment: "invalid_adjustment",
    core.UnknownParticipant: "unknown_participant",
}
"""The code of the field that a rule refuses."""


def problem(error: Exception) -> Problem | None:
    """The public form of an error; ``None`` for an unexpected exception."""
    match error:
        case InvalidRequest():
            return _invalid(error.details)
        case (
            core.InvalidSetup()
            | core.InvalidCommand()
            | core.InvalidAdjustment()
            | core.UnknownParticipant()
        ):
            return _invalid([_field(error.field, str(error), FIELD_CODES[type(error)])])
        case core.Conflict() | core.PreconditionFailed():
            versions: Versions = {
                "expected_version": error.expected_version,
                "actual_version": error.actual_version,
            }
            return Problem(error.code, str(error), versions)
        case core.StoreUnavailable() | core.KeysUnavailable():
            # The exception's message is for the log only.
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return Problem(error.code, UNAVAILABLE[error.code], headers=headers)
        case core.RateLimited():
            seconds = error.retry_after_seconds
            headers = {"Retry-After": str(seconds)}
            return Problem(error.code, str(error), headers=headers, retry_after_seconds=seconds)
        case core.Unauthenticated():
            # RFC 6750; API Gateway renames it to x-amzn-Remapped-WWW-Authenticate.
            return Problem(error.code, str(error), headers={"WWW-Authenticate": "Bearer"})
        case MalformedJson() | PayloadTooLarge() | core.TicklessError():
            return Problem(error.code, str(error))
    return None


def internal_error(request_id: str) -> Problem:
    """The response to an unexpected exception; its log line has the request id."""
    return Problem("INTERNAL_ERROR", "Something went wrong on our side", request_id=request_id)


def from_validation(error: ValidationError) -> InvalidRequest | MalformedJson:
    """Convert a pydantic error."""
    errors = error.errors(include_url=False, include_context=False)
    if errors and errors[0]["type"] == "json_invalid":
        return MalformedJson(errors[0]["msg"])
    return InvalidRequest([_from_pydantic(one) for one in errors])


def _from_pydantic(detail: ErrorDetails) -> FieldProblem:
    path: list[str] = []
    variants = 0
    for part in map(str, detail["loc"]):
        # Pydantic adds the variants it tried, which are no part of the request.
        if variants and part in VARIANTS:
            variants -= 1
            continue
        path.append(part)
        variants = VARIANTS_BELOW.get(part, 0)
    # Pydantic quotes unknown values in full.
    message = detail["msg"][:MAX_MESSAGE_CHARACTERS] + _got(detail["type"], detail["input"])
    return _field(".".join(path), message, detail["type"])


def _got(kind: str, value: Any) -> str:
    """The value that is out of bounds, where pydantic's message doesn't have it."""
    if kind in TOO_LONG_OR_SHORT:
        return f", got {len(value)}"
    if kind not in OUT_OF_RANGE:
        return ""
    text = str(value)
    is_long = len(text) > MAX_VALUE_CHARACTERS
    return f", got {text[:MAX_VALUE_CHARACTERS]}..." if is_long else f", got {text}"


def _invalid(details: Sequence[FieldProblem]) -> Problem:
    return Problem("VALIDATION_ERROR", "Request validation failed", list(details))


def _field(name: str, message: str, code: str) -> FieldProblem:
    return {"field": name, "message": message, "code": code}
