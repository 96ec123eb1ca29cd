"""A Redis Cluster: which node serves which slot, and what to do when that changes.

It stands where a single server's Node stands, and knows no more of what is
stored. Nodes are asked for the slots when they are first needed, and again
when one of them fails; a node that redirects a command is believed.

redis-py has a client for clusters. All its threads wait for each other to look
at the slots anew, each asking every node: where all nodes are silent, the last
of thirty threads waits for half a minute. An ASK that leads to a node which has
joined since it looked raises AttributeError. And it takes three times the CPU
of the exchange.

https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from __future__ import annotations

import random
import time
from binascii import crc_hqx
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from ..redis_url import RedisAddress
from .connection import Command, ErrorReply, TurnedAway, Unanswered
from .node import REFUSE_S, Monotonic, Node, OpenConnection

SLOTS = 16_384

LOOK_WITHIN_S = 0.6
"""So long nodes are asked for the slots, and so long others wait for the answer."""

REDIRECTIONS = 5

TRY_AGAIN_S = 0.3
"""While a slot is moved key by key, some keys are here and some there: it will soon be over."""

TRY_AGAIN_EVERY_S = 0.02

DOWN = frozenset(("CLUSTERDOWN", "LOADING", "MASTERDOWN"))
"""What a node says that can serve nobody: another has taken over, or will."""

WITHOUT_KEY = frozenset(("ECHO", "PING", "TIME"))
BEHIND_A_COUNT = frozenset(("EVAL", "EVALSHA"))

ABOUT_THE_SLOT = frozenset(("ASK", "CLUSTERDOWN", "MOVED", "TRYAGAIN"))
"""What a node says that has done nothing, since others serve the key, or some of them."""

T = TypeVar("T")


def slot_of(command: Command) -> int | None:
    """The slot of a command's first key; ``None`` where any node will do."""
    name, place = command[0], 1
    if name in WITHOUT_KEY:
        return None
    if name in BEHIND_A_COUNT:
        place = 3
        if not int(command[2]):
            return None
    key = command[place]
    return slot_of_key(key if isinstance(key, bytes) else str(key).encode())


def slot_of_key(key: bytes) -> int:
    """Where a key belongs: what it is hashed by is the first thing in braces, if there is any."""
    _, _, behind = key.partition(b"{")
    tag, closed, _ = behind.partition(b"}")
    return crc_hqx(tag if closed and tag else key, 0) % SLOTS


