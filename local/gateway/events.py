"""The three events of a WebSocket API, as Lambdas are given them.

Owns their shape: which keys, in which order. The order is AWS's, taken from
captured events, because people compare dumps. Must never know when an event is
due.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .http_messages import Headers
from .lambdas import Event
from .proxy_request import event_headers, query_parameters


@dataclass(frozen=True, slots=True)
class Handshake:
    """The HTTP request a connection begins with, still undecided.

    ``query`` is as it came in, percent-encoded and without the question mark.
    """

    headers: Headers
    query: str
    source_ip: str
    server_port: int

    def header(self, name: str) -> str | None:
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Origin:
    """What every event of one connection says, from first to last.

    ``domain_name`` is what the client called this server, port included, so
    that posting back to it works.
    """

    connection_id: str
    connected_at_ms: int
    source_ip: str
    user_agent: str | None
    domain_name: str

    def identity(self) -> dict[str, str]:
        """Where the client is; ``userAgent`` is left out where it sent none."""
        if self.user_agent is None:
            return {"sourceIp": self.source_ip}
        return {"sourceIp": self.source_ip, "userAgent": self.user_agent}


@dataclass(frozen=True, slots=True)
class Api:
    """What events say of the API they come through."""

    stage: str = "dev"
    api_id: str = "local00001"


@dataclass(frozen=True, slots=True)
class Occasion:
    """What tells one event of a connection from the next."""

    request_id: str
    at_ms: int


def connect_event(
    api: Api, origin: Origin, occasion: Occasion, handshake: Handshake, trace_id: str
) -> Event:
    headers = event_headers(
        handshake.headers,
        peer_ip=handshake.source_ip,
        port=handshake.server_port,
        scheme="http",
        trace_id=trace_id,
    )
    event: Event = {"headers": _last_values(headers), "multiValueHeaders": headers}
    query = query_parameters(handshake.query)
    if query is not None:
        event["queryStringParameters"] = _last_values(query)
        event["multiValueQueryStringParameters"] = query
    event["requestContext"] = _context(api, origin, occasion, "$connect", event_type="CONNECT")
    event["isBase64Encoded"] = False
    return event


def message_event(
    api: Api, origin: Origin, occasion: Occasion, *, route_key: str, message_id: str, text: str
) -> Event:
    return {
        "requestContext": _context(
            api,
            origin,
            occasion,
            route_key,
            event_type="MESSAGE",
            after_route_key={"messageId": message_id},
        ),
        "body": text,
        "isBase64Encoded": False,
    }


def disconnect_event(
    api: Api, origin: Origin, occasion: Occasion, *, code: int, reason: str
) -> Event:
    # The client's own headers are gone by then; these four are what AWS sends.
    headers = {"Host": origin.domain_name, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    return {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": _context(
            api,
            origin,
            occasion,
            "$disconnect",
            event_type="DISCONNECT",
            after_route_key={"disconnectStatusCode": code},
            after_direction={"disconnectReason": reason},
        ),
        "isBase64Encoded": False,
    }


def iso_time(at_ms: int) -> str:
    """As ``GET @connections`` writes times: UTC, with milliseconds."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"


def _context(
    api: Api,
    origin: Origin,
    occasion: Occasion,
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
        "extendedRequestId": occasion.request_id,
        "requestTime": time.strftime(
            "%d/%b/%Y:%H:%M:%S +0000", time.gmtime(occasion.at_ms // 1000)
        ),
        "messageDirection": "IN",
        **(after_direction or {}),
        "stage": api.stage,
        "connectedAt": origin.connected_at_ms,
        "requestTimeEpoch": occasion.at_ms,
        "identity": origin.identity(),
        "requestId": occasion.request_id,
        "domainName": origin.domain_name,
        "connectionId": origin.connection_id,
        "apiId": api.api_id,
    }


def _last_values(values: dict[str, list[str]]) -> dict[str, str]:
    return {name: every[-1] for name, every in values.items()}
