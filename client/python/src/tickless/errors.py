"""What can go wrong, as exceptions with data.

    TicklessError
      CommandError           a command over the socket
      NoAnswer               a request over REST that was left without an answer
      ApiError               a request that was refused; one class for each code
        InvalidRequest, MalformedJson, ...

Codes and what they mean are docs/protocol.md's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

Outcome = Literal["unsent", "refused", "unknown"]


class TicklessError(Exception):
    """Anything that a server or the way to it makes go wrong."""


class CommandError(TicklessError):
    """A command that was not carried out, or of which nobody knows.

    ``code`` is the server's, or ``NOT_LIVE``, ``CONNECTION_LOST``, ``NO_ANSWER``. Where
    ``outcome`` is ``unknown`` it may have been carried out; what is held will show.
    """

    def __init__(self, code: str, message: str, outcome: Outcome) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.outcome = outcome


class NoAnswer(TicklessError):
    """No answer came over REST, however often the request was sent; its cause says why.

    It may have been carried out. Sent again under ``idempotency_key``, it has one effect.
    """

    def __init__(self, idempotency_key: str | None) -> None:
        super().__init__("No answer came: the request may have been carried out, or not")
        self.idempotency_key = idempotency_key


class ApiError(TicklessError):
    """A request that was refused.

    ``details`` are those of the code, ``request_id`` leads to it in the server's log, and
    ``retry_after_s`` says how long to wait before it is sent again, where the server does.
    """

    code: str = "UNKNOWN"
    by_code: ClassVar[dict[str, type[ApiError]]] = {}

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        details: Any = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.code = code or self.code
        super().__init__(f"{status} {self.code}: {message}")
        self.message = message
        self.status = status
        self.details = details
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    def __init_subclass__(cls) -> None:
        ApiError.by_code[cls.code] = cls


def api_error(status: int, headers: Mapping[str, str], body: Any) -> ApiError:
    """The exception for an answer; one without a code of ours is whoever's is in between."""
    told = body.get("error") if isinstance(body, dict) else None
    told = told if isinstance(told, dict) else {}
    code = str(told.get("code", ApiError.code))
    retry_after = told.get("retry_after_seconds", headers.get("Retry-After"))
    return ApiError.by_code.get(code, ApiError)(
        str(told.get("message", "Refused without a reason")),
        status=status,
        code=code,
        details=told.get("details"),
        request_id=told.get("request_id") or headers.get("x-amzn-RequestId"),
        retry_after_s=_seconds(retry_after),
    )


def _seconds(told: object) -> float | None:
    """A Retry-After in seconds; none of ours is a date."""
    try:
        return float(str(told))
    except ValueError:
        return None


class BadRequest(ApiError):
    code = "BAD_REQUEST"


class InvalidRequest(ApiError):
    """``details`` names each field that is missing or wrong."""

    code = "VALIDATION_ERROR"


class MalformedJson(ApiError):
    code = "MALFORMED_JSON"


class InvalidStateTransition(ApiError):
    code = "INVALID_STATE_TRANSITION"


class ParticipantExpired(ApiError):
    code = "PARTICIPANT_EXPIRED"


class Unauthenticated(ApiError):
    code = "UNAUTHENTICATED"


class Forbidden(ApiError):
    code = "FORBIDDEN"


class SessionNotFound(ApiError):
    code = "SESSION_NOT_FOUND"


class NotFound(ApiError):
    code = "NOT_FOUND"


class MethodNotAllowed(ApiError):
    code = "METHOD_NOT_ALLOWED"


class SessionExists(ApiError):
    code = "SESSION_EXISTS"


class StaleCycle(ApiError):
    code = "STALE_CYCLE"


class Conflict(ApiError):
    """``details`` are ``expected_version`` and ``actual_version``."""

    code = "CONFLICT"


class PreconditionFailed(ApiError):
    """``details`` are ``expected_version`` and ``actual_version``."""

    code = "PRECONDITION_FAILED"


class PayloadTooLarge(ApiError):
    code = "PAYLOAD_TOO_LARGE"


class UnsupportedMediaType(ApiError):
    code = "UNSUPPORTED_MEDIA_TYPE"


class IdempotencyKeyReused(ApiError):
    code = "IDEMPOTENCY_KEY_REUSED"


class RateLimitExceeded(ApiError):
    code = "RATE_LIMIT_EXCEEDED"


class InternalError(ApiError):
    code = "INTERNAL_ERROR"


class KeysUnavailable(ApiError):
    """Nothing was done: the server can't tell whose tokens are its own."""

    code = "KEYS_UNAVAILABLE"


class StoreUnavailable(ApiError):
    """Whether there was an effect is not known: send it again under the same key."""

    code = "STORE_UNAVAILABLE"
