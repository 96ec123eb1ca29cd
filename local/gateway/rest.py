"""The REST API: requests to proxy events, Lambda results to responses.

Owns routing, events, results and preflights, as pure functions, and ``RestApi``,
which strings them together. Must never touch a socket or a thread.

The pipeline, in AWS's words: resource matching, (method request,) integration
request, integration, (integration response,) method response; whatever fails on
the way is a gateway response.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from chalice.app import Chalice, RouteEntry

from . import ids
from .compression import compressed, is_compressible
from .gateway_responses import (
    FUNCTION_FAILED,
    FUNCTION_TIMED_OUT,
    MALFORMED_RESULT,
    MISSING_AUTHENTICATION_TOKEN,
    REQUEST_TOO_LARGE,
    GatewayError,
    GatewayResponse,
    ResponseType,
    bad_request,
    gateway_response,
    internal_error,
)
from .http import Headers, Refusal, Request, Response
from .lambdas import (
    ACCOUNT_ID,
    Environments,
    Event,
    FunctionError,
    FunctionTimeout,
    LambdaFunction,
)

LOG = logging.getLogger(__name__)

INTEGRATION_TIMEOUT_SECONDS: Final = 29.0
BODY_LIMIT_BYTES: Final = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ApiIdentity:
    """What the events say of the API they come through."""

    stage: str = "dev"
    api_id: str = "local00000"
    scheme: str = "http"


# Resource matching


@dataclass(frozen=True, slots=True)
class Resource:
    """A path of the API, as ``/v1/sessions/{id}``, with what its methods lead to."""

    path: str
    resource_id: str
    parameters: tuple[str, ...]
    methods: frozenset[str]
    preflight: Response | None


@dataclass(frozen=True, slots=True)
class Matched:
    resource: Resource
    path_parameters: dict[str, str] | None


@dataclass(slots=True)
class _Node:
    resource: Resource | None
    literals: dict[str, _Node]
    parameter: _Node | None = None


class RouteTable:
    """The resources as a tree of path segments; immutable once built."""

    def __init__(self, routes: Mapping[str, Mapping[str, RouteEntry]]) -> None:
        self._root = _Node(None, {})
        for number, (path, methods) in enumerate(routes.items()):
            segments = _segments(path)
            node = self._root
            for segment in segments:
                if _is_parameter(segment):
                    node.parameter = node.parameter or _Node(None, {})
                    node = node.parameter
                else:
                    node = node.literals.setdefault(segment, _Node(None, {}))
            node.resource = Resource(
                path=path,
                resource_id=f"r{number:05}",
                parameters=tuple(s[1:-1] for s in segments if _is_parameter(s)),
                methods=frozenset(methods),
                preflight=preflight_response(methods),
            )

    def match(self, path: str) -> Matched | None:
        """The resource that ``path``, still percent-encoded, leads to.

        A literal segment wins over a parameter. Segments are decoded after they
        are told apart, so an encoded slash stays within its parameter. A
        trailing slash makes no difference.
        """
        values: list[str] = []
        resource = _find(self._root, [unquote(s) for s in _segments(path)], 0, values)
        if resource is None:
            return None
        return Matched(
            resource, dict(zip(resource.parameters, values, strict=True)) if values else None
        )


def _find(node: _Node, segments: list[str], at: int, values: list[str]) -> Resource | None:
    if at == len(segments):
        return node.resource
    segment = segments[at]
    literal = node.literals.get(segment)
    if literal is not None:
        found = _find(literal, segments, at + 1, values)
        if found is not None:
            return found
    # [?] Whether AWS turns back where a literal segment led nowhere isn't
    # documented. Turning back is the friendlier choice.
    if node.parameter is None or not segment:
        return None
    values.append(segment)
    found = _find(node.parameter, segments, at + 1, values)
    if found is None:
        values.pop()
    return found


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")


def _segments(path: str) -> list[str]:
    return path.removeprefix("/").removesuffix("/").split("/")


def preflight_response(methods: Mapping[str, RouteEntry]) -> Response | None:
    """What the generated OPTIONS method of a path with CORS answers; none without CORS.

    Chalice's template makes it a mock integration, so no Lambda sees it
    (``SwaggerGenerator._add_preflight_request``).
    """
    with_cors = [method for method, route in methods.items() if route.cors is not None]
    if not with_cors or "OPTIONS" in methods:
        return None
    cors = methods[with_cors[-1]].cors
    return Response(
        200,
        (
            ("Content-Type", "application/json"),
            ("Access-Control-Allow-Methods", ",".join([*with_cors, "OPTIONS"])),
            *cors.get_access_control_headers().items(),
        ),
    )


# Integration request

# What a connection is made of stays with the gateway. Content-Length too: events
# captured on AWS have none.
_NOT_PASSED_ON: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def split_target(target: str) -> tuple[str, str]:
    """Path and query of a request's target, both still encoded."""
    path, _, query = target.partition("?")
    if not path.startswith("/"):
        # The absolute form, which servers must accept (RFC 9112, 3.2.2).
        _, scheme, rest = path.partition("://")
        path = f"/{rest.partition('/')[2]}" if scheme else path
    return path, query


