"""Both socket pollers, and what libcurl does to sockets between polls."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from chalicelib.broadcast.connections_api.poller import (
    BOTH,
    READ,
    WRITE,
    Poller,
    SelectorPoller,
    new_poller,
)
from tests.waiting import HUNG_AFTER_S

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=[new_poller, SelectorPoller], ids=["of this system", "of any"])
def poller(request: pytest.FixtureRequest) -> Iterator[Poller]:
    new: Callable[[], Poller] = request.param
    opened = new()
    yield opened
    opened.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_readable_and_writable_sockets_are_reported_as_asked(poller: Poller, pair: Pair) -> None:
    near, far = pair
    poller.register(near.fileno(), READ)
    assert poller.wait(0) == []

    poller.register(near.fileno(), WRITE)
    assert poller.wait(HUNG_AFTER_S) == [(near.fileno(), WRITE)]

    far.send(b"1")
    poller.register(near.fileno(), READ)
    assert poller.wait(HUNG_AFTER_S) == [(near.fileno(), READ)]
    poller.register(near.fileno(), BOTH)
    assert poller.wait(HUNG_AFTER_S) == [(near.fileno(), BOTH)]


def test_unregistered_socket_is_not_reported_and_can_be_registered_again(
    poller: Poller, pair: Pair
) -> None:
    near, far = pair
    for _ in range(3):
        poller.register(near.fileno(), READ)
        poller.unregister(near.fileno())
        far.send(b"1")
        assert poller.wait(0) == []
        assert poller.wait(0) == []

        poller.register(near.fileno(), READ)
        assert poller.wait(HUNG_AFTER_S) == [(near.fileno(), READ)]
        near.recv(1)


def test_closed_idle_socket_is_not_reported_forever(poller: Poller, pair: Pair) -> None:
    near, far = pair
    poller.register(near.fileno(), READ)
    poller.unregister(near.fileno())
    far.close()

    assert [poller.wait(0.001) for _ in range(3)] == [[], [], []]
    # Otherwise each wait would return at once with nothing ready.
    poller.register(near.fileno(), READ)
    assert poller.wait(HUNG_AFTER_S) != []


def test_reused_descriptor_is_another_socket(poller: Poller, pair: Pair) -> None:
    near, _ = pair
    poller.register(near.fileno(), READ)
    poller.unregister(near.fileno())
    number = near.fileno()
    near.close()
    # The lowest free number is the one that has just become free.
    successor, its_peer = socket.socketpair()
    with successor, its_peer:
        assert number in (successor.fileno(), its_peer.fileno())
        its_peer.send(b"1")
        successor.send(b"1")
        poller.register(number, READ)

        assert poller.wait(HUNG_AFTER_S) == [(number, READ)]


def test_unregistering_an_unknown_socket_does_nothing(poller: Poller, pair: Pair) -> None:
    poller.unregister(pair[0].fileno())


def test_wait_without_timeout_ends_with_an_event(poller: Poller, pair: Pair) -> None:
    near, far = pair
    far.send(b"1")
    poller.register(near.fileno(), READ)

    assert poller.wait(float("inf")) == [(near.fileno(), READ)]
