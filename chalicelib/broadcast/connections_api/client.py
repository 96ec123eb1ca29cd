"""The thread between those who submit requests and the wire that carries them out.

Everything that decides is in the outbox, everything that sends is behind
:class:`Wire`; here is only the loop that joins them, and the way in for other
threads. Not to be used across a fork: threads and sockets stay behind.
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

from .ports import Closed, Delete, Outcome, R, Request, TransportLimits
from .queue import NO_ANSWER, Batch, DeliveryQueue, Queued

logger = logging.getLogger(__name__)

RETURNS_AFTER_DEADLINE_S = 0.1
"""How long a blocking call waits for the client's thread to notice that time is up."""


class Wire(Protocol):
    """Carries out requests. All but :meth:`wake` is called on one thread."""

    def start(self, queued: Queued) -> None:
        """Begin a request; must not block. What it raises counts as no answer."""

    def wait(self, within_s: float) -> Iterable[tuple[Queued, int]]:
        """Work until something is answered, within_s have passed, or someone wakes it.

        Returns what was answered, each with its HTTP status or NO_ANSWER. ``within_s``
        may be infinite.
        """

    def wake(self) -> None:
        """End the wait of now, or else the next one."""

    def close(self, within_s: float) -> None:
        """Abandon what is under way, free everything."""


class WiredManagementApi:
    """A :class:`~.ports.ConnectionsApi` on any wire; both are made when first needed.

    ``now_s`` is the clock of the deadlines and ``jitter`` the chance in the
    backoff; tests bring their own.
    """

    def __init__(
        self,
        open_wire: Callable[[], Wire],
        limits: TransportLimits,
        now_s: Callable[[], float] = monotonic,
        jitter: Callable[[], float] = random,
    ) -> None:
        self._open_wire = open_wire
        self._limits = limits
        self._now_s = now_s
        self._jitter = jitter
        self._lock = Lock()
        self._inbox: deque[Queued] = deque()
        self._thread: Thread | None = None
        self._wire: Wire | None = None
        self._asleep = False
        self._closed = False
        self._close_at_s = inf

    def submit(self, request: R, done: Callable[[R, Outcome], None]) -> None:
        self.submit_all((request,), done)

    def submit_all(self, requests: Sequence[R], done: Callable[[R, Outcome], None]) -> None:
        self._take(tuple(Queued(one, one.deadline_s, partial(done, one)) for one in requests))

    def post_all(
        self, requests: Sequence[Request], within_seconds: float, limited_seconds: float = inf
    ) -> list[Outcome]:
        deadline_s = self._now_s() + within_seconds
        batch = _Batch(len(requests))
        company = Batch(limited_seconds) if limited_seconds < within_seconds else None
        self._take(
            [
                Queued(
                    request,
                    min(request.deadline_s, deadline_s),
                    partial(batch.settle, place),
                    company,
                )
                for place, request in enumerate(requests)
            ]
        )
        return batch.outcomes_within(within_seconds + RETURNS_AFTER_DEADLINE_S)

    def delete(self, endpoint: str, connection_id: str, within_seconds: float) -> Outcome:
        return self.post_all([Delete(endpoint, connection_id, inf)], within_seconds)[0]

    def close(self, within_seconds: float) -> None:
        with self._lock:
            self._close_at_s = min(self._close_at_s, self._now_s() + within_seconds)
            self._closed = True
            thread, wire = self._thread, self._wire
            if wire is not None:
                wire.wake()
        # A callback that closes the client can't wait for its own end.
        if thread is not None and thread is not current_thread():
            thread.join(within_seconds + RETURNS_AFTER_DEADLINE_S)

    def _take(self, queued: Sequence[Queued]) -> None:
        with self._lock:
            if self._closed:
                raise Closed("The client has been closed")
            if not queued:
                return
            self._inbox.extend(queued)
            if self._wire is None:
                self._wire = self._open_wire()
                self._thread = Thread(
                    target=self._run, args=(self._wire,), name="management-api", daemon=True
                )
                self._thread.start()
            elif self._asleep:
                self._wire.wake()

    def _run(self, wire: Wire) -> None:
        outbox = DeliveryQueue(self._limits, self._jitter)
        try:
            self._deliver(wire, outbox)
        except Exception:
            # Whoever waits must not wait for ever; the next to submit gets a
            # new thread and a new wire.
            logger.exception("Posting to connections was interrupted")
        with self._lock:
            self._wire = None
            self._asleep = False
            left = list(self._drain())
        outbox.drop_all()
        self._report(outbox)
        for queued in left:
            _settle(queued, Outcome.DROPPED)
        wire.close(max(0.0, self._close_at_s - self._now_s()) if self._closed else 0.0)

    def _deliver(self, wire: Wire, outbox: DeliveryQueue) -> None:
        while True:
            for queued in self._drain():
                outbox.accept(queued)
            now_s = self._now_s()
            due_at_s = outbox.due_at_s()
            if due_at_s <= now_s:
                outbox.pass_time(now_s)
            while (ready := outbox.next()) is not None:
                try:
                    wire.start(ready)
                except Exception:
                    logger.exception("A request for %s could not be made", ready.request.endpoint)
                    outbox.answered(ready, NO_ANSWER, now_s)
            if outbox.settled:
                self._report(outbox)
                continue
            if self._closed and (not outbox or now_s >= self._close_at_s) and not self._inbox:
                return
            self._asleep = True
            # Looked at after saying so: who submits in between sees one or
            # the other.
            until_s = min(outbox.due_at_s(), self._close_at_s)
            within_s = 0.0 if self._inbox else max(0.0, until_s - now_s)
            answers = wire.wait(within_s)
            self._asleep = False
            now_s = self._now_s()
            for answered, status in answers:
                outbox.answered(answered, status, now_s)
            if outbox.settled:
                self._report(outbox)

    def _drain(self) -> Iterable[Queued]:
        inbox = self._inbox
        while inbox:
            yield inbox.popleft()

    def _report(self, outbox: DeliveryQueue) -> None:
        settled, outbox.settled = outbox.settled, []
        for queued, outcome in settled:
            _settle(queued, outcome)


class _Batch:
    """The outcomes of many requests, for one who waits for all."""

    def __init__(self, size: int) -> None:
        self._outcomes: list[Outcome | None] = [None] * size
        self._missing = size
        self._complete = Event()
        if not size:
            self._complete.set()

    def settle(self, place: int, outcome: Outcome) -> None:
        self._outcomes[place] = outcome
        self._missing -= 1
        if not self._missing:
            self._complete.set()

    def outcomes_within(self, seconds: float) -> list[Outcome]:
        self._complete.wait(seconds)
        return [outcome or Outcome.LATE for outcome in self._outcomes]


def _settle(queued: Queued, outcome: Outcome) -> None:
    try:
        queued.settle(outcome)
    except Exception:
        logger.exception("Nobody took note that a request was %s", outcome)
