"""API Gateway's REST API with Lambda proxy integrations: a request in, a response out.

Owns the pipeline, in AWS's terms: resource matching, authorization, integration request,
integration, integration response; a failure is a gateway response. Must never touch a socket.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from chalice.app import Chalice

from . import ids
from .authorizers import Authorizers
from .compression import compress, is_compressible
from .gateway_responses import (
    EVENT_TOO_LARGE,
    FUNCTION_FAILED,
    FUNCTION_TIMED_OUT,
    MALFORMED_RESULT,
    REQUEST_TOO_LARGE,
    GatewayError,
    GatewayResponse,
    ResponseType,
    bad_request,
    gateway_response,
    internal_error,
    no_such_method,
)
from .http_messages import HttpError, Request, Response
from .lambdas import (
    REQUEST_BYTES,
    RESPONSE_BYTES,
    CallerTimeout,
    Event,
    ExecutionEnvironments,
    FunctionError,
    LambdaFunction,
)
from .proxy_request import ApiIdentity, proxy_event, split_target
from .proxy_response import MalformedResult, http_response
from .resources import Matched, RouteTable

LOG = logging.getLogger(__name__)

INTEGRATION_TIMEOUT_SECONDS: Final = 29.0
# More than everything but the body takes in an event.
HEADROOM_BYTES: Final = 512 * 1024


class RestApi:
    """The REST API of one Chalice app: the handler and the error response of ``HttpServer``.

    ``authorizers`` are the app's; they may be left out if it has none.
    """

    def __init__(
        self,
        app: Chalice,
        function: LambdaFunction,
        environments: ExecutionEnvironments,
        *,
        identity: ApiIdentity,
        authorizers: Authorizers | None = None,
        responses: Mapping[ResponseType, GatewayResponse] | None = None,
        minimum_compression_bytes: int | None = None,
        timeout_seconds: float = INTEGRATION_TIMEOUT_SECONDS,
    ) -> None:
        self._routes = RouteTable(app.routes)
        self._binary_types = tuple(app.api.binary_types)
        self._function = function
        self._environments = environments
        self._identity = identity
        # Without a function to run, an app with authorizers is refused.
        self._authorizers = authorizers or Authorizers(app, {}, environments)
        self._responses = responses or {}
        self._minimum_compression_bytes = minimum_compression_bytes
        self._timeout_seconds = timeout_seconds

    async def handle(self, request: Request) -> Response:
        """Answer one request; a failure is a gateway response, never an exception."""
        request_id = ids.uuid()
        extended_request_id = ids.extended_request_id()
        matched = self._routes.match(split_target(request.target)[0])
        answer: Response | GatewayError
        if matched is None:
            answer = no_such_method(request.header("authorization"))
        elif request.method in matched.resource.methods:
            answer = await self._answer_method(request, matched, request_id, extended_request_id)
        elif request.method == "OPTIONS" and matched.resource.preflight is not None:
            answer = matched.resource.preflight
        else:
            # AWS answers an unknown method as it answers an unknown path.
            answer = no_such_method(request.header("authorization"))
        if isinstance(answer, GatewayError):
            answer = self._answer_error(
                answer,
                {
                    "requestId": request_id,
                    "extendedRequestId": extended_request_id,
                    "httpMethod": request.method,
                    "path": f"/{self._identity.stage}{split_target(request.target)[0]}",
                    "identity.sourceIp": request.peer_ip,
                },
            )
        accepted = request.header("accept-encoding")
        if is_compressible(answer, accepted, self._minimum_compression_bytes):
            # In a thread, so that it doesn't block the event loop.
            answer = await asyncio.to_thread(compress, answer)
        return _with_ids(answer, request_id, extended_request_id)

    async def _answer_method(
        self, request: Request, matched: Matched, request_id: str, extended_request_id: str
    ) -> Response | GatewayError:
        authorized = await self._authorizers.authorize(
            request,
            matched.resource.path,
            self._identity.method_arn(request.method, split_target(request.target)[0]),
        )
        if isinstance(authorized, GatewayError):
            return authorized
        event = proxy_event(
            request,
            matched,
            api=self._identity,
            binary_types=self._binary_types,
            request_id=request_id,
            extended_request_id=extended_request_id,
            trace_id=ids.trace_id(),
            now_ms=time.time_ns() // 1_000_000,
            authorizer=authorized.context,
            identity=authorized.identity,
        )
        return await self._integrate(event, request.header("accept"))

    def error_response(self, error: HttpError) -> Response:
        """The gateway response to a request that can't be parsed or handled."""
        if error.status == 413:
            gateway_error = REQUEST_TOO_LARGE
        elif error.status >= 500:
            gateway_error = internal_error("Internal server error")
        else:
            gateway_error = bad_request(error.status, error.reason)
        request_id, extended_request_id = ids.uuid(), ids.extended_request_id()
        context = {"requestId": request_id, "extendedRequestId": extended_request_id}
        response = self._answer_error(gateway_error, context)
        return _with_ids(response, request_id, extended_request_id)

    async def _integrate(self, event: Event, accept: str | None) -> Response | GatewayError:
        if await _exceeds(event, REQUEST_BYTES):
            LOG.warning(
                "%s: the event is larger than Lambda's %d bytes", self._function.name, REQUEST_BYTES
            )
            return EVENT_TOO_LARGE
        try:
            result = await self._environments.invoke(
                self._function, event, timeout_seconds=self._timeout_seconds
            )
            if await _exceeds(result, RESPONSE_BYTES):
                LOG.error(
                    "%s: the result is larger than Lambda's %d bytes",
                    *(self._function.name, RESPONSE_BYTES),
                )
                return FUNCTION_FAILED
            return http_response(result, accept=accept, binary_types=self._binary_types)
        except FunctionError as error:
            LOG.error("%s failed: %s", self._function.name, error, exc_info=error.__cause__)
            return FUNCTION_FAILED
        except CallerTimeout:
            LOG.warning(
                "%s: no result within the integration timeout of %g s",
                *(self._function.name, self._timeout_seconds),
            )
            return FUNCTION_TIMED_OUT
        except MalformedResult as error:
            LOG.warning("%s: malformed Lambda proxy response: %s", self._function.name, error)
            return MALFORMED_RESULT

    def _answer_error(self, error: GatewayError, context: Mapping[str, str]) -> Response:
        known = {"stage": self._identity.stage, "apiId": self._identity.api_id, **context}
        return gateway_response(error, self._responses, known)


async def _exceeds(payload: Any, limit_bytes: int) -> bool:
    """Whether an event or a result is longer than ``limit_bytes`` as JSON."""
    body = payload.get("body") if isinstance(payload, dict) else None
    # Headers and paths are limited, and a character takes six bytes at most.
    if not isinstance(body, str) or len(body) * 6 < limit_bytes - HEADROOM_BYTES:
        return False
    # In a thread, so that it doesn't block the event loop.
    return await asyncio.to_thread(_json_bytes, payload) > limit_bytes


def _json_bytes(payload: Any) -> int:
    try:
        return len(json.dumps(payload, ensure_ascii=False).encode())
    except (TypeError, ValueError):  # http_response will say what is wrong
        return 0


def _with_ids(response: Response, request_id: str, extended_request_id: str) -> Response:
    ours = (("x-amzn-RequestId", request_id), ("x-amz-apigw-id", extended_request_id))
    return Response(response.status, ours + response.headers, response.body)
