"""Every error a client can be told of, in its one shape.

``{"error": {"code", "message", "details"?}}``. Exceptions are raised where the
rule is; :func:`problem` alone knows how they look from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NotRequired

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict

from ..core import errors as core
from .time_controls import VARIANTS


class FieldProblem(TypedDict):
    """What is wrong with one field; its path joined by dots, as ``participants.0.group_id``."""

    field: str
    message: str
    code: str


class Versions(TypedDict):
    """The version a command was meant for, and the one it met."""

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
    """A request that is JSON but not what it should be."""

    def __init__(self, details: Sequence[FieldProblem]) -> None:
        super().__init__("Request validation failed")
        self.details = details


class MalformedJson(Exception):
    """A body that is not JSON at all."""

    code = "MALFORMED_JSON"


class PayloadTooLarge(Exception):
    """A body above the limit, which ``limit_bytes`` tells."""

    code = "PAYLOAD_TOO_LARGE"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body may have at most {limit_bytes} bytes")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as HTTP shows it; the socket takes code and message from it."""

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
    "MALFORMED_JSON": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "SESSION_NOT_FOUND": 404,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "STALE_CYCLE": 409,
    "CONFLICT": 409,
    "SESSION_EXISTS": 409,
    "PRECONDITION_FAILED": 412,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "RATE_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
    "KEYS_UNAVAILABLE": 503,
    "STORE_UNAVAILABLE": 503,
}
"""The HTTP status of every code."""

CODES = {
    400: "MALFORMED_JSON",
    405: "METHOD_NOT_ALLOWED",
    415: "UNSUPPORTED_MEDIA_TYPE",
}
"""Our code for what the framework refuses by itself."""

RETRY_AFTER_SECONDS = 1

AWAY = {
    "KEYS_UNAVAILABLE": "The keys of tokens can't be had; try again",
    "STORE_UNAVAILABLE": "The store can't be reached; try again",
}
"""What callers are told of a part that does not answer."""

MESSAGE_CHARACTERS = 300


def problem(error: Exception) -> Problem | None:
    """How an error looks from outside; ``None`` for one that is our own fault."""
    match error:
        case InvalidRequest():
            return _invalid(error.details)
        case core.InvalidSetup():
            return _invalid([_field(error.field, str(error), "invalid_setup")])
        case core.UnknownParticipant():
            return _invalid([_field("next_participant_id", str(error), "unknown_participant")])
        case core.InvalidAdjustment():
            return _invalid([_field(error.field, str(error), "invalid_adjustment")])
        case core.Conflict() | core.PreconditionFailed():
            versions: Versions = {
                "expected_version": error.expected_version,
                "actual_version": error.actual_version,
            }
            return Problem(error.code, str(error), versions)
        case core.StoreUnavailable() | core.KeysUnavailable():
            # Who failed, and how, is for the log alone.
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return Problem(error.code, AWAY[error.code], headers=headers)
        case core.RateLimited():
            seconds = error.retry_after_seconds
            headers = {"Retry-After": str(seconds)}
            return Problem(error.code, str(error), headers=headers, retry_after_seconds=seconds)
        case core.Unauthenticated():
            # RFC 6750; API Gateway sends it on as x-amzn-Remapped-WWW-Authenticate.
            return Problem(error.code, str(error), headers={"WWW-Authenticate": "Bearer"})
        case MalformedJson() | PayloadTooLarge() | core.TicklessError():
            return Problem(error.code, str(error))
    return None


def internal_error(request_id: str) -> Problem:
    """The answer to a fault of our own; the id leads to it in the log."""
    return Problem("INTERNAL_ERROR", "Something went wrong on our side", request_id=request_id)


def from_validation(error: ValidationError) -> InvalidRequest | MalformedJson:
    """A pydantic error in our words."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found and found[0]["type"] == "json_invalid":
        return MalformedJson(found[0]["msg"])
    return InvalidRequest([_from_pydantic(one) for one in found])


def _from_pydantic(detail: ErrorDetails) -> FieldProblem:
    path: list[str] = []
    for part in map(str, detail["loc"]):
        # Which of a time control's models was tried is nothing that a client has sent.
        if not (path[-1:] == ["time_control"] and part in VARIANTS):
            path.append(part)
    # pydantic quotes what it does not know, however long that is.
    return _field(".".join(path), detail["msg"][:MESSAGE_CHARACTERS], detail["type"])


def _invalid(details: Sequence[FieldProblem]) -> Problem:
    return Problem("VALIDATION_ERROR", "Request validation failed", list(details))


def _field(name: str, message: str, code: str) -> FieldProblem:
    return {"field": name, "message": message, "code": code}
