"""Lambda's ``Invoke`` API, for functions that invoke other functions.

Owns its HTTP: function names, invocation types, payloads and errors. Must never know what
a function does.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from . import ids
from .http_messages import Request, Response
from .invocation import run_function
from .lambdas import (
    ACCOUNT_ID,
    REQUEST_BYTES,
    ExecutionEnvironments,
    LambdaFunction,
)
from .sigv4 import SignatureError, Verifier

LOG = logging.getLogger(__name__)

SERVICE: Final = "lambda"
ASYNCHRONOUS_BYTES: Final = 1024 * 1024

_PATH: Final = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?")
_NAME: Final = re.compile(
    r"(?:arn:aws[a-z-]*:lambda:[a-z0-9-]+:)?(?:\d{12}:)?(?:function:)?"
    r"([A-Za-z0-9_-]+)(?::([A-Za-z0-9_$-]+))?"
)


def is_invoke_request(target: str) -> bool:
    return target.startswith("/2015-03-31/functions/")


def invoked_function(target: str) -> str | None:
    """The function that an Invoke request names, without its ARN; None for other requests."""
    path = _PATH.fullmatch(target.partition("?")[0])
    name = path and _NAME.fullmatch(unquote(path[1]))
    return name[1] if name else None


class InvokeError(Exception):
    """An error of Lambda's API; ``error_type`` is the exception that SDKs raise."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message


class LambdaApi:
    """Invokes ``functions`` by their deployed names.

    ``spawn`` starts the task of an asynchronous invocation. Without a ``verifier``
    signatures are not checked.
    """

    def __init__(
        self,
        functions: Mapping[str, LambdaFunction],
        environments: ExecutionEnvironments,
        *,
        verifier: Verifier | None,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self.functions = functions
        self._environments = environments
        self._verifier = verifier
        self._spawn = spawn

    async def handle(self, request: Request) -> Response:
        request_id = ids.uuid()
        try:
            answer = await self._answer(request, request_id)
        except InvokeError as error:
            answer = Response(
                error.status,
                (("Content-Type", "application/json"), ("x-amzn-ErrorType", error.error_type)),
                json.dumps({"Type": "User", "Message": error.message}).encode(),
            )
        return Response(
            answer.status, (("x-amzn-RequestId", request_id), *answer.headers), answer.body
        )

    async def _answer(self, request: Request, request_id: str) -> Response:
        path, _, query = request.target.partition("?")
        match = _PATH.fullmatch(path)
        if match is None or request.method != "POST":
            raise InvokeError(404, "UnknownOperationException", "Only Invoke is supported")
        if self._verifier is not None:
            try:
                self._verifier.verify(request, SERVICE)
            except SignatureError as error:
                raise InvokeError(403, error.error_type, error.message) from error
        function = self._function(unquote(match[1]), query)
        invocation_type = request.header("x-amz-invocation-type") or "RequestResponse"
        if invocation_type == "DryRun":
            return Response(204)
        if invocation_type not in ("Event", "RequestResponse"):
            raise InvokeError(
                400, "InvalidParameterValueException", f"No such type: {invocation_type}"
            )
        event = _event(
            request.body, ASYNCHRONOUS_BYTES if invocation_type == "Event" else REQUEST_BYTES
        )
        if invocation_type == "Event":
            self._spawn(self._run_async(function, event))
            return Response(202)
        failed, payload = await run_function(self._environments, function, event, request_id)
        headers = [("Content-Type", "application/json"), ("X-Amz-Executed-Version", "$LATEST")]
        if failed:
            headers.append(("X-Amz-Function-Error", "Unhandled"))
        return Response(200, tuple(headers), payload)

    def _function(self, name: str, query: str) -> LambdaFunction:
        match = _NAME.fullmatch(name)
        if match is None:
            raise InvokeError(
                400, "InvalidParameterValueException", f"{name} is not a function name or ARN"
            )
        qualifier = match[2] or parse_qs(query).get("Qualifier", ["$LATEST"])[0]
        function = self.functions.get(match[1])
        if function is None or qualifier != "$LATEST":
            arn = f"arn:aws:lambda:us-east-1:{ACCOUNT_ID}:function:{match[1]}"
            if qualifier != "$LATEST":
                arn = f"{arn}:{qualifier}"
            raise InvokeError(404, "ResourceNotFoundException", f"Function not found: {arn}")
        return function

    async def _run_async(self, function: LambdaFunction, event: Any) -> None:
        # Without AWS's two retries, one and two minutes later.
        failed, payload = await run_function(self._environments, function, event, ids.uuid())
        if failed:
            LOG.error("%s, invoked asynchronously, failed: %s", function.name, payload.decode())


def _event(body: bytes, limit_bytes: int) -> Any:
    if len(body) > limit_bytes:
        raise InvokeError(
            413, "RequestTooLargeException", f"Request must be smaller than {limit_bytes} bytes"
        )
    if not body:
        return {}
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvokeError(
            400,
            "InvalidRequestContentException",
            f"Could not parse request body into json: {error}",
        ) from error
