"""One HTTP/1.1 connection, as an asyncio protocol.

Owns keep-alive, pipelining, timeouts and graceful closing. Must never look into a request:
``http_request_parser`` and the handler do.

How a connection works. Bytes go to the parser; the requests that it has received are
answered one at a time, in order. Bytes that follow them, or that arrive while a request is
being answered, stay unparsed, and reading is paused, so one client can't make the server
hold more than two reads return. An error in a request comes after the requests before it,
and closes the connection.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from math import inf
from typing import Final, Protocol, cast

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
    serialise,
)
from .http_request_parser import RequestParser

LOG = logging.getLogger(__name__)

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


class HttpConnection(asyncio.Protocol):
    """One client's connection. Busy from a request's start until its response is written."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.deadline = inf
        self._server = server
        self._limits = server.limits
        self._loop = loop
        self._parser = RequestParser(server.limits)
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._backlog = b""
        self._task: asyncio.Task[None] | None = None
        self._busy = False
        self._ending = False
        self._eof_received = False
        self._reading_paused = False
        self._writing_paused = False
        self._on_deadline: Callable[[], None] = self.abort

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # A client that has already left has no address.
        self._parser.peer_ip = (transport.get_extra_info("peername") or ("",))[0]
        self._parser.server_port = transport.get_extra_info("sockname")[1]
        # asyncio does this too, but latency depends on it.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server.connection_opened(self)
        self._read_more()

    def connection_lost(self, exc: Exception | None) -> None:
        # The handler continues: a client that leaves doesn't stop a Lambda.
        self._ending = True
        self.deadline = inf
        self._parser.received.clear()
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

    # Requests.

    def _feed(self, data: bytes) -> None:
        self._backlog = self._parser.feed(data)
        if self._parser.received:
            self._handle_next()

    def _read_more(self) -> None:
        """Read more, with the timeout of the idle connection, of the headers or of the body."""
        if self._ending:
            return
        started = self._parser.has_started
        if self._eof_received or (self._server.closing_idle and not started):
            self.close()
            return
        self._resume_reading()
        if self._parser.take_continue():
            self._transport.write(CONTINUE)
        if not started:
            self._set_deadline(self._limits.idle_seconds, self.close)
        elif self._parser.in_head:
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
        self._parser.received.append(HttpError(408, reason))
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
        waiting = self._parser.received.popleft()
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
        if not self._parser.received and self._backlog:
            data, self._backlog = self._backlog, b""
            self._feed(data)
        elif self._parser.received:
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
        self._parser.received.clear()
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
