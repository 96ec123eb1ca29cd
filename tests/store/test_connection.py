"""One connection: what goes out, what comes in, and what is said when nothing does."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.redis_url import RedisAddress, Tls, read_redis_url
from chalicelib.store import connection as module
from chalicelib.store.connection import (
    Connection,
    ErrorReply,
    TimedOut,
    TurnedAway,
    Unanswered,
)
from tests.servers import (
    HOST,
    Certificate,
    Proxy,
    RedisProcess,
    proxy_to,
    self_signed,
)

HELLO = b"%1\r\n+server\r\n+redis\r\n"
WITHIN_S = 1.0


@contextmanager
def opened(address: RedisAddress, within_s: float = WITHIN_S) -> Iterator[Connection]:
    connection = Connection(address, within_s)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def scripted(serve: Callable[[socket.socket], None]) -> Iterator[RedisAddress]:
    """A server that does to the one who calls, once, what it is told to."""
    with socket.create_server((HOST, 0)) as listener:

        def run() -> None:
            with suppress(OSError):
                client, _ = listener.accept()
                with client:
                    client.settimeout(10)
                    serve(client)

        thread = Thread(target=run, daemon=True)
        thread.start()
        try:
            yield RedisAddress(HOST, listener.getsockname()[1])
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def says(*packets: bytes) -> Callable[[socket.socket], None]:
    """Greets, hears one thing, and sends these one after another."""

    def serve(client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.recv(1000)
        client.sendall(HELLO)
        client.recv(1000)
        for packet in packets:
            client.sendall(packet)
        client.recv(1000)

    return serve


@given(st.lists(st.binary() | st.text(st.characters(codec="utf-8"))))
def test_whatever_is_sent_arrives_as_it_was(valkey: RedisProcess, words: list[Any]) -> None:
    with opened(read_redis_url(valkey.url)) as connection:
        expected = [word if isinstance(word, bytes) else word.encode() for word in words]
        assert connection.exchange([("ECHO", word) for word in words]) == expected


def test_any_number_of_commands_goes_out_at_once(any_server: RedisProcess) -> None:
    with opened(read_redis_url(any_server.url)) as connection:
        long = b"x" * 4_000
        assert connection.exchange([("ECHO", long)] * 2_000) == [long] * 2_000


def test_what_a_server_says_no_to_stands_among_the_answers(any_server: RedisProcess) -> None:
    with opened(read_redis_url(any_server.url)) as connection:
        first, no, last = connection.exchange([("PING",), ("EVALSHA", "x", 0), ("ECHO", 7)])
        assert (first, last) == (b"PONG", b"7")
        assert isinstance(no, ErrorReply)
        assert no.code == "NOSCRIPT"


def test_the_database_of_the_address_is_used(any_server: RedisProcess) -> None:
    elsewhere = replace(read_redis_url(any_server.url), database=3)
    with opened(elsewhere) as connection, redis.Redis(port=any_server.port, db=3) as other:
        connection.exchange([("SET", "test:database", "here", "PX", 10_000)])
        assert other.get("test:database") == b"here"


def test_a_database_that_there_is_not_lets_nobody_in(any_server: RedisProcess) -> None:
    nowhere = replace(read_redis_url(any_server.url), database=5_000)
    with opened(nowhere) as connection, pytest.raises(TurnedAway, match="out of range"):
        connection.exchange([("PING",)])


def test_an_answer_may_come_in_pieces() -> None:
    pieces = [b"$", b"5\r\nhe", b"llo\r", b"\n"]
    with scripted(says(*pieces)) as address, opened(address) as connection:
        assert connection.exchange([("GET", "key")]) == [b"hello"]


def test_what_came_before_the_time_was_over_is_not_lost() -> None:
    has_given_up = Event()

    def pause(client: socket.socket) -> None:
        client.recv(1000)
        client.sendall(HELLO + b">4\r\n+pmessage\r\n$7\r\nupda")
        assert has_given_up.wait(5)
        client.sendall(b"tes\r\n+updates\r\n+one\r\n")
        client.recv(1000)

    with scripted(pause) as address, opened(address) as connection:
        connection.open()
        with pytest.raises(TimedOut):
            connection.receive(0.05)
        has_given_up.set()
        assert connection.receive(WITHIN_S) == [b"pmessage", b"updates", b"updates", b"one"]


def test_who_does_not_speak_resp3_is_named() -> None:
    def refuse(client: socket.socket) -> None:
        client.recv(1000)
        client.sendall(b"-ERR unknown command 'HELLO'\r\n")
        client.recv(1000)

    with (
        scripted(refuse) as address,
        opened(address) as connection,
        pytest.raises(TurnedAway, match="unknown command 'HELLO'"),
    ):
        connection.exchange([("PING",)])


def test_to_let_somebody_in_takes_no_longer_than_to_answer() -> None:
    """However much of it there is: a name, a connection, TLS and a login."""

    def drip(client: socket.socket) -> None:
        client.recv(1000)
        for byte in HELLO:
            client.sendall(bytes([byte]))
            client.settimeout(0.1)
            with suppress(TimeoutError):
                client.recv(1000)
                return

    with scripted(drip) as address, opened(address, within_s=0.3) as connection:
        begun = time.monotonic()
        with pytest.raises(TimedOut, match="is silent"):
            connection.open()
        assert time.monotonic() - begun < 1


def test_what_nobody_asked_for_is_no_answer() -> None:
    pushed = b">2\r\n+invalidate\r\n+key\r\n+OK\r\n"
    with scripted(says(pushed)) as address, opened(address) as connection:
        assert connection.exchange([("SET", "key", 1)]) == [b"OK"]


@pytest.mark.parametrize(
    ("packet", "error", "complaint"),
    [
        (b"", TimedOut, "is silent"),
        (b"$5\r\nhe", TimedOut, "is silent"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Unanswered, "is no Redis: .*Protocol error"),
    ],
    ids=["nothing", "half an answer", "nonsense"],
)
def test_who_does_not_answer_is_named(
    packet: bytes, error: type[Unanswered], complaint: str
) -> None:
    with (
        scripted(says(packet)) as address,
        opened(address, within_s=0.2) as connection,
        pytest.raises(error, match=f"{HOST}:{address.port} {complaint}"),
    ):
        connection.exchange([("GET", "key")])


def test_a_connection_that_is_closed_in_an_answer_is_lost() -> None:
    def leave(client: socket.socket) -> None:
        client.recv(1000)
        client.sendall(HELLO)
        client.recv(1000)
        client.sendall(b"$5\r\nhe")

    with (
        scripted(leave) as address,
        opened(address) as connection,
        pytest.raises(Unanswered, match="closed the connection"),
    ):
        connection.exchange([("GET", "key")])


def test_an_answer_that_comes_drop_by_drop_is_given_up_like_none() -> None:
    def drip(client: socket.socket) -> None:
        client.recv(1000)
        client.sendall(HELLO)
        client.recv(1000)
        client.sendall(b"$1000\r\n")
        while True:
            client.sendall(b"x")
            client.settimeout(0.05)
            with suppress(TimeoutError):
                client.recv(1000)
                return

    with scripted(drip) as address, opened(address, within_s=0.2) as connection:
        connection.open()
        begun = time.monotonic()
        with pytest.raises(TimedOut, match="is silent"):
            connection.exchange([("GET", "key")])
        assert time.monotonic() - begun < 1


def test_what_nobody_had_asked_for_is_not_taken_for_the_next_answer() -> None:
    with scripted(says(b"+OK\r\n+another's\r\n")) as address, opened(address) as connection:
        assert connection.exchange([("SET", "key", 1)]) == [b"OK"]
        with pytest.raises(Unanswered, match="nobody has asked for"):
            connection.exchange([("GET", "key")])


def test_a_connection_that_was_closed_meanwhile_is_sent_nothing() -> None:
    heard: list[bytes] = []

    def leave(client: socket.socket) -> None:
        client.recv(1000)
        client.sendall(HELLO)
        client.recv(1000)
        client.sendall(b"+OK\r\n")
        client.shutdown(socket.SHUT_WR)
        has_left.set()
        heard.append(client.recv(1000))

    has_left = Event()
    with scripted(leave) as address, opened(address) as connection:
        assert connection.exchange([("SET", "key", 1)]) == [b"OK"]
        assert has_left.wait(5)
        with pytest.raises(Unanswered, match="has closed the connection"):
            connection.exchange([("GET", "key")])
    assert heard == [b""]


@pytest.mark.parametrize("host", ["nowhere.invalid", f"{'a' * 64}.example", "a..b"])
def test_a_host_that_there_is_not_is_named(host: str) -> None:
    with opened(RedisAddress(host)) as connection, pytest.raises(Unanswered, match=host):
        connection.exchange([("PING",)])


def test_nobody_hears_over_a_connection_that_was_never_opened() -> None:
    with opened(RedisAddress()) as connection:
        with pytest.raises(Unanswered, match="is closed"):
            connection.receive(WITHIN_S)
        with pytest.raises(Unanswered, match="is closed"):
            connection.send([("PING",)])


def test_a_connection_that_was_long_idle_is_tried_before_it_is_used(
    valkey: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(read_redis_url(valkey.url)) as connection, valkey.admin() as admin:
        number = connection.exchange([("CLIENT", "ID")])[0]

        def commands_before_this_one() -> int:
            connection.exchange([("ECHO", "used")])
            (told,) = [one for one in admin.client_list() if int(one["id"]) == number]
            return int(told["tot-cmds"])

        before = commands_before_this_one()
        assert commands_before_this_one() - before == 1
        monkeypatch.setattr(module, "HEALTH_CHECK_AFTER_S", 0)
        assert commands_before_this_one() - before == 3


@pytest.fixture
def tls(valkey: RedisProcess, certificate: Certificate) -> Iterator[Proxy]:
    with proxy_to(valkey.port, certificate.server_context()) as between:
        yield between


def echoes_over(tls: Proxy, options: Tls, host: str = HOST) -> bool:
    with opened(RedisAddress(host, tls.port, tls=options)) as connection:
        # What TLS itself has to say, such as session tickets, comes in between.
        return [connection.exchange([("ECHO", word)]) for word in "abc"] == [[b"a"], [b"b"], [b"c"]]


def test_a_certificate_is_for_the_name_by_which_one_calls(
    tls: Proxy, certificate: Certificate
) -> None:
    trusted = Tls(ca_file=str(certificate.certificate))
    assert echoes_over(tls, trusted)
    with pytest.raises(Unanswered, match="not valid for 'localhost'"):
        echoes_over(tls, trusted, "localhost")
    assert echoes_over(tls, replace(trusted, verifies_name=False), "localhost")


def test_whoever_wants_to_believes_anybody(tls: Proxy) -> None:
    with pytest.raises(Unanswered, match="CERTIFICATE_VERIFY_FAILED"):
        echoes_over(tls, Tls())
    assert echoes_over(tls, Tls(verifies=False, verifies_name=False))


def test_a_server_may_want_a_certificate_too(
    valkey: RedisProcess, certificate: Certificate, tmp_path: Path
) -> None:
    ours = self_signed(tmp_path)
    context = certificate.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ours.certificate)
    trusted = Tls(ca_file=str(certificate.certificate))
    shown = replace(trusted, certificate_file=str(ours.certificate), key_file=str(ours.key))
    with proxy_to(valkey.port, context) as tls:
        assert echoes_over(tls, shown)
        with pytest.raises(Unanswered):
            echoes_over(tls, trusted)


def test_a_file_of_certificates_that_there_is_not_is_named(tls: Proxy) -> None:
    with pytest.raises(Unanswered, match="No such file"):
        echoes_over(tls, Tls(ca_file="/nowhere.pem"))


def test_who_speaks_no_tls_is_named(valkey: RedisProcess) -> None:
    address = RedisAddress(HOST, valkey.port, tls=Tls())
    with opened(address) as connection, pytest.raises(TimedOut, match="is silent"):
        connection.exchange([("PING",)])
