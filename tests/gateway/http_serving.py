"""An HTTP server on its own event loop, and a client that sends and reads raw bytes."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from chalice_gateway.http_messages import (
    ErrorResponder,
    Handler,
    Limits,
    Request,
    Response,
    plain_error_response,
)
from chalice_gateway.http_server import HttpServer
from tests.waiting import HUNG_AFTER_S

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
WITHIN_S = HUNG_AFTER_S


@dataclass(frozen=True)
class Served:
    server: HttpServer
    loop: asyncio.AbstractEventLoop
    port: int

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def stop(self, grace_seconds: float = WITHIN_S / 2) -> Future[Any]:
        return self.start(self.server.stop(grace_seconds))


@contextmanager
def serving(
    handler: Handler,
    *,
    limits: Limits | None = None,
    error_response: ErrorResponder = plain_error_response,
    loop_factory: LoopFactory | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Served]:
    ready: Future[Served] = Future()
    done: Future[asyncio.Event] = Future()

    async def serve() -> None:
        server = HttpServer(handler, limits=limits, error_response=error_response, tls=tls)
        await server.start("127.0.0.1", 0)
        stop_requested = asyncio.Event()
        done.set_result(stop_requested)
        ready.set_result(Served(server, asyncio.get_running_loop(), server.port))
        await stop_requested.wait()
        await server.stop(0.5)

    def run() -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    served = ready.result(WITHIN_S)
    try:
        yield served
    finally:
        served.loop.call_soon_threadsafe(done.result().set)
        thread.join(WITHIN_S)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


class Wire:
    """A client connection that sends exactly the bytes it is given."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Reset the connection, which unlike closing can't mean a half-closed client."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def fill(self) -> None:
        """Send empty lines until the server's and the system's buffers are full."""
        self.socket.setblocking(False)
        sent_bytes = 0
        try:
            while sent_bytes < 500_000_000:
                sent_bytes += self.socket.send(b"\r\n" * 50_000)
        except BlockingIOError:
            self.socket.settimeout(WITHIN_S)
            return
        raise AssertionError(f"{sent_bytes} bytes were read")

    def get(self, path: str = "/", *headers: str, method: str = "GET") -> Answer:
        lines = (f"{method} {path} HTTP/1.1", "Host: test", *headers, "", "")
        self.send("\r\n".join(lines).encode())
        return self.answer(head_only=method == "HEAD")

    def answer(self, *, head_only: bool = False) -> Answer:
        while b"\r\n\r\n" not in self._unread:
            self._more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.partition(": ") for line in lines]
        headers = tuple((name, value) for name, _, value in pairs)
        answer = Answer(int(first.split(" ")[1]), headers, b"")
        length = 0 if head_only else int(answer.header("content-length") or 0)
        return Answer(answer.status, headers, self.read(length))

    def read(self, length: int) -> bytes:
        while len(self._unread) < length:
            self._more()
        data, self._unread = self._unread[:length], self._unread[length:]
        return data

    def ends(self) -> bool:
        """Whether the server has closed and sent nothing more. A reset raises."""
        return self._unread == b"" and self.socket.recv(1) == b""

    def is_cut(self) -> bool:
        """Whether the server has closed or reset the connection."""
        try:
            return self.ends()
        except ConnectionResetError:
            return True

    def is_quiet(self, for_s: float = 0.1) -> bool:
        self.socket.settimeout(for_s)
        try:
            return self._unread == b"" and self.socket.recv(1, socket.MSG_PEEK) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(WITHIN_S)

    def _more(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"closed after {self._unread!r}"
        self._unread += data


async def echo(request: Request) -> Response:
    """Return the request as it was parsed."""
    return Response(
        200,
        (("X-Method", request.method), ("X-Target", request.target)),
        request.body or request.target.encode(),
    )
