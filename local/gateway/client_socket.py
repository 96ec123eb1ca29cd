"""One client that speaks WebSocket, as asyncio knows it.

Owns a transport: what is read from it, when it isn't, and what is written. Must never
decide anything: what the client says goes to the rules, and what they say is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import IntFlag
from typing import Any, Final, Protocol, cast

from .frames import Binary, Ended, Frames, Heard, Text
from .websocket_api import BROKEN, WebSocketApi
from .websocket_effects import Effect
from .websocket_limits import Limits

FRAMES_AT_ONCE: Final = 200
"""After so many others get a turn: some milliseconds, where one read may hold half a second's."""


class Obstacle(IntFlag):
    """What keeps a socket from being read."""

    NONE = 0
    CLIENT_DOES_NOT_READ = 1
    TOO_MUCH_UNANSWERED = 2
    TURN_OF_OTHERS = 4


class Owner(Protocol):
    """The gateway that a socket belongs to."""

    limits: Limits
    rules: WebSocketApi

    def tell(self, input_: Callable[..., list[Effect]], *what: Any) -> None:
        """Hand one of the rules' methods what has happened, and do what it says."""

    def left(self, connection_id: str) -> None:
        """The socket is no more."""


class ClientSocket(asyncio.Protocol):
    """A socket from the handshake's answer on, which is the first that it writes.

    While something is in the way the transport isn't read, and what the last read
    brought in waits as it came.
    """

    __slots__ = ("_answer", "_frames", "_id", "_obstacles", "_owner", "_transport")

    def __init__(self, owner: Owner, connection_id: str, answer: bytes) -> None:
        self._owner = owner
        self._id = connection_id
        self._answer = answer
        self._frames = Frames(
            message_bytes=owner.limits.message_bytes, frame_bytes=owner.limits.frame_bytes
        )
        self._obstacles = Obstacle.NONE
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # Posts stop short of this by themselves. Only pongs can pass it, and
        # a client that takes none gets to ask for no more.
        self._transport.set_write_buffer_limits(high=self._owner.limits.buffer_bytes)
        self._transport.write(self._answer)
        self._answer = b""

    def data_received(self, data: bytes) -> None:
        self._frames.receive(data)
        self._hear()

    def eof_received(self) -> bool:
        # What is still to be written goes first, and a client that doesn't take
        # it keeps the socket for a while; the connection ends now.
        self._owner.tell(self._owner.rules.closed, self._id, *BROKEN)
        self._frames.receive_eof()
        self._flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._frames.drop()
        self._owner.left(self._id)

    def pause_writing(self) -> None:
        self.pause_reading(Obstacle.CLIENT_DOES_NOT_READ)

    def resume_writing(self) -> None:
        self.resume_reading(Obstacle.CLIENT_DOES_NOT_READ)

    # What the gateway calls.

    @property
    def buffered_bytes(self) -> int:
        return self._transport.get_write_buffer_size()

    @property
    def waiting_bytes(self) -> int:
        """How much has been read and isn't parsed."""
        return self._frames.waiting_bytes

    def send(self, data: bytes) -> None:
        self._frames.send(data)
        self._flush()

    def close(self, code: int, reason: str) -> None:
        self._frames.close(code, reason)
        self._flush()

    def abort(self) -> None:
        self._transport.abort()

    def pause_reading(self, obstacle: Obstacle) -> None:
        if not self._obstacles and not self._transport.is_closing():
            self._transport.pause_reading()
        self._obstacles |= obstacle

    def resume_reading(self, obstacle: Obstacle) -> None:
        if self._obstacles != obstacle:
            self._obstacles &= ~obstacle
            return
        self._obstacles = Obstacle.NONE
        if self._transport.is_closing():
            return
        # What has been read comes first, and may be enough.
        self._hear()
        if not self._obstacles and not self._transport.is_closing():
            self._transport.resume_reading()

    # What the client says.

    def _hear(self) -> None:
        for _ in range(FRAMES_AT_ONCE):
            if self._obstacles or (heard := self._frames.hear()) is None:
                break
            self._pass_on(heard)
        else:
            self.pause_reading(Obstacle.TURN_OF_OTHERS)
            asyncio.get_running_loop().call_soon(self.resume_reading, Obstacle.TURN_OF_OTHERS)
        self._flush()

    def _pass_on(self, heard: Heard) -> None:
        rules = self._owner.rules
        if isinstance(heard, Text):
            self._owner.tell(rules.text, self._id, heard.text)
        elif isinstance(heard, Binary):
            self._owner.tell(rules.binary, self._id)
        elif isinstance(heard, Ended):
            self._owner.tell(rules.closed, self._id, heard.code, heard.reason)

    def _flush(self) -> None:
        data, ends = self._frames.to_write()
        if self._transport.is_closing():
            return
        if data:
            self._transport.write(data)
        if ends:
            try:
                self._transport.write_eof()
            except OSError:  # the other side has reset the connection
                self._transport.abort()
