"""Proxies that don't exist, can't be used or refuse: reported and retried, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, TCPServer
from threading import Thread

import pytest

from tickless import SessionClient
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
    async with asyncio.timeout(10):
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
        ("http_proxy", "http://proxy.test:port", "Port could not be cast"),
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


@pytest.mark.parametrize("proxy", ["odd", "ftp://proxy.test", "http://", "http://proxy.test:port"])
async def test_connect_refuses_a_proxy_that_is_no_address(proxy: str) -> None:
    client = SessionClient(URL, "s", proxy=proxy)
    with pytest.raises(ValueError, match="proxy must be"):
        client.connect()
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
                async with asyncio.timeout(10):
                    while not requests:
                        await asyncio.sleep(0.01)
        assert requests[0].startswith(b"GET /dev?sessionId=s ")
        assert errors == []

    asyncio.run(connect())
