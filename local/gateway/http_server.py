"""A small HTTP/1.1 server on asyncio; llhttp (through httptools) does the parsing.

Owns the port and its connections, from the first client to an orderly end. A
handler turns one ``Request`` into one ``Response``, or into an ``Upgrade``, and never
meets a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Final

from .http_connection import HttpConnection
from .http_messages import Handler, Limits, Refuser, plain_refusal

# A client that keeps its connection may be sending its next request at the very
# instant at which the server stops. So long it is still answered, and told that
# this was the last one, where a close would reset it.
LAST_REQUEST_SECONDS: Final = 0.2


class HttpServer:
    """Serves ``handler`` on one port, from ``start`` until ``stop``.

    ``refuse`` gives the answer its shape where no request came to be: too
    large, malformed, late, or the handler raised.
    """

    def __init__(
        self, handler: Handler, *, limits: Limits | None = None, refuse: Refuser = plain_refusal
    ) -> None:
        self.handler = handler
        self.limits = limits or Limits()
        self.refuse = refuse
        self.stopping = False
        self.hanging_up = False
        self.connections: set[HttpConnection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where it listens, also where port 0 let the system choose."""
        assert self._listener is not None
        return int(self._listener.sockets[0].getsockname()[1])

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: The address is taken, or isn't this machine's.
        """
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: HttpConnection(self, loop), host, port, backlog=1024
        )
        self._sweeper = loop.create_task(self._sweep(loop))

    async def stop(self, grace_seconds: float) -> None:
        """Accept no connection, answer what is in flight, then drop what is left."""
        if self._listener is None or self._sweeper is None:
            return
        loop = asyncio.get_running_loop()
        # Not yet closed, for asyncio drops whom it has accepted but not yet
        # introduced when the listener closes, and leaks the socket.
        for listening in self._listener.sockets:
            with contextlib.suppress(NotImplementedError):
                loop.remove_reader(listening.fileno())
        # A client that was let in a moment ago is in flight too, and so is a
        # request whose bytes have reached this machine: it takes the loop some
        # turns to make a connection of the one and to read the other.
        for _ in range(6):
            await asyncio.sleep(0)
        accepted = _accept_the_last(self._listener)
        self._listener.close()
        self.stopping = True
        for client in accepted:
            await loop.connect_accepted_socket(lambda: HttpConnection(self, loop), client)
        ends_at = loop.time() + grace_seconds
        await self._until_empty(min(ends_at, loop.time() + LAST_REQUEST_SECONDS))
        self.hanging_up = True
        for connection in tuple(self.connections):
            connection.finish()
        await self._until_empty(ends_at)
        for connection in tuple(self.connections):
            connection.cancel()
        self._sweeper.cancel()
        await self._empty.wait()

    async def _until_empty(self, ends_at: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(ends_at):
                await self._empty.wait()

    def left(self, connection: HttpConnection) -> None:
        """``connection`` is closed, or speaks another protocol now."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    def joined(self, connection: HttpConnection) -> None:
        self.connections.add(connection)
        self._empty.clear()

    async def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        # One timer for all requests: a timer for each request would cost more
        # than its parsing, and nearly all of them would never fire.
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


def _accept_the_last(listener: asyncio.Server) -> list[socket.socket]:
    """Those whom the kernel has let in, and would reset when the listener closes."""
    accepted: list[socket.socket] = []
    for listening in listener.sockets:
        # Neither asyncio nor uvloop hands out the socket itself; Windows has no
        # such copies of one, and resets those few.
        with (
            contextlib.suppress(OSError),
            socket.socket(fileno=os.dup(listening.fileno())) as queue,
        ):
            while True:
                client, _ = queue.accept()
                client.setblocking(False)
                accepted.append(client)
    return accepted
