"""HTTP/1.1 server on asyncio; llhttp (through httptools) parses.

Owns the listening socket, the connections and graceful shutdown. A handler turns a
``Request`` into a ``Response`` or an ``Upgrade``, and never touches a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from typing import Final

from .http_connection import HttpConnection
from .http_messages import ErrorResponder, Handler, Limits, plain_error_response

# A client may send its next request on a kept connection just as the server stops. For this
# long it is answered, with "Connection: close"; closing at once would reset it.
KEEP_ALIVE_GRACE_SECONDS: Final = 0.2


class HttpServer:
    """Serves ``handler`` on one port, from ``start`` until ``stop``.

    ``error_response`` makes the response to a request that is too large, malformed or late,
    or whose handler raised. With ``tls`` it serves HTTPS.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits | None = None,
        error_response: ErrorResponder = plain_error_response,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.handler = handler
        self.limits = limits or Limits()
        self.error_response = error_response
        self._tls = tls
        self.stopping = False
        self.closing_idle = False
        self.connections: set[HttpConnection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it listens on, also if port 0 let the system choose."""
        assert self._listener is not None
        return int(self._listener.sockets[0].getsockname()[1])

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: The address is taken, or not one of this machine.
        """
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: HttpConnection(self, loop), host, port, backlog=1024, ssl=self._tls
        )
        self._sweeper = loop.create_task(self._sweep(loop))

    async def stop(self, grace_seconds: float) -> None:
        """Accept no connection, answer the requests in flight, then drop the rest."""
        if self._listener is None or self._sweeper is None:
            return
        loop = asyncio.get_running_loop()
        # Not closed yet: closing the listener makes asyncio drop connections that it has
        # accepted but not handed over, and leak their sockets.
        for listening in self._listener.sockets:
            with contextlib.suppress(NotImplementedError):
                loop.remove_reader(listening.fileno())
        # Connections just accepted and requests just received count as in flight; the loop
        # needs a few iterations to hand over the former and to read the latter.
        for _ in range(6):
            await asyncio.sleep(0)
        accepted = _accept_pending(self._listener)
        self._listener.close()
        self.stopping = True
        # Together, and a client that fails or doesn't finish its TLS handshake is dropped.
        await asyncio.gather(
            *(
                loop.connect_accepted_socket(
                    lambda: HttpConnection(self, loop),
                    client,
                    ssl=self._tls,
                    ssl_handshake_timeout=None if self._tls is None else KEEP_ALIVE_GRACE_SECONDS,
                )
                for client in accepted
            ),
            return_exceptions=True,
        )
        ends_at = loop.time() + grace_seconds
        await self._wait_until_empty(min(ends_at, loop.time() + KEEP_ALIVE_GRACE_SECONDS))
        self.closing_idle = True
        for connection in tuple(self.connections):
            connection.finish()
        await self._wait_until_empty(ends_at)
        for connection in tuple(self.connections):
            connection.cancel()
        self._sweeper.cancel()
        await self._empty.wait()

    async def _wait_until_empty(self, ends_at: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(ends_at):
                await self._empty.wait()

    def connection_closed(self, connection: HttpConnection) -> None:
        """``connection`` is closed, or upgraded to another protocol."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    def connection_opened(self, connection: HttpConnection) -> None:
        self.connections.add(connection)
        self._empty.clear()

    async def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        # One timer for all requests: a timer for each would cost more than parsing it, and
        # nearly none would fire.
        limits = self.limits
        shortest_seconds = min(
            limits.head_seconds,
            limits.body_seconds,
            limits.idle_seconds,
            limits.write_seconds,
            limits.linger_seconds,
        )
        while True:
            await asyncio.sleep(min(0.5, shortest_seconds / 4))
            now = loop.time()
            for connection in tuple(self.connections):
                if connection.deadline <= now:
                    connection.expire()


def _accept_pending(listener: asyncio.Server) -> list[socket.socket]:
    """The connections in the kernel's accept queue, which closing the listener would reset."""
    accepted: list[socket.socket] = []
    for listening in listener.sockets:
        # A duplicate, because neither asyncio nor uvloop exposes the socket itself. Windows
        # can't duplicate it so, and resets these few connections.
        with (
            contextlib.suppress(OSError),
            socket.socket(fileno=os.dup(listening.fileno())) as queue,
        ):
            while True:
                client, _ = queue.accept()
                client.setblocking(False)
                accepted.append(client)
    return accepted
