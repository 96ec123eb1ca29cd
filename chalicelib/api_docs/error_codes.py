"""Error codes in the API documents: descriptions, ``details`` and headers.

``schemas.errors`` owns the status of each code; the codes of API Gateway's own responses are here.
"""

from __future__ import annotations

from typing import Any, Final

from ..schemas.errors import STATUS, FieldProblem, Versions
from .components import Schema

DESCRIPTIONS: Final = {
    "VALIDATION_ERROR": "A field is missing or invalid; `details` lists each one.",
    "MALFORMED_JSON": "The body is not JSON (RFC 8259).",
    "INVALID_STATE_TRANSITION": "The session's status, given in the message, does not allow this.",
    "PARTICIPANT_EXPIRED": "The clock of the named successor has run out.",
    "PARTICIPANT_WITHDRAWN": "The named successor takes no part any more.",
    "PARTICIPANT_NOT_FOUND": "The session has no participant with this id.",
    "PARTICIPANT_EXISTS": "A participant with this id joined with other fields.",
    "UNAUTHENTICATED": "The token is missing, not ours, not valid now, or revoked.",
    "FORBIDDEN": "The token does not allow this, whether the session exists or not.",
    "SESSION_FORBIDDEN": "The connection's token is no longer valid; the connection is closed.",
    "SESSION_NOT_FOUND": "No session has this id.",
    "NOT_FOUND": "Nothing is at this path.",
    "METHOD_NOT_ALLOWED": "The path does not support this method; `Allow` lists those it does.",
    "STALE_CYCLE": "`current_participant_id` is not the active participant.",
    "CONFLICT": "Another request changed the session first; this one no longer applies.",
    "SESSION_EXISTS": "A session with this id was created by a different request.",
    "PRECONDITION_FAILED": "The session is not at the expected version.",
    "PAYLOAD_TOO_LARGE": "The body is larger than 1 MiB.",
    "UNSUPPORTED_MEDIA_TYPE": "The body is not `application/json`.",
    "IDEMPOTENCY_KEY_REUSED": "The key, or message id, was used with a different request.",
    "RATE_LIMIT_EXCEEDED": "Too many requests; wait `retry_after_seconds`.",
    "INTERNAL_ERROR": "Server error; the log has it under `request_id`.",
    "KEYS_UNAVAILABLE": "The signing keys are unavailable; nothing was done.",
    "STORE_UNAVAILABLE": "The store is unavailable; whether the request had an effect is unknown.",
    "BAD_REQUEST": "The gateway rejected the request for a reason without its own code.",
    "INVALID_JSON": "The message is not JSON.",
    "UNKNOWN_TYPE": "No message has this `type`.",
}

DETAILS: Final[dict[str, Any]] = {
    "VALIDATION_ERROR": list[FieldProblem],
    "CONFLICT": Versions,
    "PRECONDITION_FAILED": Versions,
}

ALWAYS: Final = {
    "BAD_REQUEST": ("request_id",),
    "INTERNAL_ERROR": ("request_id",),
    "RATE_LIMIT_EXCEEDED": ("retry_after_seconds",),
}
"""Fields that errors with a code always have, in addition to code and message."""

GATEWAY_REFUSALS: Final = {
    "BAD_REQUEST": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RATE_LIMIT_EXCEEDED": 429,
}
"""Codes of API Gateway's own rejections, before the application runs; see infra/templates.

BAD_REQUEST comes with other statuses too.
"""

HEADERS: Final = {
    "UNAUTHENTICATED": ("x-amzn-Remapped-WWW-Authenticate",),
    "RATE_LIMIT_EXCEEDED": ("Retry-After",),
    "KEYS_UNAVAILABLE": ("Retry-After",),
    "STORE_UNAVAILABLE": ("Retry-After",),
}
"""The response headers of a code."""


def by_status(codes: tuple[str, ...]) -> dict[int, tuple[str, ...]]:
    """Group codes by status, including the gateway's own codes."""
    statuses = sorted({STATUS[code] for code in codes})
    grouped = {
        status: [code for code in codes if STATUS[code] == status]
        + [code for code, gateway_status in GATEWAY_REFUSALS.items() if gateway_status == status]
        for status in statuses
    }
    return {status: tuple(dict.fromkeys(codes)) for status, codes in grouped.items()}


def answer_name(code: str) -> str:
    """The component name of the response with an error code."""
    return "".join(word.capitalize() for word in code.split("_")) + "Answer"


def answer_schema(code: str, body: Schema, details: Schema | None) -> Schema:
    """The schema of a response with an error code: ``ErrorBody`` narrowed to the code."""
    properties = {**body["properties"], "code": {"const": code}, "details": details}
    required = [*body["required"], *ALWAYS.get(code, ())]
    if details is None:
        del properties["details"]
    else:
        required.append("details")
    error = {**body, "properties": properties, "required": required}
    return {
        "description": DESCRIPTIONS[code],
        "type": "object",
        "properties": {"error": error},
        "required": ["error"],
    }
