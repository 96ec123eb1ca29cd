"""The opening handshake: which requests ask for a WebSocket, and how they are answered.

Owns what RFC 6455 demands of both sides, most of which is the ``websockets`` library's
business. Must not decide who may connect: $connect does.
"""

from __future__ import annotations

from websockets.datastructures import Headers as HandshakeHeaders
from websockets.http11 import Request as HandshakeRequest
from websockets.server import ServerProtocol

from .callback_errors import ForbiddenError
from .connections_api import refused
from .frames import LOG
from .http_messages import Request, Response

VERSION = "13"


def accept_key_of(request: Request) -> str | Response:
    """What a handshake is accepted with, or what is answered to a request that is none."""
    answer = ServerProtocol(logger=LOG).accept(
        HandshakeRequest(
            request.target, HandshakeHeaders(request.headers), request.method, "HTTP/1.1"
        )
    )
    status = answer.status_code
    if status == 405:
        # Nothing but GET is there, and what isn't there is forbidden.
        return refused(ForbiddenError("Forbidden"))
    if request.version == "1.0":
        # [?] An Upgrade that HTTP/1.0 asks for is to be ignored (RFC 9110, 7.8), which
        # makes this a plain GET. What AWS answers to HTTP/1.0 isn't documented.
        return _upgrade_required("WebSockets need HTTP/1.1")
    if status == 101:
        return str(answer.headers["Sec-WebSocket-Accept"])
    said = bytes(answer.body or b"").decode()
    if status == 426 or request.header("sec-websocket-version") not in (None, "", VERSION):
        # [?] Which status AWS has for another version isn't documented; RFC 6455, 4.4,
        # asks for the versions that there are, and suggests this one.
        return _upgrade_required(said)
    return Response(status, (("Content-Type", "text/plain; charset=utf-8"),), said.encode())


def _upgrade_required(said: str) -> Response:
    headers = (
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", VERSION),
        ("Content-Type", "text/plain; charset=utf-8"),
    )
    return Response(426, headers, said.encode())


def switching(accept_key: str, subprotocol: str | None) -> bytes:
    """The 101 that lets a client in."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return "\r\n".join((*lines, "", "")).encode()
