"""redis-py's cluster client, with two of its faults overridden.

- redis-py 4015: an ASK to a node that has just joined raises AttributeError.
- redis-py 4074: each thread that meets a silent node refreshes the topology itself, one after
  another; of thirty threads the last waited 27 s, with a single refresh 1.2 s.

Each override can go when its test in ``tests/store/test_cluster_client.py`` says so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

from redis.cluster import PRIMARY, ClusterNode, NodesManager, RedisCluster
from redis.exceptions import RedisClusterException

WAIT_S = 1.0
"""How long a thread waits at most for another one's attempt."""

REFUSE_S = 0.2
"""How long after a failed attempt others fail without one of their own."""

OTHER_NODES = 2
"""How many known nodes are asked for the topology, with the one of the settings."""


class SingleAttempt:
    """Lets one thread attempt something that may take long; others share a fresh failure."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        # One attempt may lead to another in the same thread.
        self._attempting = RLock()
        self._refuse_until_s = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Run the block alone.

        Raises:
            RedisClusterException: Another thread's attempt takes too long, or has just failed.
        """
        if not self._attempting.acquire(timeout=WAIT_S):
            raise RedisClusterException("No node of the cluster has answered so far")
        try:
            if self._monotonic() < self._refuse_until_s:
                raise RedisClusterException("No node of the cluster answered a moment ago")
            try:
                yield
            except Exception as error:
                self._refuse_until_s = self._monotonic() + REFUSE_S
                if isinstance(error, IndexError):  # redis-py's, where there is no primary
                    raise RedisClusterException("No node of the cluster serves a slot") from error
                raise
        finally:
            self._attempting.release()


class _NodesManager(NodesManager):
    single_attempt: SingleAttempt

    def get_node(
        self, host: str | None = None, port: int | None = None, node_name: str | None = None
    ) -> ClusterNode | None:
        """The node; one that only an ASK has named becomes known by it (redis-py 4015)."""
        node: ClusterNode | None = super().get_node(host, port, node_name)
        if node is None and node_name:
            its_host, _, its_port = node_name.rpartition(":")
            node = ClusterNode(its_host, int(its_port), PRIMARY)
            with self._lock:
                node = self.nodes_cache.setdefault(node_name, node)
        return node

    def initialize(
        self,
        additional_startup_nodes_info: list[tuple[str, int]] | None = None,
        disconnect_startup_nodes_pools: bool = True,
        last_failed_node_name: str | None = None,
    ) -> None:
        """Refresh the topology unless another thread does (redis-py 4074).

        Asked are the node of the settings and a few others, so that the time is bounded
        however many there are.
        """
        epoch = self._get_epoch()
        with self.single_attempt():
            if epoch != self._get_epoch():
                return
            known = [(node.host, node.port) for node in list(self.nodes_cache.values())]
            others = random.sample(known, min(OTHER_NODES, len(known)))
            super().initialize(
                [*(additional_startup_nodes_info or ()), *others],
                disconnect_startup_nodes_pools,
                last_failed_node_name,
            )


class ClusterClient(RedisCluster):
    """A RedisCluster for many threads. Its constructor asks the cluster for its topology."""

    def __init__(self, single_attempt: SingleAttempt, **options: Any) -> None:
        super().__init__(**options)
        # RedisCluster can't be given a NodesManager, only have its own become one of ours.
        manager = self.nodes_manager
        manager.__class__ = _NodesManager
        if isinstance(manager, _NodesManager):
            manager.single_attempt = single_attempt
