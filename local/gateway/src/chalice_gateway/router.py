"""Router of several gateways behind one port: the first segment of a path chooses.

Owns the choice and passing requests on, unchanged, so that signatures stay valid. An open
WebSocket is a ``tunnel``. Must never know what a request is for, except that ``Invoke`` names
a function instead of a path.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Final

from .connections_api import error_response
from .connections_api_errors import ForbiddenError
from .http_messages import HttpError, Request, Response, Upgrade, parse_response
from .lambda_api import invoked_function
from .tunnel import open_tunnel
from .websocket_server import LOOPBACK

LOG = logging.getLogger(__name__)

# Of a connection, which is new for each request, and of a body, which has arrived as a whole.
_OWN_HEADERS: Final = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "transfer-encoding"}
)


class Router:
    """The handler of an ``HttpServer``. ``ports`` has the port of each app, by its name."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports

    async def handle(self, request: Request) -> Response | Upgrade:
        name = self._app_of(request.target)
        if name is None:
            # AWS's answer to an unknown stage; an unknown API has no address there.
            LOG.warning("%s: no such app; there are %s", request.target, ", ".join(self._ports))
            return error_response(ForbiddenError("Forbidden"))
        try:
            if request.header("upgrade") is not None:
                return await open_tunnel(LOOPBACK, self._ports[name], _head(request))
            return await self._forward(self._ports[name], request)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            LOG.error("%s does not answer: %s", name, error)
            return unavailable()

    def _app_of(self, target: str) -> str | None:
        function = invoked_function(target)
        if function is not None:
            # Functions are named after their app, REST's exactly so.
            candidates = [one for one in self._ports if f"{function}-".startswith(f"{one}-")]
            return max(candidates, key=len, default=None)
        name = target.split("/", 2)[1].partition("?")[0] if target.startswith("/") else ""
        return name if name in self._ports else None

    async def _forward(self, port: int, request: Request) -> Response:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(_head(request) + request.body)
            # The other side closes after its response.
            data = await reader.read()
        finally:
            writer.close()
        if not data:
            raise ConnectionResetError("it closed the connection")
        return parse_response(data)


def _head(request: Request) -> bytes:
    is_upgrade = request.header("upgrade") is not None
    lines = [f"{request.method} {request.target} HTTP/{request.version}"]
    lines += [
        f"{name}: {value}"
        for name, value in request.headers
        if is_upgrade or name.lower() not in _OWN_HEADERS
    ]
    if not is_upgrade:
        lines.append("Connection: close")
        if request.body or request.header("content-length") is not None:
            lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def unavailable() -> Response:
    body = json.dumps({"message": "Service Unavailable"}).encode()
    return Response(503, (("Content-Type", "application/json"),), body)


def router_error_response(error: HttpError) -> Response:
    """The response to a request that can't be parsed, and so belongs to no app."""
    body = json.dumps({"message": error.reason}).encode()
    return Response(error.status, (("Content-Type", "application/json"),), body)
