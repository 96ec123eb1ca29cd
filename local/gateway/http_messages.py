"""HTTP/1.1 messages: what a request is, what may be answered, and how that is written.

Owns their shapes, as values. Must never meet a socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. ``target`` and the case of header names are as they came in.

    Header bytes are read as Latin-1, which never fails and loses nothing.
    """

    method: str
    target: str
    headers: Headers
    body: bytes
    peer_ip: str
    server_port: int
    version: str = "1.1"

    def header(self, name: str) -> str | None:
        """The first value under ``name``, in whatever case it was sent."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Response:
    """What to answer; Content-Length, Date and Connection are the server's business."""

    status: int
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Hands the connection over: ``protocol`` gets the transport and writes its own 101.

    It is told ``connection_lost``, and nothing else, if the client has left meanwhile.
    """

    protocol: asyncio.Protocol


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that never became one; ``reason`` is for people."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may ask of one connection. Sizes in bytes, times in seconds.

    ``head_bytes`` is API Gateway's 10,240 for all headers together. The rest is
    ours: API Gateway's edge documents no such figures.
    """

    body_bytes: int = 10 * 1024 * 1024
    head_bytes: int = 10_240
    target_bytes: int = 8_192
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 120.0
    write_seconds: float = 30.0
    linger_seconds: float = 5.0


Handler = Callable[[Request], Awaitable[Response | Upgrade]]
Refuser = Callable[[Refusal], Response]


def plain_refusal(refusal: Refusal) -> Response:
    """The refusal as plain text, for a server whose owner defines none."""
    return Response(
        refusal.status, (("Content-Type", "text/plain"),), f"{refusal.reason}\n".encode()
    )


_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def serialise(response: Response, *, date: str, method: str, connection: str | None) -> bytes:
    """The bytes of a response, head and body in one piece.

    One piece, because a head that is written alone leaves as a segment of its
    own, and the body then waits for the client's delayed acknowledgement.
    """
    status = response.status
    parts = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n", "Date: ", date, "\r\n"]
    for name, value in response.headers:
        parts += (name, ": ", value, "\r\n")
    bodiless = status in (204, 304)
    if not bodiless:
        parts += ("Content-Length: ", str(len(response.body)), "\r\n")
    if connection is not None:
        parts += ("Connection: ", connection, "\r\n")
    parts.append("\r\n")
    head = "".join(parts).encode("latin-1")
    return head if bodiless or method == "HEAD" else head + response.body


@dataclass(frozen=True, slots=True)
class Framing:
    """What the headers say of how the message goes on."""

    hosts: int
    length_bytes: int
    has_body: bool
    expectation: str


def framing_of(headers: Iterable[tuple[str, str]]) -> Framing:
    """Read from headers that llhttp has accepted: their Content-Length is one number."""
    hosts = length_bytes = 0
    chunked = False
    expectation = ""
    for name, value in headers:
        lower = name.lower()
        if lower == "host":
            hosts += 1
        elif lower == "content-length":
            length_bytes = int(value)
        elif lower == "transfer-encoding":
            chunked = True
        elif lower == "expect":
            expectation = value.lower()
    return Framing(hosts, length_bytes, chunked or length_bytes > 0, expectation)
