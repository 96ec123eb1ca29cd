"""Requests of one HTTP/1.1 connection, sans-I/O: bytes in, whole requests or an error out.

Owns the request that is being received, and the limits of its size. llhttp, through
httptools, does the parsing. Must never know the time.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import httptools

from .http_messages import HttpError, Limits, Request, read_framing

# One read may return thousands of requests, which take twenty times as much memory as objects.
# So the parser gets this much at a time, until a request is complete.
PARSE_CHUNK_BYTES: Final = 16 * 1024


class _ParserAborted(Exception):
    """Raised in a parser callback to stop parsing; httptools turns it into a parser error."""


class RequestParser:
    """``received`` has the requests, each with whether to keep the connection open after it.

    An error is the last of them.
    """

    def __init__(self, limits: Limits) -> None:
        self.received: deque[tuple[Request, bool] | HttpError] = deque()
        self.peer_ip = ""
        self.server_port = 0
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self._error: HttpError | None = None
        # Of the request that is being received:
        self.in_head = False
        self._in_body = False
        self._continue_due = False
        self._keep_alive = True
        self._version = "1.1"
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._head_bytes = 0
        self._unfinished_head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0

    @property
    def has_started(self) -> bool:
        """Whether a part of a request has been received."""
        return self.in_head or self._in_body

    def take_continue(self) -> bool:
        """Whether the client waits for 100 Continue; true once."""
        due, self._continue_due = self._continue_due, False
        return due

    def feed(self, data: bytes) -> bytes:
        """Parse until a request is complete; the bytes that follow it."""
        for begin in range(0, len(data), PARSE_CHUNK_BYTES):
            end = begin + PARSE_CHUNK_BYTES
            unparsed = self._parse(data[begin:end])
            if self.received:
                return unparsed + data[end:]
        return b""

    def _parse(self, data: bytes) -> bytes:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # If the handler declines the upgrade, HTTP continues with a new parser.
            self._parser = httptools.HttpRequestParser(self)
            return data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self.received.append(
                self._error or HttpError(400, f"The request is not valid HTTP/1.1: {error}")
            )
        else:
            if self.in_head and self._unfinished_head_is_too_large(len(data)):
                self.received.append(HttpError(431, self._head_too_large()))
        return b""

    def _unfinished_head_is_too_large(self, received_bytes: int) -> bool:
        # The parser calls back for a header only when the next one starts, so until then
        # received bytes count. The bytes of a read that also completed earlier requests
        # don't: how many belong to this request isn't known.
        if not self.received:
            self._unfinished_head_bytes += received_bytes
        allowed_bytes = self._limits.head_bytes + self._limits.target_bytes
        return self._unfinished_head_bytes > allowed_bytes

    # What httptools calls.

    def on_message_begin(self) -> None:
        self.in_head = True
        self._target = b""
        self._headers = []
        self._head_bytes = 0
        self._unfinished_head_bytes = 0
        self._body = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > self._limits.target_bytes:
            limit = self._limits.target_bytes
            self._fail_in_parser(414, f"The request target is longer than {limit:,} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self._limits.head_bytes:
            self._fail_in_parser(431, self._head_too_large())
        if self.in_head:  # else the trailer of a chunked body, which is counted and dropped
            self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.in_head = False
        self._in_body = True
        self._keep_alive = self._parser.should_keep_alive()
        self._version = self._parser.get_http_version()
        framing = read_framing(self._headers)
        if framing.hosts > 1 or (framing.hosts == 0 and self._version == "1.1"):
            self._fail_in_parser(400, "A request must have exactly one Host header")
        if framing.length_bytes > self._limits.body_bytes:
            self._fail_in_parser(413, self._body_too_large())
        if self._parser.should_upgrade() and (
            framing.has_body or self._parser.get_method() == b"CONNECT"
        ):
            # llhttp treats the body as the new protocol's first bytes, so a server that
            # declines the upgrade would parse it as a request.
            self._fail_in_parser(400, "A request with a body can't change the protocol")
        if framing.expectation and self._version == "1.1":
            if framing.expectation != "100-continue":
                self._fail_in_parser(417, "Only the expectation 100-continue is supported")
            self._continue_due = framing.has_body

    def on_body(self, body: bytes) -> None:
        self._continue_due = False  # the client didn't wait
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._fail_in_parser(413, self._body_too_large())
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._continue_due = False
        body = self._body
        request = Request(
            self._parser.get_method().decode(),
            self._target.decode("latin-1"),
            tuple(self._headers),
            (body[0] if len(body) == 1 else b"".join(body)) if body else b"",
            self.peer_ip,
            self.server_port,
            self._version,
        )
        self.received.append((request, self._keep_alive))

    def _head_too_large(self) -> str:
        return f"The request headers are larger than {self._limits.head_bytes:,} bytes"

    def _body_too_large(self) -> str:
        return f"The request body is larger than {self._limits.body_bytes:,} bytes"

    def _fail_in_parser(self, status: int, reason: str) -> None:
        self._error = HttpError(status, reason)
        raise _ParserAborted
