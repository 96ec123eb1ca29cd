"""HTTP/1.1 messages: requests, responses, and the serialisation of a response.

Owns their types, as values. Must never touch a socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A complete request, with ``target`` and header names as the client sent them.

    Headers are decoded as Latin-1, which never fails and is lossless. ``full_target`` is
    the target as sent, if ``below`` has shortened it.
    """

    method: str
    target: str
    headers: Headers
    body: bytes
    peer_ip: str
    server_port: int
    version: str = "1.1"
    full_target: str = ""

    def below(self, base_path: str) -> Request:
        """The request with its target relative to ``base_path``, if it is below it."""
        rest = self.target.removeprefix(base_path)
        if rest == self.target or (rest and rest[0] not in "/?"):
            return self
        target = rest if rest.startswith("/") else f"/{rest}"
        return replace(self, target=target, full_target=self.target)

    def header(self, name: str) -> str | None:
        """The first value of the header ``name``, which is case-insensitive."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Response:
    """A response, without the headers that the server adds: Content-Length, Date, Connection."""

    status: int
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Hands the connection over: ``protocol`` gets the transport and writes its own 101.

    If the client has already left, only its ``connection_lost`` is called.
    """

    protocol: asyncio.Protocol


@dataclass(frozen=True, slots=True)
class HttpError:
    """An error of the server itself, such as a malformed or late request."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one connection: sizes in bytes, times in seconds.

    ``head_bytes`` is API Gateway's limit for all headers together. The others are our own:
    AWS documents none.
    """

    body_bytes: int = 10 * 1024 * 1024
    head_bytes: int = 10_240
    target_bytes: int = 8_192
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 120.0
    write_seconds: float = 30.0
    linger_seconds: float = 5.0


def end_writing(transport: asyncio.WriteTransport) -> None:
    """Close the sending side once buffered data is written; both sides under TLS.

    Raises:
        OSError: The client has reset the connection.
    """
    if transport.can_write_eof():
        transport.write_eof()
    else:
        transport.close()


Handler = Callable[[Request], Awaitable[Response | Upgrade]]
ErrorResponder = Callable[[HttpError], Response]


def plain_error_response(error: HttpError) -> Response:
    """The error as plain text: the default of a server."""
    return Response(error.status, (("Content-Type", "text/plain"),), f"{error.reason}\n".encode())


_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def serialise(response: Response, *, date: str, method: str, connection: str | None) -> bytes:
    """The bytes of a response, headers and body together.

    Together, because headers that are written alone become a TCP segment of their own, and
    the body would wait for the client's delayed acknowledgement.
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


def parse_response(data: bytes) -> Response:
    """The response that ``serialise`` has written, without what a server adds.

    The body of a response to HEAD is only as long as the one that its headers describe.
    """
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: list[tuple[str, str]] = []
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "Content-Length":
            body = body or bytes(int(value))
        elif name not in ("Connection", "Date"):
            headers.append((name, value))
    return Response(int(first.split(" ")[1]), tuple(headers), body)


@dataclass(frozen=True, slots=True)
class Framing:
    """The headers that determine how the message continues."""

    hosts: int
    length_bytes: int
    has_body: bool
    expectation: str


def read_framing(headers: Iterable[tuple[str, str]]) -> Framing:
    """The framing in ``headers``. llhttp has checked them: Content-Length is a number."""
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
