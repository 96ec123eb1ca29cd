"""One REST request without a connection: what is sent, how the response is read, when to retry.

Owns headers, JSON bodies and the retry policy. Which requests there are is in
``rest_operations``; ``rest`` and ``async_rest`` send them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from .errors import ApiError, NoResponse, error_from_response

TIMEOUT_S = 10.0
NOT_MODIFIED = 304
VISIBLE = re.compile(r"[!-~]+")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response. ``body`` is the parsed JSON, ``None`` if there was none."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One request, and ``parse``, which reads the result from a successful response."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    parse: Callable[[Response], T]
    body: Mapping[str, Any] | None = None
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def idempotency_key(self) -> str | None:
        return self.headers.get("Idempotency-Key")

    def httpx_arguments(self, url: str, token: str | None) -> dict[str, Any]:
        """The arguments of httpx's ``request``; a retry sends the same bytes.

        Raises:
            ValueError: The token can't be sent. The text doesn't quote it, as that of httpx would.
        """
        if token is not None and not (isinstance(token, str) and VISIBLE.fullmatch(token)):
            raise ValueError(
                "The token can't be sent: it must be a string of visible ASCII characters,"
                " without spaces and line ends"
            )
        content_type = {} if self.body is None else {"Content-Type": "application/json"}
        authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
        return {
            "method": self.method,
            "url": f"{url}{self.path}",
            "params": self.params,
            "content": None if self.body is None else json.dumps(self.body).encode(),
            "headers": {**self.headers, **content_type, **authorization},
        }

    def result(self, status: int, headers: Mapping[str, str], content: bytes) -> T:
        """The parsed result of a response.

        Raises:
            ApiError: The server refused the request.
            NoResponse: The response claims success, but its body is not JSON.
        """
        try:
            body = json.loads(content) if content else None
        except ValueError as error:
            # A proxy in between may answer anything; without success only the status matters.
            if status < 300:
                raise NoResponse(self.idempotency_key) from error
            body = None
        if status >= 300 and status != NOT_MODIFIED:
            raise error_from_response(status, headers, body)
        return self.parse(Response(status, headers, body))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is sent, and the delays in between.

    Retried are requests without a response, 429 and 5xx. The delay is a random part of a
    backoff that doubles, plus what ``Retry-After`` demands; if that is more than ``max_delay_s``,
    the error is raised at once.
    """

    max_attempts: int = 4
    initial_delay_s: float = 0.2
    max_delay_s: float = 5.0

    def delay_s(self, failures: int, error: ApiError | NoResponse, random: float) -> float | None:
        """The delay after so many failures; ``None`` if the request is not sent again."""
        retry_after_s = 0.0
        if isinstance(error, ApiError):
            if error.status != 429 and error.status < 500:
                return None
            retry_after_s = error.retry_after_s or 0.0
        if failures >= self.max_attempts or retry_after_s > self.max_delay_s:
            return None
        backoff_s = min(self.max_delay_s, self.initial_delay_s * 2.0 ** (failures - 1))
        return retry_after_s + random * backoff_s
