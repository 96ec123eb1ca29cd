"""The client of the REST benchmarks: request bytes made beforehand, answers barely read.

It shares two cores with the server it measures, so it must cost next to
nothing: no library, no headers taken apart, one thread for all connections.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence

from .measure import Block

HOST = "127.0.0.1"
PATIENCE_SECONDS = 10.0
_READ_BYTES = 256 * 1024
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"\ncontent-length:"


class UnexpectedAnswer(Exception):
    """The server answered with something else than success, or not at all."""


def request(
    method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """What a plain client would send, headers included."""
    head = (
        f"{method} {target} HTTP/1.1\r\n"
        f"Host: {HOST}\r\n"
        "User-Agent: bench\r\n"
        "Accept: application/json\r\n"
        "Accept-Encoding: identity\r\n"
    )
    if method == "POST":
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return f"{head}\r\n".encode() + body


class Connection:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_ns = 0
        self._received = b""

    def exchange(self, request: bytes) -> bytes:
        """The body of the answer.

        Raises:
            UnexpectedAnswer: It is no success, or none.
        """
        self.send(request)
        while (body := self.receive()) is None:
            pass
        return body

    def send(self, request: bytes) -> None:
        self.sent_ns = time.perf_counter_ns()
        self.socket.sendall(request)

    def receive(self) -> bytes | None:
        """What has arrived; the body, once it is whole."""
        arrived = self.socket.recv(_READ_BYTES)
        if not arrived:
            raise UnexpectedAnswer("The server closed the connection")
        received = self._received + arrived if self._received else arrived
        head_ends = received.find(_END_OF_HEAD)
        if head_ends >= 0:
            head = received[:head_ends].lower()
            _, found, value = head.partition(_LENGTH)
            begins = head_ends + len(_END_OF_HEAD)
            ends = begins + (int(value.partition(b"\r")[0]) if found else 0)
            if len(received) >= ends:
                self._received = received[ends:]
                if received[9:10] != b"2":
                    raise UnexpectedAnswer(received[:500].decode("latin-1"))
                return received[begins:ends]
        self._received = received
        return None

    def close(self) -> None:
        self.socket.close()


class Crowd:
    """Clients that ask at the same time, each on its own connection for its own thing."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self._clients = {}
        # poll, not epoll: for this few it costs no more, and macOS has it.
        self._poll = select.poll()
        for request in requests:
            connection = Connection(port)
            self._clients[connection.socket.fileno()] = (connection, request)
            self._poll.register(connection.socket, select.POLLIN)

    def ask(self, count: int) -> Block:
        """So many requests in all; who has an answer asks again at once."""
        clients = self._clients
        latencies_ms: list[float] = []
        began_ns = time.perf_counter_ns()
        to_send = count
        for connection, request in list(clients.values())[:count]:
            connection.send(request)
            to_send -= 1
        while len(latencies_ms) < count:
            ready = self._poll.poll(PATIENCE_SECONDS * 1000)
            if not ready:
                raise UnexpectedAnswer(f"No answer within {PATIENCE_SECONDS} s")
            for descriptor, _ in ready:
                connection, request = clients[descriptor]
                if connection.receive() is None:
                    continue
                latencies_ms.append((time.perf_counter_ns() - connection.sent_ns) / 1e6)
                if to_send > 0:
                    to_send -= 1
                    connection.send(request)
        return Block(latencies_ms, (time.perf_counter_ns() - began_ns) / 1e9)

    def close(self) -> None:
        for connection, _ in self._clients.values():
            connection.close()


def asking(connection: Connection, request: bytes) -> Callable[[], bytes]:
    """An operation: this request on this connection."""
    return lambda: connection.exchange(request)
