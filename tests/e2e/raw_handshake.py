"""WebSocket handshakes on raw sockets, for clients that break the protocol."""

from __future__ import annotations

import asyncio
import socket
import struct
from urllib.parse import urlsplit


def address_of(where: str) -> tuple[str, int]:
    parts = urlsplit(where)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def handshake(where: str, session_id: str) -> bytes:
    """The request of a client that wants to watch a session."""
    parts = urlsplit(where)
    return (
        f"GET {parts.path}?sessionId={session_id} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection with a TCP reset."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
