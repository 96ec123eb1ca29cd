"""One HTTP/1.1 client: bytes in, answers out, one at a time and in their order.

Owns a connection: keep-alive, pipelining, limits, timeouts, orderly endings. Must never
look into paths or bodies: what a request means is the handler's business.

How a connection works. Bytes go to the parser, which calls back; whole requests
queue up and are answered one at a time, in order. Bytes that are behind them, or
arrive while a request is being answered, are put aside unparsed and reading is
paused, so one client can't make the server hold more than what two reads brought
in. Whatever
goes wrong on the way in (a refusal) takes its place in the same queue, behind
the requests before it, and ends the connection.
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
    Handler,
    Limits,
    Refusal,
    Refuser,
    Request,
    Response,
    Upgrade,
    framing_of,
    serialise,
)

LOG = logging.getLogger(__name__)

# A read may bring in thousands of requests, which take twenty times as much room as objects.
# What is behind the first that are whole waits as bytes.
PARSED_AT_ONCE_BYTES: Final = 16 * 1024

# A server that stops doesn't wait for clients that merely don't hang up.
STOPPING_LINGER_SECONDS: Final = 0.2


class Owner(Protocol):
    """The server that a connection belongs to."""

    handler: Handler
    refuse: Refuser
    limits: Limits
    stopping: bool
    hanging_up: bool

    def joined(self, connection: HttpConnection) -> None:
        """``connection`` is there."""

    def left(self, connection: HttpConnection) -> None:
        """``connection`` is closed, or speaks another protocol now."""


class _Refused(Exception):
    """Leaves the parser's callbacks; httptools turns it into a parser error."""


