"""The Redis client: matching replies, routing commands, and TLS as the URL configures it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest
import redis
from redis.exceptions import NoScriptError, ResponseError

from chalicelib.ports import StoreUnavailable
from chalicelib.settings import Settings
from chalicelib.store.client import RedisClient
from chalicelib.store.keys import shard_tag
from tests.servers import HOST, Certificate, Cluster, Proxy, RedisProcess, proxy_to, self_signed
from tests.waiting import HUNG_AFTER_S

HELLO = b"%1\r\n+proto\r\n:3\r\n"

Serve = Callable[[socket.socket], None]


@contextmanager
def client_of(url: str, *, cluster: bool = False) -> Iterator[RedisClient]:
    client = RedisClient(Settings(redis_url=url, redis_cluster=cluster))
    try:
        yield client
    finally:
        client.close()


@contextmanager
def scripted(*serve: Serve) -> Iterator[str]:
    """The URL of a server that does these things to its connections, to each another one."""
    with socket.create_server((HOST, 0)) as listener:

        def run() -> None:
            with suppress(OSError):
                for each in serve:
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(HUNG_AFTER_S)
                        greet(connection)
                        each(connection)

        thread = Thread(target=run, daemon=True)
        thread.start()
        try:
            yield f"redis://{HOST}:{listener.getsockname()[1]}"
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(HUNG_AFTER_S)


def greet(connection: socket.socket) -> None:
    while b"HELLO" not in connection.recv(1000):
        connection.sendall(b"+PONG\r\n")
    connection.sendall(HELLO)


def says(reply: bytes) -> Serve:
    """Hears a command, replies, and waits until the client leaves."""

    def serve(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(reply)
        while connection.recv(1000):
            pass

    return serve


def test_unrequested_reply_is_not_taken_for_the_next() -> None:
    with (
        scripted(says(b"$3\r\none\r\n$8\r\nanothers\r\n"), says(b"$3\r\ntwo\r\n")) as url,
        client_of(url) as client,
    ):
        assert client.execute("GET", "key") == b"one"
        assert client.execute("GET", "key") == b"two"


def test_late_reply_is_not_taken_for_the_next() -> None:
    asked_again = Event()

    def too_late(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(1000)
            assert asked_again.wait(HUNG_AFTER_S)
            connection.sendall(b"$4\r\nlate\r\n")

    def again(connection: socket.socket) -> None:
        connection.recv(1000)
        asked_again.set()
        connection.sendall(b"$3\r\nnow\r\n")
        connection.recv(1000)

    # One connection after another is served, so the first has to be let go.
    def leave(connection: socket.socket) -> None:
        Thread(target=too_late, args=(connection.dup(),), daemon=True).start()

    with scripted(leave, again) as url, client_of(url) as client:
        assert client.execute("GET", "key") == b"now"


@pytest.mark.parametrize("reply", [b"", b"$5\r\nhe"], ids=["nothing", "half a reply"])
def test_server_that_does_not_reply_in_time_is_unavailable(reply: bytes) -> None:
    with (
        scripted(says(reply), says(reply)) as url,
        client_of(url) as client,
        pytest.raises(StoreUnavailable, match="Timeout reading"),
    ):
        client.execute("GET", "key")


def test_only_unknown_script_errors_are_returned_as_replies(any_server: RedisProcess) -> None:
    with client_of(any_server.url) as client:
        one, unknown, two = client.pipeline([("ECHO", "1"), ("EVALSHA", "x", 0), ("ECHO", 2)])
        assert (one, two) == (b"1", b"2")
        assert isinstance(unknown, NoScriptError)
        with pytest.raises(ResponseError, match="not an integer"):
            client.pipeline([("ECHO", "1"), ("INCRBY", "key", "x")])
        assert client.pipeline([]) == []


def test_database_of_the_url_is_used(any_server: RedisProcess) -> None:
    url = f"redis://{HOST}:{any_server.port}/3"
    with client_of(url) as client, redis.Redis(port=any_server.port, db=3) as other:
        client.execute("SET", "test:database", "here", "PX", 10_000)
        assert other.get("test:database") == b"here"


@pytest.mark.cluster
def test_scan_covers_all_shards_of_a_cluster(valkey_cluster: Cluster) -> None:
    keys = [f"deadlines:{shard_tag(shard)}:test" for shard in range(16)]
    values = [str(number).encode() for number in range(16)]
    with client_of(valkey_cluster.url, cluster=True) as client:
        sets = [("SET", key, value, "PX", 10_000) for key, value in zip(keys, values, strict=True)]
        assert client.pipeline([*sets]) == [True] * 16
        assert client.pipeline([("GET", key) for key in keys]) == values
        assert set(client.scan("deadlines:*:test", 5)) >= {key.encode() for key in keys}
        with pytest.raises(ResponseError, match="not an integer"):
            client.pipeline([("INCRBY", key, "x") for key in keys])


@pytest.mark.cluster
def test_keyless_command_succeeds_while_any_node_answers(own_cluster: Cluster) -> None:
    with client_of(own_cluster.url, cluster=True) as client:
        client.execute_keyless("PING")
        for node in own_cluster.nodes[1:]:
            node.kill()
        for _ in range(10):
            assert client.execute_keyless("PING")


@pytest.fixture
def tls(valkey: RedisProcess, certificate: Certificate) -> Iterator[Proxy]:
    with proxy_to(valkey.port, certificate.server_context()) as between:
        yield between


def test_certificate_must_match_the_host_of_the_url(tls: Proxy, certificate: Certificate) -> None:
    trusted = f"rediss://localhost:{tls.port}?ssl_ca_certs={certificate.path}"
    with client_of(trusted) as client, pytest.raises(StoreUnavailable, match="not valid for"):
        client.execute("PING")
    with client_of(f"{trusted}&ssl_check_hostname=false") as client:
        assert client.execute("ECHO", "here") == b"here"


def test_certificate_is_verified_unless_the_url_asks_for_none(tls: Proxy) -> None:
    with client_of(tls.url) as client, pytest.raises(StoreUnavailable, match="VERIFY_FAILED"):
        client.execute("PING")
    with client_of(f"{tls.url}?ssl_cert_reqs=none") as client:
        assert client.execute("ECHO", "here") == b"here"


def test_client_certificate_is_sent(
    valkey: RedisProcess, certificate: Certificate, tmp_path: Path
) -> None:
    ours = self_signed(tmp_path)
    context = certificate.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ours.path)
    with proxy_to(valkey.port, context) as tls:
        trusted = f"{tls.url}?ssl_ca_certs={certificate.path}"
        with client_of(f"{trusted}&ssl_certfile={ours.path}&ssl_keyfile={ours.path}") as us:
            assert us.execute("ECHO", "here") == b"here"
        with client_of(trusted) as client, pytest.raises(StoreUnavailable):
            client.execute("PING")


def test_missing_certificate_file_is_named(tls: Proxy) -> None:
    url = f"{tls.url}?ssl_ca_certs=/nowhere.pem"
    with client_of(url) as client, pytest.raises(StoreUnavailable, match="No such file"):
        client.execute("PING")
