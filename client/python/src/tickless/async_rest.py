"""The asynchronous REST client: sends the operations of ``rest_operations``.

Owns the connection and the retries. ``rest`` is the same without ``await``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from . import rest_operations
from .environment import TokenSource, resolve_token
from .errors import ApiError, NoResponse
from .rest_operations import method_signature
from .rest_request import TIMEOUT_S, Request, RetryPolicy

T = TypeVar("T")
P = ParamSpec("P")


def _method(
    operation: Callable[P, Request[T]],
) -> Callable[Concatenate[AsyncRestClient, P], Coroutine[Any, Any, T]]:
    """A coroutine method that sends the operation's request and returns its result."""

    @wraps(operation)
    async def send(client: AsyncRestClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client._execute(operation(*args, **kwargs))

    vars(send)["__signature__"] = method_signature(operation)
    return send


class AsyncRestClient:
    """A client of the REST API at ``url``, which is where ``/v1`` is.

    Each method raises ApiError or NoResponse. ``token`` may be an asynchronous function; it is
    called before every request. ``transport`` is httpx's.
    """

    def __init__(
        self,
        url: str,
        *,
        token: TokenSource = None,
        retry_policy: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._retry_policy = retry_policy or RetryPolicy()
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, transport=transport)
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

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.close()

    async def _execute(self, request: Request[T]) -> T:
        failures = 0
        while True:
            try:
                return await self._send(request)
            except (ApiError, NoResponse) as error:
                failures += 1
                delay_s = self._retry_policy.delay_s(failures, error, self._random())
                if delay_s is None:
                    raise
            await self._sleep(delay_s)

    async def _send(self, request: Request[T]) -> T:
        try:
            token = await resolve_token(self._token)
            response = await self._http.request(**request.httpx_arguments(self._url, token))
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise NoResponse(request.idempotency_key) from error
        return request.result(response.status_code, response.headers, response.content)
