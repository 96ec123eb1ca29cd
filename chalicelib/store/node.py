"""One server: connections to it that are kept, and exchanges over them. Safe for many threads.

A server that has been silent is not asked again for a moment: were each thread
to find out for itself, those that queue for one would wait many times over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from ..redis_url import RedisAddress
from .connection import Command, ErrorReply, TimedOut, Unanswered

REFUSE_S = 0.2
"""For so long nobody asks a server again that was silent."""

PROBE_S = 1.1
"""So long the others go on being refused while one asks whether it is back."""

Monotonic = Callable[[], float]


class Line(Protocol):
    """What is asked of a Connection here."""

    def exchange(self, commands: Sequence[Command]) -> list[Any]: ...

    def close(self) -> None: ...


OpenConnection = Callable[[RedisAddress], Line]


class Node:
    """The server at ``address``, alone or one of a cluster."""

    def __init__(
        self,
        address: RedisAddress,
        open_connection: OpenConnection,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self.address = address
        self._open_connection = open_connection
        self._monotonic = monotonic
        # The last one used is the first one taken, by any thread.
        self._idle: list[Line] = []
        self._refuse_until_s = 0.0

    def exchange(self, command: Command, *, asking: bool = False) -> Any:
        """The answer to a command; ``asking`` for a slot that is about to be this server's.

        Raises:
            ErrorReply: It says no.
            Unanswered: There is none; the command may have been carried out.
        """
        commands = (("ASKING",), command) if asking else (command,)
        answers = self.exchange_together(commands)
        for answer in answers:
            if isinstance(answer, ErrorReply):
                raise answer
        return answers[-1]

    def exchange_together(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to commands that are sent at once, ErrorReplies among them.

        Raises:
            Unanswered: There are none; some of the commands may have been carried out.
        """
        asked_at_s = self._monotonic()
        if asked_at_s < self._refuse_until_s:
            raise TimedOut(f"{self.address.host}:{self.address.port} was silent a moment ago")
        if self._refuse_until_s:
            # Whoever comes first asks; the others go on being refused meanwhile.
            self._refuse_until_s = asked_at_s + PROBE_S
        idle = self._idle
        connection, is_new = self._taken_from(idle)
        refuse_until_s = 0.0
        try:
            answers = connection.exchange(commands)
        except BaseException as error:
            # Half an exchange is behind it: an answer could be taken for the next one's.
            connection.close()
            if isinstance(error, Unanswered):
                # What became of one connection has probably become of all that rest.
                _close_all(idle)
            if is_new and isinstance(error, TimedOut):
                refuse_until_s = self._monotonic() + REFUSE_S
            raise
        finally:
            # Any answer will do, also one that says no.
            self._refuse_until_s = refuse_until_s
        idle.append(connection)
        if idle is not self._idle:
            # Somebody has left the server meanwhile.
            _close_all(idle)
        return answers

    def keys(self, pattern: str, count: int) -> list[bytes]:
        """Those that match, asked for by so many; one that comes or goes meanwhile may be missing.

        Raises what :meth:`exchange` does.
        """
        cursor: bytes | int = 0
        found: list[bytes] = []
        while True:
            cursor, some = self.exchange(("SCAN", cursor, "MATCH", pattern, "COUNT", count))
            found += some
            if not int(cursor):
                return found

    def close(self) -> None:
        """Use no connection again that there is now; the next exchange opens a new one."""
        idle, self._idle = self._idle, []
        _close_all(idle)

    def _taken_from(self, idle: list[Line]) -> tuple[Line, bool]:
        try:
            return idle.pop(), False
        except IndexError:
            return self._open_connection(self.address), True


def _close_all(idle: list[Line]) -> None:
    while idle:
        # Another thread may have taken the last one.
        with suppress(IndexError):
            idle.pop().close()
