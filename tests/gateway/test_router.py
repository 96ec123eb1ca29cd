"""The router, and the tunnel of an open WebSocket, in front of a server that a test controls."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from chalice_gateway.http_messages import Request, Response, parse_response, serialise
from chalice_gateway.http_server import HttpServer
from chalice_gateway.router import Router

WITHIN_S = 10
LARGE = 50_000_000
HANDSHAKE = b"GET /app/api HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def routed(accepted: Callable[..., Awaitable[None]]) -> AsyncIterator[int]:
    """The port of a router to a server that calls ``accepted`` for each connection."""
    behind = await asyncio.start_server(accepted, "127.0.0.1", 0)
    router = HttpServer(Router({"app": behind.sockets[0].getsockname()[1]}).handle)
    await router.start("127.0.0.1", 0)
    try:
        yield router.port
    finally:
        await router.stop(1)
        behind.close()


@asynccontextmanager
async def tunnel(after: bytes = b"") -> AsyncIterator[tuple[Streams, Streams]]:
    """Both ends of an open tunnel; ``after`` follows the response to the handshake at once."""
    server: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readuntil(b"\r\n\r\n") == HANDSHAKE
        writer.write(ACCEPTED + after)
        server.set_result((reader, writer))

    async with routed(accept) as port, asyncio.timeout(WITHIN_S):
        client = await asyncio.open_connection("127.0.0.1", port)
        client[1].write(HANDSHAKE)
        assert await client[0].readuntil(b"\r\n\r\n") == ACCEPTED
        yield client, await server
        for reader, writer in (client, await server):
            writer.close()
            with suppress(ConnectionResetError):
                while await reader.read():
                    pass


def reset(writer: asyncio.StreamWriter) -> None:
    connected: socket.socket = writer.get_extra_info("socket")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def test_bytes_pass_in_both_directions() -> None:
    async def run() -> None:
        async with tunnel(b"at once") as ((from_server, to_server), (from_client, to_client)):
            assert await from_server.readexactly(7) == b"at once"
            to_server.write(b"ping")
            assert await from_client.readexactly(4) == b"ping"
            to_client.write(b"pong")
            assert await from_server.readexactly(4) == b"pong"

    asyncio.run(run())


def test_each_side_can_end_while_the_other_still_writes() -> None:
    async def run() -> None:
        async with tunnel() as ((from_server, to_server), (from_client, to_client)):
            to_server.write_eof()
            assert await from_client.read() == b""
            to_client.write(b"last")
            to_client.close()
            assert await from_server.read() == b"last"

    asyncio.run(run())


def test_reset_of_one_side_resets_the_other() -> None:
    async def run() -> None:
        async with tunnel() as ((_, to_server), (from_client, _)):
            reset(to_server)
            with suppress(ConnectionResetError):
                assert await from_client.read() == b""

    asyncio.run(run())


def test_side_that_does_not_read_is_not_filled() -> None:
    async def run() -> None:
        async with tunnel() as ((from_server, _), (_, to_client)):
            to_client.transport.set_write_buffer_limits(high=0)
            to_client.write(bytes(LARGE))
            # The tunnel and the kernel hold some of it, and the rest waits here.
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(to_client.drain(), 0.5)
            assert to_client.transport.get_write_buffer_size() > LARGE // 2
            assert len(await from_server.readexactly(LARGE)) == LARGE

    asyncio.run(run())


def test_client_that_leaves_during_the_handshake_is_reported_to_the_app() -> None:
    left = asyncio.Event()
    came = asyncio.Event()
    may_answer = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        came.set()
        await may_answer.wait()
        writer.write(ACCEPTED)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        left.set()

    async def run() -> None:
        async with routed(accept) as port, asyncio.timeout(WITHIN_S):
            _, to_server = await asyncio.open_connection("127.0.0.1", port)
            to_server.write(HANDSHAKE)
            await came.wait()
            reset(to_server)
            may_answer.set()
            await left.wait()

    asyncio.run(run())


@pytest.mark.parametrize("request_bytes", [b"GET /app/x HTTP/1.1\r\nHost: a\r\n\r\n", HANDSHAKE])
def test_app_that_closes_without_an_answer_is_503(request_bytes: bytes) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def run() -> bytes:
        async with routed(accept) as port, asyncio.timeout(WITHIN_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_bytes)
            head = await reader.readuntil(b"\r\n\r\n")
            writer.close()
            return head

    assert asyncio.run(run()).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")


def test_app_that_no_longer_listens_is_503() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        router = Router({"app": unused.getsockname()[1]})
        response = asyncio.run(router.handle(Request("GET", "/app", (), b"", "", 0)))

    assert isinstance(response, Response)
    assert response.status == 503


@pytest.mark.parametrize(
    "response",
    [
        Response(204, (("x-amzn-RequestId", "1"),)),
        Response(403, (("A", "b: c"), ("A", "d")), b'{"a":\r\n\r\n1}'),
        Response(299, (), b""),
    ],
)
def test_response_is_read_as_it_was_written(response: Response) -> None:
    written = serialise(response, date="today", method="GET", connection="close")

    assert parse_response(written) == response


def test_response_to_head_keeps_its_length() -> None:
    written = serialise(
        Response(200, (), b"12345"), date="today", method="HEAD", connection="close"
    )

    assert len(parse_response(written).body) == 5


@pytest.mark.parametrize(
    ("target", "shortened"),
    [
        ("/a/api/x?y", "/x?y"),
        ("/a/api", "/"),
        ("/a/api?y", "/?y"),
        ("/a/api/", "/"),
        ("/a/apiary", "/a/apiary"),
        ("/b", "/b"),
    ],
)
def test_request_below_a_path(target: str, shortened: str) -> None:
    request = Request("GET", target, (), b"", "", 0)
    below = request.below("/a/api")

    assert below.target == shortened
    assert below.full_target == ("" if below is request else target)
