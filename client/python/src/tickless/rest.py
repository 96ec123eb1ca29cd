"""The blocking REST client: sends the operations of ``rest_operations``.

Owns the connection and the retries. ``async_rest`` is the same with ``await``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

import httpx

from . import rest_operations
from .errors import ApiError, NoResponse
from .rest_operations import method_signature
from .rest_request import TIMEOUT_S, Request, RetryPolicy

T = TypeVar("T")
P = ParamSpec("P")


def _method(operation: Callable[P, Request[T]]) -> Callable[Concatenate[RestClient, P], T]:
    """A method that sends the operation's request and returns its result."""

    @wraps(operation)
    def send(client: RestClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client._execute(operation(*args, **kwargs))

    vars(send)["__signature__"] = method_signature(operation)
    return send


class RestClient:
    """A client of the REST API at ``url``, which is where ``/v1`` is.

    Each method waits for the response, and raises ApiError or NoResponse. ``token`` may be a
    function; it is called before every request. ``transport`` is httpx's.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | Callable[[], str] | None = None,
        retry_policy: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._retry_policy = retry_policy or RetryPolicy()
        self._http = httpx.Client(timeout=TIMEOUT_S, transport=transport)
        self._sleep = sleep
        self._random = random

    create_session = _method(rest_operations.create_session)
    get_session = _method(rest_operations.get_session)
    update_session = _method(rest_operations.update_session)
    delete_session = _method(rest_operations.delete_session)
    get_events = _method(rest_operations.get_events)

    start = _method(rest_operations.start)
    switch = _method(rest_operations.switch)
    pause = _method(rest_operations.pause)
    resume = _method(rest_operations.resume)
    complete = _method(rest_operations.complete)
    cancel = _method(rest_operations.cancel)
    finish = _method(rest_operations.finish)
    undo = _method(rest_operations.undo)
    adjust = _method(rest_operations.adjust)
    set_turn = _method(rest_operations.set_turn)
    reopen = _method(rest_operations.reopen)
    reset = _method(rest_operations.reset)
    join = _method(rest_operations.join)
    update_participant = _method(rest_operations.update_participant)
    withdraw = _method(rest_operations.withdraw)

    mint_token = _method(rest_operations.mint_token)
    revoke_token = _method(rest_operations.revoke_token)
    get_time = _method(rest_operations.get_time)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()

    def _execute(self, request: Request[T]) -> T:
        failures = 0
        while True:
            try:
                return self._send(request)
            except (ApiError, NoResponse) as error:
                failures += 1
                delay_s = self._retry_policy.delay_s(failures, error, self._random())
                if delay_s is None:
                    raise
            self._sleep(delay_s)

    def _send(self, request: Request[T]) -> T:
        try:
            token = self._token() if callable(self._token) else self._token
            response = self._http.request(**request.httpx_arguments(self._url, token))
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise NoResponse(request.idempotency_key) from error
        return request.result(response.status_code, response.headers, response.content)
