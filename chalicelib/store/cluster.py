"""A Redis Cluster: which node serves which slot, and what to do when that changes.

It stands where redis-py's client of a single server stands, and knows no more
of what is stored. Nodes are asked for the slots when they are first needed, and
again when one of them fails; a node that redirects a command is believed.

redis-py has a client for clusters. All its threads wait for each other to look
at the slots anew, each asking every node: where all nodes are silent, the last
of thirty threads waits for half a minute. An ASK that leads to a node which has
joined since it looked raises AttributeError. And it takes three times the CPU
of the exchange.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Any, TypeVar

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ClusterError,
    MovedError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)

LOOK_WITHIN_S = 0.6
"""So long nodes are asked for the slots, and so long others wait for the answer."""

REFUSE_S = 0.2
"""For so long nobody asks a node again that was silent, nor all of them that were."""

PROBE_S = 1.0

REDIRECTIONS = 5

TRY_AGAIN_S = 0.3
"""While a slot is moved key by key, some keys are here and some there: it will soon be over."""

TRY_AGAIN_EVERY_S = 0.02

WITHOUT_KEY = frozenset(("ECHO", "PING", "TIME"))
BEHIND_A_COUNT = frozenset(("EVAL", "EVALSHA"))

ABOUT_THE_SLOT = (MovedError, AskError, TryAgainError, ClusterDownError)
"""What a node says that has done nothing, since others serve the key, or some of them."""

Word = bytes | str | int
Monotonic = Callable[[], float]
T = TypeVar("T")


def slot_of(command: tuple[Word, ...]) -> int | None:
    """The slot of a command's first key; ``None`` where any node will do."""
    name, place = command[0], 1
    if name in WITHOUT_KEY:
        return None
    if name in BEHIND_A_COUNT:
        place = 3
        if not int(command[2]):
            return None
    key = command[place]
    return key_slot(key if isinstance(key, bytes) else str(key).encode())


