"""One client's frames: bytes come in, and what it said is heard, one frame at a time.

Owns what has come and isn't parsed yet, the pieces of a message, and whatever is to be
written. Must never do I/O, or know what a message is for.

Frames, closing handshakes and their codes are the ``websockets`` library's business,
through its protocol class without I/O. That parses all it is given at once, so it is
given one frame at a time: forty thousand tiny messages fit into what one read brings
in, and as bytes they are a hundredth of what they come to as events for a function.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final, cast

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

LOG: Final = logging.getLogger(__name__)
# The library says "connection closed" of every connection, at INFO.
LOG.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Text:
    """A whole message."""

    text: str


@dataclass(frozen=True, slots=True)
class Binary:
    """A frame that isn't text."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The client has closed, or has broken the protocol and is told so with these."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """A frame that makes no event: a ping, a pong, or a part of a message."""


Heard = Text | Binary | Ended | Nothing

_NOTHING: Final = Nothing()


class Frames:
    """What goes over one socket after its handshake.

    ``receive`` keeps what comes, ``hear`` says what the next of it means, and nothing is
    parsed before it is asked for. How much is kept is the socket reader's decision.
    """

    __slots__ = ("_at", "_frame_bytes", "_has_ended", "_message", "_missing", "_parser", "_waiting")

    def __init__(self, *, message_bytes: int, frame_bytes: int) -> None:
        self._frame_bytes = frame_bytes
        self._parser = ServerProtocol(state=OPEN, max_size=(message_bytes, frame_bytes), logger=LOG)
        self._waiting = b""
        # Where in it the next frame, or the rest of one, begins.
        self._at = 0
        # How many bytes are still to come of a frame whose beginning is parsed.
        self._missing = 0
        # One array, and not a list: a message may consist of any number of empty frames.
        self._message: bytearray | None = None
        self._has_ended = False

    @property
    def waiting_bytes(self) -> int:
        """How much has come and isn't parsed."""
        return len(self._waiting) - self._at

    # What comes in.

    def receive(self, data: bytes) -> None:
        if not self._has_ended:
            self._waiting = self._waiting[self._at :] + data
            self._at = 0

    def receive_eof(self) -> None:
        """Nothing more will come, and what waits is from a client that has left."""
        self.drop()
        self._parser.receive_eof()

    def drop(self) -> None:
        """Hear nothing of what has come, nor of what may still come."""
        self._has_ended = True
        self._waiting, self._at = b"", 0

    def hear(self) -> Heard | None:
        """What the next frame means; ``None`` if there is no whole one."""
        parser = self._parser
        while piece := self._next_piece():
            parser.receive_data(piece)
            if parser.parser_exc is not None and (close := parser.close_sent) is not None:
                return self._ended(close.code, close.reason)
            for frame in parser.events_received():
                return self._meaning_of(cast(Frame, frame))
        return None

    def _next_piece(self) -> bytes:
        """Up to the end of one frame, or as much of it as there is."""
        if not self._missing:
            length = frame_length(self._waiting, self._at)
            if length is None:
                return b""
            self._missing = length
        piece = self._waiting[self._at : self._at + self._missing]
        self._missing -= len(piece)
        self._at += len(piece)
        if self._at == len(self._waiting):
            self._waiting, self._at = b"", 0
        return piece

    def _meaning_of(self, frame: Frame) -> Heard:
        if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.CONT:
            return self._text(frame)
        if frame.opcode is Opcode.BINARY:
            return Binary()
        if frame.opcode is Opcode.CLOSE and (close := self._parser.close_rcvd) is not None:
            return self._ended(close.code, close.reason)
        return _NOTHING

    def _text(self, frame: Frame) -> Heard:
        data = frame.data
        if self._message is not None:
            self._message += data
        elif not frame.fin:
            self._message = bytearray(data)
        if not frame.fin:
            return _NOTHING
        if self._message is not None:
            data, self._message = self._message, None
        try:
            return Text(str(data, "utf-8"))
        except UnicodeDecodeError as error:
            code, reason = CloseCode.INVALID_DATA.value, f"{error.reason} at {error.start}"
            self._parser.fail(code, reason)
            return self._ended(code, reason)

    def _ended(self, code: int, reason: str) -> Ended:
        self.drop()
        return Ended(code, reason)

    # What goes out.

    def send(self, data: bytes) -> None:
        """A text message; nothing once the closing has begun."""
        if self._parser.state is not OPEN:
            return
        # [?] Whether AWS cuts what it sends at the size it demands from
        # clients isn't documented. A client must cope with either.
        size = self._frame_bytes
        self._parser.send_text(data[:size], fin=len(data) <= size)
        for at in range(size, len(data), size):
            self._parser.send_continuation(data[at : at + size], fin=at + size >= len(data))

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake, unless it has begun."""
        if self._parser.state is OPEN:
            self._parser.send_close(code, reason)

    def to_write(self) -> tuple[bytes, bool]:
        """What the socket is to be given, and whether nothing comes after it."""
        writes = self._parser.data_to_send()
        return b"".join(writes), bool(writes) and writes[-1] == b""


def frame_length(data: bytes, at: int) -> int | None:
    """How many bytes the frame has that begins at ``at``; ``None`` until its head says so.

    RFC 6455, 5.2. Whether a frame may be that long is for the parser to say.
    """
    there = len(data) - at
    if there < 2:
        return None
    is_masked, length = data[at + 1] & 0x80, data[at + 1] & 0x7F
    head = 2
    if length >= 126:
        head = 4 if length == 126 else 10
        if there < head:
            return None
        length = int.from_bytes(data[at + 2 : at + head], "big")
    return head + (4 if is_masked else 0) + length
