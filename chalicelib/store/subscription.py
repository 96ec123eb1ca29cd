"""Hearing what commits publish, of every session, over one connection.

A subscription that is lost stays lost: redis-py's own would go on silently on
a connection that hears nothing. Whoever needs one opens another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis
from redis.exceptions import RedisClusterException, RedisError

from ..ports import StoreUnavailable
from ..settings import Settings
from .client import open_client
from .keys import ALL_UPDATES, session_of_channel

SUBSCRIBED_WITHIN_S = 2.0


class RedisSubscription:
    """What is published from the moment this exists on; see Subscription."""

    def __init__(self, pubsub: Any) -> None:
        self._pubsub = pubsub

    def next(self, within_seconds: float) -> tuple[str, bytes] | None:
        try:
            message = self._pubsub.get_message(timeout=within_seconds)
        except (RedisError, RedisClusterException, OSError) as error:
            raise StoreUnavailable(f"The subscription is lost: {error}") from error
        if message is None or message["type"] != "pmessage":
            return None
        return session_of_channel(message["channel"].decode()), message["data"]


@contextmanager
def subscription(settings: Settings) -> Iterator[RedisSubscription]:
    """Subscribed to the updates of every session while the block lasts.

    Raises:
        StoreUnavailable: It can't be had.
    """
    try:
        client = open_client(settings)
    except (RedisError, RedisClusterException) as error:
        raise StoreUnavailable(f"No subscription: {error}") from error
    pubsub = client.pubsub()  # type: ignore[no-untyped-call]
    try:
        try:
            pubsub.psubscribe(ALL_UPDATES)
            confirmed = pubsub.get_message(timeout=SUBSCRIBED_WITHIN_S)
        except (RedisError, RedisClusterException, OSError) as error:
            raise StoreUnavailable(f"No subscription: {error}") from error
        if confirmed is None:
            raise StoreUnavailable("No subscription: it was not confirmed")
        yield RedisSubscription(pubsub)
    finally:
        with suppress(redis.RedisError, OSError):
            pubsub.close()
        client.close()
