"""The responses don't depend on how the stream of requests is split into reads."""

from __future__ import annotations

import asyncio
import tracemalloc
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chalice_gateway.http_connection import HttpConnection
from chalice_gateway.http_messages import Limits, Request, Response
from chalice_gateway.http_server import HttpServer
from tests.waiting import HUNG_AFTER_S

CHUNKS = b"3\r\nabc\r\n0\r\nX: y\r\n\r\n"
REQUESTS = (
    b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n",
    b"POST /b HTTP/1.1\r\nHost: t\r\nContent-Length: 7\r\n\r\nGET / H",
    b"POST /c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    b"GET /d HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
)


class PlainSocket:
    def setsockopt(self, *_: int) -> None:
        pass


class Recorder(asyncio.Transport):
    """A transport that records what is written and whether reading is paused."""

    def __init__(self) -> None:
        super().__init__(
            {"peername": ("192.0.2.1", 1), "sockname": ("192.0.2.2", 80), "socket": PlainSocket()}
        )
        self.written: list[bytes] = []
        self.paused = False
        self.closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def describe(request: Request) -> Response:
    await asyncio.sleep(0)
    return Response(200, (), f"{request.method} {request.target} {request.body!r}".encode())


async def exchange(reads: list[bytes]) -> tuple[list[bytes], bool]:
    """The bodies of the responses to ``reads``, and whether the server closed."""
    transport = Recorder()
    connection = HttpConnection(
        HttpServer(describe, limits=Limits(body_bytes=20)),
        asyncio.get_running_loop(),
    )
    connection.connection_made(transport)
    waiting = list(reads)
    for _ in range(200):
        if waiting and not transport.paused:
            connection.data_received(waiting.pop(0))
        await asyncio.sleep(0)
    return [data.partition(b"\r\n\r\n")[2] for data in transport.written], transport.closed


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(stream), *(place % len(stream) for place in places)})
    return [stream[start:end] for start, end in pairwise(edges)]


@given(
    st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=6),
    st.lists(st.integers(min_value=0, max_value=1000), max_size=40),
)
def test_requests_are_parsed_whatever_the_chunks(requests: list[bytes], places: list[int]) -> None:
    expected = {
        b"/a": b"GET /a b''",
        b"/b": b"POST /b b'GET / H'",
        b"/c": b"POST /c b'abc'",
        b"/d": b"GET /d b''",
    }
    answers, _ = asyncio.run(exchange(cut(b"".join(requests), places)))
    assert answers == [expected[request.split(b" ")[1]] for request in requests]


@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from(
                [*REQUESTS, b"\r\n", b"Content-Length: 30\r\n", b"GET ", b" HTTP/1.1", b"\0", b"0"]
            ),
            max_size=10,
        ).map(b"".join),
    ),
    st.lists(st.integers(min_value=0, max_value=1000), max_size=10),
)
def test_any_input_has_the_same_result_whatever_the_chunks(
    stream: bytes, places: list[int]
) -> None:
    if stream:
        assert asyncio.run(exchange(cut(stream, places))) == asyncio.run(exchange([stream]))


@given(st.integers(0, 40))
@settings(max_examples=10, deadline=None)
def test_thousands_of_requests_in_one_read_take_little_more_memory_than_their_bytes(
    shift: int,
) -> None:
    # Shifted, so that the parser's chunk ends anywhere in a request.
    stream = b"GET /%s HTTP/1.1\r\nHost: t\r\n\r\n" % (b"x" * shift)
    stream += b"".join(REQUESTS[:3]) * 1_500

    async def scenario() -> None:
        transport = Recorder()
        connection = HttpConnection(HttpServer(describe), asyncio.get_running_loop())
        connection.connection_made(transport)
        tracemalloc.start()
        try:
            connection.data_received(stream)
            memory_bytes, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert memory_bytes < 3 * len(stream)
        while len(transport.written) < 1 + 3 * 1_500:
            await asyncio.sleep(0)
        assert [written.split(b" ")[1] for written in transport.written] == [b"200"] * 4_501
        assert transport.written[-1].endswith(b"POST /c b'abc'")
        assert not transport.paused

    asyncio.run(asyncio.wait_for(scenario(), HUNG_AFTER_S))
