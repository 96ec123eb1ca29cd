"""Fixtures: servers shared by a whole run, and servers of a single test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chalicelib.settings import Settings
from chalicelib.store.client import RedisClient
from chalicelib.store.deadline_index import RedisDeadlines
from chalicelib.store.session_store import RedisStore

from .servers import (
    Certificate,
    Cluster,
    Proxy,
    RedisProcess,
    proxy_to,
    redis7_binary,
    running,
    running_cluster,
    self_signed,
    valkey_binary,
)
from .waiting import HUNG_AFTER_S, Bound

OpenStore = Callable[..., RedisStore]
OpenDeadlines = Callable[..., RedisDeadlines]


@pytest.fixture(
    params=[
        pytest.param(False, id="eventually"),
        pytest.param(True, id="in-time", marks=pytest.mark.timing),
    ]
)
def bound(request: pytest.FixtureRequest) -> Bound:
    """A test of a promised time runs twice: with the exact bound as one marked ``timing``,
    and without that mark, where the machine may be busy and only a hang takes too long.
    """
    is_exact: bool = request.param
    return lambda seconds: seconds if is_exact else max(seconds, HUNG_AFTER_S)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """Valkey 9, shared: use session ids of your own, and leave it running."""
    with running(valkey_binary(), tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def redis7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """Redis 7, shared in the same way."""
    binary = redis7_binary()
    if binary is None:
        pytest.skip("there is no redis-server on PATH")
    with running(binary, tmp_path_factory.mktemp("redis7")) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of three, shared in the same way."""
    with running_cluster(valkey_binary(), tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(params=["valkey", "redis7"])
def any_server(request: pytest.FixtureRequest) -> RedisProcess:
    """Each kind of server in turn, shared."""
    server: RedisProcess = request.getfixturevalue(request.param)
    return server


ON_A_CLUSTER = pytest.param("valkey_cluster", marks=pytest.mark.cluster)


@pytest.fixture(params=["valkey", "redis7", ON_A_CLUSTER])
def anywhere(request: pytest.FixtureRequest) -> RedisProcess | Cluster:
    """Each kind of server in turn, and a cluster, shared."""
    place: RedisProcess | Cluster = request.getfixturevalue(request.param)
    return place


@pytest.fixture(params=["valkey", "redis7"])
def own_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisProcess]:
    """Each kind of server in turn, for one test to do with as it likes."""
    binary = valkey_binary() if request.param == "valkey" else redis7_binary()
    if binary is None:
        pytest.skip("there is no redis-server on PATH")
    with running(binary, tmp_path / request.param) as server:
        yield server


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[RedisProcess]:
    with running(valkey_binary(), tmp_path / "valkey") as server:
        yield server


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(valkey_binary(), tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture
def proxy(valkey: RedisProcess) -> Iterator[Proxy]:
    """A network with faults, in front of the shared Valkey."""
    with proxy_to(valkey.port) as between:
        yield between


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def open_server() -> Iterator[Callable[[str, bool], RedisClient]]:
    """``open_server(url, is_cluster)``: a client as the application connects it."""
    with ExitStack() as stack:

        def opened(url: str, is_cluster: bool) -> RedisClient:
            server = RedisClient(Settings(redis_url=url, redis_cluster=is_cluster))
            stack.callback(server.close)
            return server

        yield opened


@pytest.fixture
def open_store(open_server: Callable[[str, bool], RedisClient]) -> OpenStore:
    """``open_store(url, cluster=False)``: a RedisStore as the application builds it."""
    return lambda url, *, cluster=False, shards=16: RedisStore(open_server(url, cluster), shards)


@pytest.fixture
def open_deadlines(open_server: Callable[[str, bool], RedisClient]) -> OpenDeadlines:
    """``open_deadlines(url, cluster=False)``: a RedisDeadlines as the application builds it."""
    return lambda url, *, cluster=False: RedisDeadlines(open_server(url, cluster), 16)
