"""Moving slots of a cluster to other nodes while it serves, and nodes that join it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import (
    HOST,
    READY_WITHIN_S,
    Cluster,
    RedisProcess,
    ask,
    eventually,
    free_port,
    running,
)

MOVED_WITHIN_S = 10


def owner_of(cluster: Cluster, slot: int) -> RedisProcess:
    """The node that says of itself that it serves a slot."""
    for node in cluster.nodes:
        with node.admin() as admin:
            for first, last, (_, port, *_), *_ in ask(admin, "CLUSTER SLOTS"):
                if first <= slot <= last and port == node.port:
                    return node
    raise AssertionError(f"No node serves slot {slot}")


def move_at_once(cluster: Cluster, slot: int, taker: RedisProcess) -> None:
    """With all that is in it, in one instant, as Valkey does from 9.0 on."""
    with owner_of(cluster, slot).admin() as source, taker.admin() as target:
        taker_id = ask(target, "CLUSTER", "MYID")
        ask(source, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", taker_id)
    eventually(lambda: owner_of(cluster, slot) is taker, MOVED_WITHIN_S)


@contextmanager
def between_two(cluster: Cluster, slot: int, taker: RedisProcess) -> Iterator[Callable[[], bool]]:
    """A slot on its way: each call moves a key, until it says that there are no more.

    At the end of the block the slot is the taker's, who must have all of it by then.
    """
    with owner_of(cluster, slot).admin() as source, taker.admin() as target:
        giver_id, taker_id = (ask(one, "CLUSTER", "MYID") for one in (source, target))
        ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", giver_id)
        ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", taker_id)

        def move_one() -> bool:
            keys = ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 1)
            if keys:
                ask(source, "MIGRATE", HOST, taker.port, "", 0, 5_000, "KEYS", *keys)
            return bool(keys)

        yield move_one
        # The taker first: until it knows, no node may send it anything.
        for node in (taker, *cluster.nodes):
            with node.admin() as admin:
                ask(admin, "CLUSTER", "SETSLOT", slot, "NODE", taker_id)


def move_key_by_key(cluster: Cluster, slot: int, taker: RedisProcess) -> None:
    """As others do it: meanwhile some keys of the slot lie here, others there."""
    with between_two(cluster, slot, taker) as move_one:
        while move_one():
            pass


@contextmanager
def joined_by_another(cluster: Cluster, binary: str, directory: Path) -> Iterator[RedisProcess]:
    """A node without slots, which clients that have looked already don't know."""
    bus = free_port()
    options = ("--cluster-enabled", "yes", "--cluster-port", str(bus))
    with running(binary, directory, *options) as newcomer:
        with cluster.nodes[0].admin() as admin:
            ask(admin, "CLUSTER", "MEET", HOST, newcomer.port, bus)
        cluster.nodes.append(newcomer)
        eventually(cluster.is_whole, READY_WITHIN_S)
        yield newcomer
