"""Delivery queue: ordering, retries, deadlines and throttling. No I/O, no clock, no threads.

Theory of operation. A request enters with :meth:`DeliveryQueue.accept`. While another
request of its connection is unfinished it waits behind that; otherwise it is ready, in
its endpoint's queue. :meth:`DeliveryQueue.next` returns ready requests while there is
room in flight. The transport's answer goes to :meth:`DeliveryQueue.answered`, which
settles the request or retries it after a backoff. The next request of a connection
becomes ready only when the one before it is final *and* no longer in flight, so a
client sees versions in order. A deadline settles a request wherever it is; one in
flight keeps its slot until it is answered, because it can't be recalled. Final
requests collect in :attr:`DeliveryQueue.settled` until the client takes them.

A request answered 429 is throttled, and so are those that wait behind it. Requests
that one caller waits for together are a :class:`Batch`: once all that is left of it
is throttled and nothing has settled for ``max_throttled_s``, the rest is given up. So one
client that doesn't read delays no caller, while a throttled API still makes progress.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

from .ports import Delete, DeliveryStatus, Post, Request, TransportLimits

NO_ANSWER = 0
"""Used as the status code without an answer: refused, cut off, timed out."""

FINAL = {
    403: DeliveryStatus.FORBIDDEN,
    410: DeliveryStatus.GONE,
    413: DeliveryStatus.TOO_LARGE,
}
RETRY_FROM = 500
LIMIT_EXCEEDED = 429
DEADLINES_CHECKED_EVERY_S = 0.02


@dataclass(eq=False, slots=True)
class Batch:
    """Requests that one caller waits for together.

    ``max_throttled_s`` bounds the wait while all that is left is throttled.
    """

    max_throttled_s: float
    unsettled: int = 0
    throttled: dict[Queued, None] = field(default_factory=dict)

    @property
    def is_throttled(self) -> bool:
        """Whether all that is left of the batch is throttled."""
        return len(self.throttled) == self.unsettled > 0


@dataclass(eq=False, slots=True)
class Queued:
    """A request in the queue, with its progress."""

    request: Request
    deadline_s: float
    settle: Callable[[DeliveryStatus], None]
    batch: Batch | None = None
    attempts: int = 0
    failures: int = 0
    status_if_expired: DeliveryStatus = DeliveryStatus.LATE
    backs_off: bool = False
    final: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.request.endpoint, self.request.connection_id

    @property
    def method(self) -> str:
        return "POST" if isinstance(self.request, Post) else "DELETE"


@dataclass(eq=False, slots=True)
class EndpointQueue:
    """One endpoint's ready requests and its number in flight."""

    in_flight: int = 0
    ready: deque[Queued] = field(default_factory=deque)