class ClusterClient:
    """The cluster that the server at ``address`` belongs to. Safe for many threads.

    Its methods are a Node's. They repeat no command that may have been carried out.
    """

    def __init__(
        self,
        address: RedisAddress,
        open_connection: OpenConnection,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._address = address
        self._open_connection = open_connection
        self._monotonic = monotonic
        self._seed = self._new_node(address.host, address.port)
        # All nodes, those of them that serve slots, and who serves which.
        self._nodes: dict[tuple[str, int], Node] = {}
        self._primaries: list[Node] = []
        self._serving: list[Node | None] = [None] * SLOTS
        self._looks = 0
        self._looking = Lock()
        self._refuse_until_s = 0.0

    def exchange(self, command: Command) -> Any:
        """The answer of the node that serves the command's slot, wherever that has gone.

        Raises:
            ErrorReply: It says no.
            Unanswered: There is none; the command may have been carried out.
        """
        slot = slot_of(command)
        if slot is None:
            return self._ask_any(command)
        node, asking = self._node_for(slot), False
        redirections, try_until_s = 0, self._monotonic() + TRY_AGAIN_S
        while redirections <= REDIRECTIONS:
            try:
                return self._on(node, partial(node.exchange, command, asking=asking))
            except ErrorReply as reply:
                if reply.code in ("ASK", "MOVED"):
                    redirections += 1
                    node, asking = self._led_to(reply, node), reply.code == "ASK"
                    if not asking:
                        self._serving[slot] = node
                elif reply.code == "TRYAGAIN" and self._monotonic() <= try_until_s:
                    time.sleep(TRY_AGAIN_EVERY_S)
                else:
                    raise
        raise TurnedAway("Nodes of the cluster send each other's commands around")

    def exchange_together(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to many commands; those for one node are sent to it at once.

        Where a node says no, its error stands among the answers, unless it was about the slot:
        such a command goes its own way then. One that got no answer is raised, and some of
        the others may be carried out.
        """
        shares: dict[Node, list[int]] = {}
        for place, command in enumerate(commands):
            slot = slot_of(command)
            node = self._all_primaries()[0] if slot is None else self._node_for(slot)
            shares.setdefault(node, []).append(place)
        answers: dict[int, Any] = {}
        for node, places in shares.items():
            share = [commands[place] for place in places]
            answers |= zip(
                places, self._on(node, partial(node.exchange_together, share)), strict=True
            )
        for place, answer in answers.items():
            if isinstance(answer, ErrorReply) and answer.code in ABOUT_THE_SLOT:
                answers[place] = self.exchange(commands[place])
        return [answers[place] for place in range(len(commands))]

    def keys(self, pattern: str, count: int) -> list[bytes]:
        """Those of all nodes that match; see Node."""
        return [
            key
            for node in self._all_primaries()
            for key in self._on(node, partial(node.keys, pattern, count))
        ]

    def close(self) -> None:
        for node in (self._seed, *tuple(self._nodes.values())):
            node.close()

    def _on(self, node: Node, exchange: Callable[[], T]) -> T:
        looks = self._looks
        try:
            return exchange()
        except (Unanswered, ErrorReply) as error:
            if isinstance(error, Unanswered) or error.code in DOWN:
                # Whoever asks again shall find out who has taken over.
                self._look(looks, last=node)
            raise

    def _ask_any(self, command: Command) -> Any:
        primaries, looks = self._all_primaries(), self._looks
        try:
            return self._answer_of_any(primaries, command)[1]
        except TurnedAway:
            self._look(looks)
            raise

    def _node_for(self, slot: int) -> Node:
        node = self._serving[slot]
        if node is None:
            self._look(self._looks)
            node = self._serving[slot]
        if node is None:
            raise Unanswered(f"Nobody serves slot {slot}")
        return node

    def _all_primaries(self) -> list[Node]:
        if not self._primaries:
            self._look(self._looks)
        return self._primaries

    def _answer_of_any(self, nodes: Sequence[Node], command: Command) -> tuple[Node, Any]:
        """The first of them that answers, and its answer.

        Raises:
            TurnedAway: None does in time.
        """
        give_up_at_s = self._monotonic() + LOOK_WITHIN_S
        cause: Exception | None = None
        for node in nodes:
            if self._monotonic() >= give_up_at_s:
                break
            try:
                return node, node.exchange(command)
            except (Unanswered, ErrorReply) as error:
                cause = error
        raise TurnedAway(f"No node of the cluster answers: {cause}")

    def _node_at(self, host: str, port: int) -> Node:
        return self._nodes.setdefault((host, port), self._new_node(host, port))

    def _new_node(self, host: str, port: int) -> Node:
        address = replace(self._address, host=host, port=port)
        return Node(address, self._open_connection, self._monotonic)

    def _led_to(self, redirection: ErrorReply, by: Node) -> Node:
        """Where to go as ``MOVED 3999 HOST:PORT`` or ASK says; without a host to who said so."""
        host, _, port = str(redirection).rpartition(" ")[2].rpartition(":")
        return self._node_at(host or by.address.host, int(port))

    # Slots

    def _look(self, seen: int, last: Node | None = None) -> None:
        """Learn anew who serves what, unless somebody has since the look that was ``seen``.

        Raises:
            TurnedAway: No node answers in time.
        """
        if not self._looking.acquire(timeout=LOOK_WITHIN_S):
            raise TurnedAway("No node of the cluster has answered so far")
        try:
            if self._looks != seen:
                return
            if self._monotonic() < self._refuse_until_s:
                raise TurnedAway("No node of the cluster answered a moment ago")
            others = [node for node in tuple(self._nodes.values()) if node is not last]
            random.shuffle(others)
            to_ask = [*others, self._seed, *([] if last is None else [last])]
            try:
                self._learn(*self._answer_of_any(to_ask, ("CLUSTER", "SLOTS")))
            except TurnedAway:
                self._refuse_until_s = self._monotonic() + REFUSE_S
                raise
        finally:
            self._looking.release()

    def _learn(self, asked: Node, slots: Any) -> None:
        serving: list[Node | None] = [None] * SLOTS
        known: dict[tuple[str, int], Node] = {}
        for first, end, *servers in slots:
            # A node that doesn't know its own name is reached as it was now.
            addresses = [
                (host.decode() if host else asked.address.host, port) for host, port, *_ in servers
            ]
            known |= {address: self._node_at(*address) for address in addresses}
            # The primary stands first, and behind it its replicas.
            serving[first : end + 1] = [known[addresses[0]]] * (end + 1 - first)
        gone = [node for address, node in tuple(self._nodes.items()) if address not in known]
        self._serving, self._nodes = serving, known
        self._primaries = list(dict.fromkeys(node for node in serving if node is not None))
        self._looks += 1
        for node in gone:
            node.close()
