"""One HTTP/1.1 connection, as an asyncio protocol.

Owns keep-alive, pipelining, limits, timeouts and graceful closing. Must never look into
paths or bodies: the handler does.

How a connection works. Bytes go to the parser, which calls back; complete requests are
queued and answered one at a time, in order. Bytes that follow them, or that arrive while a
request is being answered, stay unparsed, and reading is paused, so one client can't make
the server hold more than two reads return. An error in a request is queued behind the
requests before it, and closes the connection.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from math import inf
from typing import Final, Protocol, cast

import httptools

from .http_messages import (
    CONTINUE,
    ErrorResponder,
    Handler,
    HttpError,
    Limits,
    Request,
    Response,
    Upgrade,
    end_writing,
    read_framing,
    serialise,
)

LOG = logging.getLogger(__name__)

# One read may return thousands of requests, which take twenty times as much memory as objects.
# So the parser gets this much at a time, until a request is complete.
PARSE_CHUNK_BYTES: Final = 16 * 1024

# A server that stops doesn't wait longer for clients to close their side.
STOPPING_LINGER_SECONDS: Final = 0.2


class Server(Protocol):
    """The server that a connection belongs to."""

    handler: Handler
    error_response: ErrorResponder
    limits: Limits
    stopping: bool
    closing_idle: bool

    def connection_opened(self, connection: HttpConnection) -> None:
        """``connection`` is open."""

    def connection_closed(self, connection: HttpConnection) -> None:
        """``connection`` is closed, or upgraded to another protocol."""


class _ParserAborted(Exception):
    """Raised in a parser callback to stop parsing; httptools turns it into a parser error."""


class HttpConnection(asyncio.Protocol):
    """One client's connection. Busy from a request's start until its response is written."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.deadline = inf
        self._server = server
        self._limits = server.limits
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._peer_ip = ""
        self._server_port = 0
        # A request, and whether to keep the connection open after it; or an error.
        self._queue: deque[tuple[Request, bool] | HttpError] = deque()
        self._backlog = b""
        self._task: asyncio.Task[None] | None = None
        self._busy = False
        self._ending = False
        self._error: HttpError | None = None
        self._eof_received = False
        self._reading_paused = False
        self._writing_paused = False
        self._on_deadline: Callable[[], None] = self.abort
        # Of the request that is being received:
        self._in_head = False
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

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # A client that has already left has no address.
        self._peer_ip = (transport.get_extra_info("peername") or ("",))[0]
        self._server_port = transport.get_extra_info("sockname")[1]
        # asyncio does this too, but latency depends on it.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server.connection_opened(self)
        self._read_more()

    def connection_lost(self, exc: Exception | None) -> None:
        # The handler continues: a client that leaves doesn't stop a Lambda.
        self._ending = True
        self.deadline = inf
        self._queue.clear()
        self._server.connection_closed(self)

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        if self._busy:
            # Pausing costs two system calls, so only a client that pipelines pays for it.
            self._backlog += data
            self._pause_reading()
            return
        self._feed(data)
        if not self._busy:
            self._read_more()

    def eof_received(self) -> bool:
        self._eof_received = True
        # A client that has closed its sending side still gets its responses.
        # TLS can't be half-closed.
        return self._busy and not self._ending and self._transport.can_write_eof()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._busy and self._task is None and not self._ending:
            self._response_sent()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._in_head = True
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
        if self._in_head:  # else the trailer of a chunked body, which is counted and dropped
            self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._in_head = False
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
            self._peer_ip,
            self._server_port,
            self._version,
        )
        self._queue.append((request, self._keep_alive))

    def _head_too_large(self) -> str:
        return f"The request headers are larger than {self._limits.head_bytes:,} bytes"

    def _body_too_large(self) -> str:
        return f"The request body is larger than {self._limits.body_bytes:,} bytes"

    def _fail_in_parser(self, status: int, reason: str) -> None:
        self._error = HttpError(status, reason)
        raise _ParserAborted

    # Requests.

    def _feed(self, data: bytes) -> None:
        for begin in range(0, len(data), PARSE_CHUNK_BYTES):
            end = begin + PARSE_CHUNK_BYTES
            self._parse(data[begin:end])
            if self._queue:
                self._backlog += data[end:]
                self._handle_next()
                return

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # If the handler declines the upgrade, HTTP continues with a new parser.
            self._parser = httptools.HttpRequestParser(self)
            self._backlog = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._queue.append(
                self._error or HttpError(400, f"The request is not valid HTTP/1.1: {error}")
            )
        else:
            if self._in_head and self._unfinished_head_is_too_large(len(data)):
                self._queue.append(HttpError(431, self._head_too_large()))

    def _unfinished_head_is_too_large(self, received_bytes: int) -> bool:
        # The parser calls back for a header only when the next one starts, so until then
        # received bytes count. The bytes of a read that also completed earlier requests
        # don't: how many belong to this request isn't known.
        if not self._queue:
            self._unfinished_head_bytes += received_bytes
        allowed_bytes = self._limits.head_bytes + self._limits.target_bytes
        return self._unfinished_head_bytes > allowed_bytes

    def _read_more(self) -> None:
        """Read more, with the timeout of the idle connection, of the headers or of the body."""
        if self._ending:
            return
        started = self._in_head or self._in_body
        if self._eof_received or (self._server.closing_idle and not started):
            self.close()
            return
        self._resume_reading()
        if self._continue_due:
            self._continue_due = False
            self._transport.write(CONTINUE)
        if not started:
            self._set_deadline(self._limits.idle_seconds, self.close)
        elif self._in_head:
            self._set_deadline(self._limits.head_seconds, self._head_timed_out)
        else:
            self._set_deadline(self._limits.body_seconds, self._body_timed_out)

    def _set_deadline(self, seconds: float, then: Callable[[], None]) -> None:
        # Set once per stage, so that a byte now and then doesn't extend it.
        if self._on_deadline != then:
            self._on_deadline = then
            self.deadline = self._loop.time() + seconds

    def _clear_deadline(self) -> None:
        self._on_deadline = self.abort
        self.deadline = inf

    def _head_timed_out(self) -> None:
        self._time_out(f"The headers were not complete within {self._limits.head_seconds:g} s")

    def _body_timed_out(self) -> None:
        self._time_out(f"The body was not complete within {self._limits.body_seconds:g} s")

    def _time_out(self, reason: str) -> None:
        self._queue.append(HttpError(408, reason))
        self._handle_next()

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    # Responses.

    def _handle_next(self) -> None:
        self._busy = True
        self._clear_deadline()
        waiting = self._queue.popleft()
        if isinstance(waiting, HttpError):
            self._send(self._server.error_response(waiting), "GET", connection="close")
            self._linger()
        else:
            self._task = self._loop.create_task(self._answer(*waiting))

    async def _answer(self, request: Request, keep_alive: bool) -> None:
        try:
            answer = await self._server.handler(request)
        except Exception:
            # Without the query, which may contain a token.
            path = request.target.partition("?")[0]
            LOG.exception("%s %s: the handler failed", request.method, path)
            answer = self._server.error_response(HttpError(500, "The server failed"))
        self._task = None
        if self._transport.is_closing():
            if isinstance(answer, Upgrade):
                answer.protocol.connection_lost(None)
            return
        if isinstance(answer, Upgrade):
            self._upgrade(answer.protocol)
            return
        if not keep_alive or self._server.stopping:
            self._send(answer, request.method, connection="close")
            self._close_after_response()
            return
        self._send(
            answer, request.method, connection=None if request.version == "1.1" else "keep-alive"
        )
        if self._writing_paused:  # the next request waits until the client has read this response
            self.deadline = self._loop.time() + self._limits.write_seconds
        else:
            self._response_sent()

    def _send(self, response: Response, method: str, *, connection: str | None) -> None:
        self._transport.write(
            serialise(response, date=_http_date(), method=method, connection=connection)
        )

    def _response_sent(self) -> None:
        self._busy = False
        if not self._queue and self._backlog:
            data, self._backlog = self._backlog, b""
            self._feed(data)
        elif self._queue:
            self._handle_next()
        if not self._busy:
            self._read_more()

    def _upgrade(self, protocol: asyncio.Protocol) -> None:
        self._clear_deadline()
        self._server.connection_closed(self)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        # Before it gets data, which may make it pause reading again.
        self._resume_reading()
        if self._backlog:
            protocol.data_received(self._backlog)
        if self._eof_received and not protocol.eof_received():
            # EOF was received before the upgrade, and is reported only once.
            self._transport.close()

    # Closing.

    def close(self) -> None:
        """Close once buffered data is written; read nothing more."""
        self._ending = True
        self._clear_deadline()
        self._transport.close()

    def abort(self) -> None:
        self._ending = True
        self._transport.abort()

    def finish(self) -> None:
        """Close once no request is in flight, which may be now."""
        if self._ending:
            self._transport.close()
        elif not self._busy:
            self._read_more()

    def expire(self) -> None:
        """The deadline has passed."""
        self.deadline = inf
        self._on_deadline()

    def cancel(self) -> None:
        """Stop waiting for the handler and the client."""
        if self._task is not None:
            self._task.cancel()
        self.abort()

    def _close_after_response(self) -> None:
        # Closing a socket with unread bytes resets the connection, and the reset may
        # overtake the response.
        if self._backlog or self._reading_paused:
            self._linger()
        else:
            self.close()

    def _linger(self) -> None:
        """Close the sending side, and discard what the client sends, for a limited time."""
        self._ending = True
        self._queue.clear()
        self._backlog = b""
        if self._eof_received:
            self.close()
            return
        try:
            end_writing(self._transport)
        except OSError:  # the client has reset the connection
            self.abort()
            return
        if self._transport.is_closing():
            return
        self._resume_reading()
        self._clear_deadline()
        seconds = self._limits.linger_seconds
        if self._server.stopping:
            seconds = min(seconds, STOPPING_LINGER_SECONDS)
        self.deadline = self._loop.time() + seconds


_date: tuple[int, str] = (0, "")


def _http_date() -> str:
    # Formatted once per second, not once per response.
    global _date  # noqa: PLW0603
    now_seconds = int(time.time())
    if _date[0] != now_seconds:
        _date = (now_seconds, formatdate(now_seconds, usegmt=True))
    return _date[1]
