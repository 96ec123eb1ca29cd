"""The WebSocket opening handshake of RFC 6455: validation and response.

The ``websockets`` library does most of it. Must not decide which client may connect:
$connect does.
"""

from __future__ import annotations

from websockets.datastructures import Headers as HandshakeHeaders
from websockets.http11 import Request as HandshakeRequest
from websockets.server import ServerProtocol

from .connections_api import error_response
from .connections_api_errors import ForbiddenError
from .frames import LOG
from .http_messages import Request, Response

VERSION = "13"


def check_handshake(request: Request) -> str | Response:
    """The Sec-WebSocket-Accept of a valid handshake, or the error response to another request."""
    answer = ServerProtocol(logger=LOG).accept(
        HandshakeRequest(
            request.target, HandshakeHeaders(request.headers), request.method, "HTTP/1.1"
        )
    )
    status = answer.status_code
    if status == 405:
        # Only GET exists; API Gateway answers any other method with 403.
        return error_response(ForbiddenError("Forbidden"))
    if request.version == "1.0":
        # [?] A server ignores an Upgrade in HTTP/1.0 (RFC 9110, 7.8), so this is a plain GET.
        # AWS doesn't document its answer to HTTP/1.0.
        return _upgrade_required("WebSockets need HTTP/1.1")
    if status == 101:
        return str(answer.headers["Sec-WebSocket-Accept"])
    reason = bytes(answer.body or b"").decode()
    if status == 426 or request.header("sec-websocket-version") not in (None, "", VERSION):
        # [?] AWS doesn't document the status for another version. RFC 6455, 4.4, requires the
        # list of supported versions and suggests this status.
        return _upgrade_required(reason)
    return Response(status, (("Content-Type", "text/plain; charset=utf-8"),), reason.encode())


def _upgrade_required(reason: str) -> Response:
    headers = (
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", VERSION),
        ("Content-Type", "text/plain; charset=utf-8"),
    )
    return Response(426, headers, reason.encode())


def switching_protocols(accept_key: str, subprotocol: str | None) -> bytes:
    """The 101 response that accepts a handshake."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return "\r\n".join((*lines, "", "")).encode()
