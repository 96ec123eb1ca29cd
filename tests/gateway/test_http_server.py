"""The HTTP server, over raw connections."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import ClassVar, cast

import pytest

from chalice_gateway.http_messages import Limits, Request, Response, Upgrade, serialise
from chalice_gateway.http_server import HttpServer
from tests.servers import eventually

from .http_serving import WITHIN_S, LoopFactory, Served, Wire, echo, serving

SHORT_TIMEOUTS = Limits(
    body_bytes=1000,
    head_bytes=500,
    target_bytes=100,
    head_seconds=0.3,
    body_seconds=0.3,
    idle_seconds=1.0,
    write_seconds=0.3,
    linger_seconds=0.3,
)
DEFAULT_TIMEOUTS = Limits(body_bytes=1000, head_bytes=500, target_bytes=100)


@pytest.fixture
def served(loop_factory: LoopFactory) -> Iterator[Served]:
    with serving(echo, limits=DEFAULT_TIMEOUTS, loop_factory=loop_factory) as served:
        yield served


@pytest.fixture
def wire(served: Served) -> Iterator[Wire]:
    with Wire(served.port) as wire:
        yield wire


class BlockedHandler:
    """A handler that responds once the test releases it."""

    def __init__(self) -> None:
        self._calls = threading.Semaphore(0)
        self.targets: list[str] = []
        self._released = asyncio.Event()

    async def __call__(self, request: Request) -> Response:
        self.targets.append(request.target)
        self._calls.release()
        await self._released.wait()
        return Response(200, (), request.target.encode())

    def release(self, served: Served) -> None:
        served.loop.call_soon_threadsafe(self._released.set)

    def wait_until_called(self) -> None:
        assert self._calls.acquire(timeout=WITHIN_S)


# Connections


def test_connection_serves_several_requests(wire: Wire) -> None:
    for number in range(3):
        answer = wire.get(f"/{number}")
        assert (answer.status, answer.body) == (200, f"/{number}".encode())
        assert answer.header("connection") is None


def test_connection_close_is_honoured(wire: Wire) -> None:
    answer = wire.get("/", "Connection: close")
    assert answer.header("connection") == "close"
    assert wire.ends()


def test_http_1_0_closes_unless_kept_alive(served: Served) -> None:
    with Wire(served.port) as wire:
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        assert wire.answer().header("connection") == "close"
        assert wire.ends()
    with Wire(served.port) as wire:
        for _ in range(2):
            wire.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert wire.answer().header("connection") == "keep-alive"


def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    wire.send(b"".join(f"GET /{n} HTTP/1.1\r\nHost: t\r\n\r\n".encode() for n in range(50)))
    assert [wire.answer().body for _ in range(50)] == [f"/{n}".encode() for n in range(50)]


def test_connection_handles_one_request_at_a_time(loop_factory: LoopFactory) -> None:
    handler = BlockedHandler()
    with serving(handler, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        wire.send(b"GET /a HTTP/1.1\r\nHost: t\r\n\r\nGET /b HTTP/1.1\r\nHost: t\r\n\r\n")
        handler.wait_until_called()
        wire.send(b"GET /c HTTP/1.1\r\nHost: t\r\n\r\n")
        assert wire.is_quiet()
        assert handler.targets == ["/a"]
        handler.release(served)
        assert [wire.answer().body for _ in range(3)] == [b"/a", b"/b", b"/c"]


def test_reading_pauses_while_a_request_is_handled(loop_factory: LoopFactory) -> None:
    handler = BlockedHandler()
    with serving(handler, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        wire.send(b"GET /first HTTP/1.1\r\nHost: t\r\n\r\n")
        handler.wait_until_called()
        wire.fill()
        handler.release(served)
        assert wire.answer().body == b"/first"


def test_half_closed_client_gets_its_responses(wire: Wire) -> None:
    wire.send(b"GET /a HTTP/1.1\r\nHost: t\r\n\r\nGET /b HTTP/1.1\r\nHost: t\r\n\r\n")
    wire.socket.shutdown(socket.SHUT_WR)
    assert [wire.answer().body for _ in range(2)] == [b"/a", b"/b"]
    assert wire.ends()


def test_client_that_disconnects_mid_request_is_forgotten(served: Served) -> None:
    for sent in (b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc"):
        with Wire(served.port) as wire:
            wire.send(sent)
    eventually(lambda: not served.server.connections)


def test_handler_continues_after_its_client_has_disconnected(loop_factory: LoopFactory) -> None:
    handler = BlockedHandler()
    with serving(handler, loop_factory=loop_factory) as served:
        with Wire(served.port) as wire:
            wire.send(b"GET /gone HTTP/1.1\r\nHost: t\r\n\r\n")
            handler.wait_until_called()
            wire.reset()
        eventually(lambda: not served.server.connections)
        handler.release(served)
        with Wire(served.port) as wire:
            assert wire.get("/next").body == b"/next"


# Latency


def test_headers_and_body_are_serialised_together() -> None:
    response = Response(200, (("A", "b"),), b"body")
    assert serialise(response, date="D", method="GET", connection=None) == (
        b"HTTP/1.1 200 OK\r\nDate: D\r\nA: b\r\nContent-Length: 4\r\n\r\nbody"
    )


def test_response_arrives_in_one_read(wire: Wire) -> None:
    wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 900\r\n\r\n" + b"x" * 900)
    assert wire.socket.recv(65536).endswith(b"x" * 900)


class Probe(asyncio.Protocol):
    """An upgraded protocol: sends the socket's TCP_NODELAY, then echoes in upper case."""

    living: ClassVar[set[Probe]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.living.add(self)
        self.transport = cast(asyncio.Transport, transport)
        no_delay = transport.get_extra_info("socket").getsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY
        )
        self.transport.write(
            f"HTTP/1.1 101 Switching Protocols\r\nNo-Delay: {no_delay}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self.transport.write(data.upper())

    def connection_lost(self, _: Exception | None) -> None:
        self.living.discard(self)


async def upgrade_probe(request: Request) -> Response | Upgrade:
    wanted = request.header("upgrade") == "probe" and request.target == "/probe"
    return Upgrade(Probe()) if wanted else await echo(request)


UPGRADE = b"Host: t\r\nConnection: Upgrade\r\nUpgrade: probe\r\n\r\n"


def test_nagle_is_off(loop_factory: LoopFactory) -> None:
    with serving(upgrade_probe, loop_factory=loop_factory) as served:
        with Wire(served.port) as wire:
            wire.send(b"GET /probe HTTP/1.1\r\n" + UPGRADE)
            assert wire.answer().header("no-delay") == "1"
        eventually(lambda: not Probe.living)


# Upgrades


def test_upgrade_hands_over_the_connection_and_unread_bytes(
    loop_factory: LoopFactory,
) -> None:
    with serving(upgrade_probe, loop_factory=loop_factory) as served:
        with Wire(served.port) as wire:
            wire.send(b"GET /probe HTTP/1.1\r\n" + UPGRADE + b"early ")
            assert wire.answer().status == 101
            wire.send(b"late")
            assert wire.read(len("early late")) == b"EARLY LATE"
            assert not served.server.connections
        eventually(lambda: not Probe.living)


def test_declined_upgrade_continues_in_http(loop_factory: LoopFactory) -> None:
    with serving(upgrade_probe, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        wire.send(b"GET /a HTTP/1.1\r\n" + UPGRADE + b"GET /b HTTP/1.1\r\nHost: t\r\n\r\n")
        assert [wire.answer().body for _ in range(2)] == [b"/a", b"/b"]
        assert wire.get("/c").body == b"/c"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\n" + UPGRADE + b"{}",
        b"CONNECT a:1 HTTP/1.1\r\nHost: t\r\n\r\n",
    ],
    ids=["body", "CONNECT"],
)
def test_upgrade_with_a_body_is_rejected(wire: Wire, request_bytes: bytes) -> None:
    wire.send(request_bytes)
    assert wire.answer().status == 400
    assert wire.ends()