def event_headers(
    headers: Headers, *, peer_ip: str, port: int, scheme: str, trace_id: str
) -> dict[str, list[str]]:
    """The headers an event shows, each with all its values, names as the client wrote them.

    A name that comes in several cases counts as one, in the case that came
    first. ``X-Forwarded-For`` grows by the peer; what a client says of port,
    protocol and trace is replaced, as behind API Gateway.
    """
    names: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in headers:
        lower = name.lower()
        known = names.get(lower)
        if known is not None:
            values[known].append(value)
        elif lower not in _NOT_PASSED_ON:
            names[lower] = name
            values[name] = [value]
    came_through = values.pop(names.get("x-forwarded-for", ""), [])
    for lower in ("x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"):
        values.pop(names.get(lower, ""), None)
    values["X-Amzn-Trace-Id"] = [trace_id]
    values["X-Forwarded-For"] = [", ".join([*came_through, peer_ip])]
    values["X-Forwarded-Port"] = [str(port)]
    values["X-Forwarded-Proto"] = [scheme]
    return values


def query_parameters(query: str) -> dict[str, list[str]] | None:
    """Every value of every parameter, decoded; ``None`` without any, as the event wants it."""
    if not query:
        return None
    parameters: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters.setdefault(name, []).append(value)
    return parameters or None


def event_body(
    body: bytes, content_type: str | None, binary_types: Sequence[str]
) -> tuple[str | None, bool]:
    """The body as an event carries it, and whether that is base64.

    Binary is what the API declares as such. AWS documents nothing for text
    that isn't UTF-8 and is seen to garble it; base64 keeps every byte, so the
    application can tell, and answer 400 rather than 500.
    """
    if not body:
        return None, False
    if not matches_media_type(content_type, binary_types):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def matches_media_type(media_type: str | None, types: Iterable[str]) -> bool:
    """Whether a Content-Type, or the first entry of an Accept, is among an API's binary types."""
    if "*/*" in types:
        return True
    if not media_type:
        return False
    essence = media_type.partition(",")[0].partition(";")[0].strip().lower()
    return essence in types or f"{essence.partition('/')[0]}/*" in types


