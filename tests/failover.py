"""Stores that lose a server and go on: a primary with its replica, and a cluster of such pairs.

Owns which server falls, which takes its place, and the name by which clients
find the one that serves. Nothing of the application is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import redis
from redis.crc import key_slot

from .servers import (
    HOST,
    READY_WITHIN_S,
    Cluster,
    Proxy,
    RedisProcess,
    ask,
    eventually,
    is_in_step,
    proxy_to,
    running,
    running_cluster,
)

ELECTED_WITHIN_S = 15
MARK = "how-far-the-replica-has-come"


class Failover(Protocol):
    """A store one of whose servers can fall, and has a replica that takes over."""

    is_cluster: ClassVar[bool]

    @property
    def url(self) -> str:
        """The address clients use, whichever server is primary: a DNS name on AWS."""

    @property
    def doomed(self) -> RedisProcess:
        """The server that is to fall."""

    def admin(self) -> AbstractContextManager[Any]:
        """A block with a connection for looking, at whatever key, to those that serve."""

    def is_at_risk(self, key: str) -> bool:
        """Whether a key lies on the server that is to fall."""

    def has_confirmed(self) -> bool:
        """Whether the replica has all that was answered before this call; false once in doubt."""

    def take_over(self) -> None:
        """Have the replica serve, and the name lead to a server that is up."""


@dataclass
class Replicated:
    """A primary, its replica, and an address that leads to the one that serves."""

    primary: RedisProcess
    replica: RedisProcess
    address: Proxy
    is_cluster: ClassVar[bool] = False
    _serving: RedisProcess = field(init=False)

    def __post_init__(self) -> None:
        self._serving = self.primary

    @property
    def url(self) -> str:
        return self.address.url

    @property
    def doomed(self) -> RedisProcess:
        return self.primary

    def admin(self) -> AbstractContextManager[Any]:
        return self._serving.admin()

    def is_at_risk(self, key: str) -> bool:
        return True

    def has_confirmed(self) -> bool:
        return _has_confirmed(self.primary, MARK)

    def part(self) -> None:
        """Promote the replica; the primary goes on, and what is written to it is lost."""
        with self.replica.admin() as admin:
            ask(admin, "REPLICAOF", "NO", "ONE")

    def take_over(self) -> None:
        self.part()
        self._serving = self.replica
        # Connections that lead to the old one are its own affair, as with a DNS name.
        self.address.lead_to(self.replica.port)


@dataclass
class ReplicatedCluster:
    """Three primaries with a replica each, which elect by themselves, and one address for all."""

    cluster: Cluster
    address: Proxy
    is_cluster: ClassVar[bool] = True

    @property
    def url(self) -> str:
        return self.address.url

    @property
    def doomed(self) -> RedisProcess:
        return self.cluster.nodes[0]

    @property
    def successor(self) -> RedisProcess:
        return self.cluster.nodes[3]

    @contextmanager
    def admin(self) -> Iterator[Any]:
        client = redis.RedisCluster.from_url(self.url, protocol=2)
        try:
            yield client
        finally:
            client.close()

    def is_at_risk(self, key: str) -> bool:
        return key_slot(key.encode()) < self.cluster.bounds[1]

    def has_confirmed(self) -> bool:
        mark = next(key for n in range(1_000) if self.is_at_risk(key := f"{MARK}-{n}"))
        return _has_confirmed(self.doomed, mark)

    def take_over(self) -> None:
        # The name leads to a healthy server.
        self.address.lead_to(self.cluster.nodes[1].port)
        eventually(self._is_whole_again, ELECTED_WITHIN_S)

    def _is_whole_again(self) -> bool:
        with suppress(redis.RedisError), self.successor.admin() as admin:
            state = ask(admin, "CLUSTER INFO")["cluster_state"]
            return bool(state == "ok" and admin.info("replication")["role"] == "master")
        return False


def _has_confirmed(primary: RedisProcess, mark: str) -> bool:
    with suppress(redis.RedisError), primary.admin(socket_timeout=2) as admin:
        # WAIT is about what this connection wrote, which comes after all that
        # was written, and so replicated, before.
        admin.incr(mark)
        return bool(ask(admin, "WAIT", 1, 1_000) == 1)
    return False


@contextmanager
def replicated(binary: str, directory: Path) -> Iterator[Replicated]:
    """A primary and its replica, in step, for as long as the block runs."""
    soon = ("--repl-diskless-sync-delay", "0")
    with (
        running(binary, directory / "primary", *soon) as primary,
        running(binary, directory / "replica", *soon) as replica,
        proxy_to(primary.port) as address,
    ):
        with replica.admin() as admin:
            ask(admin, "REPLICAOF", HOST, primary.port)
            eventually(lambda: is_in_step(admin), READY_WITHIN_S)
        yield Replicated(primary, replica, address)


@contextmanager
def replicated_cluster(binary: str, directory: Path) -> Iterator[ReplicatedCluster]:
    """A cluster of three pairs, for as long as the block runs."""
    with (
        running_cluster(binary, directory, replicas=1) as cluster,
        proxy_to(cluster.nodes[0].port) as address,
    ):
        yield ReplicatedCluster(cluster, address)
