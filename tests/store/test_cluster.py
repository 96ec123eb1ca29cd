"""The client of a cluster: where commands go, and what becomes of those that are sent elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from chalicelib.redis_url import RedisAddress, read_redis_url
from chalicelib.store.cluster import SLOTS, ClusterClient, slot_of, slot_of_key
from chalicelib.store.connection import ErrorReply, TimedOut, TurnedAway, Unanswered

KEY = "{07}:key"
SLOT = key_slot(b"07")
HIGH_KEY = "{01}:key"
HALF = SLOTS // 2


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("GET", "one"), b"one"),
        (("HDEL", b"{07}:a", "x", "y"), b"07"),
        (("EVALSHA", "digest", 2, "{07}:a", "{07}:b", "argument"), b"07"),
        (("EVAL", b"return 1", 1, "key"), b"key"),
    ],
)
def test_a_command_belongs_to_the_slot_of_its_first_key(
    command: tuple[bytes | str | int, ...], key: bytes
) -> None:
    assert slot_of(command) == key_slot(key)


@pytest.mark.parametrize("command", [("PING",), ("TIME",), ("EVAL", "return 1", 0)])
def test_a_command_without_a_key_may_go_anywhere(command: tuple[bytes | str | int, ...]) -> None:
    assert slot_of(command) is None


@given(st.binary() | st.text("a{}").map(str.encode))
def test_keys_lie_where_redis_py_looks_for_them(key: bytes) -> None:
    assert SLOTS == REDIS_CLUSTER_HASH_SLOTS
    assert slot_of_key(key) == key_slot(key)


@dataclass
class Wires:
    """Connections to servers that are a function of port and command; port 1 is the seed's.

    ``asked`` is what the servers were asked, in its order, ``sent`` how many commands
    at a time, ``now_s`` the time.
    """

    answers: Callable[[int, tuple[Any, ...]], Any]
    asked: list[tuple[int, Any]] = field(default_factory=list)
    sent: list[tuple[int, int]] = field(default_factory=list)
    open_at: list[int] = field(default_factory=list)
    now_s: float = 100.0

    def client(self) -> ClusterClient:
        return ClusterClient(
            RedisAddress("seed", 1),
            lambda address: Wire(self, address.port),
            monotonic=lambda: self.now_s,
        )

    def asked_of(self, port: int) -> list[Any]:
        return [name for of, name in self.asked if of == port]


@dataclass
class Wire:
    """A connection, which is open from its first use on."""

    wires: Wires
    port: int
    _is_open: bool = False

    def exchange(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        if not self._is_open:
            self.wires.open_at.append(self.port)
            self._is_open = True
        self.wires.sent.append((self.port, len(commands)))
        return [self._answer(command) for command in commands]

    def close(self) -> None:
        if self._is_open:
            self.wires.open_at.remove(self.port)
            self._is_open = False

    def _answer(self, command: tuple[Any, ...]) -> Any:
        self.wires.asked.append((self.port, command[0]))
        answer = self.wires.answers(self.port, command)
        if isinstance(answer, Unanswered):
            raise answer
        return answer


def halves(first: int = 2, second: int = 3) -> list[list[Any]]:
    """What CLUSTER SLOTS answers: two primaries, of which the second has a replica."""
    return [
        [0, HALF - 1, [b"first", first, b"id"]],
        [HALF, HALF * 2 - 1, [b"second", second, b"id", []], [b"replica", 4, b"id", []]],
    ]


def cluster(**answers: Any) -> Wires:
    """What the nodes p1, p2, ... answer in turn, the last for ever; about slots all agree."""

    def answer(port: int, command: tuple[Any, ...]) -> Any:
        if command[0] == "CLUSTER":
            return halves()
        if command[0] == "ASKING":
            return b"OK"
        coming = answers[f"p{port}"]
        return coming.pop(0) if len(coming) > 1 else coming[0]

    return Wires(answer)


def test_a_command_goes_to_the_node_of_its_slot_over_a_connection_that_is_kept() -> None:
    wires = cluster(p2=[b"low"], p3=[b"high"])
    client = wires.client()
    assert [client.exchange(("GET", KEY)) for _ in range(3)] == [b"low"] * 3
    assert client.exchange(("GET", HIGH_KEY)) == b"high"
    assert wires.asked == [(1, "CLUSTER"), (2, "GET"), (2, "GET"), (2, "GET"), (3, "GET")]
    assert wires.open_at == [1, 2, 3]
    client.close()
    assert wires.open_at == []


def test_nodes_without_names_are_reached_where_the_one_was_that_told_of_them() -> None:
    nameless = [[0, 2 * HALF - 1, [None, 2, b"id"], [b"", 3, b"id"]]]
    wires = Wires(lambda port, command: nameless if command[0] == "CLUSTER" else port)
    client = wires.client()
    assert client.exchange(("GET", KEY)) == 2
    assert {host for host, _ in client._nodes} == {"seed"}


def test_a_slot_that_has_moved_is_asked_for_at_its_new_place_from_then_on() -> None:
    wires = cluster(p2=[ErrorReply(f"MOVED {SLOT} newcomer:7")], p7=[b"here"])
    client = wires.client()
    assert [client.exchange(("GET", KEY)) for _ in range(2)] == [b"here"] * 2
    assert wires.asked_of(2) == ["GET"]


def test_a_slot_that_is_moving_is_asked_for_at_both_places_until_it_has_moved() -> None:
    wires = cluster(p2=[ErrorReply(f"ASK {SLOT} newcomer:7"), b"still here"], p7=[b"there"])
    client = wires.client()
    assert client.exchange(("GET", KEY)) == b"there"
    assert wires.asked_of(7) == ["ASKING", "GET"]
    assert client.exchange(("GET", KEY)) == b"still here"


def test_two_nodes_that_send_each_to_the_other_are_given_up() -> None:
    wires = cluster(
        p2=[ErrorReply(f"MOVED {SLOT} second:3")], p3=[ErrorReply(f"MOVED {SLOT} first:2")]
    )
    with pytest.raises(TurnedAway, match="around"):
        wires.client().exchange(("GET", KEY))


def test_a_slot_some_of_whose_keys_have_moved_is_tried_again_for_a_while() -> None:
    wires = cluster(p2=[ErrorReply("TRYAGAIN"), ErrorReply("TRYAGAIN"), b"whole"])
    assert wires.client().exchange(("GET", KEY)) == b"whole"


def test_and_not_for_ever() -> None:
    def answer(port: int, command: tuple[Any, ...]) -> Any:
        wires.now_s += 0.2
        return halves() if command[0] == "CLUSTER" else ErrorReply("TRYAGAIN")

    wires = Wires(answer)
    with pytest.raises(ErrorReply, match="TRYAGAIN"):
        wires.client().exchange(("GET", KEY))
    assert 2 <= len(wires.asked_of(2)) <= 4


def test_a_slot_that_nobody_serves_is_said_to_be_down() -> None:
    wires = Wires(lambda _, command: halves()[1:] if command[0] == "CLUSTER" else b"?")
    with pytest.raises(Unanswered, match="Nobody serves"):
        wires.client().exchange(("GET", KEY))


def test_a_no_is_an_answer_after_which_the_connection_is_used_again() -> None:
    wires = cluster(p2=[ErrorReply("WRONGTYPE of a key"), b"fine"])
    client = wires.client()
    with pytest.raises(ErrorReply, match="WRONGTYPE"):
        client.exchange(("GET", KEY))
    assert client.exchange(("GET", KEY)) == b"fine"
    assert wires.open_at == [1, 2]


def test_when_a_node_fails_the_others_are_asked_who_has_taken_over() -> None:
    fallen = False

    def answer(port: int, command: tuple[Any, ...]) -> Any:
        if fallen and port == 2:
            return Unanswered("reset")
        if command[0] == "CLUSTER":
            return halves(first=5 if fallen else 2)
        return port

    wires = Wires(answer)
    client = wires.client()
    assert client.exchange(("GET", KEY)) == 2
    fallen = True
    # It may have carried the command out: whoever sent it decides whether to send it again.
    with pytest.raises(Unanswered, match="reset"):
        client.exchange(("SET", KEY, 1))
    assert client.exchange(("SET", KEY, 1)) == 5
    assert 2 not in wires.open_at, "who is no longer part of it is left"


def test_a_silent_node_is_not_asked_again_for_a_moment_and_the_others_are() -> None:
    wires = cluster(p2=[TimedOut(), TimedOut(), b"back"], p3=[b"well"])
    client = wires.client()
    for _ in range(5):
        with pytest.raises(TimedOut):
            client.exchange(("GET", KEY))
        assert client.exchange(("GET", HIGH_KEY)) == b"well"
    assert wires.asked_of(2) == ["GET"]
    wires.now_s += 0.3
    with pytest.raises(TimedOut):
        client.exchange(("GET", KEY))
    wires.now_s += 0.3
    assert client.exchange(("GET", KEY)) == b"back"


def test_an_old_connection_that_has_died_without_a_word_is_not_held_against_its_node() -> None:
    wires = cluster(p2=[b"well", TimedOut(), b"well"])
    client = wires.client()
    assert client.exchange(("GET", KEY)) == b"well"
    with pytest.raises(TimedOut):
        client.exchange(("GET", KEY))
    assert client.exchange(("GET", KEY)) == b"well"


def test_where_nobody_answers_everybody_is_asked_once_and_then_nobody_for_a_moment() -> None:
    wires = Wires(lambda _, __: Unanswered("refused"))
    client = wires.client()
    for _ in range(3):
        with pytest.raises(TurnedAway, match="No node"):
            client.exchange(("GET", KEY))
    assert wires.asked == [(1, "CLUSTER")]
    wires.now_s += 0.3
    with pytest.raises(TurnedAway, match="refused"):
        client.exchange(("GET", KEY))


def test_however_many_nodes_are_silent_they_are_not_all_waited_for() -> None:
    fallen = False

    def answer(port: int, command: tuple[Any, ...]) -> Any:
        if fallen:
            wires.now_s += 0.3
            return TimedOut()
        share = SLOTS // 32
        return (
            [[at * share, (at + 1) * share - 1, [b"host", 10 + at, b"id"]] for at in range(32)]
            if command[0] == "CLUSTER"
            else b"well"
        )

    wires = Wires(answer)
    client = wires.client()
    assert client.exchange(("GET", KEY)) == b"well"
    fallen, begun_s = True, wires.now_s
    with pytest.raises(TurnedAway):
        client.exchange(("GET", KEY))
    assert wires.now_s - begun_s < 1.5


def test_keys_are_looked_for_on_every_primary() -> None:
    pages = {(2, 0): [7, [b"a"]], (2, 7): [0, [b"b"]], (3, 0): [0, [b"c"]]}

    def answer(port: int, command: tuple[Any, ...]) -> Any:
        return halves() if command[0] == "CLUSTER" else pages[port, int(command[1])]

    assert sorted(Wires(answer).client().keys("*", 10)) == [b"a", b"b", b"c"]


def test_a_primary_that_fell_is_not_looked_into_for_ever() -> None:
    fallen = False

    def answer(port: int, command: tuple[Any, ...]) -> Any:
        if fallen and port == 2:
            return Unanswered("refused")
        if command[0] == "CLUSTER":
            return halves(first=5 if fallen else 2)
        return [0, [b"%d" % port]]

    client = Wires(answer).client()
    assert sorted(client.keys("*", 10)) == [b"2", b"3"]
    fallen = True
    with pytest.raises(Unanswered):
        (client.keys("*", 10))
    assert sorted(client.keys("*", 10)) == [b"3", b"5"]


def test_what_any_node_can_answer_is_answered_while_one_does() -> None:
    wires = cluster(p2=[TimedOut()], p3=[b"PONG"])
    client = wires.client()
    assert [client.exchange(("PING",)) for _ in range(3)] == [b"PONG"] * 3
    assert wires.asked_of(2) == ["PING"]
    wires = cluster(p2=[Unanswered("refused")], p3=[Unanswered("reset")])
    with pytest.raises(TurnedAway, match="reset"):
        wires.client().exchange(("PING",))


def test_a_cluster_whose_nodes_have_all_been_replaced_is_found_again() -> None:
    replaced = False

    def answer(port: int, command: tuple[Any, ...]) -> Any:
        if replaced and port in (2, 3, 4):
            return Unanswered("refused")
        if command[0] == "CLUSTER":
            return halves(5, 6) if replaced else halves()
        return b"PONG"

    client = Wires(answer).client()
    assert client.exchange(("PING",)) == b"PONG"
    replaced = True
    with pytest.raises(TurnedAway):
        client.exchange(("PING",))
    assert client.exchange(("PING",)) == b"PONG"


def test_a_url_needs_to_name_neither_host_nor_port() -> None:
    address = read_redis_url("redis://")
    assert (address.host, address.port) == ("localhost", 6379)
