"""What every error code means, and what its ``details`` are.

The status of a code is ``schemas.errors``' to say; here are the codes of the
gateway besides.
"""

from __future__ import annotations

from typing import Any, Final

from ..schemas.errors import STATUS, FieldProblem, Versions
from .components import Schema

MEANINGS: Final = {
    "VALIDATION_ERROR": "A field is missing or wrong; `details` names each.",
    "MALFORMED_JSON": "The body is not JSON as RFC 8259 has it.",
    "INVALID_STATE_TRANSITION": "The session's status, which the message names, forbids this.",
    "PARTICIPANT_EXPIRED": "The clock of the named successor has run out.",
    "UNAUTHENTICATED": "There is no token, or none that holds: none of ours, too old, revoked.",
    "FORBIDDEN": "The token doesn't allow this; of other sessions it tells nothing.",
    "SESSION_FORBIDDEN": "The connection's token holds no more, and the connection is closed.",
    "SESSION_NOT_FOUND": "There is no session of this id.",
    "NOT_FOUND": "There is nothing at this path.",
    "METHOD_NOT_ALLOWED": "The path doesn't take this method; `Allow` says which it does.",
    "STALE_CYCLE": "Somebody else is active than the one named as current.",
    "CONFLICT": "Others changed the session first, and this no longer applies to it.",
    "SESSION_EXISTS": "The id is taken by a session that was created differently.",
    "PRECONDITION_FAILED": "The session is not at the version that was expected.",
    "PAYLOAD_TOO_LARGE": "The body is larger than 1 MiB.",
    "UNSUPPORTED_MEDIA_TYPE": "The body is not `application/json`.",
    "IDEMPOTENCY_KEY_REUSED": "The key, or the id, was given to another request on this session.",
    "RATE_LIMIT_EXCEEDED": "Too much within a time; `retry_after_seconds` says how long to wait.",
    "INTERNAL_ERROR": "Our fault; `request_id` leads to it in the log.",
    "KEYS_UNAVAILABLE": "The keys that tokens are signed with can't be had; nothing was done.",
    "STORE_UNAVAILABLE": "The store can't be reached; whether there was an effect is not known.",
    "BAD_REQUEST": "The gateway refused this by itself, for a reason that no other code names.",
    "INVALID_JSON": "The message is not JSON.",
    "UNKNOWN_TYPE": "There is no message of this `type`.",
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
"""What an error of a code always has beside code and message; others may have it."""

GATEWAY_REFUSALS: Final = {
    "BAD_REQUEST": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RATE_LIMIT_EXCEEDED": 429,
}
"""What the gateway refuses a request with, before the application hears of it; see infra/templates.

BAD_REQUEST comes with other statuses, too.
"""

HEADERS: Final = {
    "UNAUTHENTICATED": ("x-amzn-Remapped-WWW-Authenticate",),
    "RATE_LIMIT_EXCEEDED": ("Retry-After",),
    "KEYS_UNAVAILABLE": ("Retry-After",),
    "STORE_UNAVAILABLE": ("Retry-After",),
}
"""The headers that come with a code."""


def by_status(codes: tuple[str, ...]) -> dict[int, tuple[str, ...]]:
    """The codes told with each status, the gateway's own included."""
    statuses = sorted({STATUS[code] for code in codes})
    told = {
        status: [code for code in codes if STATUS[code] == status]
        + [code for code, its_own in GATEWAY_REFUSALS.items() if its_own == status]
        for status in statuses
    }
    return {status: tuple(dict.fromkeys(codes)) for status, codes in told.items()}


def answer_name(code: str) -> str:
    """The component's name of the answer with an error code."""
    return "".join(word.capitalize() for word in code.split("_")) + "Answer"


def answer_schema(code: str, body: Schema, details: Schema | None) -> Schema:
    """The answer with an error code: ``ErrorBody``'s schema, narrowed to the code."""
    properties = {**body["properties"], "code": {"const": code}, "details": details}
    required = [*body["required"], *ALWAYS.get(code, ())]
    if details is None:
        del properties["details"]
    else:
        required.append("details")
    error = {**body, "properties": properties, "required": required}
    return {
        "description": MEANINGS[code],
        "type": "object",
        "properties": {"error": error},
        "required": ["error"],
    }
