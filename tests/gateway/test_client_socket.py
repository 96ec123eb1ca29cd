"""Reading and pausing of a client's socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from websockets.frames import Opcode

from chalice_gateway.client_socket import MAX_FRAMES_PER_TURN, ClientSocket, PauseReason
from chalice_gateway.websocket_api import WebSocketApi
from chalice_gateway.websocket_limits import Limits
from chalice_gateway.websocket_outputs import Invoke, Output, PauseReading, ResumeReading

from .api_harness import OK, ApiHarness, api_harness
from .websocket_serving import frame


class FakeTransport(asyncio.Transport):
    """Records what is written, and whether reading is paused."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_read = True
        self.has_ended = self.is_cut = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_ended = True

    def abort(self) -> None:
        self.is_cut = True

    def is_closing(self) -> bool:
        return self.is_cut

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return len(self.written)


class Gateway:
    """The gateway of one socket; functions finish when a test says so."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._harness: ApiHarness = api_harness(limits=limits)
        self.state_machine: WebSocketApi = self._harness.api
        self.invokes: list[Invoke] = []
        self.connection_id = self._harness.connected()
        self.transport = FakeTransport()
        self.socket = ClientSocket(self, self.connection_id, b"101")
        self.socket.connection_made(self.transport)
        self.has_left = False

    def dispatch(self, method: Callable[..., list[Output]], *arguments: Any) -> None:
        for output in method(*arguments, self._harness.now_ms):
            if isinstance(output, Invoke):
                self.invokes.append(output)
            elif isinstance(output, PauseReading):
                self.socket.pause_reading(PauseReason.TOO_MANY_UNANSWERED)
            elif isinstance(output, ResumeReading):
                self.socket.resume_reading(PauseReason.TOO_MANY_UNANSWERED)

    def answer(self, many: int) -> None:
        for _ in range(many):
            self.dispatch(self.state_machine.invoke_finished, self.invokes.pop(0), OK)

    def socket_closed(self, connection_id: str) -> None:
        self.has_left = True
        self.dispatch(self.state_machine.socket_lost, connection_id)

    @property
    def bodies(self) -> list[str]:
        return [invoke.event["body"] for invoke in self.invokes]


MANY = Limits(unanswered_messages=10, concurrent_messages=1_000)


def texts(numbers: range) -> bytes:
    return b"".join(frame(Opcode.TEXT, str(number).encode()) for number in numbers)


def strings(numbers: range) -> list[str]:
    return [str(number) for number in numbers]


async def turns_pass() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


def test_burst_is_parsed_up_to_the_limit_and_the_rest_stays_bytes() -> None:
    gateway = Gateway(MANY)
    waiting = texts(range(10, 30_000))

    gateway.socket.data_received(texts(range(10)) + waiting)

    assert gateway.bodies == strings(range(10))
    assert gateway.socket.unparsed_bytes == len(waiting)
    assert not gateway.transport.is_read


def test_unparsed_bytes_are_handled_before_more_is_read() -> None:
    gateway = Gateway(MANY)
    gateway.socket.data_received(texts(range(18)))

    gateway.answer(5)

    assert gateway.bodies == strings(range(5, 15))
    assert not gateway.transport.is_read
    gateway.answer(5)
    assert gateway.bodies == strings(range(10, 18))
    assert (gateway.socket.unparsed_bytes, gateway.transport.is_read) == (0, True)


@pytest.mark.parametrize("how", ["vanishes", "hangs up"])
def test_unparsed_bytes_of_a_disconnected_client_are_discarded(how: str) -> None:
    gateway = Gateway(MANY)
    gateway.socket.data_received(texts(range(20)))

    if how == "vanishes":
        gateway.socket.connection_lost(None)
    else:
        gateway.socket.eof_received()
    assert gateway.socket.unparsed_bytes == 0
    gateway.answer(10)

    # The messages in progress are answered, then $disconnect runs.
    assert [invoke.route_key for invoke in gateway.invokes] == ["$disconnect"]


def test_many_frames_yield_to_other_sockets() -> None:
    pings = frame(Opcode.PING, b"") * (3 * MAX_FRAMES_PER_TURN - 1)

    async def scenario() -> None:
        gateway = Gateway(Limits())
        gateway.socket.data_received(pings)
        pongs = [len(gateway.transport.written)]
        assert not gateway.transport.is_read
        while not gateway.transport.is_read:
            await asyncio.sleep(0)
            pongs.append(len(gateway.transport.written))

        answer = len(b"101")
        assert pongs[0] == answer + 2 * MAX_FRAMES_PER_TURN
        assert sorted(set(pongs)) == [
            answer + 2 * number
            for number in (MAX_FRAMES_PER_TURN, 2 * MAX_FRAMES_PER_TURN, len(pings) // 6)
        ]

    asyncio.run(scenario())


def test_turn_after_an_abort_does_nothing() -> None:
    async def scenario() -> None:
        gateway = Gateway(Limits())
        gateway.socket.data_received(frame(Opcode.PING, b"") * 1_000)
        gateway.socket.abort()
        written = len(gateway.transport.written)
        await turns_pass()

        assert len(gateway.transport.written) == written

    asyncio.run(scenario())


def test_reading_resumes_only_without_any_pause_reason() -> None:
    gateway = Gateway(MANY)
    gateway.socket.data_received(texts(range(20)))
    gateway.socket.pause_writing()

    gateway.answer(10)

    assert not gateway.transport.is_read
    assert gateway.invokes == []
    gateway.socket.resume_writing()
    assert gateway.bodies == strings(range(10, 20))


def test_closing_a_paused_client_reads_its_close_frame() -> None:
    gateway = Gateway(MANY)
    gateway.socket.data_received(texts(range(15)) + frame(Opcode.CLOSE, b"\x03\xe8"))

    gateway.dispatch(gateway.state_machine.delete, gateway.connection_id)

    # Its unparsed messages come too late.
    assert [invoke.route_key for invoke in gateway.invokes].count("$default") == 10
    assert gateway.transport.has_ended