# Requests


def test_headers_and_target_reach_the_handler_unchanged() -> None:
    seen: list[Request] = []

    async def note(request: Request) -> Response:
        seen.append(request)
        return Response(204)

    with serving(note) as served, Wire(served.port) as wire:
        wire.get("/a%20b/?q=%C3%A4", "x-lOWER: 1", "X-Empty:", "X-Latin: \xe9", "X-lower: 2")
        assert seen[0] == Request(
            "GET",
            "/a%20b/?q=%C3%A4",
            (
                ("Host", "test"),
                ("x-lOWER", "1"),
                ("X-Empty", ""),
                ("X-Latin", "Ã©"),  # sent as UTF-8, read as Latin-1
                ("X-lower", "2"),
            ),
            b"",
            "127.0.0.1",
            served.port,
        )
        assert seen[0].header("X-LOWER") == "1"
        assert seen[0].header("absent") is None


def test_chunked_body_is_joined(wire: Wire) -> None:
    wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
    for chunk in (b"3\r\nabc\r\n", b"4;extension=1\r\nde", b"fg\r\n", b"0\r\nTrailer: x\r\n\r\n"):
        wire.send(chunk)
    assert wire.answer().body == b"abcdefg"
    assert wire.get("/after").body == b"/after"


def test_expect_100_continue_is_answered(wire: Wire) -> None:
    head = b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    wire.send(head)
    assert wire.answer().status == 100
    wire.send(b"body")
    assert wire.answer().body == b"body"


