"""Workarounds for faults of redis-py's cluster client, and whether redis-py still has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.crc import key_slot
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from chalicelib.ports import StoreUnavailable
from chalicelib.settings import Settings
from chalicelib.store.client import BreakerConnectionPool, RedisClient
from chalicelib.store.cluster_client import REFUSE_S, ClusterClient, SingleAttempt
from chalicelib.store.redis_errors import ERRORS
from tests.cluster.slot_migration import between_two, joined_by_another
from tests.servers import Cluster, free_port, running, valkey_binary
from tests.waiting import HUNG_AFTER_S, Bound

KEY = "{07}:key"
SLOT = key_slot(b"07")
THREADS = 8
FAULTY, MENDED = "redis-py", "ours"

Open = Callable[[str, Cluster], RedisCluster]


class CountingPool(BreakerConnectionPool):
    """Counts how often a connection was wanted."""

    wanted = 0

    def get_connection(self) -> object:  # type: ignore[override]
        type(self).wanted += 1
        return super().get_connection()


@pytest.fixture
def opened() -> Iterator[Open]:
    """``opened(FAULTY or MENDED, cluster)``: a client that counts in CountingPool."""
    clients: list[RedisCluster] = []

    def open_client(kind: str, cluster: Cluster) -> RedisCluster:
        options: dict[str, Any] = {
            "url": cluster.url,
            "retry": Retry(NoBackoff(), 0),
            "dynamic_startup_nodes": False,
            "require_full_coverage": False,
            "connection_pool_class": CountingPool,
            "socket_timeout": 0.3,
            "socket_connect_timeout": 0.3,
        }
        client = (
            RedisCluster(**options) if kind == FAULTY else ClusterClient(SingleAttempt(), **options)
        )
        clients.append(client)
        CountingPool.wanted = 0
        return client

    yield open_client
    for client in clients:
        client.close()


@pytest.mark.cluster
def test_key_is_found_on_a_new_node(own_cluster: Cluster, opened: Open, tmp_path: Path) -> None:
    clients = {kind: opened(kind, own_cluster) for kind in (FAULTY, MENDED)}
    assert clients[MENDED].set(KEY, "value")
    with joined_by_another(own_cluster, valkey_binary(), tmp_path / "newcomer") as newcomer:
        with between_two(own_cluster, SLOT, newcomer) as move_one:
            while move_one():
                pass
            assert clients[MENDED].get(KEY) == b"value"
            # When this fails, redis-py 4015 is mended and our override can go.
            with pytest.raises(AttributeError):
                clients[FAULTY].get(KEY)
        assert clients[MENDED].get(KEY) == b"value"


@pytest.mark.cluster
def test_threads_share_one_search_for_other_nodes(own_cluster: Cluster, opened: Open) -> None:
    clients = {kind: opened(kind, own_cluster) for kind in (FAULTY, MENDED)}
    for client in clients.values():
        client.set(KEY, "value")
    for node in own_cluster.nodes:
        node.freeze()

    def connections_wanted(kind: str) -> int:
        CountingPool.wanted = 0

        def ask(_: int) -> None:
            with suppress(*ERRORS):
                clients[kind].get(KEY)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(ask, range(THREADS)))
        return CountingPool.wanted

    # Each its own, and one look at three nodes.
    assert connections_wanted(MENDED) <= THREADS + 3
    # When this fails, redis-py 4074 is mended and our override can go.
    assert connections_wanted(FAULTY) >= 2 * THREADS
    for node in own_cluster.nodes:
        node.thaw()


@pytest.mark.cluster
def test_cluster_without_slots_is_unavailable(tmp_path: Path) -> None:
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with running(valkey_binary(), tmp_path, *options) as node:
        client = RedisClient(Settings(redis_url=node.url, redis_cluster=True))
        with pytest.raises(StoreUnavailable, match="serves a slot"):
            client.execute("GET", KEY)
        with pytest.raises(StoreUnavailable):
            client.pipeline([("GET", KEY)])
        client.close()


def test_failed_attempt_is_shared_for_a_moment() -> None:
    now_s = 100.0
    attempt = SingleAttempt(lambda: now_s)
    with pytest.raises(ZeroDivisionError), attempt():
        raise ZeroDivisionError
    with pytest.raises(RedisClusterException, match="a moment ago"), attempt():
        pass
    now_s += REFUSE_S
    with attempt(), attempt():
        pass


def test_wait_for_the_attempt_of_another_thread_is_bounded(bound: Bound) -> None:
    attempt, begun, enough = SingleAttempt(), Event(), Event()

    def hold() -> None:
        with attempt():
            begun.set()
            enough.wait(2 * HUNG_AFTER_S)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert begun.wait(HUNG_AFTER_S)
        began_s = time.monotonic()
        with pytest.raises(RedisClusterException, match="so far"), attempt():
            pass
        assert time.monotonic() - began_s < bound(1.5)
        enough.set()
        holding.result(HUNG_AFTER_S)
