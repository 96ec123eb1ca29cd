"""A host is reached in time, or not at all, whatever its name leads to."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event
from typing import Any

import pytest

from chalicelib.store.reach import reached
from tests.servers import HOST, free_port

ELSEWHERE = "127.0.0.2"
WITHIN_S = 0.4


def leads_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Have ``store.example`` be the name of these."""
    asked = socket.getaddrinfo

    def answer(host: str, *how: Any, **options: Any) -> Any:
        if host != "store.example":
            return asked(host, *how, **options)
        if options.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "not an address")
        return [found for one in addresses for found in asked(one, *how, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@contextmanager
def silent(port: int) -> Iterator[None]:
    """Elsewhere nobody answers a SYN: the queue of those to be accepted is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((ELSEWHERE, port))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect((ELSEWHERE, port))
        yield


def test_an_address_that_is_silent_leaves_time_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leads_to(monkeypatch, ELSEWHERE, HOST)
    with socket.create_server((HOST, 0)) as server, silent(server.getsockname()[1]):
        begun = time.monotonic()
        with reached("store.example", server.getsockname()[1], WITHIN_S) as connection:
            assert connection.getpeername()[0] == HOST
        assert WITHIN_S / 2 <= time.monotonic() - begun < WITHIN_S


def test_many_silent_addresses_take_no_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    leads_to(monkeypatch, *[ELSEWHERE] * 8)
    port = free_port()
    with silent(port):
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            reached("store.example", port, WITHIN_S)
        assert time.monotonic() - begun < 2 * WITHIN_S


def test_an_address_that_refuses_is_passed_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    leads_to(monkeypatch, "::1", ELSEWHERE, HOST)
    with (
        socket.create_server((HOST, 0)) as server,
        reached("store.example", server.getsockname()[1], WITHIN_S) as connection,
    ):
        assert connection.getpeername()[0] == HOST


def test_a_name_server_that_is_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    over = Event()

    def wait(host: str, port: int, **options: Any) -> Any:
        if options.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "not an address")
        assert over.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    try:
        begun = time.monotonic()
        with pytest.raises(TimeoutError, match="no name server answers"):
            reached("store.example", 6379, WITHIN_S)
        assert time.monotonic() - begun < 2 * WITHIN_S
    finally:
        over.set()
