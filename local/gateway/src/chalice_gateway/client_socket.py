"""The asyncio protocol of one open WebSocket.

Owns the transport: reading, pausing and writing. Must never decide anything: it passes the
client's messages to the state machine of its gateway, which performs the outputs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import IntFlag
from typing import Any, Final, Protocol, cast

from .frames import BinaryFrame, Closed, FrameEvent, FrameProtocol, TextMessage
from .http_messages import end_writing
from .websocket_api import BROKEN, WebSocketApi
from .websocket_limits import Limits
from .websocket_outputs import Output

MAX_FRAMES_PER_TURN: Final = 200
"""The number of frames after which other sockets get a turn.

They take some milliseconds to parse; all frames of one read may take half a second.
"""


class PauseReason(IntFlag):
    """Why reading a socket is paused. YIELD: for one iteration of the event loop."""

    NONE = 0
    WRITE_BUFFER_FULL = 1
    TOO_MANY_UNANSWERED = 2
    YIELD = 4


class Gateway(Protocol):
    """The gateway that a socket belongs to."""

    limits: Limits
    state_machine: WebSocketApi

    def dispatch(self, method: Callable[..., list[Output]], *arguments: Any) -> None:
        """Call a method of the state machine with the time, and perform its outputs."""

    def socket_closed(self, connection_id: str) -> None:
        """The socket is closed."""


class ClientSocket(asyncio.Protocol):
    """A WebSocket, which first writes ``response``, that of the handshake.

    While there is a reason to pause, the transport isn't read, and what the last read
    returned stays unparsed.
    """

    __slots__ = ("_frames", "_gateway", "_id", "_pause_reasons", "_response", "_transport")

    def __init__(self, gateway: Gateway, connection_id: str, response: bytes) -> None:
        self._gateway = gateway
        self._id = connection_id
        self._response = response
        self._frames = FrameProtocol(
            message_bytes=gateway.limits.message_bytes, frame_bytes=gateway.limits.frame_bytes
        )
        self._pause_reasons = PauseReason.NONE
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # Posts never exceed this, pongs may. A client that doesn't read them isn't read.
        self._transport.set_write_buffer_limits(high=self._gateway.limits.buffer_bytes)
        self._transport.write(self._response)
        self._response = b""

    def data_received(self, data: bytes) -> None:
        self._frames.receive_data(data)
        self._read_events()

    def eof_received(self) -> bool:
        # The connection ends now. The socket stays open until buffered data is written, or
        # until the client has had its time to close.
        self._gateway.dispatch(self._gateway.state_machine.close_received, self._id, *BROKEN)
        self._frames.receive_eof()
        self._flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._frames.discard()
        self._gateway.socket_closed(self._id)

    def pause_writing(self) -> None:
        self.pause_reading(PauseReason.WRITE_BUFFER_FULL)

    def resume_writing(self) -> None:
        self.resume_reading(PauseReason.WRITE_BUFFER_FULL)

    # What the gateway calls.

    @property
    def buffered_bytes(self) -> int:
        return self._transport.get_write_buffer_size()

    @property
    def unparsed_bytes(self) -> int:
        """The number of bytes that have been read but not parsed."""
        return self._frames.unparsed_bytes

    @property
    def client_address(self) -> Any:
        """None until the handshake has been answered."""
        return self._transport and self._transport.get_extra_info("peername")

    def send(self, data: bytes) -> None:
        self._frames.send(data)
        self._flush()

    def close(self, code: int, reason: str) -> None:
        self._frames.close(code, reason)
        self._flush()

    def abort(self) -> None:
        self._transport.abort()

    def pause_reading(self, reason: PauseReason) -> None:
        if not self._pause_reasons and not self._transport.is_closing():
            self._transport.pause_reading()
        self._pause_reasons |= reason

    def resume_reading(self, reason: PauseReason) -> None:
        if self._pause_reasons != reason:
            self._pause_reasons &= ~reason
            return
        self._pause_reasons = PauseReason.NONE
        if self._transport.is_closing():
            return
        # What has been read comes first, and may be a reason to pause again.
        self._read_events()
        if not self._pause_reasons and not self._transport.is_closing():
            self._transport.resume_reading()

    # Frames from the client.

    def _read_events(self) -> None:
        for _ in range(MAX_FRAMES_PER_TURN):
            if self._pause_reasons or (event := self._frames.next_event()) is None:
                break
            self._handle(event)
        else:
            self.pause_reading(PauseReason.YIELD)
            asyncio.get_running_loop().call_soon(self.resume_reading, PauseReason.YIELD)
        self._flush()

    def _handle(self, event: FrameEvent) -> None:
        state_machine = self._gateway.state_machine
        if isinstance(event, TextMessage):
            self._gateway.dispatch(state_machine.text_received, self._id, event.text)
        elif isinstance(event, BinaryFrame):
            self._gateway.dispatch(state_machine.binary_received, self._id)
        elif isinstance(event, Closed):
            self._gateway.dispatch(state_machine.close_received, self._id, event.code, event.reason)

    def _flush(self) -> None:
        data, ends = self._frames.data_to_send()
        if self._transport.is_closing():
            return
        if data:
            self._transport.write(data)
        if ends:
            try:
                end_writing(self._transport)
            except OSError:  # the other side has reset the connection
                self._transport.abort()
