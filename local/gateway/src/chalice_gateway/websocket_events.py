"""The CONNECT, MESSAGE and DISCONNECT events that a WebSocket API passes to Lambdas.

Owns their keys and the keys' order, which is AWS's, taken from captured events, because
people compare dumps. Must never know when an event occurs.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .http_messages import Headers
from .lambdas import API_ID, Event
from .proxy_request import event_headers, query_parameters


@dataclass(frozen=True, slots=True)
class Handshake:
    """The HTTP request of an opening handshake.

    ``query`` is percent-encoded, without the question mark. ``domain_name`` is where
    @connections is, if that is not the Host header.
    """

    headers: Headers
    query: str
    source_ip: str
    server_port: int
    domain_name: str | None = None

    def header(self, name: str) -> str | None:
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """What all events of one connection contain.

    ``domain_name`` is by default the client's Host header, with the port, so that posting to
    it works.
    """

    connection_id: str
    connected_at_ms: int
    source_ip: str
    user_agent: str | None
    domain_name: str

    def identity(self) -> dict[str, str]:
        """The event's ``identity``, without ``userAgent`` if the client sent none."""
        if self.user_agent is None:
            return {"sourceIp": self.source_ip}
        return {"sourceIp": self.source_ip, "userAgent": self.user_agent}


@dataclass(frozen=True, slots=True)
class Api:
    """What events contain about the API."""

    stage: str = "dev"
    api_id: str = API_ID
    scheme: str = "http"


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What distinguishes the events of one connection."""

    request_id: str
    at_ms: int


def connect_event(
    api: Api, origin: ConnectionInfo, request_info: RequestInfo, handshake: Handshake, trace_id: str
) -> Event:
    headers = event_headers(
        handshake.headers,
        peer_ip=handshake.source_ip,
        port=handshake.server_port,
        scheme=api.scheme,
        trace_id=trace_id,
    )
    event: Event = {"headers": _last_values(headers), "multiValueHeaders": headers}
    query = query_parameters(handshake.query)
    if query is not None:
        event["queryStringParameters"] = _last_values(query)
        event["multiValueQueryStringParameters"] = query
    event["requestContext"] = _context(api, origin, request_info, "$connect", event_type="CONNECT")
    event["isBase64Encoded"] = False
    return event


def message_event(
    api: Api,
    origin: ConnectionInfo,
    request_info: RequestInfo,
    *,
    route_key: str,
    message_id: str,
    text: str,
) -> Event:
    return {
        "requestContext": _context(
            api,
            origin,
            request_info,
            route_key,
            event_type="MESSAGE",
            after_route_key={"messageId": message_id},
        ),
        "body": text,
        "isBase64Encoded": False,
    }


def disconnect_event(
    api: Api, origin: ConnectionInfo, request_info: RequestInfo, *, code: int, reason: str
) -> Event:
    # AWS sends these four headers instead of the client's.
    headers = {"Host": origin.domain_name, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    return {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": _context(
            api,
            origin,
            request_info,
            "$disconnect",
            event_type="DISCONNECT",
            after_route_key={"disconnectStatusCode": code},
            after_direction={"disconnectReason": reason},
        ),
        "isBase64Encoded": False,
    }


def iso_time(at_ms: int) -> str:
    """The time in the format of ``GET @connections``: UTC, with milliseconds."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"


def _context(
    api: Api,
    origin: ConnectionInfo,
    request_info: RequestInfo,
    route_key: str,
    *,
    event_type: str,
    after_route_key: dict[str, Any] | None = None,
    after_direction: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "routeKey": route_key,
        **(after_route_key or {}),
        "eventType": event_type,
        "extendedRequestId": request_info.request_id,
        "requestTime": time.strftime(
            "%d/%b/%Y:%H:%M:%S +0000", time.gmtime(request_info.at_ms // 1000)
        ),
        "messageDirection": "IN",
        **(after_direction or {}),
        "stage": api.stage,
        "connectedAt": origin.connected_at_ms,
        "requestTimeEpoch": request_info.at_ms,
        "identity": origin.identity(),
        "requestId": request_info.request_id,
        "domainName": origin.domain_name,
        "connectionId": origin.connection_id,
        "apiId": api.api_id,
    }


def _last_values(values: dict[str, list[str]]) -> dict[str, str]:
    return {name: all_values[-1] for name, all_values in values.items()}
