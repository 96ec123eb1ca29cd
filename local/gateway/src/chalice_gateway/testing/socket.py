"""A WebSocket client for tests: it waits no longer than its timeout, and says what it got.

Owns the connection. ``websockets`` does the protocol. Must never leave a test hanging.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect


class Closed(NamedTuple):
    """How a connection ended; 1006 without a close frame."""

    code: int
    reason: str


class HandshakeRefused(Exception):
    """The handshake was answered with another status than 101."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(
            f"The handshake was refused with {status}: {body.decode(errors='replace')}"
        )
        self.status = status
        self.body = body


class SocketClient:
    """One client.

    ``settle`` waits until the gateway has nothing left to do, and ``wait_until_left`` until
    it has noticed that the client with an address has left.
    """

    def __init__(
        self,
        connection: ClientConnection,
        *,
        timeout: float,
        settle: Callable[[], None],
        wait_until_left: Callable[[Any], None],
    ) -> None:
        self._connection = connection
        self._timeout = timeout
        self._settle = settle
        self._wait_until_left = wait_until_left
        self._address = connection.local_address
        self._received: list[str] = []

    @classmethod
    def connect(
        cls,
        exit_stack: ExitStack,
        url: str,
        *,
        timeout: float,
        settle: Callable[[], None],
        wait_until_left: Callable[[Any], None],
        **options: Any,
    ) -> SocketClient:
        """Open a connection, which is closed when the stack is.

        Raises:
            HandshakeRefused: $connect, or the gateway, has refused it.
        """
        try:
            connection = exit_stack.enter_context(
                connect(
                    url,
                    open_timeout=timeout,
                    close_timeout=timeout,
                    # As a browser's: no pings of its own, and as many messages as there are.
                    ping_interval=None,
                    max_queue=None,
                    max_size=None,
                    compression=None,
                    proxy=None,
                    **options,
                )
            )
        except InvalidStatus as refusal:
            response = refusal.response
            raise HandshakeRefused(response.status_code, bytes(response.body or b"")) from None
        return cls(connection, timeout=timeout, settle=settle, wait_until_left=wait_until_left)

    @property
    def local_address(self) -> Any:
        """The client's side of the TCP connection."""
        return self._address

    @property
    def subprotocol(self) -> str | None:
        return self._connection.subprotocol

    def send(self, text: str) -> None:
        """Send a text message, in one frame.

        Raises:
            AssertionError: The connection is closed.
        """
        try:
            self._connection.send(text)
        except ConnectionClosed as closed:
            raise AssertionError(f"can't send: closed with {_closed(closed)}") from None

    def send_json(self, value: Any) -> None:
        self.send(json.dumps(value))

    def receive(self, timeout: float | None = None) -> str:
        """The next message.

        Raises:
            AssertionError: None has come within ``timeout`` seconds, or the connection is closed.
        """
        seconds = self._timeout if timeout is None else timeout
        try:
            text = self._next(seconds)
        except TimeoutError:
            raise AssertionError(f"no message within {seconds:g} s, {self._so_far()}") from None
        except ConnectionClosed as closed:
            raise AssertionError(
                f"closed with {_closed(closed)} instead of a message, {self._so_far()}"
            ) from None
        return text

    def receive_json(self, timeout: float | None = None) -> Any:
        """The next message, which must be JSON."""
        text = self.receive(timeout)
        try:
            return json.loads(text)
        except ValueError:
            raise AssertionError(f"not JSON: {text!r}") from None

    def assert_silent(self, seconds: float = 0) -> None:
        """Nothing has come, and nothing will: all functions have finished.

        ``seconds`` is for what comes from elsewhere, such as another process.

        Raises:
            AssertionError: There is a message, or the connection is closed.
        """
        self._settle()
        try:
            text = self._next(seconds)
        except TimeoutError:
            return
        except ConnectionClosed as closed:
            raise AssertionError(f"closed with {_closed(closed)}, {self._so_far()}") from None
        raise AssertionError(f"received {text!r} instead of nothing")

    def closed(self, timeout: float | None = None) -> Closed:
        """How the gateway has closed the connection; unread messages are dropped.

        Raises:
            AssertionError: It is still open after ``timeout`` seconds.
        """
        seconds = self._timeout if timeout is None else timeout
        while True:
            try:
                self._next(seconds)
            except TimeoutError:
                raise AssertionError(f"still open after {seconds:g} s") from None
            except ConnectionClosed as closed:
                return _closed(closed)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, as a client that ends properly."""
        self._connection.close(code, reason)
        self._wait_until_left(self._address)

    def vanish(self) -> None:
        """Cut the connection without a close frame, as a phone in a tunnel."""
        raw = self._connection.socket
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.shutdown(socket.SHUT_RD)
        raw.close()
        self._wait_until_left(self._address)

    def flush(self) -> None:
        """Return once the gateway has read what was sent, and this client what was posted."""
        with suppress(ConnectionClosed, OSError):
            self._connection.ping(ack_on_close=True).wait(self._timeout)

    def _next(self, seconds: float) -> str:
        text = str(self._connection.recv(seconds))
        self._received.append(text)
        return text

    def _so_far(self) -> str:
        if not self._received:
            return "and none before"
        last = ", ".join(map(repr, self._received[-3:]))
        return f"after {len(self._received)}, of which the last: {last}"


def _closed(closed: ConnectionClosed) -> Closed:
    frame = closed.rcvd
    return Closed(1006, "") if frame is None else Closed(frame.code, frame.reason)