def proxy_event(
    request: Request,
    matched: Matched,
    *,
    api: ApiIdentity,
    binary_types: Sequence[str],
    request_id: str,
    extended_request_id: str,
    trace_id: str,
    now_ms: int,
) -> Event:
    """The event of API Gateway's Lambda proxy integration, payload version 1.0."""
    path, query = split_target(request.target)
    headers = event_headers(
        request.headers,
        peer_ip=request.peer_ip,
        port=request.server_port,
        scheme=api.scheme,
        trace_id=trace_id,
    )
    single = {name: values[-1] for name, values in headers.items()}
    host = request.header("host") or ""
    parameters = query_parameters(query)
    body, is_base64 = event_body(request.body, request.header("content-type"), binary_types)
    return {
        "resource": matched.resource.path,
        # [?] Whether encoded or not is not documented; pathParameters are decoded.
        "path": path,
        "httpMethod": request.method,
        "headers": single,
        "multiValueHeaders": headers,
        "queryStringParameters": parameters and {key: all_[-1] for key, all_ in parameters.items()},
        "multiValueQueryStringParameters": parameters,
        "pathParameters": matched.path_parameters,
        "stageVariables": None,
        "requestContext": {
            "resourceId": matched.resource.resource_id,
            "resourcePath": matched.resource.path,
            "httpMethod": request.method,
            "extendedRequestId": extended_request_id,
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now_ms // 1000)),
            "path": f"/{api.stage}{path}",
            "accountId": ACCOUNT_ID,
            "protocol": f"HTTP/{request.version}",
            "stage": api.stage,
            "domainPrefix": host.partition(".")[0].partition(":")[0],
            "requestTimeEpoch": now_ms,
            "requestId": request_id,
            "identity": {
                "cognitoIdentityPoolId": None,
                "accountId": None,
                "cognitoIdentityId": None,
                "caller": None,
                "sourceIp": request.peer_ip,
                "principalOrgId": None,
                "accessKey": None,
                "cognitoAuthenticationType": None,
                "cognitoAuthenticationProvider": None,
                "userArn": None,
                "userAgent": request.header("user-agent"),
                "user": None,
            },
            "domainName": host,
            "apiId": api.api_id,
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }


# Integration response


class MalformedResult(ValueError):
    """A Lambda's result is no proxy result; the message says what is wrong with it."""


_RESULT_KEYS: Final = frozenset(
    {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
)
_REMAPPED: Final = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "content-md5",
        "date",
        "expect",
        "max-forwards",
        "server",
        "upgrade",
        "user-agent",
        "www-authenticate",
    }
)
_DROPPED: Final = frozenset({"host", "proxy-authenticate", "te", "trailer", "transfer-encoding"})
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def http_response(result: Any, *, accept: str | None, binary_types: Sequence[str]) -> Response:
    """What the client gets for a Lambda's result.

    Headers that belong to the gateway come back as ``x-amzn-Remapped-...``
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html).

    Raises:
        MalformedResult: API Gateway would answer 502.
    """
    if not isinstance(result, dict) or not _RESULT_KEYS.issuperset(result):
        raise MalformedResult("it must be an object with no other fields than a proxy result has")
    headers = _result_headers(result)
    if "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Type", "application/json"))
    return Response(
        _result_status(result), tuple(headers), _result_body(result, accept, binary_types)
    )


def _result_status(result: Mapping[str, Any]) -> int:
    status = result.get("statusCode", 200)
    # [?] AWS takes a number in a string. Informational answers are left out:
    # a client would go on waiting for the real one.
    if isinstance(status, str) and status.isdecimal():
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise MalformedResult(f"statusCode is {status!r}")
    return status