def test_100_continue_is_omitted_if_the_body_has_arrived(wire: Wire) -> None:
    wire.send(
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody"
    )
    assert wire.answer().status == 200


def test_100_continue_follows_earlier_responses(loop_factory: LoopFactory) -> None:
    handler = BlockedHandler()
    with serving(handler, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        wire.send(
            b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n"
            b"POST /b HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
        )
        handler.wait_until_called()
        assert wire.is_quiet()
        handler.release(served)
        assert [wire.answer().status for _ in range(2)] == [200, 100]
        wire.send(b"x")
        assert wire.answer().body == b"/b"


def test_other_expectation_is_rejected(wire: Wire) -> None:
    assert wire.get("/", "Expect: the-unexpected").status == 417
    assert wire.ends()


def test_head_gets_headers_only(wire: Wire) -> None:
    answer = wire.get("/12345", method="HEAD")
    assert answer.header("content-length") == "6"
    assert wire.get("/next").body == b"/next"


@pytest.mark.parametrize("status", [204, 304])
def test_response_without_content_has_no_content_length(status: int) -> None:
    async def bodiless(_: Request) -> Response:
        return Response(status, (), b"ignored")

    with serving(bodiless) as served, Wire(served.port) as wire:
        for _ in range(2):
            answer = wire.get("/")
            assert (answer.status, answer.header("content-length")) == (status, None)


def test_failing_handler_is_a_500_and_keeps_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail_once(request: Request) -> Response:
        if request.target.startswith("/fail"):
            raise ZeroDivisionError
        return await echo(request)

    with serving(fail_once) as served, Wire(served.port) as wire:
        assert wire.get("/fail?token=secret").status == 500
        assert "GET /fail: the handler failed\n" in caplog.text
        assert "ZeroDivisionError" in caplog.text
        assert wire.get("/next").status == 200


# Limits


def test_too_large_content_length_is_rejected_before_the_body(wire: Wire) -> None:
    wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
    answer = wire.answer()
    assert (answer.status, answer.header("connection")) == (413, "close")
    assert wire.ends()


def test_client_that_sends_a_too_large_body_can_read_the_response(
    wire: Wire,
) -> None:
    wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 20000000\r\n\r\n")
    for _ in range(20):
        wire.send(b"x" * 1_000_000)
    assert wire.answer().status == 413
    assert wire.ends()


def test_chunked_body_is_rejected_once_it_is_too_large(wire: Wire) -> None:
    wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(3):
        wire.send(b"190\r\n" + b"x" * 0x190 + b"\r\n")
    assert wire.answer().status == 413
    assert wire.ends()


def test_body_at_the_limit_is_accepted(wire: Wire) -> None:
    wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)
    assert len(wire.answer().body) == 1000


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 100 + b" HTTP/1.1\r\nHost: t\r\n\r\n", 414),
        (b"GET /" + b"a" * 5000, 414),
        (b"GET / HTTP/1.1\r\nHost: t\r\nX: " + b"a" * 500 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: t\r\nX: " + b"a" * 5000, 431),
        (b"GET / HTTP/1.1\r\nHost: t\r\n" + b"X: y\r\n" * 100, 431),
    ],
    ids=["target", "endless target", "header", "endless header", "endless headers"],
)
def test_too_large_target_or_headers_are_rejected(
    wire: Wire, request_bytes: bytes, status: int
) -> None:
    wire.send(request_bytes)
    assert wire.answer().status == status
    assert wire.ends()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: t\r\nBad Header: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: two\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n",
        b"NONSENSE\r\n\r\n",
    ],
)
def test_invalid_http_is_a_400_and_closes(wire: Wire, request_bytes: bytes) -> None:
    wire.send(request_bytes)
    answer = wire.answer()
    assert (answer.status, answer.header("connection")) == (400, "close")
    assert wire.ends()


