"""The exceptions of the client.

    TicklessError
      CommandError           a command over the socket failed
      NoResponse             a REST request got no response
      ApiError               the server refused a REST request; one class for each code
        InvalidRequest, MalformedJson, ...

The codes are described in docs/protocol.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

CommandOutcome = Literal["unsent", "refused", "unknown"]


class TicklessError(Exception):
    """The base of every error that the server or the network causes."""


class CommandError(TicklessError):
    """A command failed, or its outcome is unknown.

    ``code`` is the server's, or ``NOT_LIVE``, ``CONNECTION_LOST`` or ``NO_ANSWER``. If
    ``outcome`` is ``unknown``, the command may have been carried out; the next snapshot shows it.
    """

    def __init__(self, code: str, message: str, outcome: CommandOutcome) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.outcome = outcome


class NoResponse(TicklessError):
    """A REST request got no response, retries included; the cause says why.

    It may have been carried out. Sent again with the same ``idempotency_key``, it takes effect
    only once.
    """

    def __init__(self, idempotency_key: str | None) -> None:
        super().__init__("No response arrived; the request may or may not have been carried out")
        self.idempotency_key = idempotency_key


class ApiError(TicklessError):
    """The server refused a request.

    ``details`` depend on the code, ``request_id`` finds the request in the server's log, and
    ``retry_after_s`` is how long to wait before the next try, if the server says so.
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


def error_from_response(status: int, headers: Mapping[str, str], body: Any) -> ApiError:
    """The exception for a response; a plain ApiError if a proxy answered instead of the server."""
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    code = str(error.get("code", ApiError.code))
    retry_after = error.get("retry_after_seconds", headers.get("Retry-After"))
    return ApiError.by_code.get(code, ApiError)(
        str(error.get("message", "The response gives no reason")),
        status=status,
        code=code,
        details=error.get("details"),
        request_id=error.get("request_id") or headers.get("x-amzn-RequestId"),
        retry_after_s=_seconds(retry_after),
    )


def _seconds(retry_after: object) -> float | None:
    """A Retry-After in seconds; the server never sends a date."""
    try:
        return float(str(retry_after))
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


class ParticipantWithdrawn(ApiError):
    code = "PARTICIPANT_WITHDRAWN"


class ParticipantNotFound(ApiError):
    code = "PARTICIPANT_NOT_FOUND"


class ParticipantExists(ApiError):
    code = "PARTICIPANT_EXISTS"


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
    """Nothing was done: the server could not load the keys that verify tokens."""

    code = "KEYS_UNAVAILABLE"


class StoreUnavailable(ApiError):
    """The request may or may not have taken effect; send it again with the same key."""

    code = "STORE_UNAVAILABLE"
