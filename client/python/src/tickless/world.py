"""Everything that differs between a program and a test: clocks, chance and sockets.

Nothing else here touches the network of a socket, or a clock.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

GOODBYE_WITHIN_S = 2

Token = str | Callable[[], Awaitable[str]] | None
"""Or who renews it: asked before every connection, and every request."""


async def token_of(token: Token) -> str | None:
    return await token() if callable(token) else token


class SocketClosed(Exception):
    """A connection has ended, with the code and reason that the other side gave, if it did."""

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code
        self.reason = reason


class SocketRefused(Exception):
    """A connection could not be opened; its cause says why.

    ``status`` is what the handshake was answered, where somebody answered it.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class Socket(Protocol):
    """As much of a WebSocket as is needed."""

    async def recv(self) -> str | bytes:
        """The next message.

        Raises:
            SocketClosed: There is none any more.
        """
        ...

    async def send(self, text: str) -> None:
        """Send a message.

        Raises:
            SocketClosed: It can't be.
        """
        ...

    async def close(self) -> None:
        """End the connection as it should be ended."""
        ...

    def abort(self) -> None:
        """End it at once, without a word."""
        ...


class WebSocket:
    """A Socket on the ``websockets`` library."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def recv(self) -> str | bytes:
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as closed:
            raise _told(closed) from closed

    async def send(self, text: str) -> None:
        try:
            await self._connection.send(text)
        except ConnectionClosed as closed:
            raise _told(closed) from closed

    async def close(self) -> None:
        await self._connection.close()

    def abort(self) -> None:
        self._connection.transport.abort()


def _told(closed: ConnectionClosed) -> SocketClosed:
    end = closed.rcvd
    return SocketClosed(end.code, end.reason) if end else SocketClosed()


async def open_socket(url: str, subprotocols: tuple[str, ...]) -> Socket:
    """A connection to ``url``, offering these subprotocols if there are any.

    Raises:
        SocketRefused: Nobody is there, or whoever is there wants nothing of it.
    """
    try:
        connection = await connect(
            url,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            compression=None,
            # The contract has heartbeats of its own.
            ping_interval=None,
            open_timeout=None,
            close_timeout=GOODBYE_WITHIN_S,
        )
    except (OSError, EOFError, InvalidHandshake) as error:
        status = error.response.status_code if isinstance(error, InvalidStatus) else None
        raise SocketRefused(str(error), status) from error
    return WebSocket(connection)


def now() -> float:
    """Milliseconds that only ever grow."""
    return time.monotonic() * 1000


def wall() -> float:
    """The time of day in milliseconds, which may be set."""
    return time.time() * 1000


@dataclass(frozen=True, slots=True)
class World:
    """``random`` gives numbers from 0 to 1, 1 excluded; timers are the event loop's."""

    now: Callable[[], float] = now
    wall: Callable[[], float] = wall
    random: Callable[[], float] = random.random
    open_socket: Callable[[str, tuple[str, ...]], Awaitable[Socket]] = open_socket