def test_error_response_follows_earlier_responses(wire: Wire) -> None:
    wire.send(b"GET /a HTTP/1.1\r\nHost: t\r\n\r\nNONSENSE\r\n\r\nGET /never HTTP/1.1\r\n\r\n")
    assert [wire.answer().status for _ in range(2)] == [200, 400]
    assert wire.ends()


# Time


@pytest.fixture
def short_timeouts(loop_factory: LoopFactory) -> Iterator[Served]:
    with serving(echo, limits=SHORT_TIMEOUTS, loop_factory=loop_factory) as served:
        yield served


@pytest.mark.parametrize(
    "beginning",
    [b"GET / HTTP", b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n123"],
    ids=["head", "body"],
)
def test_incomplete_request_times_out_with_408(short_timeouts: Served, beginning: bytes) -> None:
    with Wire(short_timeouts.port) as wire:
        assert wire.get("/quick").status == 200
        wire.send(beginning)
        assert wire.answer().status == 408
        assert wire.ends()


def test_slow_bytes_do_not_extend_the_header_timeout(short_timeouts: Served) -> None:
    with Wire(short_timeouts.port) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: t\r\nX: ")
        while wire.is_quiet(0.05):
            wire.send(b"x")
        assert wire.answer().status == 408


def test_idle_connection_is_closed(short_timeouts: Served) -> None:
    with Wire(short_timeouts.port) as wire:
        assert wire.ends()
    with Wire(short_timeouts.port) as wire:
        assert wire.get("/").status == 200
        assert wire.ends()


def test_client_that_sends_after_an_error_is_disconnected(short_timeouts: Served) -> None:
    with Wire(short_timeouts.port) as wire:
        wire.send(b"NONSENSE\r\n\r\n")
        assert wire.answer().status == 400
        eventually(lambda: not short_timeouts.server.connections)


def test_client_that_does_not_read_is_disconnected(loop_factory: LoopFactory) -> None:
    called = threading.Event()

    async def much(_: Request) -> Response:
        called.set()
        return Response(200, (), b"x" * 30_000_000)

    with (
        serving(much, limits=SHORT_TIMEOUTS, loop_factory=loop_factory) as served,
        Wire(served.port) as wire,
    ):
        wire.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        assert called.wait(WITHIN_S)
        eventually(lambda: not served.server.connections)


def test_slow_reader_gets_a_large_response_and_the_next(loop_factory: LoopFactory) -> None:
    async def much(request: Request) -> Response:
        return Response(200, (), b"x" * 10_000_000 if request.target == "/much" else b"little")

    with serving(much, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        wire.send(b"GET /much HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n")
        assert len(wire.answer().body) == 10_000_000
        assert wire.answer().body == b"little"


# Stopping


def test_stop_answers_requests_in_flight_and_closes_the_rest(loop_factory: LoopFactory) -> None:
    handler = BlockedHandler()
    with (
        serving(handler, loop_factory=loop_factory) as served,
        Wire(served.port) as idle,
        Wire(served.port) as busy,
        Wire(served.port) as halfway,
    ):
        busy.send(b"GET /busy HTTP/1.1\r\nHost: t\r\n\r\n")
        halfway.send(b"GET /halfway HTTP/1.1\r\n")
        handler.wait_until_called()
        eventually(lambda: len(served.server.connections) == 3)
        stopped = served.stop()
        assert idle.ends()
        with pytest.raises(ConnectionRefusedError):
            Wire(served.port)
        assert not stopped.done()
        handler.release(served)
        halfway.send(b"Host: t\r\n\r\n")
        for wire, body in ((busy, b"/busy"), (halfway, b"/halfway")):
            answer = wire.answer()
            assert (answer.body, answer.header("connection")) == (body, "close")
            assert wire.ends()
        stopped.result(WITHIN_S)


def test_kept_connection_gets_a_last_response_with_connection_close(
    loop_factory: LoopFactory,
) -> None:
    with serving(echo, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        assert wire.get("/before").header("connection") is None
        stopped = served.stop()
        eventually(lambda: served.server.stopping)
        answer = wire.get("/meanwhile")
        assert (answer.body, answer.header("connection")) == (b"/meanwhile", "close")
        assert wire.ends()
        stopped.result(WITHIN_S)


def test_connections_in_the_accept_queue_are_answered(loop_factory: LoopFactory) -> None:
    with serving(echo, loop_factory=loop_factory) as served, ExitStack() as stack:
        release = threading.Event()
        served.loop.call_soon_threadsafe(release.wait, WITHIN_S)
        stopped = served.stop()
        wires = [stack.enter_context(Wire(served.port)) for _ in range(20)]
        release.set()
        for wire in wires:
            assert wire.get("/").body == b"/"
        stopped.result(WITHIN_S)


def test_stop_is_bounded_in_time(loop_factory: LoopFactory) -> None:
    handler = BlockedHandler()
    with serving(handler, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        handler.wait_until_called()
        served.stop(grace_seconds=0.1).result(WITHIN_S)
        assert wire.is_cut()
        assert not served.server.connections


def test_pipelined_requests_after_the_last_response_are_not_handled(
    loop_factory: LoopFactory,
) -> None:
    handler = BlockedHandler()
    with serving(handler, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        wire.send(b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n")
        handler.wait_until_called()
        wire.send(b"GET /b HTTP/1.1\r\nHost: t\r\n\r\n")
        stopped = served.stop()
        eventually(lambda: served.server.stopping)
        handler.release(served)
        answer = wire.answer()
        assert (answer.body, answer.header("connection")) == (b"/a", "close")
        assert wire.ends()
        stopped.result(WITHIN_S)
        assert handler.targets == ["/a"]


def test_connection_accepted_during_stop_is_not_leaked(loop_factory: LoopFactory) -> None:
    for _ in range(20):
        with serving(echo, loop_factory=loop_factory) as served, Wire(served.port):
            served.stop()
    gc.collect()  # a leaked socket warns when collected, and warnings are errors


def test_unstarted_server_can_be_stopped() -> None:
    asyncio.run(HttpServer(echo).stop(1))
