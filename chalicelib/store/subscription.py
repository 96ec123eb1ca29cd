"""Redis Pub/Sub subscriptions to updates and deadlines, over one connection each.

One that is lost, or can't be opened, raises StoreUnavailable. It does not reconnect, because
messages may have been missed: the caller opens another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from redis.connection import Connection

from ..ports import StoreUnavailable
from ..settings import Settings
from .client import open_redis
from .keys import ALL_ALARMS, ALL_UPDATES, session_of_channel, shard_of_alarms
from .redis_errors import ERRORS, code_and_message

QUIET_S = 2.0
"""How long without a message before the server is sent a PING."""

PONG_WITHIN_S = 2.0
"""How long to wait for the PONG before the subscription counts as lost."""

LOST = "The subscription is lost"

T = TypeVar("T")


class _Listener(Generic[T]):
    """A Pub/Sub connection, checked with PING while quiet; redis-py's PubSub is twice as slow."""

    def __init__(self, connection: Connection, read: Callable[[str, bytes], T]) -> None:
        self._connection = connection
        self._read = read
        self._quiet_since_s = time.monotonic()
        self._pinged_at_s: float | None = None

    def next(self, within_seconds: float) -> T | None:
        """The next message, parsed by ``read``; None after ``within_seconds`` without one."""
        with _unavailable(LOST):
            has_message = self._connection.can_read(within_seconds)
            message = self._connection.read_response(push_request=True) if has_message else None
        if message is None:
            self._check_silence(time.monotonic())
            return None
        self._quiet_since_s, self._pinged_at_s = time.monotonic(), None
        match message:
            case [b"pmessage", _, channel, data]:
                return self._read(channel.decode(), data)
        return None

    def _check_silence(self, now_s: float) -> None:
        if self._pinged_at_s is None:
            if now_s - self._quiet_since_s >= QUIET_S:
                with _unavailable(LOST):
                    # redis-py would first send one of its own, and drop messages while it waits.
                    self._connection.send_command("PING", check_health=False)
                self._pinged_at_s = now_s
        elif now_s - self._pinged_at_s >= PONG_WITHIN_S:
            raise StoreUnavailable(f"{LOST}: the server is silent")


@contextmanager
def subscription(settings: Settings) -> Iterator[_Listener[tuple[str, bytes]]]:
    """Subscribed to the updates of every session while the block lasts; see Subscription."""

    def update(channel: str, message: bytes) -> tuple[str, bytes]:
        return session_of_channel(channel), message

    with _subscribed(settings, ALL_UPDATES, update) as listener:
        yield listener


@contextmanager
def deadline_notifications(settings: Settings) -> Iterator[_Listener[int]]:
    """Subscribed to every shard's deadlines while the block lasts; see DeadlineNotifications."""
    with _subscribed(settings, ALL_ALARMS, lambda channel, _: shard_of_alarms(channel)) as listener:
        yield listener


@contextmanager
def _subscribed(
    settings: Settings, pattern: str, read: Callable[[str, bytes], T]
) -> Iterator[_Listener[T]]:
    # A cluster forwards published messages to every node.
    client = open_redis(settings)
    try:
        with _unavailable("No subscription"):
            connection = client.connection_pool.get_connection()
            # redis-py's own handler writes each message to a log.
            connection._parser.set_pubsub_push_handler(lambda message: message)
            connection.send_command("PSUBSCRIBE", pattern)
            connection.read_response(push_request=True)
        yield _Listener(connection, read)
    finally:
        client.close()


@contextmanager
def _unavailable(what: str) -> Iterator[None]:
    try:
        yield
    except ERRORS as error:
        raise StoreUnavailable(f"{what}: {code_and_message(error)[1]}") from error
