"""The client of a cluster: where commands go, and what becomes of those that are sent elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ClusterError,
    MovedError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)

from chalicelib.store.cluster import ClusterClient, slot_of

KEY = "{07}:key"
SLOT = key_slot(b"07")
HIGH_KEY = "{01}:key"
HALF = REDIS_CLUSTER_HASH_SLOTS // 2


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
        seed = redis.Redis(host="seed", port=1)
        seed.connection_pool.connection_class = lambda host, port, **_: Wire(self, port)
        return ClusterClient(seed, monotonic=lambda: self.now_s)

    def asked_of(self, port: int) -> list[Any]:
        return [name for of, name in self.asked if of == port]


@dataclass
class Wire:
    wires: Wires
    port: int
    _sent: list[tuple[Any, ...]] = field(default_factory=list)
    _is_open: bool = False

    def connect(self) -> None:
        if not self._is_open:
            self.wires.open_at.append(self.port)
            self._is_open = True

    def disconnect(self) -> None:
        if self._is_open:
            self.wires.open_at.remove(self.port)
            self._is_open = False

    def send_command(self, *command: Any) -> None:
        self.send_packed_command([command])

    def pack_commands(self, commands: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        return commands

    def send_packed_command(self, commands: Sequence[tuple[Any, ...]]) -> None:
        self._sent += commands
        self.wires.sent.append((self.port, len(commands)))

    def read_response(self) -> Any:
        command = self._sent.pop(0)
        self.wires.asked.append((self.port, command[0]))
        answer = self.wires.answers(self.port, command)
        if isinstance(answer, Exception):
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
    assert [client.execute_command("GET", KEY) for _ in range(3)] == [b"low"] * 3
    assert client.execute_command("GET", HIGH_KEY) == b"high"
    assert wires.asked == [(1, "CLUSTER"), (2, "GET"), (2, "GET"), (2, "GET"), (3, "GET")]
    assert wires.open_at == [1, 2, 3]
    client.close()
    assert wires.open_at == []


def test_nodes_without_names_are_reached_where_the_one_was_that_told_of_them() -> None:
    nameless = [[0, 2 * HALF - 1, [None, 2, b"id"], [b"", 3, b"id"]]]
    wires = Wires(lambda port, command: nameless if command[0] == "CLUSTER" else port)
    client = wires.client()
    assert client.execute_command("GET", KEY) == 2
    assert {host for host, _ in client._nodes} == {"seed"}


def test_a_slot_that_has_moved_is_asked_for_at_its_new_place_from_then_on() -> None:
    wires = cluster(p2=[MovedError(f"{SLOT} newcomer:7")], p7=[b"here"])
    client = wires.client()
    assert [client.execute_command("GET", KEY) for _ in range(2)] == [b"here"] * 2
    assert wires.asked_of(2) == ["GET"]


def test_a_slot_that_is_moving_is_asked_for_at_both_places_until_it_has_moved() -> None:
    wires = cluster(p2=[AskError(f"{SLOT} newcomer:7"), b"still here"], p7=[b"there"])
    client = wires.client()
    assert client.execute_command("GET", KEY) == b"there"
    assert wires.asked_of(7) == ["ASKING", "GET"]
    assert client.execute_command("GET", KEY) == b"still here"


def test_two_nodes_that_send_each_to_the_other_are_given_up() -> None:
    wires = cluster(p2=[MovedError(f"{SLOT} second:3")], p3=[MovedError(f"{SLOT} first:2")])
    with pytest.raises(ClusterError, match="too often"):
        wires.client().execute_command("GET", KEY)


def test_a_slot_some_of_whose_keys_have_moved_is_tried_again_for_a_while() -> None:
    wires = cluster(p2=[TryAgainError(), TryAgainError(), b"whole"])
    assert wires.client().execute_command("GET", KEY) == b"whole"


def test_and_not_for_ever() -> None:
    def answer(port: int, command: tuple[Any, ...]) -> Any:
        wires.now_s += 0.2
        return halves() if command[0] == "CLUSTER" else TryAgainError()

    wires = Wires(answer)
    with pytest.raises(TryAgainError):
        wires.client().execute_command("GET", KEY)
    assert 2 <= len(wires.asked_of(2)) <= 4


def test_a_slot_that_nobody_serves_is_said_to_be_down() -> None:
    wires = Wires(lambda _, command: halves()[1:] if command[0] == "CLUSTER" else b"?")
    with pytest.raises(ClusterDownError):
        wires.client().execute_command("GET", KEY)


def test_a_no_is_an_answer_after_which_the_connection_is_used_again() -> None:
    wires = cluster(p2=[ResponseError("wrong type"), b"fine"])
    client = wires.client()
    with pytest.raises(ResponseError, match="wrong type"):
        client.execute_command("GET", KEY)
    assert client.execute_command("GET", KEY) == b"fine"
    assert wires.open_at == [1, 2]


def test_when_a_node_fails_the_others_are_asked_who_has_taken_over() -> None:
    fallen = False

    def answer(port: int, command: tuple[Any, ...]) -> Any:
        if fallen and port == 2:
            return redis.ConnectionError("reset")
        if command[0] == "CLUSTER":
            return halves(first=5 if fallen else 2)
        return port

    wires = Wires(answer)
    client = wires.client()
    assert client.execute_command("GET", KEY) == 2
    fallen = True
    # It may have carried the command out: whoever sent it decides whether to send it again.
    with pytest.raises(redis.ConnectionError, match="reset"):
        client.execute_command("SET", KEY, 1)
    assert client.execute_command("SET", KEY, 1) == 5
    assert 2 not in wires.open_at, "who is no longer part of it is left"


def test_a_silent_node_is_not_asked_again_for_a_moment_and_the_others_are() -> None:
    wires = cluster(p2=[redis.TimeoutError(), redis.TimeoutError(), b"back"], p3=[b"well"])
    client = wires.client()
    for _ in range(5):
        with pytest.raises(redis.TimeoutError):
            client.execute_command("GET", KEY)
        assert client.execute_command("GET", HIGH_KEY) == b"well"
    assert wires.asked_of(2) == ["GET"]
    wires.now_s += 0.3
    with pytest.raises(redis.TimeoutError):
        client.execute_command("GET", KEY)
    wires.now_s += 0.3
    assert client.execute_command("GET", KEY) == b"back"


def test_an_old_connection_that_has_died_without_a_word_is_not_held_against_its_node() -> None:
    wires = cluster(p2=[b"well", redis.TimeoutError(), b"well"])
    client = wires.client()
    assert client.execute_command("GET", KEY) == b"well"
    with pytest.raises(redis.TimeoutError):
        client.execute_command("GET", KEY)
    assert client.execute_command("GET", KEY) == b"well"


def test_where_nobody_answers_everybody_is_asked_once_and_then_nobody_for_a_moment() -> None:
    wires = Wires(lambda _, __: redis.ConnectionError("refused"))
    client = wires.client()
    for _ in range(3):
        with pytest.raises(RedisClusterException, match="No node"):
            client.execute_command("GET", KEY)
    assert wires.asked == [(1, "CLUSTER")]
    wires.now_s += 0.3
    with pytest.raises(RedisClusterException, match="refused"):
        client.execute_command("GET", KEY)


def test_however_many_nodes_are_silent_they_are_not_all_waited_for() -> None:
    fallen = False

    def answer(port: int, command: tuple[Any, ...]) -> Any:
        if fallen:
            wires.now_s += 0.3
            return redis.TimeoutError()
        share = REDIS_CLUSTER_HASH_SLOTS // 32
        return (
            [[at * share, (at + 1) * share - 1, [b"host", 10 + at, b"id"]] for at in range(32)]
            if command[0] == "CLUSTER"
            else b"well"
        )

    wires = Wires(answer)
    client = wires.client()
    assert client.execute_command("GET", KEY) == b"well"
    fallen, begun_s = True, wires.now_s
    with pytest.raises(RedisClusterException):
        client.execute_command("GET", KEY)
    assert wires.now_s - begun_s < 1.5


def test_keys_are_looked_for_on_every_primary() -> None:
    pages = {(2, 0): [7, [b"a"]], (2, 7): [0, [b"b"]], (3, 0): [0, [b"c"]]}

    def answer(port: int, command: tuple[Any, ...]) -> Any:
        return halves() if command[0] == "CLUSTER" else pages[port, int(command[1])]

    assert sorted(Wires(answer).client().scan_iter("*", 10)) == [b"a", b"b", b"c"]


def test_a_primary_that_fell_is_not_looked_into_for_ever() -> None:
    fallen = False

    def answer(port: int, command: tuple[Any, ...]) -> Any:
        if fallen and port == 2:
            return redis.ConnectionError("refused")
        if command[0] == "CLUSTER":
            return halves(first=5 if fallen else 2)
        return [0, [b"%d" % port]]

    client = Wires(answer).client()
    assert sorted(client.scan_iter("*", 10)) == [b"2", b"3"]
    fallen = True
    with pytest.raises(redis.ConnectionError):
        list(client.scan_iter("*", 10))
    assert sorted(client.scan_iter("*", 10)) == [b"3", b"5"]


def test_what_any_node_can_answer_is_answered_while_one_does() -> None:
    wires = cluster(p2=[redis.TimeoutError()], p3=[b"PONG"])
    client = wires.client()
    assert [client.execute_command("PING") for _ in range(3)] == [b"PONG"] * 3
    assert wires.asked_of(2) == ["PING"]
    wires = cluster(p2=[redis.ConnectionError("refused")], p3=[redis.ConnectionError("reset")])
    with pytest.raises(RedisClusterException, match="reset"):
        wires.client().execute_command("PING")


def test_a_cluster_whose_nodes_have_all_been_replaced_is_found_again() -> None:
    replaced = False

    def answer(port: int, command: tuple[Any, ...]) -> Any:
        if replaced and port in (2, 3, 4):
            return redis.ConnectionError("refused")
        if command[0] == "CLUSTER":
            return halves(5, 6) if replaced else halves()
        return b"PONG"

    client = Wires(answer).client()
    assert client.execute_command("PING") == b"PONG"
    replaced = True
    with pytest.raises(RedisClusterException):
        client.execute_command("PING")
    assert client.execute_command("PING") == b"PONG"


def test_a_url_needs_to_name_neither_host_nor_port() -> None:
    seed = ClusterClient(redis.Redis.from_url("redis://"))._seed
    assert (seed.host, seed.port) == ("localhost", 6379)
