"""WebSocket frames of one connection, sans-I/O: bytes in, one event per frame out.

Owns the unparsed bytes, the fragments of a message, and the bytes to write. Must never do
I/O, or know what a message means.

The sans-I/O protocol of the ``websockets`` library handles frames, closing handshakes and
their codes. It parses everything at once, so it gets one frame at a time: one read may
return forty thousand tiny messages, which take a hundred times as much memory as events.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final, cast

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

LOG: Final = logging.getLogger(__name__)
# The library logs "connection closed" for every connection, at INFO.
LOG.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A whole message."""

    text: str


@dataclass(frozen=True, slots=True)
class BinaryFrame:
    """A frame that isn't text."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The client's close frame, or the one sent to a client that violated the protocol."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class NoEvent:
    """A frame without an event: a ping, a pong, or a fragment of a message."""


FrameEvent = TextMessage | BinaryFrame | Closed | NoEvent

_NO_EVENT: Final = NoEvent()


class FrameProtocol:
    """The frames of one WebSocket after its handshake.

    ``receive_data`` buffers bytes, and ``next_event`` parses the next frame. The caller
    decides how much to buffer.
    """

    __slots__ = (
        "_buffer",
        "_closed",
        "_frame_bytes",
        "_message",
        "_missing_bytes",
        "_parser",
        "_position",
    )

    def __init__(self, *, message_bytes: int, frame_bytes: int) -> None:
        self._frame_bytes = frame_bytes
        self._parser = ServerProtocol(state=OPEN, max_size=(message_bytes, frame_bytes), logger=LOG)
        self._buffer = b""
        # The position in the buffer of the next frame, or of the rest of one.
        self._position = 0
        # The number of bytes missing of a frame whose beginning has been parsed.
        self._missing_bytes = 0
        # One array rather than a list: a message may have any number of empty frames.
        self._message: bytearray | None = None
        self._closed = False

    @property
    def unparsed_bytes(self) -> int:
        """The number of bytes received but not parsed."""
        return len(self._buffer) - self._position

    # Input.

    def receive_data(self, data: bytes) -> None:
        if not self._closed:
            self._buffer = self._buffer[self._position :] + data
            self._position = 0

    def receive_eof(self) -> None:
        """The client has closed its side: discard what it has sent."""
        self.discard()
        self._parser.receive_eof()

    def discard(self) -> None:
        """Discard the unparsed bytes, and all that follow."""
        self._closed = True
        self._buffer, self._position = b"", 0

    def next_event(self) -> FrameEvent | None:
        """The event of the next frame; None if none is complete."""
        parser = self._parser
        while piece := self._next_piece():
            parser.receive_data(piece)
            if parser.parser_exc is not None and (close := parser.close_sent) is not None:
                return self._close(close.code, close.reason)
            for frame in parser.events_received():
                return self._to_event(cast(Frame, frame))
        return None

    def _next_piece(self) -> bytes:
        """The bytes up to the end of the next frame, or as many of them as have arrived."""
        if not self._missing_bytes:
            length = frame_length(self._buffer, self._position)
            if length is None:
                return b""
            self._missing_bytes = length
            if self._message is not None and self._buffer[self._position] & 0x0F == Opcode.CLOSE:
                # It may interrupt a message (RFC 6455, 5.4), which the library refuses.
                self._parser.current_size = None
        piece = self._buffer[self._position : self._position + self._missing_bytes]
        self._missing_bytes -= len(piece)
        self._position += len(piece)
        if self._position == len(self._buffer):
            self._buffer, self._position = b"", 0
        return piece

    def _to_event(self, frame: Frame) -> FrameEvent:
        if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.CONT:
            return self._text(frame)
        if frame.opcode is Opcode.BINARY:
            return BinaryFrame()
        if frame.opcode is Opcode.CLOSE and (close := self._parser.close_rcvd) is not None:
            return self._close(close.code, close.reason)
        return _NO_EVENT

    def _text(self, frame: Frame) -> FrameEvent:
        data = frame.data
        if self._message is not None:
            self._message += data
        elif not frame.fin:
            self._message = bytearray(data)
        if not frame.fin:
            return _NO_EVENT
        if self._message is not None:
            data, self._message = self._message, None
        try:
            return TextMessage(str(data, "utf-8"))
        except UnicodeDecodeError as error:
            code, reason = CloseCode.INVALID_DATA.value, f"{error.reason} at {error.start}"
            self._parser.fail(code, reason)
            return self._close(code, reason)

    def _close(self, code: int, reason: str) -> Closed:
        self.discard()
        return Closed(code, reason)

    # Output.

    def send(self, data: bytes) -> None:
        """Queue a text message, unless the closing handshake has started."""
        if self._parser.state is not OPEN:
            return
        # [?] AWS doesn't document whether it sends frames larger than it accepts from clients.
        size = self._frame_bytes
        self._parser.send_text(data[:size], fin=len(data) <= size)
        for at in range(size, len(data), size):
            self._parser.send_continuation(data[at : at + size], fin=at + size >= len(data))

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake, unless it has started."""
        if self._parser.state is OPEN:
            self._parser.send_close(code, reason)

    def data_to_send(self) -> tuple[bytes, bool]:
        """The bytes to write, and whether to close the sending side after them."""
        writes = self._parser.data_to_send()
        return b"".join(writes), bool(writes) and writes[-1] == b""


def frame_length(data: bytes, at: int) -> int | None:
    """The length in bytes of the frame at ``at``; None while its header is incomplete.

    RFC 6455, 5.2. The parser checks the limit.
    """
    available = len(data) - at
    if available < 2:
        return None
    is_masked, length = data[at + 1] & 0x80, data[at + 1] & 0x7F
    head = 2
    if length >= 126:
        head = 4 if length == 126 else 10
        if available < head:
            return None
        length = int.from_bytes(data[at + 2 : at + head], "big")
    return head + (4 if is_masked else 0) + length
