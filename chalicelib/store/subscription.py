"""Hearing what commits publish, of every session or shard, over one connection.

A subscription that is lost stays lost: redis-py's own would go on silently on
a connection that hears nothing. Whoever needs one opens another.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis
from redis.exceptions import RedisError

from ..ports import StoreUnavailable
from ..settings import Settings
from .client import open_one_server
from .keys import ALL_ALARMS, ALL_UPDATES, session_of_channel, shard_of_alarms

SUBSCRIBED_WITHIN_S = 2.0

QUIET_S = 2.0
"""After so long with nothing to hear, the server is asked for a sign of life."""

SIGN_WITHIN_S = 2.0
"""Whoever gives none within this time is gone, though nobody has closed the connection."""


class _Hearing:
    """One connection on which messages come in, or at least signs of life."""

    def __init__(self, pubsub: Any) -> None:
        self._pubsub = pubsub
        self._quiet_since_s = time.monotonic()
        self._asked_at_s: float | None = None

    def next(self, within_seconds: float) -> tuple[str, bytes] | None:
        """The next message and its channel; None if there is none in time.

        Raises:
            StoreUnavailable: The connection is lost, or leads to somebody who is silent.
        """
        try:
            message = self._pubsub.get_message(timeout=within_seconds)
            if message is None:
                self._doubt(time.monotonic())
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"The subscription is lost: {error}") from error
        if message is None:
            return None
        self._quiet_since_s, self._asked_at_s = time.monotonic(), None
        if message["type"] != "pmessage":
            return None
        return message["channel"].decode(), message["data"]

    def _doubt(self, now_s: float) -> None:
        if self._asked_at_s is None:
            if now_s - self._quiet_since_s >= QUIET_S:
                self._pubsub.ping()
                self._asked_at_s = now_s
        elif now_s - self._asked_at_s >= SIGN_WITHIN_S:
            raise redis.TimeoutError("it is silent")


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
    client = open_one_server(settings)
    pubsub = client.pubsub()  # type: ignore[no-untyped-call]
    try:
        try:
            pubsub.psubscribe(pattern)
            confirmed = pubsub.get_message(timeout=SUBSCRIBED_WITHIN_S)
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"No subscription: {error}") from error
        if confirmed is None:
            raise StoreUnavailable("No subscription: it was not confirmed")
        yield _Hearing(pubsub)
    finally:
        with suppress(redis.RedisError, OSError):
            pubsub.close()
        client.close()
