"""Both ways to wait for sockets, and what libcurl does to them in between."""

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


def test_what_can_be_read_or_written_is_reported_as_asked(poller: Poller, pair: Pair) -> None:
    near, far = pair
    poller.register(near.fileno(), READ)
    assert poller.wait(0) == []

    poller.register(near.fileno(), WRITE)
    assert poller.wait(10) == [(near.fileno(), WRITE)]

    far.send(b"1")
    poller.register(near.fileno(), READ)
    assert poller.wait(10) == [(near.fileno(), READ)]
    poller.register(near.fileno(), BOTH)
    assert poller.wait(10) == [(near.fileno(), BOTH)]


def test_what_is_forgotten_is_reported_no_more_and_may_be_watched_again(
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
        assert poller.wait(10) == [(near.fileno(), READ)]
        near.recv(1)


def test_an_idle_connection_that_is_closed_is_no_news_for_ever(poller: Poller, pair: Pair) -> None:
    near, far = pair
    poller.register(near.fileno(), READ)
    poller.unregister(near.fileno())
    far.close()

    assert [poller.wait(0.001) for _ in range(3)] == [[], [], []]
    # Otherwise each wait would return at once with nothing ready.
    poller.register(near.fileno(), READ)
    assert poller.wait(10) != []


def test_a_number_that_is_used_anew_is_another_socket(poller: Poller, pair: Pair) -> None:
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

        assert poller.wait(10) == [(number, READ)]


def test_forgetting_what_was_never_watched_is_nothing(poller: Poller, pair: Pair) -> None:
    poller.unregister(pair[0].fileno())


def test_to_wait_for_ever_is_to_wait_for_something(poller: Poller, pair: Pair) -> None:
    near, far = pair
    far.send(b"1")
    poller.register(near.fileno(), READ)

    assert poller.wait(float("inf")) == [(near.fileno(), READ)]
