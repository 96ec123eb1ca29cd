"""The client's access to the outside world: clocks, randomness and WebSockets.

Nothing else in the client reads a clock or opens a socket, so tests replace ``Environment``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ssl import SSLError
from typing import Literal, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)
from websockets.proxy import get_proxy, parse_proxy
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

CLOSE_TIMEOUT_S = 2

URL_RULE = "url must be a ws:// or wss:// address with a host"
PROXY_RULE = (
    "proxy must be an address with a host and one of the schemes"
    " http, https, socks5h, socks5, socks4a, socks4"
)

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


FailureCode = Literal["CONNECTION_FAILED", "PROXY_FAILED", "TOKEN_FAILED", "URL_FAILED"]
"""Why an attempt to connect failed, where waiting alone is unlikely to help."""


class ConnectionFailed(Exception):
    """A connection could not be opened; the text says why, without the token.

    ``status`` is the HTTP status of the handshake, if there was a response. ``code`` is what is
    reported, ``None`` if the reason may just be the network.
    """

    def __init__(
        self, reason: str, status: int | None = None, *, code: FailureCode | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code


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


def check_address(url: str) -> None:
    """Check the address of a WebSocket.

    Raises:
        ValueError: It is none. The text doesn't quote it: an address may contain a password.
    """
    try:
        _check_host_and_port(parse_uri(url).host, url)
    except InvalidURI as error:
        raise ValueError(f"{URL_RULE}: {error.msg}") from None
    except ValueError:
        raise ValueError(f"{URL_RULE}: its host or port is invalid") from None


def check_proxy(address: str) -> None:
    """Check the address of a proxy.

    Raises:
        ValueError: It is none. The text doesn't quote it: an address may contain a password.
    """
    try:
        _check_host_and_port(parse_proxy(address).host, address)
    except InvalidProxy as error:
        raise ValueError(f"{PROXY_RULE}: {error.msg}") from None
    except ValueError:
        raise ValueError(f"{PROXY_RULE}: its host or port is invalid") from None


def _check_host_and_port(host: str, address: str) -> None:
    # The resolver encodes names so. The libraries take the port 0 for none.
    if not host.encode("idna") or urlsplit(address).port == 0:
        raise ValueError


def proxy_for(url: str, proxy: ProxySource) -> str | None:
    """The address of the proxy for a valid ``url``, ``None`` if there is none."""
    return get_proxy(parse_uri(url)) if proxy is True else proxy


async def open_socket(
    url: str, subprotocols: tuple[str, ...], *, proxy: ProxySource = True
) -> Socket:
    """Connect to ``url``, offering ``subprotocols``, through ``proxy``.

    Raises:
        ConnectionFailed: The server or the proxy can't be reached, or refused, or the environment
            names a proxy that can't be used.
    """
    try:
        check_address(url)
    except ValueError as error:
        raise ConnectionFailed(str(error), code="URL_FAILED") from error
    address = proxy_for(url, proxy)
    try:
        if address is not None:
            check_proxy(address)
    except ValueError as error:
        raise ConnectionFailed(f"The proxy can't be used: {error}", code="PROXY_FAILED") from error
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
    except Exception as error:
        raise _connection_failed(error, is_proxied=address is not None) from error
    return WebSocket(connection)


def _connection_failed(error: Exception, *, is_proxied: bool) -> ConnectionFailed:
    if isinstance(error, SSLError):
        # An OSError and a ValueError too, but neither a lost network nor a bad address.
        return ConnectionFailed(f"The connection failed: {error}", code="CONNECTION_FAILED")
    if isinstance(error, ProxyError | ImportError):
        # SOCKS needs a library.
        return ConnectionFailed(f"The proxy can't be used: {error}", code="PROXY_FAILED")
    if isinstance(error, OSError | EOFError) and is_proxied:
        return ConnectionFailed(
            f"The connection through the proxy failed: {error}", code="PROXY_FAILED"
        )
    if isinstance(error, OSError | EOFError | WebSocketException):
        status = error.response.status_code if isinstance(error, InvalidStatus) else None
        return ConnectionFailed(str(error), status)
    # The text may quote the token, which is in one of the headers.
    return ConnectionFailed(
        f"The connection failed: {type(error).__name__}", code="CONNECTION_FAILED"
    )


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
