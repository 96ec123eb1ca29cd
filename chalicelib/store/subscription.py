"""Hearing what commits publish, of every session or shard, over one connection.

A subscription that is lost stays lost: one that came back by itself would not
say what it has missed. Whoever needs one opens another.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..ports import StoreUnavailable
from ..redis_url import read_redis_url
from ..settings import Settings
from .client import open_connection
from .connection import Connection, ErrorReply, TimedOut, Unanswered
from .keys import ALL_ALARMS, ALL_UPDATES, session_of_channel, shard_of_alarms

SUBSCRIBED_WITHIN_S = 2.0

QUIET_S = 2.0
"""After so long with nothing to hear, the server is asked for a sign of life."""

SIGN_WITHIN_S = 2.0
"""Whoever gives none within this time is gone, though nobody has closed the connection."""


class _Hearing:
    """One connection on which messages come in, or at least signs of life."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._quiet_since_s = time.monotonic()
        self._asked_at_s: float | None = None

    def next(self, within_seconds: float) -> tuple[str, bytes] | None:
        """The next message and its channel; None if there is none in time.

        Raises:
            StoreUnavailable: The connection is lost, or leads to somebody who is silent.
        """
        try:
            heard = self._connection.receive(within_seconds)
        except TimedOut:
            self._doubt(time.monotonic())
            return None
        except Unanswered as error:
            raise _lost(error) from error
        self._quiet_since_s, self._asked_at_s = time.monotonic(), None
        match heard:
            case [b"pmessage", _, bytes(channel), bytes(message)]:
                return channel.decode(), message
        return None

    def _doubt(self, now_s: float) -> None:
        if self._asked_at_s is None:
            if now_s - self._quiet_since_s >= QUIET_S:
                try:
                    self._connection.send([("PING",)])
                except Unanswered as error:
                    raise _lost(error) from error
                self._asked_at_s = now_s
        elif now_s - self._asked_at_s >= SIGN_WITHIN_S:
            raise _lost("the server is silent")


class RedisSubscription:
    """What is published from the moment this exists on; see Subscription."""

    def __init__(self, hearing: _Hearing) -> None:
        self._hearing = hearing

    def next(self, within_seconds: float) -> tuple[str, bytes] | None:
        message = self._hearing.next(within_seconds)
        return None if message is None else (session_of_channel(message[0]), message[1])


class RedisAlarms:
    """Shards with a deadline earlier than before, from this moment on; see Alarms."""

    def __init__(self, hearing: _Hearing) -> None:
        self._hearing = hearing

    def next(self, within_seconds: float) -> int | None:
        message = self._hearing.next(within_seconds)
        return None if message is None else shard_of_alarms(message[0])


@contextmanager
def subscription(settings: Settings) -> Iterator[RedisSubscription]:
    """Subscribed to the updates of every session while the block lasts.

    Raises:
        StoreUnavailable: It can't be had.
    """
    with _subscribed(settings, ALL_UPDATES) as hearing:
        yield RedisSubscription(hearing)


@contextmanager
def alarms(settings: Settings) -> Iterator[RedisAlarms]:
    """Subscribed to the alarms of every shard while the block lasts.

    Raises:
        StoreUnavailable: They can't be had.
    """
    with _subscribed(settings, ALL_ALARMS) as hearing:
        yield RedisAlarms(hearing)


@contextmanager
def _subscribed(settings: Settings, pattern: str) -> Iterator[_Hearing]:
    # What is published on one node of a cluster is heard on each.
    connection = open_connection(read_redis_url(settings.redis_url))
    try:
        try:
            connection.open()
            connection.send([("PSUBSCRIBE", pattern)])
            confirmed = connection.receive(SUBSCRIBED_WITHIN_S)
        except Unanswered as error:
            raise StoreUnavailable(f"No subscription: {error}") from error
        if isinstance(confirmed, ErrorReply):
            raise StoreUnavailable(f"No subscription: {confirmed}")
        yield _Hearing(connection)
    finally:
        connection.close()


def _lost(cause: object) -> StoreUnavailable:
    return StoreUnavailable(f"The subscription is lost: {cause}")
