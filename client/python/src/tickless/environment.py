"""The client's access to the outside world: clocks, randomness and WebSockets.

Nothing else in the client reads a clock or opens a socket, so tests replace ``Environment``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidProxy,
    InvalidStatus,
    ProxyError,
    WebSocketException,
)
from websockets.typing import Subprotocol

CLOSE_TIMEOUT_S = 2

ProxySource = str | Literal[True] | None
"""The address of a proxy; ``True`` for the one of the environment, as ``http_proxy``."""

TokenSource = str | Callable[[], Awaitable[str]] | None
"""A token, or a function that returns one; it is called before every connection and request."""


async def resolve_token(token: TokenSource) -> str | None:
    return await token() if callable(token) else token


class SocketClosed(Exception):
    """A connection has ended, with the peer's close code and reason if it sent them."""

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code
        self.reason = reason


class ConnectionFailed(Exception):
    """A connection could not be opened; the cause says why.

    ``status`` is the HTTP status of the handshake, if there was a response. ``is_proxy`` if a
    proxy is the reason.
    """

    def __init__(self, reason: str, status: int | None = None, *, is_proxy: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.is_proxy = is_proxy


class Socket(Protocol):
    """What the client needs of a WebSocket."""

    async def recv(self) -> str | bytes:
        """The next message.

        Raises:
            SocketClosed: The connection has ended.
        """
        ...

    async def send(self, text: str) -> None:
        """Send a message.

        Raises:
            SocketClosed: The connection has ended.
        """
        ...

    async def close(self) -> None:
        """Close the connection with a closing handshake."""
        ...

    def abort(self) -> None:
        """Drop the connection at once, without a closing handshake."""
        ...


class WebSocket:
    """A Socket on the ``websockets`` library."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def recv(self) -> str | bytes:
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as closed:
            raise _socket_closed(closed) from closed

    async def send(self, text: str) -> None:
        try:
            await self._connection.send(text)
        except ConnectionClosed as closed:
            raise _socket_closed(closed) from closed

    async def close(self) -> None:
        await self._connection.close()

    def abort(self) -> None:
        self._connection.transport.abort()


def _socket_closed(closed: ConnectionClosed) -> SocketClosed:
    frame = closed.rcvd
    return SocketClosed(frame.code, frame.reason) if frame else SocketClosed()


async def open_socket(
    url: str, subprotocols: tuple[str, ...], *, proxy: ProxySource = True
) -> Socket:
    """Connect to ``url``, offering ``subprotocols``, through ``proxy``.

    Raises:
        ConnectionFailed: The server or the proxy can't be reached, or refused, or the environment
            names a proxy that can't be used.
    """
    try:
        connection = await connect(
            url,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            compression=None,
            proxy=proxy,
            # The protocol has its own heartbeats.
            ping_interval=None,
            open_timeout=None,
            close_timeout=CLOSE_TIMEOUT_S,
        )
    except InvalidProxy as error:
        # Its text contains the address, which may contain a password.
        raise ConnectionFailed(error.msg, is_proxy=True) from error
    except (ProxyError, ImportError, ValueError) as error:
        # SOCKS needs a library; a port may be no number.
        raise ConnectionFailed(str(error), is_proxy=True) from error
    except (OSError, EOFError, WebSocketException) as error:
        status = error.response.status_code if isinstance(error, InvalidStatus) else None
        raise ConnectionFailed(str(error), status) from error
    return WebSocket(connection)


def now() -> float:
    """A monotonic clock, in milliseconds."""
    return time.monotonic() * 1000


def wall_clock() -> float:
    """The time of day in milliseconds; it may be set."""
    return time.time() * 1000


@dataclass(frozen=True, slots=True)
class Environment:
    """``random`` returns numbers from 0 to 1, 1 excluded. Timers are the event loop's."""

    now: Callable[[], float] = now
    wall_clock: Callable[[], float] = wall_clock
    random: Callable[[], float] = random.random
    open_socket: Callable[[str, tuple[str, ...]], Awaitable[Socket]] = open_socket
