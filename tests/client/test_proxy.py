"""Proxies and addresses that can't be used, reached or trusted: reported for what they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from socket import AF_INET, SOCK_STREAM, socket
from socketserver import StreamRequestHandler, TCPServer
from threading import Thread
from typing import Any

import pytest
from websockets.asyncio.server import serve

from tests.servers import Certificate
from tests.waiting import HUNG_AFTER_S
from tickless import SessionClient
from tickless.environment import ConnectionFailed, ProxySource, open_socket
from tickless.session_protocol import ClientTimeouts
from tickless.wire_types import Message

URL = "ws://tickless.test/dev"
QUICK = ClientTimeouts(initial_backoff_ms=1, max_backoff_ms=1)


@pytest.fixture(autouse=True)
def no_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ws", "wss", "http", "https", "socks", "all", "no"):
        for variable in (f"{name}_proxy", f"{name}_proxy".upper()):
            monkeypatch.delenv(variable, raising=False)


async def refusals(count: int, client: SessionClient, errors: list[Message]) -> None:
    """Wait for several attempts, and close the client, which raises nothing."""
    async with asyncio.timeout(HUNG_AFTER_S):
        client.connect()
        await client.wait_until(lambda _: len(errors) >= count)
        assert client.connection == "connecting"
        await client.close()
    assert client.is_closed


@pytest.mark.parametrize(
    ("variable", "address", "reason"),
    [
        ("http_proxy", "odd", "scheme  isn't supported"),
        ("http_proxy", "ftp://proxy.test:3128", "scheme ftp isn't supported"),
        ("https_proxy", "http://secret@proxy.test", "username provided without password"),
        ("http_proxy", "http://proxy.test:port", "host or port is invalid"),
        ("http_proxy", "http://user:secret/@proxy.test:3128", "path is meaningless"),
        ("http_proxy", f"http://{'a' * 70}.test", "host or port is invalid"),
        ("socks_proxy", "socks5h://127.0.0.1:1080", "requires python-socks"),
    ],
)
async def test_proxy_of_the_environment_that_cannot_be_used_is_reported_and_retried(
    variable: str, address: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, address)
    errors: list[Message] = []
    client = SessionClient(URL, "s", on_error=errors.append, timeouts=QUICK)
    await refusals(3, client, errors)

    assert {one["code"] for one in errors} == {"PROXY_FAILED"}
    assert reason in errors[0]["message"]
    assert "secret" not in errors[0]["message"]


async def test_client_recovers_when_the_environment_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "odd")
    errors: list[Message] = []
    async with SessionClient(URL, "s", on_error=errors.append, timeouts=QUICK) as client:
        await client.wait_until(lambda _: errors)
        monkeypatch.setenv("http_proxy", "socks5h://127.0.0.1:1080")
        await client.wait_until(lambda _: "python-socks" in errors[-1]["message"])


@pytest.mark.parametrize(
    "proxy",
    [
        "",
        "odd",
        "ftp://proxy.test",
        "http://",
        "http://proxy.test:port",
        "http://proxy.test:0",
        "http://proxy.test:99999",
        "http://proxy.test/path",
        f"http://{'a' * 70}.test",
    ],
)
async def test_connect_refuses_a_proxy_that_is_no_address(proxy: str) -> None:
    client = SessionClient(URL, "s", proxy=proxy)
    with pytest.raises(ValueError, match="proxy must be"):
        client.connect()
    assert client.connection == "closed"


@pytest.mark.parametrize("proxy", [5, 1, 0, False, b"http://proxy.test", object()])
async def test_connect_refuses_a_proxy_of_another_type(proxy: Any) -> None:
    client = SessionClient(URL, "s", proxy=proxy)
    with pytest.raises(TypeError, match="proxy must be an address, True or None, got"):
        client.connect()
    await client.close()
    assert client.connection == "closed"


@contextmanager
def http_proxy(requests: list[bytes]) -> Iterator[int]:
    """The port of an HTTP proxy that refuses everything."""

    class Refuse(StreamRequestHandler):
        def handle(self) -> None:
            requests.append(self.rfile.readline())
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

    with TCPServer(("127.0.0.1", 0), Refuse) as server:
        serving = Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            serving.join()


def test_proxy_is_used_and_its_refusal_is_reported() -> None:
    async def connect() -> None:
        requests: list[bytes] = []
        errors: list[Message] = []
        with http_proxy(requests) as port:
            address = f"http://127.0.0.1:{port}"
            client = SessionClient(URL, "s", proxy=address, on_error=errors.append, timeouts=QUICK)
            await refusals(2, client, errors)
        assert requests[0] == b"CONNECT tickless.test:80 HTTP/1.1\r\n"
        assert errors[0]["code"] == "PROXY_FAILED"
        assert "407" in errors[0]["message"]

    # Not on virtual time, which does not wait for a network.
    asyncio.run(connect())


def unused_port() -> int:
    with socket(AF_INET, SOCK_STREAM) as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.mark.parametrize("is_of_the_environment", [True, False])
def test_proxy_that_cannot_be_reached_is_reported_once_per_attempt(
    is_of_the_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{unused_port()}"
    if is_of_the_environment:
        monkeypatch.setenv("http_proxy", address)

    async def connect() -> None:
        errors: list[Message] = []
        proxy: ProxySource = True if is_of_the_environment else address
        client = SessionClient(URL, "s", proxy=proxy, on_error=errors.append, timeouts=QUICK)
        await refusals(3, client, errors)
        assert {one["code"] for one in errors} == {"PROXY_FAILED"}
        assert "The connection through the proxy failed: " in errors[0]["message"]
        assert "Connect call failed" in errors[0]["message"]

    asyncio.run(connect())


def test_proxy_that_never_answers_is_reported() -> None:
    async def connect() -> None:
        errors: list[Message] = []
        timeouts = replace(QUICK, open_timeout_ms=20)
        with socket(AF_INET, SOCK_STREAM) as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            address = f"http://127.0.0.1:{silent.getsockname()[1]}"
            client = SessionClient(
                URL, "s", proxy=address, on_error=errors.append, timeouts=timeouts
            )
            await refusals(2, client, errors)
        assert {one["code"] for one in errors} == {"PROXY_FAILED"}
        assert "longer than 20 ms" in errors[0]["message"]

    asyncio.run(connect())


def test_certificate_that_is_not_trusted_is_reported_as_that(certificate: Certificate) -> None:
    untrusted = certificate.server_context()

    async def connect() -> None:
        errors: list[Message] = []
        async with serve(lambda _: asyncio.sleep(0), "127.0.0.1", 0, ssl=untrusted) as server:
            port = server.sockets[0].getsockname()[1]
            client = SessionClient(
                f"wss://127.0.0.1:{port}/dev",
                "s",
                proxy=None,
                on_error=errors.append,
                timeouts=QUICK,
            )
            await refusals(3, client, errors)
        assert {one["code"] for one in errors} == {"CONNECTION_FAILED"}
        assert "certificate verify failed" in errors[0]["message"]
        assert "proxy" not in errors[0]["message"]

    asyncio.run(connect())


def test_server_that_cannot_be_reached_without_a_proxy_is_not_to_be_reported() -> None:
    async def connect() -> None:
        with pytest.raises(ConnectionFailed, match="Connect call failed") as raised:
            await open_socket(f"ws://127.0.0.1:{unused_port()}/dev", (), proxy=None)
        assert raised.value.code is None

    asyncio.run(connect())


@pytest.mark.parametrize(
    "url",
    [
        "ws://127.0.0.1:99999/dev",
        "ws://127.0.0.1:abc/dev",
        "ws://127.0.0.1:0/dev",
        "ws://[::1/dev",
        f"ws://{'a' * 70}.test/dev",
        "ws://a..b/dev",
        "ws://host/dev#part",
        "ws://user@host/dev",
        5,
        None,
    ],
)
async def test_address_that_is_invalid_is_refused_at_once_and_reported_later(url: Any) -> None:
    client = SessionClient(url, "s")
    with pytest.raises(ValueError, match="url must be a ws:// or wss:// address"):
        client.connect()
    assert client.connection == "closed"

    # A function's later addresses are not known at once.
    urls = [URL]
    errors: list[Message] = []
    client = SessionClient(
        lambda: urls.pop() if urls else url, "s", on_error=errors.append, timeouts=QUICK
    )
    await refusals(3, client, errors)
    assert {one["code"] for one in errors} == {"URL_FAILED"}
    assert "url must be" in errors[0]["message"]


def test_without_a_proxy_that_of_the_environment_is_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def connect() -> None:
        errors: list[Message] = []
        requests: list[bytes] = []
        with http_proxy(requests) as port:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
            # No server is there, but no proxy is asked.
            client = SessionClient(
                f"ws://127.0.0.1:{port}/dev",
                "s",
                proxy=None,
                on_error=errors.append,
                timeouts=QUICK,
            )
            async with client:
                async with asyncio.timeout(HUNG_AFTER_S):
                    while not requests:
                        await asyncio.sleep(0.01)
        assert requests[0].startswith(b"GET /dev?sessionId=s ")
        assert errors == []

    asyncio.run(connect())
