"""The circuit breaker of the connection pool: which calls are refused while a server is silent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redis.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from chalicelib.store.client import PROBE_S, REFUSE_S, BreakerConnectionPool


class FakeConnection(Connection):
    """A connection that is made by calling a function, and has nothing to read."""

    def __init__(self, connect: Callable[[], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.connect = connect  # type: ignore[method-assign]

    def can_read(self, timeout: float = 0) -> bool:
        return False


class ScriptedPool(BreakerConnectionPool):
    """Its time passes when a test says so, and a connection is what ``connect`` does."""

    def __init__(self, connect: Callable[[], None]) -> None:
        super().__init__()
        self.connect = connect
        self.now_s = 100.0
        self.monotonic = lambda: self.now_s

    def make_connection(self) -> FakeConnection:
        # What it does may change after it was made.
        return FakeConnection(lambda: self.connect())  # noqa: PLW0108

    def use(self) -> None:
        self.release(self.get_connection())


def answer() -> None:
    pass


def stay_silent() -> None:
    raise RedisTimeoutError("Timeout connecting to server")


def refuse() -> None:
    raise RedisConnectionError("Connection refused")


def test_after_a_timeout_connections_are_refused_for_a_moment() -> None:
    pool = ScriptedPool(stay_silent)
    with pytest.raises(RedisTimeoutError, match="Timeout connecting to server"):
        pool.use()
    pool.connect = answer
    with pytest.raises(RedisTimeoutError, match="a moment ago"):
        pool.use()
    pool.now_s += REFUSE_S
    pool.use()
    pool.use()


def test_one_thread_probes_a_silent_server_while_the_others_are_refused() -> None:
    pool = ScriptedPool(stay_silent)
    with pytest.raises(RedisTimeoutError):
        pool.use()
    refused = []

    def let_another_thread_try() -> None:
        pool.connect = answer
        pool.now_s += PROBE_S * 0.9
        with pytest.raises(RedisTimeoutError, match="a moment ago") as error:
            pool.use()
        refused.append(error)

    pool.now_s += REFUSE_S
    pool.connect = let_another_thread_try
    pool.use()
    assert refused


def test_refusing_server_is_tried_every_time() -> None:
    pool = ScriptedPool(refuse)
    with pytest.raises(RedisConnectionError, match="refused"):
        pool.use()
    pool.connect = answer
    pool.use()
