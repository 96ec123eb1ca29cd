"""Many commands at once in a cluster: each node gets its own, and answers keep their order."""

from __future__ import annotations

import pytest

from chalicelib.ports import StoreUnavailable
from chalicelib.settings import Settings
from chalicelib.store.client import Server, connect
from chalicelib.store.connection import ErrorReply, Unanswered
from chalicelib.store.keys import shard_tag
from tests.servers import Cluster

from .test_cluster import HIGH_KEY, KEY, SLOT, Wires, cluster

LOW, HIGH = ("GET", KEY), ("GET", HIGH_KEY)


def packets(wires: Wires) -> list[tuple[int, int]]:
    """To whom so many were sent at once, but for the question who serves what."""
    return [packet for packet in wires.sent if packet[0] != 1]


def test_each_node_is_sent_its_own_at_once_and_answers_stand_in_the_order_of_commands() -> None:
    wires = cluster(p2=[b"low 1", b"low 2"], p3=[b"high"])

    assert wires.client().exchange_together([LOW, HIGH, LOW]) == [b"low 1", b"high", b"low 2"]
    assert packets(wires) == [(2, 2), (3, 1)]


def test_nothing_is_asked_for_nothing() -> None:
    wires = cluster()

    assert wires.client().exchange_together([]) == []
    assert wires.sent == []


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (ErrorReply(f"MOVED {SLOT} newcomer:7"), b"there"),
        (ErrorReply(f"ASK {SLOT} newcomer:7"), b"there"),
        (ErrorReply("TRYAGAIN"), b"here"),
    ],
    ids=lambda value: str(value)[:3],
)
def test_what_a_node_refuses_because_of_the_slot_goes_its_own_way(
    error: ErrorReply, answer: bytes
) -> None:
    wires = cluster(p2=[b"first", error, error, b"here"], p3=[b"high"], p7=[b"there"])

    assert wires.client().exchange_together([LOW, LOW, HIGH]) == [b"first", answer, b"high"]
    assert packets(wires)[:2] == [(2, 2), (3, 1)]


def test_a_cluster_that_is_down_is_raised() -> None:
    wires = cluster(p2=[ErrorReply("CLUSTERDOWN The cluster is down")], p3=[b"high"])

    with pytest.raises(ErrorReply, match="CLUSTERDOWN"):
        wires.client().exchange_together([LOW, HIGH])


def test_what_a_node_says_no_to_stands_among_the_answers() -> None:
    unknown = ErrorReply("NOSCRIPT No matching script")
    wires = cluster(p2=[unknown, b"low"], p3=[b"high"])

    assert wires.client().exchange_together([LOW, LOW, HIGH]) == [unknown, b"low", b"high"]


def test_a_node_that_does_not_answer_is_raised_and_who_serves_what_is_asked_anew() -> None:
    wires = cluster(p2=[Unanswered("gone")], p3=[b"high"])
    client = wires.client()

    with pytest.raises(Unanswered):
        client.exchange_together([HIGH, LOW])
    assert [name for _, name in wires.asked].count("CLUSTER") == 2
    assert 2 not in wires.open_at


def test_on_a_cluster_of_servers_all_shards_are_asked(valkey_cluster: Cluster) -> None:
    server = connect(Settings(redis_url=valkey_cluster.url, redis_cluster=True))
    keys = [f"deadlines:{shard_tag(shard)}:test" for shard in range(16)]
    values = [str(number).encode() for number in range(16)]

    setting: list[tuple[bytes | str | int, ...]] = [
        ("SET", key, value, "PX", 10_000) for key, value in zip(keys, values, strict=True)
    ]
    assert server.execute_together(setting) == [b"OK"] * 16
    assert server.execute_together([("GET", key) for key in keys]) == values
    with pytest.raises(ErrorReply, match="not an integer"):
        server.execute_together([("INCRBY", key, "x") for key in keys])
    server.close()


def test_a_server_whose_node_is_silent_is_unavailable() -> None:
    wires = cluster(p2=[Unanswered("gone")], p3=[b"high"])
    client = wires.client()

    with pytest.raises(StoreUnavailable, match="gone"):
        Server(client, is_cluster=True).execute_together([HIGH, LOW])