class HttpConnection(asyncio.Protocol):
    """One client. Busy from the moment a request is handed over until its answer is written."""

    def __init__(self, server: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self.deadline = inf
        self._server = server
        self._limits = server.limits
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._peer_ip = ""
        self._server_port = 0
        # A request and whether the connection outlives it, or why there is none.
        self._queue: deque[tuple[Request, bool] | Refusal] = deque()
        self._backlog = b""
        self._task: asyncio.Task[None] | None = None
        self._busy = False
        self._ending = False
        self._refusal: Refusal | None = None
        self._client_done = False
        self._reading_paused = False
        self._writing_paused = False
        self._on_deadline: Callable[[], None] = self.abort
        # Of the request that is coming in:
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
        # A client that has left already has no address any more.
        self._peer_ip = (transport.get_extra_info("peername") or ("",))[0]
        self._server_port = transport.get_extra_info("sockname")[1]
        # asyncio does this too, but too much hangs on it to leave it to chance.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server.joined(self)
        self._await_more()

    def connection_lost(self, exc: Exception | None) -> None:
        # What is with the handler goes on: no Lambda is stopped by a client
        # that leaves.
        self._ending = True
        self.deadline = inf
        self._queue.clear()
        self._server.left(self)

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        if self._busy:
            # Pausing costs two system calls, so only a client that does send
            # ahead pays for it.
            self._backlog += data
            self._pause_reading()
            return
        self._feed(data)
        if not self._busy:
            self._await_more()

    def eof_received(self) -> bool:
        self._client_done = True
        # Half closed with requests unanswered: this client still listens.
        return self._busy and not self._ending

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._busy and self._task is None and not self._ending:
            self._answered()

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
            self._refuse_in_parser(414, "The request's target is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self._limits.head_bytes:
            self._refuse_in_parser(431, "The request's headers are too large")
        if self._in_head:  # else the trailer of a chunked body, which is counted and dropped
            self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._in_body = True
        self._keep_alive = self._parser.should_keep_alive()
        self._version = self._parser.get_http_version()
        framing = framing_of(self._headers)
        if framing.hosts > 1 or (framing.hosts == 0 and self._version == "1.1"):
            self._refuse_in_parser(400, "A request has exactly one Host header")
        if framing.length_bytes > self._limits.body_bytes:
            self._refuse_in_parser(413, "The request's body is too large")
        if self._parser.should_upgrade() and (
            framing.has_body or self._parser.get_method() == b"CONNECT"
        ):
            # llhttp takes the body for the new protocol's first bytes, so a
            # server that declines the upgrade would read it as a request.
            self._refuse_in_parser(400, "This request can't change the protocol")
        if framing.expectation and self._version == "1.1":
            if framing.expectation != "100-continue":
                self._refuse_in_parser(417, "Nothing but 100-continue can be expected")
            self._continue_due = framing.has_body

    def on_body(self, body: bytes) -> None:
        self._continue_due = False  # this client didn't wait
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._refuse_in_parser(413, "The request's body is too large")
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

    def _refuse_in_parser(self, status: int, reason: str) -> None:
        self._refusal = Refusal(status, reason)
        raise _Refused

    # Requests on their way in.

    def _feed(self, data: bytes) -> None:
        for begin in range(0, len(data), PARSED_AT_ONCE_BYTES):
            end = begin + PARSED_AT_ONCE_BYTES
            self._parse(data[begin:end])
            if self._queue:
                self._backlog += data[end:]
                self._next()
                return

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # A handler that declines the upgrade goes on in HTTP with a fresh parser.
            self._parser = httptools.HttpRequestParser(self)
            self._backlog = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._queue.append(self._refusal or Refusal(400, f"This is not HTTP/1.1: {error}"))
        else:
            if self._in_head and self._unfinished_head_is_too_large(len(data)):
                self._queue.append(Refusal(431, "The request's headers are too large"))

    def _unfinished_head_is_too_large(self, received_bytes: int) -> bool:
        # The parser hands out a header only when the next one begins. Until
        # then what came in is counted; of a read that ended earlier requests
        # too, how much belongs to this one isn't known, and it goes free.
        if not self._queue:
            self._unfinished_head_bytes += received_bytes
        allowed_bytes = self._limits.head_bytes + self._limits.target_bytes
        return self._unfinished_head_bytes > allowed_bytes

    def _await_more(self) -> None:
        """Nothing to answer: read on, for as long as the stage that is reached allows."""
        if self._ending:
            return
        started = self._in_head or self._in_body
        if self._client_done or (self._server.hanging_up and not started):
            self.close()
            return
        self._resume_reading()
        if self._continue_due:
            self._continue_due = False
            self._transport.write(CONTINUE)
        if not started:
            self._wait(self._limits.idle_seconds, self.close)
        elif self._in_head:
            self._wait(self._limits.head_seconds, self._head_is_late)
        else:
            self._wait(self._limits.body_seconds, self._body_is_late)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        # A stage's time is given once, so a byte now and then can't prolong it.
        if self._on_deadline != then:
            self._on_deadline = then
            self.deadline = self._loop.time() + seconds

    def _no_deadline(self) -> None:
        self._on_deadline = self.abort
        self.deadline = inf

    def _head_is_late(self) -> None:
        self._late("The request's headers took too long")

    def _body_is_late(self) -> None:
        self._late("The request's body took too long")

    def _late(self, reason: str) -> None:
        self._queue.append(Refusal(408, reason))
        self._next()

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    # Answers on their way out.

    def _next(self) -> None:
        self._busy = True
        self._no_deadline()
        waiting = self._queue.popleft()
        if isinstance(waiting, Refusal):
            self._send(self._server.refuse(waiting), "GET", connection="close")
            self._linger()
        else:
            self._task = self._loop.create_task(self._answer(*waiting))

    async def _answer(self, request: Request, keep_alive: bool) -> None:
        try:
            answer = await self._server.handler(request)
        except Exception:
            # A query may hold a token.
            path = request.target.partition("?")[0]
            LOG.exception("No answer to %s %s", request.method, path)
            answer = self._server.refuse(Refusal(500, "The server failed"))
        self._task = None
        if self._transport.is_closing():
            if isinstance(answer, Upgrade):
                answer.protocol.connection_lost(None)
            return
        if isinstance(answer, Upgrade):
            self._hand_over(answer.protocol)
            return
        if not keep_alive or self._server.stopping:
            self._send(answer, request.method, connection="close")
            self._finish()
            return
        self._send(
            answer, request.method, connection=None if request.version == "1.1" else "keep-alive"
        )
        if self._writing_paused:  # the client must take this answer before it gets another
            self.deadline = self._loop.time() + self._limits.write_seconds
        else:
            self._answered()

    def _send(self, response: Response, method: str, *, connection: str | None) -> None:
        self._transport.write(
            serialise(response, date=_http_date(), method=method, connection=connection)
        )

    def _answered(self) -> None:
        self._busy = False
        if not self._queue and self._backlog:
            data, self._backlog = self._backlog, b""
            self._feed(data)
        elif self._queue:
            self._next()
        if not self._busy:
            self._await_more()

    def _hand_over(self, protocol: asyncio.Protocol) -> None:
        self._no_deadline()
        self._server.left(self)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        # Before it hears anything, because that may be enough for it to pause again.
        self._resume_reading()
        if self._backlog:
            protocol.data_received(self._backlog)
        if self._client_done and not protocol.eof_received():
            # It came while the answer was being made, and comes only once.
            self._transport.close()

    # Endings.

    def close(self) -> None:
        """What is written still arrives; nothing more is read."""
        self._ending = True
        self._no_deadline()
        self._transport.close()

    def abort(self) -> None:
        self._ending = True
        self._transport.abort()

    def finish(self) -> None:
        """Close as soon as nothing is in flight, which may be now."""
        if self._ending:
            self._transport.close()
        elif not self._busy:
            self._await_more()

    def expire(self) -> None:
        """The deadline has passed."""
        self.deadline = inf
        self._on_deadline()

    def cancel(self) -> None:
        """The handler has had its time, and so has the client."""
        if self._task is not None:
            self._task.cancel()
        self.abort()

    def _finish(self) -> None:
        # Closing a socket that still holds unread bytes resets the connection,
        # and the reset may overtake the answer.
        if self._backlog or self._reading_paused:
            self._linger()
        else:
            self.close()

    def _linger(self) -> None:
        """Say that this was all, and let the client finish talking, unheard, for a while."""
        self._ending = True
        self._queue.clear()
        self._backlog = b""
        if self._client_done:
            self.close()
            return
        try:
            self._transport.write_eof()
        except OSError:  # the client has reset the connection
            self.abort()
            return
        self._resume_reading()
        self._no_deadline()
        seconds = self._limits.linger_seconds
        if self._server.stopping:
            seconds = min(seconds, STOPPING_LINGER_SECONDS)
        self.deadline = self._loop.time() + seconds


_date: tuple[int, str] = (0, "")


def _http_date() -> str:
    # Formatted once a second, not once a response.
    global _date  # noqa: PLW0603
    now_seconds = int(time.time())
    if _date[0] != now_seconds:
        _date = (now_seconds, formatdate(now_seconds, usegmt=True))
    return _date[1]
