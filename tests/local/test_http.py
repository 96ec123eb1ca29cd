"""The HTTP server, byte by byte."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import ClassVar, cast

import pytest

from local.gateway.http_messages import Limits, Request, Response, Upgrade, serialise
from local.gateway.http_server import HttpServer
from tests.servers import eventually

from .serving import LoopFactory, Served, Wire, echo, serving

LIMITS = Limits(
    body_bytes=1000,
    head_bytes=500,
    target_bytes=100,
    head_seconds=0.3,
    body_seconds=0.3,
    idle_seconds=0.3,
    write_seconds=0.3,
    linger_seconds=0.3,
)
PATIENT = Limits(body_bytes=1000, head_bytes=500, target_bytes=100)


@pytest.fixture
def served(loop_factory: LoopFactory) -> Iterator[Served]:
    with serving(echo, limits=PATIENT, loop_factory=loop_factory) as served:
        yield served


@pytest.fixture
def wire(served: Served) -> Iterator[Wire]:
    with Wire(served.port) as wire:
        yield wire


class HeldHandler:
    """A handler that answers when the test lets it."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.targets: list[str] = []
        self._open = asyncio.Event()

    async def __call__(self, request: Request) -> Response:
        self.targets.append(request.target)
        self.entered.release()
        await self._open.wait()
        return Response(200, (), request.target.encode())

    def open(self, served: Served) -> None:
        served.loop.call_soon_threadsafe(self._open.set)

    def wait(self) -> None:
        assert self.entered.acquire(timeout=5)


# Connections


def test_a_connection_serves_request_after_request(wire: Wire) -> None:
    for number in range(3):
        answer = wire.get(f"/{number}")
        assert (answer.status, answer.body) == (200, f"/{number}".encode())
        assert answer.header("connection") is None


def test_connection_close_is_honoured_and_confirmed(wire: Wire) -> None:
    answer = wire.get("/", "Connection: close")
    assert answer.header("connection") == "close"
    assert wire.ends()


def test_http_1_0_is_answered_and_closed_unless_kept_alive(served: Served) -> None:
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