class DeliveryQueue:
    """Accepted requests that aren't final. For one thread.

    ``jitter`` returns random numbers from 0 to 1.
    """

    def __init__(self, limits: TransportLimits, jitter: Callable[[], float]) -> None:
        self.settled: list[tuple[Queued, DeliveryStatus]] = []
        self._limits = limits
        self._jitter = jitter
        self._waiting: dict[tuple[str, str], deque[Queued] | None] = {}
        self.endpoint_queues: dict[str, EndpointQueue] = {}
        self._in_flight = 0
        # In order of acceptance.
        self._unsettled: dict[Queued, None] = {}
        self._check_deadlines_at_s = inf
        self._backing_off: list[tuple[float, int, Queued]] = []
        self._backoffs = 0
        self._give_up_at_s: dict[Batch, float] = {}

    def __len__(self) -> int:
        """How many are not final."""
        return len(self._unsettled)

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left: no request, no backoff, no batch to give up."""
        return not (self._waiting or self._backing_off or self._give_up_at_s)

    def accept(self, queued: Queued) -> None:
        """Add a request; if too many wait for its connection, the oldest is DROPPED."""
        key = queued.key
        if key not in self._waiting:
            self._waiting[key] = None
            self._make_ready(queued)
        else:
            behind = self._waiting[key]
            if behind is None:
                behind = self._waiting[key] = deque()
            if len(behind) >= self._limits.waiting_per_connection:
                if isinstance(behind[0].request, Delete):
                    # The connection is about to close, so later messages are moot.
                    queued.final = True
                    self.settled.append((queued, DeliveryStatus.DROPPED))
                    return
                # Keep the newest: without it the client would show an old state
                # until its next heartbeat.
                oldest = behind.popleft()
                if not oldest.final:
                    self._settle(oldest, DeliveryStatus.DROPPED)
            behind.append(queued)
        self._unsettled[queued] = None
        if queued.batch is not None:
            queued.batch.unsettled += 1
        self._check_deadlines_at_s = min(self._check_deadlines_at_s, queued.deadline_s)

    def next(self) -> Queued | None:
        """Take the next request into flight; None if none is ready or there is no room."""
        if self._in_flight >= self._limits.in_flight:
            return None
        room = self._limits.in_flight_per_endpoint
        for endpoint, endpoint_queue in list(self.endpoint_queues.items()):
            if endpoint_queue.in_flight >= room:
                continue
            while endpoint_queue.ready:
                queued = endpoint_queue.ready.popleft()
                if queued.final:
                    self._release_next(queued)
                    continue
                queued.attempts += 1
                endpoint_queue.in_flight += 1
                self._in_flight += 1
                if len(self.endpoint_queues) > 1:
                    # Round robin over endpoints.
                    self.endpoint_queues[endpoint] = self.endpoint_queues.pop(endpoint)
                return queued
        return None

    def answered(self, queued: Queued, status: int, now_s: float) -> None:
        """Record the answer to an attempt: an HTTP status or NO_ANSWER."""
        self._in_flight -= 1
        self.endpoint_queues[queued.request.endpoint].in_flight -= 1
        if queued.batch is not None:
            queued.batch.throttled.pop(queued, None)
        if queued.final:
            self._release_next(queued)
        elif 200 <= status < 300:
            self._settle(queued, DeliveryStatus.DELIVERED)
            self._release_next(queued)
        elif status == LIMIT_EXCEEDED:
            queued.status_if_expired = DeliveryStatus.LIMITED
            self._throttle(queued, now_s)
            self._retry_later(queued, now_s)
        elif status >= RETRY_FROM or status == NO_ANSWER:
            queued.status_if_expired = DeliveryStatus.FAILED
            queued.failures += 1
            if queued.failures <= self._limits.repeats_of_failures:
                self._retry_later(queued, now_s)
            else:
                self._settle(queued, DeliveryStatus.FAILED)
                self._release_next(queued)
        else:
            self._settle(queued, FINAL.get(status, DeliveryStatus.FAILED))
            self._release_next(queued)
        batch = queued.batch
        if batch is not None and (queued.final or not batch.is_throttled):
            self._restart_throttle_timer(batch, now_s)

    def due_at_s(self) -> float:
        """When to call :meth:`pass_time` next; infinity if never."""
        due_at_s = self._check_deadlines_at_s
        if self._backing_off:
            due_at_s = min(due_at_s, self._backing_off[0][0])
        if self._give_up_at_s:
            due_at_s = min(due_at_s, *self._give_up_at_s.values())
        return due_at_s

    def pass_time(self, now_s: float) -> None:
        """Make requests ready whose backoff is over, and expire those past their deadline."""
        while self._backing_off and self._backing_off[0][0] <= now_s:
            queued = heappop(self._backing_off)[2]
            if queued.backs_off:
                queued.backs_off = False
                self._make_ready(queued)
        for batch in [one for one, at_s in self._give_up_at_s.items() if at_s <= now_s]:
            self._give_up(batch)
        if now_s >= self._check_deadlines_at_s:
            self._check_deadlines(now_s)

    def drop_all(self) -> None:
        """Settle everything as DROPPED."""
        for queued in list(self._unsettled):
            self._settle(queued, DeliveryStatus.DROPPED)

    def _make_ready(self, queued: Queued) -> None:
        endpoint_queue = self.endpoint_queues.get(queued.request.endpoint)
        if endpoint_queue is None:
            endpoint_queue = self.endpoint_queues[queued.request.endpoint] = EndpointQueue()
        endpoint_queue.ready.append(queued)

    def _retry_later(self, queued: Queued, now_s: float) -> None:
        limits = self._limits
        # attempts is at least 1; the exponent is capped, as the limit is reached earlier.
        longest_s = min(
            limits.longest_backoff_s, limits.backoff_s * 2 ** min(queued.attempts - 1, 16)
        )
        at_s = now_s + longest_s * self._jitter()
        if at_s >= queued.deadline_s:
            self._settle(queued, queued.status_if_expired)
            self._release_next(queued)
            return
        self._backoffs += 1
        queued.backs_off = True
        heappush(self._backing_off, (at_s, self._backoffs, queued))

    def _throttle(self, queued: Queued, now_s: float) -> None:
        """Mark a request, and those waiting behind it, as throttled."""
        for one in (queued, *(self._waiting[queued.key] or ())):
            if one.batch is not None and not one.final:
                one.batch.throttled[one] = None
                if one.batch not in self._give_up_at_s:
                    self._restart_throttle_timer(one.batch, now_s)

    def _restart_throttle_timer(self, batch: Batch, now_s: float) -> None:
        """Restart a batch's timer if all that is left of it is throttled, else stop it."""
        if batch.is_throttled:
            self._give_up_at_s[batch] = now_s + batch.max_throttled_s
        else:
            self._give_up_at_s.pop(batch, None)

    def _give_up(self, batch: Batch) -> None:
        del self._give_up_at_s[batch]
        for queued in list(batch.throttled):
            # A post may be given up untried, closing a connection may not.
            if queued.attempts or isinstance(queued.request, Post):
                self._expire(queued)

    def _expire(self, queued: Queued) -> None:
        """Settle a request whose time is up; those behind it don't wait for its backoff."""
        self._settle(queued, queued.status_if_expired)
        if queued.backs_off:
            queued.backs_off = False
            self._release_next(queued)

    def _settle(self, queued: Queued, outcome: DeliveryStatus) -> None:
        queued.final = True
        del self._unsettled[queued]
        self.settled.append((queued, outcome))
        if queued.batch is not None:
            queued.batch.unsettled -= 1
            queued.batch.throttled.pop(queued, None)

    def _release_next(self, queued: Queued) -> None:
        """Make the connection's next request ready."""
        behind = self._waiting[queued.key]
        while behind:
            following = behind.popleft()
            if not following.final:
                if following.batch is not None:
                    following.batch.throttled.pop(following, None)
                self._make_ready(following)
                return
        del self._waiting[queued.key]
        endpoint_queue = self.endpoint_queues[queued.request.endpoint]
        if (
            not endpoint_queue.in_flight
            and not endpoint_queue.ready
            and len(self.endpoint_queues) > 1
        ):
            # Endpoints come and go; their queues must not accumulate.
            del self.endpoint_queues[queued.request.endpoint]

    def _check_deadlines(self, now_s: float) -> None:
        earliest_s = inf
        for queued in list(self._unsettled):
            if queued.deadline_s <= now_s:
                self._expire(queued)
            elif queued.deadline_s < earliest_s:
                earliest_s = queued.deadline_s
        # Bounds the number of scans when many deadlines are close together.
        self._check_deadlines_at_s = max(earliest_s, now_s + DEADLINES_CHECKED_EVERY_S)
