"""A WebSocket gateway on its own event loop, a backend that records its events, and clients."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Self

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.sync.client import ClientConnection, connect
from websockets.uri import parse_uri

from chalice_gateway.lambdas import Event, ExecutionEnvironments, LambdaFunction
from chalice_gateway.sigv4 import Credentials
from chalice_gateway.websocket_events import Api
from chalice_gateway.websocket_server import WebSocketGateway
from tests.waiting import HUNG_AFTER_S

WITHIN_S = HUNG_AFTER_S
STAGE = "dev"
CREDENTIALS = Credentials("local", "local")

Handler = Callable[[Event], Any]


def ok(_event: Event) -> Any:
    return {"statusCode": 200}


def failing(_event: Event) -> Any:
    raise KeyError("a secret")


class Backend:
    """The Lambdas of a WebSocket API, whose events a test can wait for."""

    def __init__(
        self, connect: Handler = ok, message: Handler = ok, disconnect: Handler = ok
    ) -> None:
        self.connects: SimpleQueue[Event] = SimpleQueue()
        self.messages: SimpleQueue[Event] = SimpleQueue()
        self.disconnects: SimpleQueue[Event] = SimpleQueue()
        self.routes = {
            "$connect": self._function("connect", self.connects, connect),
            "$default": self._function("message", self.messages, message),
            "$disconnect": self._function("disconnect", self.disconnects, disconnect),
        }

    @staticmethod
    def _function(name: str, events: SimpleQueue[Event], handler: Handler) -> LambdaFunction:
        def handle(event: Event, _context: Any) -> Any:
            events.put(event)
            return handler(event)

        return LambdaFunction(name, handle)

    def connected(self) -> Event:
        """The ``requestContext`` of the next $connect."""
        return context_of(self.connects.get(timeout=WITHIN_S))

    def message(self) -> Event:
        return self.messages.get(timeout=WITHIN_S)

    def disconnected(self) -> tuple[int, str]:
        """Code and reason of the next $disconnect."""
        context = context_of(self.disconnects.get(timeout=WITHIN_S))
        return context["disconnectStatusCode"], context["disconnectReason"]


def context_of(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = event["requestContext"]
    return found


@dataclass(frozen=True)
class Served:
    gateway: WebSocketGateway
    loop: asyncio.AbstractEventLoop
    port: int

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/{STAGE}"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/{STAGE}"

    def connect(self, **options: Any) -> ClientConnection:
        client: ClientConnection = connect(
            self.url, open_timeout=WITHIN_S, close_timeout=WITHIN_S, **options
        )
        return client

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(WITHIN_S)

    def call(self, function: Callable[[], Any]) -> Any:
        """Call ``function`` on the loop; its result."""

        async def called() -> Any:
            return function()

        return self.run(called())

    def connection_count(self) -> int:
        """The number of connections in the state machine."""
        found: int = self.call(lambda: len(self.gateway.state_machine))
        return found

    def wait_until_quiet(self) -> None:
        """Wait until no socket is open and no function runs."""
        self.run(self.gateway.wait_until_quiet())


@contextmanager
def serving(
    routes: Mapping[str, LambdaFunction],
    *,
    environments: int = 32,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    **options: Any,
) -> Iterator[Served]:
    ready: Future[tuple[Served, asyncio.Event]] = Future()

    async def serve() -> None:
        pool = ExecutionEnvironments(environments)
        options.setdefault("credentials", CREDENTIALS)
        gateway = WebSocketGateway(routes, pool, api=Api(stage=STAGE), **options)
        await gateway.start("127.0.0.1", 0)
        stop_requested = asyncio.Event()
        served = Served(gateway, asyncio.get_running_loop(), gateway.port)
        ready.set_result((served, stop_requested))
        await stop_requested.wait()
        await gateway.stop(2)
        await pool.stop(2)

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(serve())
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    served, stop_requested = ready.result(WITHIN_S)
    try:
        yield served
    finally:
        served.loop.call_soon_threadsafe(stop_requested.set)
        thread.join(WITHIN_S)
        assert not thread.is_alive()


class RawClient:
    """A WebSocket client that sends exactly the bytes it is given."""

    def __init__(self, port: int, *, receive_buffer_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(WITHIN_S)
        self.socket.connect(("127.0.0.1", port))
        self._protocol = ClientProtocol(parse_uri("ws://test/"), state=OPEN, max_size=None)
        self._frames: list[Frame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def handshake(
        self, *headers: str, path: str = f"/{STAGE}", version: str = "13", then: bytes = b""
    ) -> tuple[int, dict[str, str]]:
        """Send a handshake; the response's status and headers."""
        self.send_handshake(*headers, first_line=f"GET {path} HTTP/1.1", version=version, then=then)
        return self.answer()

    def send_handshake(
        self,
        *headers: str,
        first_line: str = f"GET /{STAGE} HTTP/1.1",
        version: str = "13",
        then: bytes = b"",
    ) -> None:
        lines = (
            first_line,
            "Host: test",
            "Connection: Upgrade",
            "Upgrade: websocket",
            f"Sec-WebSocket-Version: {version}",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            *headers,
            "",
            "",
        )
        self.socket.sendall("\r\n".join(lines).encode() + then)

    def answer(self) -> tuple[int, dict[str, str]]:
        data = b""
        while b"\r\n\r\n" not in data:
            received = self.socket.recv(4096)
            assert received, f"closed after {data!r}"
            data += received
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        if rest:
            self._protocol.receive_data(rest)
        pairs = (line.partition(": ") for line in lines)
        return int(first.split(" ")[1]), {name.lower(): value for name, _, value in pairs}

    def send(self, opcode: Opcode, data: bytes, *, fin: bool = True) -> None:
        self.socket.sendall(frame(opcode, data, fin=fin))

    def receive(self) -> Frame:
        """The next frame from the server."""
        while not self._frames:
            self._frames += [one for one in self._protocol.events_received() if type(one) is Frame]
            if not self._frames:
                data = self.socket.recv(65536)
                assert data, "closed"
                self._protocol.receive_data(data)
        return self._frames.pop(0)

    def close_code(self) -> tuple[int, str]:
        """Code and reason of the server's close frame, after skipping other frames."""
        while (got := self.receive()).opcode is not Opcode.CLOSE:
            pass
        return int.from_bytes(got.data[:2], "big"), bytes(got.data[2:]).decode()

    def is_cut(self) -> bool:
        """Read everything; whether the server has closed or reset the connection."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def reset(client: RawClient) -> None:
    """Reset the connection, which unlike closing can't mean a half-closed client."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.shutdown(socket.SHUT_RD)
    client.socket.close()
