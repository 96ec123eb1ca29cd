"""What ``@connections`` refuses, in the terms of its model.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

from __future__ import annotations


class CallbackError(Exception):
    """A call to @connections that isn't carried out, in the terms of its model."""

    status: int
    error_type: str

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class GoneError(CallbackError):
    """There is no such connection, any more or yet."""

    status = 410
    error_type = "GoneException"


class BadRequestError(CallbackError):
    status = 400
    error_type = "BadRequestException"


class PayloadTooLargeError(CallbackError):
    status = 413
    error_type = "PayloadTooLargeException"


class LimitExceededError(CallbackError):
    status = 429
    error_type = "LimitExceededException"


class ForbiddenError(CallbackError):
    status = 403
    error_type = "ForbiddenException"