def _result_headers(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    # A name in both ends up with the values of multiValueHeaders alone.
    several = result.get("multiValueHeaders") or {}
    single = result.get("headers") or {}
    if not isinstance(several, dict) or not isinstance(single, dict):
        raise MalformedResult("headers and multiValueHeaders must be objects")
    named = [(name, value) for name, value in single.items() if name not in several]
    for name, values in several.items():
        if not isinstance(values, list):
            raise MalformedResult(f"multiValueHeaders: {name!r} must be a list")
        named += [(name, value) for value in values]
    headers = []
    for name, value in named:
        text = ("true" if value else "false") if isinstance(value, bool) else value
        if not (
            isinstance(name, str)
            and _HEADER_NAME.fullmatch(name)
            and isinstance(text, str)
            and _HEADER_VALUE.fullmatch(text)
        ):
            raise MalformedResult(f"header {name!r}: {value!r}")
        lower = name.lower()
        if lower in _REMAPPED:
            headers.append((f"x-amzn-Remapped-{name}", text))
        elif lower not in _DROPPED:
            headers.append((name, text))
    return headers


def _result_body(
    result: Mapping[str, Any], accept: str | None, binary_types: Sequence[str]
) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResult(f"body is a {type(body).__name__}, not a string")
    # Base64 is undone only for a client that accepts a binary type first of all:
    # the trap that keeps images from working behind API Gateway.
    if result.get("isBase64Encoded") is True and matches_media_type(accept, binary_types):
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedResult(f"body is not base64: {error}") from None
    try:
        return body.encode()
    except UnicodeEncodeError as error:
        raise MalformedResult(f"body is not text: {error}") from None


# The API


class RestApi:
    """The REST API of one Chalice app: a handler for ``HttpServer``, and its refuser."""

    def __init__(
        self,
        app: Chalice,
        function: LambdaFunction,
        environments: Environments,
        *,
        identity: ApiIdentity,
        responses: Mapping[ResponseType, GatewayResponse] | None = None,
        minimum_compression_bytes: int | None = None,
        timeout_seconds: float = INTEGRATION_TIMEOUT_SECONDS,
    ) -> None:
        self._routes = RouteTable(app.routes)
        self._binary_types = tuple(app.api.binary_types)
        self._function = function
        self._environments = environments
        self._identity = identity
        self._responses = responses or {}
        self._minimum_compression_bytes = minimum_compression_bytes
        self._timeout_seconds = timeout_seconds

    async def handle(self, request: Request) -> Response:
        """Answer one request, whatever happens on the way."""
        request_id = ids.uuid()
        extended_request_id = ids.extended_request_id()
        matched = self._routes.match(split_target(request.target)[0])
        answer: Response | GatewayError
        if matched is None:
            answer = MISSING_AUTHENTICATION_TOKEN
        elif request.method in matched.resource.methods:
            trace_id = ids.trace_id()
            event = proxy_event(
                request,
                matched,
                api=self._identity,
                binary_types=self._binary_types,
                request_id=request_id,
                extended_request_id=extended_request_id,
                trace_id=trace_id,
                now_ms=time.time_ns() // 1_000_000,
            )
            answer = await self._integrate(event, request.header("accept"))
        elif request.method == "OPTIONS" and matched.resource.preflight is not None:
            answer = matched.resource.preflight
        else:
            # On AWS a method that isn't there is no different from a path that isn't.
            answer = MISSING_AUTHENTICATION_TOKEN
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
            # In a thread: others need not wait for it.
            answer = await asyncio.to_thread(compressed, answer)
        return _with_ids(answer, request_id, extended_request_id)

    def refuse(self, refusal: Refusal) -> Response:
        """The gateway response for what never became a request."""
        if refusal.status == 413:
            error = REQUEST_TOO_LARGE
        elif refusal.status >= 500:
            error = internal_error("Internal server error")
        else:
            error = bad_request(refusal.status, refusal.reason)
        request_id, extended_request_id = ids.uuid(), ids.extended_request_id()
        context = {"requestId": request_id, "extendedRequestId": extended_request_id}
        return _with_ids(self._answer_error(error, context), request_id, extended_request_id)

    async def _integrate(self, event: Event, accept: str | None) -> Response | GatewayError:
        try:
            result = await self._environments.invoke(
                self._function, event, timeout_seconds=self._timeout_seconds
            )
            return http_response(result, accept=accept, binary_types=self._binary_types)
        except FunctionError as error:
            LOG.error("%s raised", self._function.name, exc_info=error.__cause__)
            return FUNCTION_FAILED
        except FunctionTimeout:
            LOG.warning("%s took longer than API Gateway waits", self._function.name)
            return FUNCTION_TIMED_OUT
        except MalformedResult as error:
            LOG.warning("%s: malformed Lambda proxy response: %s", self._function.name, error)
            return MALFORMED_RESULT

    def _answer_error(self, error: GatewayError, context: Mapping[str, str]) -> Response:
        known = {"stage": self._identity.stage, "apiId": self._identity.api_id, **context}
        return gateway_response(error, self._responses, known)


def _with_ids(response: Response, request_id: str, extended_request_id: str) -> Response:
    ours = (("x-amzn-RequestId", request_id), ("x-amz-apigw-id", extended_request_id))
    return Response(response.status, ours + response.headers, response.body)
