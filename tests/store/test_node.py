"""One server: whose connections are used again, and whose are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.redis_url import RedisAddress
from chalicelib.store.connection import Command, ErrorReply, TimedOut
from chalicelib.store.node import Node


def _nothing() -> None:
    pass


@dataclass(eq=False)
class Wire:
    """A connection over which each command is answered by its own words."""

    meanwhile: Callable[[], None] = _nothing
    answers: dict[Command, Any] = field(default_factory=dict)
    is_open: bool = True

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        assert self.is_open
        self.meanwhile()
        return [self.answers.get(command, command) for command in commands]

    def close(self) -> None:
        self.is_open = False


@dataclass
class Wires:
    """Every connection that was opened, in this order; the next ones are given ``meanwhile``."""

    meanwhile: Callable[[], None] = _nothing
    opened: list[Wire] = field(default_factory=list)

    def node(self) -> Node:
        return Node(RedisAddress(), lambda _: self.open())

    def open(self) -> Wire:
        self.opened.append(Wire(self.meanwhile))
        return self.opened[-1]


def test_a_connection_is_used_again() -> None:
    wires = Wires()
    node = wires.node()
    for _ in range(2):
        assert node.exchange(("PING",)) == ("PING",)
    assert len(wires.opened) == 1


def test_a_connection_that_was_in_use_as_the_server_was_left_is_not_used_again() -> None:
    def leave() -> None:
        node.close()

    wires = Wires(meanwhile=leave)
    node = wires.node()
    for _ in range(2):
        node.exchange(("PING",))
    assert [wire.is_open for wire in wires.opened] == [False, False]


def test_others_that_were_in_use_as_one_was_lost_are_used_again() -> None:
    def lose() -> None:
        wires.meanwhile = fail
        with pytest.raises(TimedOut):
            node.exchange(("PING",))

    def fail() -> None:
        raise TimedOut("silent")

    wires = Wires(meanwhile=lose)
    node = wires.node()
    node.exchange(("PING",))
    assert [wire.is_open for wire in wires.opened] == [True, False]


def test_after_an_interruption_a_connection_is_not_used_again() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    wires = Wires(meanwhile=interrupt)
    node = wires.node()
    with pytest.raises(KeyboardInterrupt):
        node.exchange(("PING",))
    assert not wires.opened[0].is_open


def test_a_node_that_may_not_be_asked_says_so_and_not_where_the_slot_is() -> None:
    wires = Wires()
    node = wires.node()
    node.exchange(("PING",))
    refusal = ErrorReply("NOPERM no right to asking")
    wires.opened[0].answers = {("ASKING",): refusal, ("GET", "key"): ErrorReply("MOVED 1 a:1")}
    with pytest.raises(ErrorReply, match="NOPERM"):
        node.exchange(("GET", "key"), asking=True)
