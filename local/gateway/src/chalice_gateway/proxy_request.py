"""The integration request: the event that a Lambda function gets for an HTTP request.

Owns payload version 1.0 of the proxy integration, as pure functions. Must never know the
function.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from .http_messages import Headers, Request
from .lambdas import ACCOUNT_ID, API_ID, REGION, Event
from .resources import Matched


@dataclass(frozen=True, slots=True)
class ApiIdentity:
    """What events contain about the API."""

    stage: str = "dev"
    api_id: str = API_ID
    scheme: str = "http"

    def method_arn(self, method: str, path: str) -> str:
        """The ARN of a request, for the policies of authorizers."""
        return (
            f"arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{self.api_id}/{self.stage}/{method}{path}"
        )


# Hop-by-hop headers, which events don't contain. Neither do they contain Content-Length, as
# events captured on AWS show.
_DROPPED_HEADERS: Final = frozenset(
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
    """Path and query of a request's target, percent-encoded."""
    path, _, query = target.partition("?")
    if not path.startswith("/"):
        # The absolute form, which a server must accept (RFC 9112, 3.2.2).
        _, scheme, rest = path.partition("://")
        path = f"/{rest.partition('/')[2]}" if scheme else path
    return path, query


def event_headers(
    headers: Headers, *, peer_ip: str, port: int, scheme: str, trace_id: str
) -> dict[str, list[str]]:
    """An event's headers, each with all its values, names as the client wrote them.

    A name in several cases is one header, in the case of the first. The peer is appended to
    ``X-Forwarded-For``; a client's values for port, protocol and trace are replaced, as by
    API Gateway.
    """
    names: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in headers:
        lower = name.lower()
        known = names.get(lower)
        if known is not None:
            values[known].append(value)
        elif lower not in _DROPPED_HEADERS:
            names[lower] = name
            values[name] = [value]
    forwarded_for = values.pop(names.get("x-forwarded-for", ""), [])
    for lower in ("x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"):
        values.pop(names.get(lower, ""), None)
    values["X-Amzn-Trace-Id"] = [trace_id]
    values["X-Forwarded-For"] = [", ".join([*forwarded_for, peer_ip])]
    values["X-Forwarded-Port"] = [str(port)]
    values["X-Forwarded-Proto"] = [scheme]
    return values


def query_parameters(query: str) -> dict[str, list[str]] | None:
    """All values of each parameter, decoded; None without parameters, as in an event."""
    if not query:
        return None
    parameters: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters.setdefault(name, []).append(value)
    return parameters or None


def event_body(
    body: bytes, content_type: str | None, binary_types: Sequence[str]
) -> tuple[str | None, bool]:
    """An event's body, and whether it is base64.

    A body is binary if the API declares its media type as binary. AWS documents nothing for
    text that isn't UTF-8, and garbles it; base64 keeps every byte, so the app can recognise
    it and answer 400 instead of 500.
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
    authorizer: Mapping[str, Any] | None = None,
    identity: Mapping[str, str] | None = None,
) -> Event:
    """The event of API Gateway's Lambda proxy integration, payload version 1.0.

    ``authorizer`` is the context of the method's authorizer; ``identity`` is what else is
    known about the caller.
    """
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
    # A REST API splits at semicolons, encoded ones excepted.
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
    parameters = query_parameters(query.replace(";", "&"))
    body, is_base64 = event_body(request.body, request.header("content-type"), binary_types)
    return {
        "resource": matched.resource.path,
        # As sent, like pathParameters.
        "path": path,
        "httpMethod": request.method,
        "headers": single,
        "multiValueHeaders": headers,
        "queryStringParameters": parameters
        and {key: values[-1] for key, values in parameters.items()},
        "multiValueQueryStringParameters": parameters,
        "pathParameters": matched.path_parameters,
        "stageVariables": None,
        "requestContext": {
            "resourceId": matched.resource.resource_id,
            **({} if authorizer is None else {"authorizer": {**authorizer}}),
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
                **(identity or {}),
            },
            "domainName": host,
            "apiId": api.api_id,
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }
