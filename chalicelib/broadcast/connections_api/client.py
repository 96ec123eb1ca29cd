"""@connections client: one thread that feeds a :class:`Transport` from a DeliveryQueue.

The queue decides what is sent and when, the transport sends it; this module owns the
loop between them and the entry points for other threads. Must not be used across a
fork: threads and sockets don't survive one.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import inf
from random import random
from threading import Event, Lock, Thread, current_thread
from time import monotonic
from typing import Protocol

from .ports import Closed, Delete, DeliveryStatus, R, Request, TransportLimits
from .queue import NO_ANSWER, Batch, DeliveryQueue, Queued

logger = logging.getLogger(__name__)

RETURNS_AFTER_DEADLINE_S = 0.1
"""How long a blocking call waits for the client's thread to notice an expired deadline."""


class Transport(Protocol):
    """Sends requests. Every method except :meth:`wake` is called on one thread."""

    def start(self, queued: Queued) -> None:
        """Start a request without blocking. An exception counts as no answer."""

    def wait(self, within_s: float) -> Iterable[tuple[Queued, int]]:
        """Work until a request is answered, ``within_s`` have passed, or ``wake`` is called.

        Returns the answered requests, each with its HTTP status or NO_ANSWER.
        ``within_s`` may be infinite.
        """

    def wake(self) -> None:
        """End the current wait, or the next one. Safe on any thread."""

    def close(self, within_s: float) -> None:
        """Abandon the requests in flight and free all resources."""


class ConnectionsApiClient:
    """A :class:`~.ports.ConnectionsApi` on any transport.

    Thread and transport start with the first request. ``now_s`` is the clock of the
    deadlines, ``jitter`` the random factor of the backoff.
    """

    def __init__(
        self,
        open_transport: Callable[[], Transport],
        limits: TransportLimits,
        now_s: Callable[[], float] = monotonic,
        jitter: Callable[[], float] = random,
    ) -> None:
        self._open_transport = open_transport
        self._limits = limits
        self._now_s = now_s
        self._jitter = jitter
        self._lock = Lock()
        self._inbox: deque[Queued] = deque()
        self._thread: Thread | None = None
        self._transport: Transport | None = None
        self._asleep = False
        self._closed = False
        self._close_at_s = inf

    def submit_all(self, requests: Sequence[R], done: Callable[[R, DeliveryStatus], None]) -> None:
        self._take(tuple(Queued(one, one.deadline_s, partial(done, one)) for one in requests))

    def post_all(
        self, requests: Sequence[Request], within_seconds: float, max_throttled_seconds: float = inf
    ) -> list[DeliveryStatus]:
        deadline_s = self._now_s() + within_seconds
        pending = _PendingStatuses(len(requests))
        batch = Batch(max_throttled_seconds) if max_throttled_seconds < within_seconds else None
        self._take(
            [
                Queued(
                    request,
                    min(request.deadline_s, deadline_s),
                    partial(pending.settle, index),
                    batch,
                )
                for index, request in enumerate(requests)
            ]
        )
        return pending.statuses_within(within_seconds + RETURNS_AFTER_DEADLINE_S)

    def delete(self, endpoint: str, connection_id: str, within_seconds: float) -> DeliveryStatus:
        return self.post_all([Delete(endpoint, connection_id, inf)], within_seconds)[0]

    def close(self, within_seconds: float) -> None:
        with self._lock:
            self._close_at_s = min(self._close_at_s, self._now_s() + within_seconds)
            self._closed = True
            thread, transport = self._thread, self._transport
            if transport is not None:
                transport.wake()
        # A callback that closes the client runs on this thread and can't join it.
        if thread is not None and thread is not current_thread():
            thread.join(within_seconds + RETURNS_AFTER_DEADLINE_S)

    def _take(self, queued: Sequence[Queued]) -> None:
        with self._lock:
            if self._closed:
                raise Closed("the client is closed; open a new one")
            if not queued:
                return
            self._inbox.extend(queued)
            if self._transport is None:
                self._transport = self._open_transport()
                self._thread = Thread(
                    target=self._run, args=(self._transport,), name="management-api", daemon=True
                )
                self._thread.start()
            elif self._asleep:
                self._transport.wake()

    def _run(self, transport: Transport) -> None:
        queue = DeliveryQueue(self._limits, self._jitter)
        try:
            self._deliver(transport, queue)
        except Exception:
            # Callers must not wait for ever; the next request starts a new thread
            # and a new transport.
            logger.exception("client thread failed; its requests are dropped")
        with self._lock:
            self._transport = None
            self._asleep = False
            left = list(self._drain())
        queue.drop_all()
        self._report(queue)
        for queued in left:
            _settle(queued, DeliveryStatus.DROPPED)
        transport.close(max(0.0, self._close_at_s - self._now_s()) if self._closed else 0.0)

    def _deliver(self, transport: Transport, queue: DeliveryQueue) -> None:
        while True:
            for queued in self._drain():
                queue.accept(queued)
            now_s = self._now_s()
            due_at_s = queue.due_at_s()
            if due_at_s <= now_s:
                queue.pass_time(now_s)
            while (ready := queue.next()) is not None:
                try:
                    transport.start(ready)
                except Exception:
                    logger.exception("request to %s could not be sent", ready.request.endpoint)
                    queue.answered(ready, NO_ANSWER, now_s)
            if queue.settled:
                self._report(queue)
                continue
            if self._closed and (not queue or now_s >= self._close_at_s) and not self._inbox:
                return
            self._asleep = True
            # The inbox is checked after setting the flag, so a concurrent submit
            # either is seen here or wakes the transport.
            until_s = min(queue.due_at_s(), self._close_at_s)
            within_s = 0.0 if self._inbox else max(0.0, until_s - now_s)
            answers = transport.wait(within_s)
            self._asleep = False
            now_s = self._now_s()
            for answered, status in answers:
                queue.answered(answered, status, now_s)
            if queue.settled:
                self._report(queue)

    def _drain(self) -> Iterable[Queued]:
        inbox = self._inbox
        while inbox:
            yield inbox.popleft()

    def _report(self, queue: DeliveryQueue) -> None:
        settled, queue.settled = queue.settled, []
        for queued, status in settled:
            _settle(queued, status)


class _PendingStatuses:
    """The statuses of many requests, for a caller that waits for all of them."""

    def __init__(self, size: int) -> None:
        self._statuses: list[DeliveryStatus | None] = [None] * size
        self._missing = size
        self._complete = Event()
        if not size:
            self._complete.set()

    def settle(self, index: int, status: DeliveryStatus) -> None:
        self._statuses[index] = status
        self._missing -= 1
        if not self._missing:
            self._complete.set()

    def statuses_within(self, seconds: float) -> list[DeliveryStatus]:
        self._complete.wait(seconds)
        return [status or DeliveryStatus.LATE for status in self._statuses]


def _settle(queued: Queued, status: DeliveryStatus) -> None:
    try:
        queued.settle(status)
    except Exception:
        logger.exception("callback failed for a request that was %s", status)
