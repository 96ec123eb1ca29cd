"""The errors of ``@connections``, with the statuses and types of AWS's service model.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

from __future__ import annotations


class ConnectionsApiError(Exception):
    """An error that a call of @connections returns."""

    status: int
    error_type: str

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class GoneError(ConnectionsApiError):
    """The connection does not exist, no longer exists, or is not open yet."""

    status = 410
    error_type = "GoneException"


class BadRequestError(ConnectionsApiError):
    status = 400
    error_type = "BadRequestException"


class PayloadTooLargeError(ConnectionsApiError):
    status = 413
    error_type = "PayloadTooLargeException"


class LimitExceededError(ConnectionsApiError):
    status = 429
    error_type = "LimitExceededException"


class ForbiddenError(ConnectionsApiError):
    status = 403
    error_type = "ForbiddenException"