class Node:
    """One server of a cluster: connections to it that are kept, and exchanges over them."""

    def __init__(
        self, host: str, port: int, new_connection: Callable[[], Any], monotonic: Monotonic
    ) -> None:
        self.host = host
        self.port = port
        self._new_connection = new_connection
        self._monotonic = monotonic
        self._idle: list[Any] = []
        self._refuse_until_s = 0.0

    def exchange(self, command: tuple[Word, ...], *, asking: bool = False) -> Any:
        """The answer to a command; redis-py's errors where there is none or it says no."""
        return self._over_one(lambda connection: _exchange(connection, command, asking=asking))

    def exchange_together(self, commands: Sequence[tuple[Word, ...]]) -> list[Any]:
        """The answers to many commands, sent at once; among them errors where it says no."""
        return self._over_one(lambda connection: exchange_together(connection, commands))

    def _over_one(self, exchange: Callable[[Any], T]) -> T:
        """What is made of a connection.

        A node that has been silent is not asked again for a moment: were each
        thread to find out for itself, those that queue for one would wait many times over.
        """
        asked_at_s = self._monotonic()
        if asked_at_s < self._refuse_until_s:
            raise redis.TimeoutError(f"{self.host}:{self.port} was silent a moment ago")
        if self._refuse_until_s:
            # Whoever comes first asks; the others go on being refused meanwhile.
            self._refuse_until_s = asked_at_s + PROBE_S
        connection, is_new = self._idle_or_new()
        refuse_until_s = 0.0
        try:
            answer = exchange(connection)
        except ResponseError:
            self._idle.append(connection)
            raise
        except BaseException as error:
            # Half an exchange is behind it: an answer could be taken for the next one's.
            connection.disconnect()
            if isinstance(error, redis.ConnectionError | redis.TimeoutError):
                # What became of one connection has probably become of all.
                self.close()
            if is_new and isinstance(error, redis.TimeoutError):
                refuse_until_s = self._monotonic() + REFUSE_S
            raise
        finally:
            self._refuse_until_s = refuse_until_s
        self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close the connections that nobody uses; the next exchange opens a new one."""
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().disconnect()

    def _idle_or_new(self) -> tuple[Any, bool]:
        try:
            return self._idle.pop(), False
        except IndexError:
            return self._new_connection(), True


def _exchange(connection: Any, command: tuple[Word, ...], *, asking: bool) -> Any:
    # At once: else the first command waits for a health check, too.
    connection.connect()
    if asking:
        connection.send_command("ASKING")
        connection.read_response()
    connection.send_command(*command)
    return connection.read_response()


def exchange_together(connection: Any, commands: Sequence[tuple[Word, ...]]) -> list[Any]:
    """The answers to commands sent at once over one connection, errors among them."""
    connection.connect()
    connection.send_packed_command(connection.pack_commands(commands))
    answers: list[Any] = []
    for _ in commands:
        try:
            answers.append(connection.read_response())
        except ResponseError as error:
            answers.append(error)
    return answers


class ClusterClient:
    """The cluster that the server of ``seed`` belongs to. Safe for many threads.

    Its methods are those of redis-py's client that are used here. They raise
    redis-py's errors, and repeat no command that may have been carried out.
    """

    def __init__(self, seed: redis.Redis, monotonic: Monotonic = time.monotonic) -> None:
        pool = seed.connection_pool
        self._connection_class = pool.connection_class
        self._options = dict(pool.connection_kwargs)
        self._monotonic = monotonic
        self._seed = self._new_node(
            self._options.get("host", "localhost"), self._options.get("port", 6379)
        )
        # All nodes, those of them that serve slots, and who serves which.
        self._nodes: dict[tuple[str, int], Node] = {}
        self._primaries: list[Node] = []
        self._serving: list[Node | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._looks = 0
        self._looking = Lock()
        self._refuse_until_s = 0.0

    def execute_command(self, *command: Word) -> Any:
        """The answer of the node that serves the command's slot, wherever that has gone."""
        slot = slot_of(command)
        if slot is None:
            return self._ask_any(command)
        node, asking = self._node_for(slot), False
        redirections, try_until_s = 0, self._monotonic() + TRY_AGAIN_S
        while redirections <= REDIRECTIONS:
            try:
                return self._on(node, partial(node.exchange, command, asking=asking))
            except MovedError as moved:
                redirections += 1
                node, asking = self._node_at(moved.host or node.host, moved.port), False
                self._serving[slot] = node
            except AskError as asked:
                redirections += 1
                node, asking = self._node_at(asked.host or node.host, asked.port), True
            except TryAgainError:
                if self._monotonic() > try_until_s:
                    raise
                time.sleep(TRY_AGAIN_EVERY_S)
        raise ClusterError("Redirected too often")

    def execute_together(self, commands: Sequence[tuple[Word, ...]]) -> list[Any]:
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
            if isinstance(answer, ABOUT_THE_SLOT):
                answers[place] = self.execute_command(*commands[place])
        return [answers[place] for place in range(len(commands))]

    def scan_iter(self, match: str, count: int) -> Iterator[bytes]:
        """The keys of all nodes that match a pattern."""
        for node in self._all_primaries():
            cursor: Word = 0
            while True:
                command = ("SCAN", cursor, "MATCH", match, "COUNT", count)
                cursor, keys = self._on(node, partial(node.exchange, command))
                yield from keys
                if not int(cursor):
                    break

    def close(self) -> None:
        for node in (self._seed, *tuple(self._nodes.values())):
            node.close()

    def _on(self, node: Node, exchange: Callable[[], T]) -> T:
        looks = self._looks
        try:
            return exchange()
        except (redis.ConnectionError, redis.TimeoutError, ClusterDownError):
            # Whoever asks again shall find out who has taken over.
            self._look(looks, last=node)
            raise

    def _ask_any(self, command: tuple[Word, ...]) -> Any:
        primaries, looks = self._all_primaries(), self._looks
        try:
            return self._answer_of_any(primaries, command)[1]
        except RedisClusterException:
            self._look(looks)
            raise

    def _node_for(self, slot: int) -> Node:
        node = self._serving[slot]
        if node is None:
            self._look(self._looks)
            node = self._serving[slot]
        if node is None:
            raise ClusterDownError(f"Nobody serves slot {slot}")
        return node

    def _all_primaries(self) -> list[Node]:
        if not self._primaries:
            self._look(self._looks)
        return self._primaries

    def _answer_of_any(self, nodes: Sequence[Node], command: tuple[Word, ...]) -> tuple[Node, Any]:
        """The first of them that answers, and its answer.

        Raises:
            RedisClusterException: None does in time.
        """
        give_up_at_s = self._monotonic() + LOOK_WITHIN_S
        cause: Exception | None = None
        for node in nodes:
            if self._monotonic() >= give_up_at_s:
                break
            try:
                return node, node.exchange(command)
            except RedisError as error:
                cause = error
        raise RedisClusterException(f"No node of the cluster answers: {cause}")

    def _node_at(self, host: str, port: int) -> Node:
        return self._nodes.setdefault((host, port), self._new_node(host, port))

    def _new_node(self, host: str, port: int) -> Node:
        options = {**self._options, "host": host, "port": port}
        return Node(host, port, lambda: self._connection_class(**options), self._monotonic)

    # Slots

    def _look(self, seen: int, last: Node | None = None) -> None:
        """Learn anew who serves what, unless somebody has since the look that was ``seen``.

        Raises:
            RedisClusterException: No node answers in time.
        """
        if not self._looking.acquire(timeout=LOOK_WITHIN_S):
            raise RedisClusterException("No node of the cluster has answered so far")
        try:
            if self._looks != seen:
                return
            if self._monotonic() < self._refuse_until_s:
                raise RedisClusterException("No node of the cluster answered a moment ago")
            others = [node for node in tuple(self._nodes.values()) if node is not last]
            random.shuffle(others)
            to_ask = [*others, self._seed, *([] if last is None else [last])]
            try:
                self._learn(*self._answer_of_any(to_ask, ("CLUSTER", "SLOTS")))
            except RedisClusterException:
                self._refuse_until_s = self._monotonic() + REFUSE_S
                raise
        finally:
            self._looking.release()

    def _learn(self, asked: Node, slots: Any) -> None:
        serving: list[Node | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        known: dict[tuple[str, int], Node] = {}
        for first, end, *servers in slots:
            # A node that doesn't know its own name is reached as it was now.
            addresses = [
                (host.decode() if host else asked.host, port) for host, port, *_ in servers
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
