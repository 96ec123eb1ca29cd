"""Hearing what commits publish, of every session or shard, over one connection.

A subscription that is lost stays lost: redis-py's own would go on silently on
a connection that hears nothing. Whoever needs one opens another.
"""

from __future__ import annotations

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


class RedisSubscription:
    """What is published from the moment this exists on; see Subscription."""

    def __init__(self, pubsub: Any) -> None:
        self._pubsub = pubsub

    def next(self, within_seconds: float) -> tuple[str, bytes] | None:
        message = _next(self._pubsub, within_seconds)
        return None if message is None else (session_of_channel(message[0]), message[1])


class RedisAlarms:
    """Shards with a deadline earlier than before, from this moment on; see Alarms."""

    def __init__(self, pubsub: Any) -> None:
        self._pubsub = pubsub

    def next(self, within_seconds: float) -> int | None:
        message = _next(self._pubsub, within_seconds)
        return None if message is None else shard_of_alarms(message[0])


@contextmanager
def subscription(settings: Settings) -> Iterator[RedisSubscription]:
    """Subscribed to the updates of every session while the block lasts.

    Raises:
        StoreUnavailable: It can't be had.
    """
    with _subscribed(settings, ALL_UPDATES) as pubsub:
        yield RedisSubscription(pubsub)


@contextmanager
def alarms(settings: Settings) -> Iterator[RedisAlarms]:
    """Subscribed to the alarms of every shard while the block lasts.

    Raises:
        StoreUnavailable: They can't be had.
    """
    with _subscribed(settings, ALL_ALARMS) as pubsub:
        yield RedisAlarms(pubsub)


def _next(pubsub: Any, within_seconds: float) -> tuple[str, bytes] | None:
    try:
        message = pubsub.get_message(timeout=within_seconds)
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"The subscription is lost: {error}") from error
    if message is None or message["type"] != "pmessage":
        return None
    return message["channel"].decode(), message["data"]


@contextmanager
def _subscribed(settings: Settings, pattern: str) -> Iterator[Any]:
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
        yield pubsub
    finally:
        with suppress(redis.RedisError, OSError):
            pubsub.close()
        client.close()
