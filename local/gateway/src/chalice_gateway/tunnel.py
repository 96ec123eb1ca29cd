"""A WebSocket passed on: the bytes of two connections, in both directions.

Owns the flow between them: each side is read only as fast as the other takes it, and is
closed as the other is. Must never look into a frame.
"""

from __future__ import annotations

import asyncio
from typing import Final

from .http_messages import Response, Upgrade, parse_response

READ_BYTES: Final = 64 * 1024


async def open_tunnel(host: str, port: int, handshake: bytes) -> Response | Upgrade:
    """Send a handshake to ``port``; its refusal, or the tunnel if it is accepted.

    Raises:
        ConnectionError: Nothing listens there.
        IncompleteReadError: It closed the connection.
    """
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(handshake)
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 101 "):
            return Upgrade(_ClientSide(head, reader, writer))
        length = len(parse_response(head).body)
        refusal = parse_response(head + await reader.readexactly(length))
    except BaseException:
        writer.transport.abort()
        raise
    writer.close()
    return refusal


class _ClientSide(asyncio.StreamReaderProtocol):
    """The client's connection, once its handshake is accepted."""

    def __init__(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__(asyncio.StreamReader(), self._connected)
        self._head = head
        self._reader = reader
        self._writer = writer
        self._is_connected = False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(self._head)
            await asyncio.gather(_copy(reader, self._writer), _copy(self._reader, writer))
        finally:
            for each in (self._writer, writer):
                each.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._is_connected = True
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self._is_connected:  # the client left during the handshake
            self._writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:  # one side has reset the connection, so the other is reset too
        writer.transport.abort()
