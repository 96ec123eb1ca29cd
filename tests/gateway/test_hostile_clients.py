"""Clients that violate the protocol: each gets its close code, and others are served."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

import pytest
from websockets.frames import Opcode
from websockets.sync.client import ClientConnection

from chalice_gateway.connections_api_errors import LimitExceededError
from chalice_gateway.lambdas import Event
from chalice_gateway.websocket_limits import Limits

from .http_serving import LoopFactory
from .websocket_serving import WITHIN_S, Backend, RawClient, Served, context_of, frame, serving


class OtherClient:
    """Another connected client, which must be served normally."""

    def __init__(self, served: Served, backend: Backend, client: ClientConnection) -> None:
        self._served = served
        self._backend = backend
        self._client = client
        self.connection_id = backend.connected()["connectionId"]

    def is_served(self) -> None:
        self._client.send("other")
        while self._backend.message()["body"] != "other":
            pass
        post(self._served, self.connection_id, b"hello")
        assert self._client.recv(WITHIN_S) == "hello"


def post(served: Served, connection_id: str, data: bytes) -> None:
    """Post as @connections does, without HTTP."""
    gateway = served.gateway

    def call() -> None:
        buffered = gateway.buffered_bytes(connection_id)
        gateway.dispatch(gateway.state_machine.post, connection_id, data, buffered)

    served.call(call)


def fill(served: Served, connection_id: str, data: bytes) -> int:
    """Post until the buffer is full; the number of posts accepted."""
    for taken in range(100_000):
        try:
            post(served, connection_id, data)
        except LimitExceededError:
            return taken
    raise AssertionError("The buffer has no limit")


@contextmanager
def hostile_and_other_client(
    loop_factory: LoopFactory | None = None, limits: Limits | None = None
) -> Iterator[tuple[Served, Backend, OtherClient, RawClient]]:
    backend = Backend()
    with serving(backend.routes, loop_factory=loop_factory, limits=limits) as served:
        with served.connect() as client:
            other = OtherClient(served, backend, client)
            other.is_served()
            with RawClient(served.port, receive_buffer_bytes=4096) as hostile:
                yield served, backend, other, hostile
                other.is_served()
        served.wait_until_quiet()
        assert served.connection_count() == 0


VIOLATIONS: dict[str, tuple[Callable[[RawClient], None], int]] = {
    "a binary frame": (lambda c: c.send(Opcode.BINARY, b"\x00"), 1003),
    "an empty binary frame": (lambda c: c.send(Opcode.BINARY, b""), 1003),
    "the beginning of a binary message": (
        lambda c: c.send(Opcode.BINARY, b"\x00", fin=False),
        1003,
    ),
    "a frame of 32 KB and a byte": (lambda c: c.send(Opcode.TEXT, bytes(32_769)), 1009),
    "a frame of 40 KB": (lambda c: c.send(Opcode.TEXT, bytes(40_000)), 1009),
    "a frame with a length of an exabyte": (
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
    "truncated UTF-8": (lambda c: c.send(Opcode.TEXT, b"f\xc3"), 1007),
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
    "an invalid close code": (lambda c: c.send(Opcode.CLOSE, b"\x00\x01"), 1002),
    "a close reason that is not UTF-8": (
        lambda c: c.send(Opcode.CLOSE, b"\x03\xe8\xff"),
        1007,
    ),
}


def send_all(client: RawClient, data: bytes) -> None:
    # The server may close before all is sent.
    with suppress(ConnectionError):
        client.socket.sendall(data)


@pytest.mark.parametrize("what", VIOLATIONS)
def test_protocol_violation_closes_with_its_code(what: str, loop_factory: LoopFactory) -> None:
    violate, code = VIOLATIONS[what]
    with hostile_and_other_client(loop_factory) as (_served, backend, _, hostile):
        hostile.handshake()
        backend.connected()
        violate(hostile)

        told, reason = hostile.close_code()
        assert told == code
        assert code == 1003 or hostile.is_cut()
        assert backend.disconnected() == (code, reason)
        assert backend.messages.empty()


def test_messages_after_a_binary_frame_are_ignored() -> None:
    with hostile_and_other_client() as (_served, backend, _, hostile):
        hostile.handshake()
        hostile.socket.sendall(frame(Opcode.BINARY, b"1") + frame(Opcode.TEXT, b"2"))

        assert hostile.close_code()[0] == 1003
        hostile.send(Opcode.CLOSE, b"\x03\xeb")
        assert hostile.is_cut()
        assert backend.messages.empty()


def test_messages_before_a_violation_are_handled() -> None:
    with hostile_and_other_client() as (_served, backend, _, hostile):
        hostile.handshake()
        hostile.socket.sendall(frame(Opcode.TEXT, b"1") + frame(Opcode.CONT, b"2"))

        assert hostile.close_code()[0] == 1002
        assert backend.message()["body"] == "1"


@pytest.mark.parametrize(
    ("last", "heard", "code"),
    [(b"goodbye", {"1", "goodbye"}, 1000), (b"no text: \xff", {"1"}, 1007)],
)
def test_messages_sent_with_the_close_frame_are_handled(
    last: bytes, heard: set[str], code: int
) -> None:
    with hostile_and_other_client() as (_served, backend, _, hostile):
        hostile.handshake()
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
def test_incomplete_frame_counts_as_idle(part: bytes, loop_factory: LoopFactory) -> None:
    backend = Backend()
    limits = Limits(idle_ms=300, closing_ms=100)
    with (
        serving(backend.routes, limits=limits, loop_factory=loop_factory) as served,
        RawClient(served.port) as hostile,
    ):
        hostile.handshake()
        hostile.socket.sendall(part)

        assert hostile.close_code() == (1001, "Going away")
        # It doesn't answer the close frame.
        assert hostile.is_cut()
        assert backend.disconnected() == (1001, "Going away")


def test_ten_thousand_pings_get_ten_thousand_pongs(loop_factory: LoopFactory) -> None:
    with hostile_and_other_client(loop_factory) as (_served, backend, other, hostile):
        hostile.handshake()
        pings = b"".join(frame(Opcode.PING, str(n).encode()) for n in range(10_000))
        sender = threading.Thread(target=hostile.socket.sendall, args=(pings,))
        sender.start()
        other.is_served()
        pongs = [hostile.receive() for _ in range(10_000)]
        sender.join(WITHIN_S)

        assert {pong.opcode for pong in pongs} == {Opcode.PONG}
        assert [int(bytes(pong.data)) for pong in pongs] == list(range(10_000))
        assert backend.messages.empty()


def test_client_that_pings_without_reading_is_not_read(loop_factory: LoopFactory) -> None:
    limits = Limits(buffer_bytes=64 * 1024)
    with hostile_and_other_client(loop_factory, limits) as (served, backend, other, hostile):
        hostile.handshake()
        connection_id = backend.connected()["connectionId"]
        pings = frame(Opcode.PING, b"x" * 125) * 50_000  # more than the sockets' buffers hold
        sender = threading.Thread(target=send_all, args=(hostile, pings))
        sender.start()
        ends_at = time.monotonic() + WITHIN_S
        while (buffered := buffered_bytes(served, connection_id)) <= limits.buffer_bytes:
            assert time.monotonic() < ends_at
        other.is_served()

        # One read may return more than the limit; no other read follows.
        assert buffered_bytes(served, connection_id) == buffered
        assert buffered < limits.buffer_bytes + 2 * 256 * 1024
        # Once the client reads, the server reads again.
        for _ in range(50_000):
            assert hostile.receive().opcode is Opcode.PONG
        sender.join(WITHIN_S)


def buffered_bytes(served: Served, connection_id: str) -> int:
    found: int = served.call(lambda: served.gateway.buffered_bytes(connection_id))
    return found


def test_posts_to_a_client_that_does_not_read_are_refused(
    loop_factory: LoopFactory,
) -> None:
    limits = Limits(buffer_bytes=256 * 1024, posts_per_second=1e9, posts_burst=1e9)
    with hostile_and_other_client(loop_factory, limits) as (served, backend, other, hostile):
        hostile.handshake()
        connection_id = backend.connected()["connectionId"]
        taken = fill(served, connection_id, b"x" * 30_000)
        other.is_served()
        with pytest.raises(LimitExceededError):
            post(served, connection_id, b"x" * 30_000)

        # The accepted posts arrive; then there is room again.
        for _ in range(taken):
            assert len(hostile.receive().data) == 30_000
        post(served, connection_id, b"after")
        assert bytes(hostile.receive().data) == b"after"


def test_post_to_a_client_that_does_not_read_is_a_429(loop_factory: LoopFactory) -> None:
    from .test_connections_api import call_http  # noqa: PLC0415

    limits = Limits(buffer_bytes=1_000)
    with hostile_and_other_client(loop_factory, limits) as (served, backend, other, hostile):
        hostile.handshake()
        path = f"/dev/@connections/{quote(backend.connected()['connectionId'])}"

        status, headers, _ = call_http(served, "POST", path, b"x" * 1_001)

        assert (status, headers["x-amzn-errortype"]) == (429, "LimitExceededException")
        assert other.connection_id not in path


def test_half_closed_client_that_does_not_read_is_aborted(loop_factory: LoopFactory) -> None:
    import socket  # noqa: PLC0415

    limits = Limits(closing_ms=100)
    with hostile_and_other_client(loop_factory, limits) as (served, backend, _, hostile):
        hostile.handshake()
        connection_id = backend.connected()["connectionId"]
        fill(served, connection_id, b"x" * 100_000)
        hostile.socket.shutdown(socket.SHUT_WR)

        assert backend.disconnected() == (1006, "")
        assert hostile.is_cut()


def test_reading_resumes_once_messages_are_answered(
    loop_factory: LoopFactory,
) -> None:
    release = threading.Event()

    def wait(event: Event) -> None:
        release.wait(WITHIN_S)

    backend = Backend(message=wait)
    with (
        serving(
            backend.routes, limits=Limits(unanswered_messages=4), loop_factory=loop_factory
        ) as served,
        RawClient(served.port) as client,
    ):
        client.handshake()
        for number in range(4):
            client.send(Opcode.TEXT, str(number).encode())
        started = [backend.message() for _ in range(4)]
        client.send(Opcode.TEXT, b"4")
        client.send(Opcode.PING, b"")
        served.connection_count()
        assert backend.messages.empty()
        release.set()

        assert client.receive().opcode is Opcode.PONG
        started.append(backend.message())
        assert {event["body"] for event in started} == {"0", "1", "2", "3", "4"}
        assert len({context_of(event)["connectionId"] for event in started}) == 1


def test_every_message_of_a_burst_is_handled(loop_factory: LoopFactory) -> None:
    release = threading.Event()
    limits = Limits(unanswered_messages=20)
    many = 2_000

    def wait(event: Event) -> None:
        release.wait(WITHIN_S)

    backend = Backend(message=wait)
    with (
        serving(backend.routes, limits=limits, loop_factory=loop_factory) as served,
        RawClient(served.port) as client,
    ):
        # Sent with the handshake, so that a part is read before the connection is open.
        burst = b"".join(frame(Opcode.TEXT, str(number).encode()) for number in range(many))
        client.handshake(then=burst)
        started = [backend.message() for _ in range(limits.concurrent_messages)]
        assert backend.messages.empty()
        release.set()
        started += [backend.message() for _ in range(many - len(started))]

    assert {event["body"] for event in started} == {str(number) for number in range(many)}


@pytest.mark.parametrize("half", [b"GET /dev HTTP/1.1\r\nHost: t\r\n", b"GET"])
def test_incomplete_handshake_delays_no_other_client(half: bytes) -> None:
    with hostile_and_other_client() as (served, _, other, hostile):
        hostile.socket.sendall(half)
        other.is_served()
        assert served.connection_count() == 1