def test_one_request_of_a_connection_is_handled_at_a_time(loop_factory: LoopFactory) -> None:
    gate = HeldHandler()
    with serving(gate, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        wire.send(b"GET /a HTTP/1.1\r\nHost: t\r\n\r\nGET /b HTTP/1.1\r\nHost: t\r\n\r\n")
        gate.wait()
        wire.send(b"GET /c HTTP/1.1\r\nHost: t\r\n\r\n")
        assert wire.is_quiet()
        assert gate.targets == ["/a"]
        gate.open(served)
        assert [wire.answer().body for _ in range(3)] == [b"/a", b"/b", b"/c"]


def test_reading_pauses_while_a_request_is_handled(loop_factory: LoopFactory) -> None:
    gate = HeldHandler()
    with serving(gate, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        wire.send(b"GET /first HTTP/1.1\r\nHost: t\r\n\r\n")
        gate.wait()
        wire.fill()
        gate.open(served)
        assert wire.answer().body == b"/first"


def test_a_client_that_shuts_down_its_side_still_gets_its_answers(wire: Wire) -> None:
    wire.send(b"GET /a HTTP/1.1\r\nHost: t\r\n\r\nGET /b HTTP/1.1\r\nHost: t\r\n\r\n")
    wire.socket.shutdown(socket.SHUT_WR)
    assert [wire.answer().body for _ in range(2)] == [b"/a", b"/b"]
    assert wire.ends()


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(served: Served) -> None:
    for sent in (b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc"):
        with Wire(served.port) as wire:
            wire.send(sent)
    eventually(lambda: not served.server.connections)


def test_a_handler_goes_on_when_its_client_has_left(loop_factory: LoopFactory) -> None:
    gate = HeldHandler()
    with serving(gate, loop_factory=loop_factory) as served:
        with Wire(served.port) as wire:
            wire.send(b"GET /gone HTTP/1.1\r\nHost: t\r\n\r\n")
            gate.wait()
            wire.reset()
        eventually(lambda: not served.server.connections)
        gate.open(served)
        with Wire(served.port) as wire:
            assert wire.get("/next").body == b"/next"


# No stall


def test_head_and_body_are_one_piece_of_bytes() -> None:
    response = Response(200, (("A", "b"),), b"body")
    assert serialise(response, date="D", method="GET", connection=None) == (
        b"HTTP/1.1 200 OK\r\nDate: D\r\nA: b\r\nContent-Length: 4\r\n\r\nbody"
    )


def test_an_answer_arrives_whole_in_one_read(wire: Wire) -> None:
    wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 900\r\n\r\n" + b"x" * 900)
    assert wire.socket.recv(65536).endswith(b"x" * 900)


class Probe(asyncio.Protocol):
    """Speaks a protocol of its own: says what the socket is set to, then echoes."""

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


def test_a_connection_can_be_handed_over_with_what_was_already_sent(
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


def test_a_declined_upgrade_goes_on_in_http(loop_factory: LoopFactory) -> None:
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
def test_an_upgrade_that_could_be_misread_is_refused(wire: Wire, request_bytes: bytes) -> None:
    wire.send(request_bytes)
    assert wire.answer().status == 400
    assert wire.ends()


# Requests


def test_header_names_and_the_target_reach_the_handler_as_they_were_sent() -> None:
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


def test_a_chunked_body_is_put_together(wire: Wire) -> None:
    wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
    for chunk in (b"3\r\nabc\r\n", b"4;extension=1\r\nde", b"fg\r\n", b"0\r\nTrailer: x\r\n\r\n"):
        wire.send(chunk)
    assert wire.answer().body == b"abcdefg"
    assert wire.get("/after").body == b"/after"


def test_a_client_that_expects_100_continue_is_told_to_go_on(wire: Wire) -> None:
    head = b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    wire.send(head)
    assert wire.answer().status == 100
    wire.send(b"body")
    assert wire.answer().body == b"body"


def test_a_client_that_does_not_wait_is_not_told_to_go_on(wire: Wire) -> None:
    wire.send(
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody"
    )
    assert wire.answer().status == 200


def test_100_continue_waits_behind_the_answers_before_it(loop_factory: LoopFactory) -> None:
    gate = HeldHandler()
    with serving(gate, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        wire.send(
            b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n"
            b"POST /b HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
        )
        gate.wait()
        assert wire.is_quiet()
        gate.open(served)
        assert [wire.answer().status for _ in range(2)] == [200, 100]
        wire.send(b"x")
        assert wire.answer().body == b"/b"


def test_another_expectation_fails(wire: Wire) -> None:
    assert wire.get("/", "Expect: the-unexpected").status == 417
    assert wire.ends()


def test_head_gets_the_headers_alone(wire: Wire) -> None:
    answer = wire.get("/12345", method="HEAD")
    assert answer.header("content-length") == "6"
    assert wire.get("/next").body == b"/next"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_content_has_no_length(status: int) -> None:
    async def bodiless(_: Request) -> Response:
        return Response(status, (), b"ignored")

    with serving(bodiless) as served, Wire(served.port) as wire:
        for _ in range(2):
            answer = wire.get("/")
            assert (answer.status, answer.header("content-length")) == (status, None)


def test_a_handler_that_fails_is_a_500_and_the_connection_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail_once(request: Request) -> Response:
        if request.target.startswith("/fail"):
            raise ZeroDivisionError
        return await echo(request)

    with serving(fail_once) as served, Wire(served.port) as wire:
        assert wire.get("/fail?token=secret").status == 500
        assert "No answer to GET /fail\n" in caplog.text
        assert "ZeroDivisionError" in caplog.text
        assert wire.get("/next").status == 200


# Limits


def test_a_body_announced_as_too_large_is_refused_before_it_is_sent(wire: Wire) -> None:
    wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
    answer = wire.answer()
    assert (answer.status, answer.header("connection")) == (413, "close")
    assert wire.ends()


def test_a_client_that_sends_all_of_a_body_that_is_too_large_still_reads_the_answer(
    wire: Wire,
) -> None:
    wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 20000000\r\n\r\n")
    for _ in range(20):
        wire.send(b"x" * 1_000_000)
    assert wire.answer().status == 413
    assert wire.ends()


def test_a_chunked_body_is_refused_once_it_is_too_large(wire: Wire) -> None:
    wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(3):
        wire.send(b"190\r\n" + b"x" * 0x190 + b"\r\n")
    assert wire.answer().status == 413
    assert wire.ends()


def test_a_body_of_just_the_limit_is_taken(wire: Wire) -> None:
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
def test_a_head_that_is_too_large_is_refused(wire: Wire, request_bytes: bytes, status: int) -> None:
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
def test_what_is_not_http_is_a_400_and_the_end(wire: Wire, request_bytes: bytes) -> None:
    wire.send(request_bytes)
    answer = wire.answer()
    assert (answer.status, answer.header("connection")) == (400, "close")
    assert wire.ends()


def test_a_refusal_waits_behind_the_answers_before_it(wire: Wire) -> None:
    wire.send(b"GET /a HTTP/1.1\r\nHost: t\r\n\r\nNONSENSE\r\n\r\nGET /never HTTP/1.1\r\n\r\n")
    assert [wire.answer().status for _ in range(2)] == [200, 400]
    assert wire.ends()


# Time


@pytest.fixture
def hasty(loop_factory: LoopFactory) -> Iterator[Served]:
    with serving(echo, limits=LIMITS, loop_factory=loop_factory) as served:
        yield served


@pytest.mark.parametrize(
    "beginning",
    [b"GET / HTTP", b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n123"],
    ids=["head", "body"],
)
def test_a_request_that_does_not_end_is_a_408(hasty: Served, beginning: bytes) -> None:
    with Wire(hasty.port) as wire:
        assert wire.get("/quick").status == 200
        wire.send(beginning)
        assert wire.answer().status == 408
        assert wire.ends()


def test_a_byte_now_and_then_does_not_prolong_a_head(hasty: Served) -> None:
    with Wire(hasty.port) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: t\r\nX: ")
        while wire.is_quiet(0.05):
            wire.send(b"x")
        assert wire.answer().status == 408


def test_an_idle_connection_is_closed_without_a_word(hasty: Served) -> None:
    with Wire(hasty.port) as wire:
        assert wire.ends()
    with Wire(hasty.port) as wire:
        assert wire.get("/").status == 200
        assert wire.ends()


def test_a_refused_client_that_goes_on_talking_is_cut_off(hasty: Served) -> None:
    with Wire(hasty.port) as wire:
        wire.send(b"NONSENSE\r\n\r\n")
        assert wire.answer().status == 400
        eventually(lambda: not hasty.server.connections)


def test_a_client_that_takes_no_answers_is_cut_off(loop_factory: LoopFactory) -> None:
    async def much(_: Request) -> Response:
        return Response(200, (), b"x" * 30_000_000)

    with (
        serving(much, limits=LIMITS, loop_factory=loop_factory) as served,
        Wire(served.port) as wire,
    ):
        wire.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        eventually(lambda: served.server.connections)
        eventually(lambda: not served.server.connections)


def test_a_slow_reader_gets_a_large_answer_and_then_the_next(loop_factory: LoopFactory) -> None:
    async def much(request: Request) -> Response:
        return Response(200, (), b"x" * 10_000_000 if request.target == "/much" else b"little")

    with serving(much, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        wire.send(b"GET /much HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n")
        assert len(wire.answer().body) == 10_000_000
        assert wire.answer().body == b"little"


# Stopping


def test_stopping_answers_what_is_in_flight_and_closes_the_rest(loop_factory: LoopFactory) -> None:
    gate = HeldHandler()
    with (
        serving(gate, loop_factory=loop_factory) as served,
        Wire(served.port) as idle,
        Wire(served.port) as busy,
        Wire(served.port) as halfway,
    ):
        busy.send(b"GET /busy HTTP/1.1\r\nHost: t\r\n\r\n")
        halfway.send(b"GET /halfway HTTP/1.1\r\n")
        gate.wait()
        eventually(lambda: len(served.server.connections) == 3)
        stopped = served.stop()
        assert idle.ends()
        with pytest.raises(ConnectionRefusedError):
            Wire(served.port)
        assert not stopped.done()
        gate.open(served)
        halfway.send(b"Host: t\r\n\r\n")
        for wire, body in ((busy, b"/busy"), (halfway, b"/halfway")):
            answer = wire.answer()
            assert (answer.body, answer.header("connection")) == (body, "close")
            assert wire.ends()
        stopped.result(5)


def test_a_kept_connection_is_told_in_an_answer_that_this_was_the_last(
    loop_factory: LoopFactory,
) -> None:
    with serving(echo, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        assert wire.get("/before").header("connection") is None
        stopped = served.stop()
        eventually(lambda: served.server.stopping)
        answer = wire.get("/meanwhile")
        assert (answer.body, answer.header("connection")) == (b"/meanwhile", "close")
        assert wire.ends()
        stopped.result(5)


def test_who_has_been_let_in_by_the_kernel_alone_is_answered(loop_factory: LoopFactory) -> None:
    with serving(echo, loop_factory=loop_factory) as served, ExitStack() as stack:
        go_on = threading.Event()
        served.loop.call_soon_threadsafe(go_on.wait, 5)
        stopped = served.stop()
        wires = [stack.enter_context(Wire(served.port)) for _ in range(20)]
        go_on.set()
        for wire in wires:
            assert wire.get("/").body == b"/"
        stopped.result(5)


def test_stopping_is_bounded(loop_factory: LoopFactory) -> None:
    gate = HeldHandler()
    with serving(gate, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        gate.wait()
        served.stop(grace_seconds=0.1).result(5)
        assert wire.is_cut()
        assert not served.server.connections


def test_pipelined_requests_behind_the_last_answer_are_not_begun(
    loop_factory: LoopFactory,
) -> None:
    gate = HeldHandler()
    with serving(gate, loop_factory=loop_factory) as served, Wire(served.port) as wire:
        wire.send(b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n")
        gate.wait()
        wire.send(b"GET /b HTTP/1.1\r\nHost: t\r\n\r\n")
        stopped = served.stop()
        eventually(lambda: served.server.stopping)
        gate.open(served)
        answer = wire.answer()
        assert (answer.body, answer.header("connection")) == (b"/a", "close")
        assert wire.ends()
        stopped.result(5)
        assert gate.targets == ["/a"]


def test_a_client_that_comes_at_the_last_moment_is_not_leaked(loop_factory: LoopFactory) -> None:
    for _ in range(20):
        with serving(echo, loop_factory=loop_factory) as served, Wire(served.port):
            served.stop()
    gc.collect()  # a leaked socket warns when it is collected, and warnings are errors


def test_a_server_that_was_never_started_can_be_stopped() -> None:
    asyncio.run(HttpServer(echo).stop(1))
