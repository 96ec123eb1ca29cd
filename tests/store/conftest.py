"""The stores that the contract suite runs on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from chalicelib.ports import SessionStore
from tests.fixtures import ON_A_CLUSTER, OpenDeadlines, OpenStore

from .backends import Memory, Place, RealRedis


@pytest.fixture(params=["fake", "valkey", "redis7", ON_A_CLUSTER])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The fake store and the real one on each kind of server, in turn."""
    if request.param == "fake":
        yield Memory()
        return
    opened: OpenStore = request.getfixturevalue("open_store")
    indexed: OpenDeadlines = request.getfixturevalue("open_deadlines")
    if request.param == "valkey_cluster":
        cluster = request.getfixturevalue(request.param)
        # A message published on one node is received on each.
        client: redis.Redis | redis.RedisCluster = redis.RedisCluster.from_url(cluster.url)
        listener = redis.Redis.from_url(cluster.nodes[1].url)
        store, index = opened(cluster.url, cluster=True), indexed(cluster.url, cluster=True)
        real = RealRedis(store, index, client, listener)
    else:
        server = request.getfixturevalue(request.param)
        client = listener = redis.Redis.from_url(server.url)
        real = RealRedis(opened(server.url), indexed(server.url), client, listener)
    yield real
    real.close()
    client.close()
    listener.close()


@pytest.fixture
def store(place: Place) -> SessionStore:
    return place.store
