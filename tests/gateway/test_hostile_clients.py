"""Clients that break every rule: each gets its answer, and the others notice nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from websockets.frames import Opcode
from websockets.sync.client import ClientConnection

from local.gateway.callback_errors import LimitExceededError
from local.gateway.lambdas import Event
from local.gateway.websocket_limits import Limits
from tests.local.serving import LoopFactory

from .serving import WITHIN_S, Backend, RawClient, Served, context_of, frame, serving


class Neighbour:
    """Another client, which is connected and is served as if nothing were."""

    def __init__(self, served: Served, backend: Backend, client: ClientConnection) -> None:
        self._served = served
        self._backend = backend
        self._client = client
        self.connection_id = backend.connected()["connectionId"]

    def is_served(self) -> None:
        self._client.send("neighbour")
        while self._backend.message()["body"] != "neighbour":
            pass
        post(self._served, self.connection_id, b"hello")
        assert self._client.recv(WITHIN_S) == "hello"


def post(served: Served, connection_id: str, data: bytes) -> None:
    """As @connections does it, without HTTP."""
    gateway = served.gateway

    def call() -> None:
        buffered = gateway.buffered_bytes(connection_id)
        gateway.tell(gateway.rules.post, connection_id, data, buffered)

    served.call(call)


def fill(served: Served, connection_id: str, data: bytes) -> int:
    """Post until no more is taken; how many were."""
    for taken in range(100_000):
        try:
            post(served, connection_id, data)
        except LimitExceededError:
            return taken
    raise AssertionError("The buffer has no end")


@contextmanager
def neighbourhood(
    loop_factory: LoopFactory | None = None, limits: Limits | None = None
) -> Iterator[tuple[Served, Backend, Neighbour, RawClient]]:
    backend = Backend()
    with serving(backend.routes, loop_factory=loop_factory, limits=limits) as served:
        with served.connect() as client:
            neighbour = Neighbour(served, backend, client)
            neighbour.is_served()
            with RawClient(served.port, receive_buffer_bytes=4096) as hostile:
                yield served, backend, neighbour, hostile
                neighbour.is_served()
        served.is_quiet()
        assert served.known() == 0


BROKEN_RULES: dict[str, tuple[Callable[[RawClient], None], int]] = {
    "a binary frame": (lambda c: c.send(Opcode.BINARY, b"\x00"), 1003),
    "an empty binary frame": (lambda c: c.send(Opcode.BINARY, b""), 1003),
    "the beginning of a binary message": (
        lambda c: c.send(Opcode.BINARY, b"\x00", fin=False),
        1003,
    ),
    "a frame of 32 KB and a byte": (lambda c: c.send(Opcode.TEXT, bytes(32_769)), 1009),
    "a frame of 40 KB": (lambda c: c.send(Opcode.TEXT, bytes(40_000)), 1009),
    "a frame that says it has an exabyte": (
        lambda c: c.socket.sendall(b"\x81\xff" + (1 << 60).to_bytes(8, "big") + bytes(4)),
        1009,
    ),
    "a message of 200 KB": (
        lambda c: send_all(
            c,
            frame(Opcode.TEXT, bytes(25_000), fin=False)
            + frame(Opcode.CONT, bytes(25_000), fin=False) * 7,
        ),
        1009,
    ),
    "a message of 128 KB and a byte": (
        lambda c: send_all(
            c,
            frame(Opcode.TEXT, bytes(32_768), fin=False)
            + frame(Opcode.CONT, bytes(32_768), fin=False) * 3
            + frame(Opcode.CONT, b"x"),
        ),
        1009,
    ),
    "invalid UTF-8": (lambda c: c.send(Opcode.TEXT, b"\xc3\x28"), 1007),
    "UTF-8 that stops short": (lambda c: c.send(Opcode.TEXT, b"f\xc3"), 1007),
    "a continuation of nothing": (lambda c: c.send(Opcode.CONT, b"x"), 1002),
    "a message within a message": (
        lambda c: send_all(c, frame(Opcode.TEXT, b"1", fin=False) + frame(Opcode.TEXT, b"2")),
        1002,
    ),
    "a frame without a mask": (lambda c: c.socket.sendall(b"\x81\x01x"), 1002),
    "reserved bits": (lambda c: c.socket.sendall(b"\xf1\x80" + bytes(4)), 1002),
    "an unknown opcode": (lambda c: c.socket.sendall(b"\x83\x80" + bytes(4)), 1002),
    "a ping of 126 bytes": (
        lambda c: c.socket.sendall(b"\x89\xfe\x00\x7e" + bytes(4 + 126)),
        1002,
    ),
    "a close code that is none": (lambda c: c.send(Opcode.CLOSE, b"\x00\x01"), 1002),
    "a close reason that is no text": (
        lambda c: c.send(Opcode.CLOSE, b"\x03\xe8\xff"),
        1007,
    ),
}


def send_all(client: RawClient, data: bytes) -> None:
    # The server may have hung up before the end.
    with suppress(ConnectionError):
        client.socket.sendall(data)


@pytest.mark.parametrize("what", BROKEN_RULES)
def test_who_breaks_the_protocol_is_told_which_rule(what: str, loop_factory: LoopFactory) -> None:
    spoil, code = BROKEN_RULES[what]
    with neighbourhood(loop_factory) as (_served, backend, _, hostile):
        hostile.shake_hands()
        backend.connected()
        spoil(hostile)

        told, reason = hostile.close_code()
        assert told == code
        assert code == 1003 or hostile.is_cut()
        assert backend.disconnected() == (code, reason)
        assert backend.messages.empty()


def test_after_a_binary_frame_nothing_is_heard() -> None:
    with neighbourhood() as (_served, backend, _, hostile):
        hostile.shake_hands()
        hostile.socket.sendall(frame(Opcode.BINARY, b"1") + frame(Opcode.TEXT, b"2"))

        assert hostile.close_code()[0] == 1003
        hostile.send(Opcode.CLOSE, b"\x03\xeb")
        assert hostile.is_cut()
        assert backend.messages.empty()


def test_what_came_before_the_fault_is_heard() -> None:
    with neighbourhood() as (_served, backend, _, hostile):
        hostile.shake_hands()
        hostile.socket.sendall(frame(Opcode.TEXT, b"1") + frame(Opcode.CONT, b"2"))

        assert hostile.close_code()[0] == 1002
        assert backend.message()["body"] == "1"


@pytest.mark.parametrize(
    ("last", "heard", "code"),
    [(b"goodbye", {"1", "goodbye"}, 1000), (b"no text: \xff", {"1"}, 1007)],
)
def test_what_is_said_in_one_breath_with_the_goodbye_is_heard(
    last: bytes, heard: set[str], code: int
) -> None:
    with neighbourhood() as (_served, backend, _, hostile):
        hostile.shake_hands()
        hostile.socket.sendall(
            frame(Opcode.TEXT, b"1") + frame(Opcode.TEXT, last) + frame(Opcode.CLOSE, b"\x03\xe8")
        )

        assert hostile.close_code()[0] == code
        assert {backend.message()["body"] for _ in heard} == heard
        assert backend.disconnected()[0] == code


@pytest.mark.parametrize(
    "part",
    [b"\x81", b"\x81\xfe\x10", frame(Opcode.TEXT, b"hello")[:-2], b""],
    ids=["one byte", "half a head", "half a text", "nothing"],
)
def test_half_a_frame_and_silence_is_idle_and_is_cut_off(
    part: bytes, loop_factory: LoopFactory
) -> None:
    limits = Limits(idle_ms=300, closing_ms=100)
    with neighbourhood(loop_factory, limits) as (_served, backend, neighbour, hostile):
        hostile.shake_hands()
        backend.connected()
        hostile.socket.sendall(part)

        assert hostile.close_code() == (1001, "Going away")
        # It says nothing to that either.
        assert hostile.is_cut()
        while backend.disconnected() != (1001, "Going away"):
            pass
        # The neighbour has been idle as well. It is told and comes again.
        neighbour.is_served = lambda: None  # type: ignore[method-assign]


def test_ten_thousand_pings_are_ten_thousand_pongs(loop_factory: LoopFactory) -> None:
    with neighbourhood(loop_factory) as (_served, backend, neighbour, hostile):
        hostile.shake_hands()
        pings = b"".join(frame(Opcode.PING, str(n).encode()) for n in range(10_000))
        sender = threading.Thread(target=hostile.socket.sendall, args=(pings,))
        sender.start()
        neighbour.is_served()
        pongs = [hostile.receive() for _ in range(10_000)]
        sender.join(WITHIN_S)

        assert {pong.opcode for pong in pongs} == {Opcode.PONG}
        assert [int(bytes(pong.data)) for pong in pongs] == list(range(10_000))
        assert backend.messages.empty()


def test_who_pings_and_does_not_read_is_not_read_either(loop_factory: LoopFactory) -> None:
    limits = Limits(buffer_bytes=64 * 1024)
    with neighbourhood(loop_factory, limits) as (served, backend, neighbour, hostile):
        hostile.shake_hands()
        connection_id = backend.connected()["connectionId"]
        pings = frame(Opcode.PING, b"x" * 125) * 50_000  # more than sockets hold on their way
        sender = threading.Thread(target=send_all, args=(hostile, pings))
        sender.start()
        ends_at = time.monotonic() + WITHIN_S
        while (buffered := buffered_bytes(served, connection_id)) <= limits.buffer_bytes:
            assert time.monotonic() < ends_at
        neighbour.is_served()

        # One read may have brought in more than fits, and then no other follows.
        assert buffered_bytes(served, connection_id) == buffered
        assert buffered < limits.buffer_bytes + 2 * 256 * 1024
        # Once it reads, it is read again.
        for _ in range(50_000):
            assert hostile.receive().opcode is Opcode.PONG
        sender.join(WITHIN_S)


def buffered_bytes(served: Served, connection_id: str) -> int:
    found: int = served.call(lambda: served.gateway.buffered_bytes(connection_id))
    return found


def test_who_does_not_read_is_refused_posts_and_holds_up_nobody(
    loop_factory: LoopFactory,
) -> None:
    limits = Limits(buffer_bytes=256 * 1024, posts_per_second=1e9, posts_burst=1e9)
    with neighbourhood(loop_factory, limits) as (served, backend, neighbour, hostile):
        hostile.shake_hands()
        connection_id = backend.connected()["connectionId"]
        taken = fill(served, connection_id, b"x" * 30_000)
        neighbour.is_served()
        with pytest.raises(LimitExceededError):
            post(served, connection_id, b"x" * 30_000)

        # What was taken arrives, and then there is room again.
        for _ in range(taken):
            assert len(hostile.receive().data) == 30_000
        post(served, connection_id, b"after")
        assert bytes(hostile.receive().data) == b"after"


def test_who_does_not_read_and_hangs_up_half_way_is_cut_off(loop_factory: LoopFactory) -> None:
    import socket  # noqa: PLC0415

    limits = Limits(closing_ms=100)
    with neighbourhood(loop_factory, limits) as (served, backend, _, hostile):
        hostile.shake_hands()
        connection_id = backend.connected()["connectionId"]
        fill(served, connection_id, b"x" * 100_000)
        hostile.socket.shutdown(socket.SHUT_WR)

        assert backend.disconnected() == (1006, "")
        assert hostile.is_cut()


def test_who_asks_too_much_at_once_is_read_again_once_it_is_answered(
    loop_factory: LoopFactory,
) -> None:
    go_on = threading.Event()

    def wait(event: Event) -> None:
        go_on.wait(WITHIN_S)

    backend = Backend(message=wait)
    with (
        serving(backend.routes, limits=Limits(unanswered=4), loop_factory=loop_factory) as served,
        RawClient(served.port) as client,
    ):
        client.shake_hands()
        for number in range(4):
            client.send(Opcode.TEXT, str(number).encode())
        begun = [backend.message() for _ in range(4)]
        client.send(Opcode.TEXT, b"4")
        client.send(Opcode.PING, b"")
        served.known()
        assert backend.messages.empty()
        go_on.set()

        assert client.receive().opcode is Opcode.PONG
        begun.append(backend.message())
        assert {event["body"] for event in begun} == {"0", "1", "2", "3", "4"}
        assert len({context_of(event)["connectionId"] for event in begun}) == 1


def test_a_burst_waits_as_bytes_until_it_is_its_turn(loop_factory: LoopFactory) -> None:
    go_on = threading.Event()
    limits = Limits(unanswered=20)
    many = 2_000

    def wait(event: Event) -> None:
        go_on.wait(WITHIN_S)

    backend = Backend(message=wait)
    with (
        serving(backend.routes, limits=limits, loop_factory=loop_factory) as served,
        RawClient(served.port) as client,
    ):
        # With the handshake, as a part of it may have been read before there is a connection.
        burst = b"".join(frame(Opcode.TEXT, str(number).encode()) for number in range(many))
        client.shake_hands(then=burst)
        begun = [backend.message() for _ in range(limits.at_once)]
        assert backend.messages.empty()
        go_on.set()
        begun += [backend.message() for _ in range(many - len(begun))]

    assert {event["body"] for event in begun} == {str(number) for number in range(many)}


@pytest.mark.parametrize("half", [b"GET /dev HTTP/1.1\r\nHost: t\r\n", b"GET"])
def test_half_a_handshake_keeps_nobody_waiting(half: bytes) -> None:
    with neighbourhood() as (served, _, neighbour, hostile):
        hostile.socket.sendall(half)
        neighbour.is_served()
        assert served.known() == 1
