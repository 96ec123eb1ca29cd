"""The connection to Redis: its limits in time, and its failures in our words.

Nothing here knows what is stored. A call to :class:`Server` returns, or raises
StoreUnavailable when no answer can be had, or lets through what only a mistake
of ours can cause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from ..ports import StoreUnavailable
from ..redis_url import RedisAddress, read_redis_url
from ..settings import Settings
from ..telemetry.tracing import Tracing
from .cluster import ClusterClient
from .connection import Command, Connection, ErrorReply, TurnedAway, Unanswered
from .node import Node

T = TypeVar("T")

ANSWER_WITHIN_S = 0.5
"""How long a server may take to accept a connection, and again to answer."""

NODE_ANSWERS_WITHIN_S = 0.3
"""The same for a node of a cluster, of which several may have to be asked."""

AWAY = frozenset(
    (
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "MOVED",
        "NOAUTH",
        "NOPERM",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "TRYAGAIN",
    )
)
"""What a server says that would do what it is asked, were it or its keeper well.

MOVED is said by one of a cluster that the settings take for a single server.
"""

AWAY_MESSAGES = (
    "ERR ACL failure in script",  # Valkey, of a user without a right that a script needs
    "ERR The user executing the script can't",  # Redis 7, of the same
)

ONCE_MORE = frozenset(("CLUSTERDOWN", "MASTERDOWN", "READONLY"))
"""Of these, what a new connection may not be told: it may lead to another server."""


class Client(Protocol):
    """What a Node can do, for one server or for many."""

    def exchange(self, command: Command) -> Any: ...

    def exchange_together(self, commands: Sequence[Command]) -> list[Any]: ...

    def keys(self, pattern: str, count: int) -> list[bytes]: ...

    def close(self) -> None: ...


def connect(settings: Settings) -> Server:
    """The Redis, or Redis Cluster, that the settings name; it is not called yet."""
    return Server(open_client(settings), is_cluster=settings.redis_cluster)


def connect_traced(settings: Settings, tracing: Tracing) -> Server:
    """As :func:`connect`; each call is a span of its own."""
    return _TracedServer(open_client(settings), is_cluster=settings.redis_cluster, tracing=tracing)


def open_client(settings: Settings) -> Client:
    """What a Server calls: for many threads, within our limits; it connects when first used."""
    address = read_redis_url(settings.redis_url)
    if settings.redis_cluster:
        return ClusterClient(address, partial(Connection, answer_within_s=NODE_ANSWERS_WITHIN_S))
    return Node(address, open_connection)


def open_connection(address: RedisAddress) -> Connection:
    """A connection to a server, within our limits; it connects when first used."""
    return Connection(address, ANSWER_WITHIN_S)


class Server:
    """Redis as a place to call: connected when first called, and called once more if lost.

    A call may therefore reach the server twice. Whoever calls sees to it that
    the second time does no harm.
    """

    def __init__(self, client: Client, *, is_cluster: bool = False) -> None:
        self._client = client
        self._is_cluster = is_cluster

    def execute(self, *command: bytes | str | int) -> Any:
        """The answer to one command, as the server gives it.

        Raises:
            StoreUnavailable: There is none; the message names the cause.
            ErrorReply: It says no, and is well.
        """
        return self._call(lambda client: client.exchange(command))

    def execute_together(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to many commands; each server is sent all that are for it at once.

        A NOSCRIPT stands among the answers; any other error is raised, with the
        errors of :meth:`execute`, and some of the commands may be carried out then.
        """
        return self._call(lambda client: _together(client, commands))

    def execute_beside(self, command: Command, companion: Command) -> tuple[Any, Any]:
        """The answers to a command and to a companion, sent at once where there is one server.

        Raised is what :meth:`execute` raises of the command, but for NOSCRIPT. That, and
        whatever became of the companion, StoreUnavailable included, stands in its place.
        """
        if not self._is_cluster:
            answer, others = self._call(
                lambda client: _together(client, (command, companion), essential=1)
            )
            if isinstance(others, ErrorReply) and not is_unknown_script(others):
                others = _as_ours(others)
            return answer, others
        try:
            answer = self.execute(*command)
        except ErrorReply as error:
            if not is_unknown_script(error):
                raise
            answer = error
        try:
            return answer, self.execute(*companion)
        except (StoreUnavailable, ErrorReply) as error:
            return answer, error

    def keys(self, pattern: str, count: int) -> list[bytes]:
        """All keys that match, of all servers, asked for by so many; errors as of execute."""
        return self._call(lambda client: client.keys(pattern, count))

    def close(self) -> None:
        """Close every connection; the next call opens new ones."""
        self._client.close()

    def _call(self, ask: Callable[[Client], T]) -> T:
        try:
            return ask(self._client)
        except (Unanswered, ErrorReply) as error:
            if not _is_to_be_asked_again(error):
                raise _as_ours(error) from error
            if isinstance(error, ErrorReply):
                # All connections lead to who is no longer the one to ask.
                self._client.close()
        try:
            return ask(self._client)
        except (Unanswered, ErrorReply) as error:
            raise _as_ours(error) from error


class _TracedServer(Server):
    def __init__(self, client: Client, *, is_cluster: bool, tracing: Tracing) -> None:
        super().__init__(client, is_cluster=is_cluster)
        self._tracing = tracing

    def _call(self, ask: Callable[[Client], T]) -> T:
        with self._tracing.span("redis"):
            return super()._call(ask)


def is_unknown_script(answer: object) -> bool:
    """Whether a server doesn't know, or no longer, the script that it was to run."""
    return isinstance(answer, ErrorReply) and answer.code == "NOSCRIPT"


def _together(
    client: Client, commands: Sequence[Command], essential: int | None = None
) -> list[Any]:
    """The answers; errors among the first so many are raised."""
    answers = client.exchange_together(commands)
    for answer in answers[:essential]:
        if isinstance(answer, ErrorReply) and not is_unknown_script(answer):
            raise answer
    return answers


def _is_to_be_asked_again(error: Unanswered | ErrorReply) -> bool:
    if isinstance(error, ErrorReply):
        return error.code in ONCE_MORE
    return not isinstance(error, TurnedAway)


def _as_ours(error: Unanswered | ErrorReply) -> Exception:
    """StoreUnavailable, or the very same error where the server is well and we are not."""
    if isinstance(error, ErrorReply):
        is_away = error.code in AWAY or str(error).startswith(AWAY_MESSAGES)
        return StoreUnavailable(str(error)) if is_away else error
    return StoreUnavailable(str(error))
