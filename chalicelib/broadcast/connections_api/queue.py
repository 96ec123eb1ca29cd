"""Whose turn it is, and what an answer means. No I/O, no clock, no threads.

Theory of operation. A request enters by :meth:`DeliveryQueue.accept`. If its
connection has another one under way it waits in that connection's line, else
it is ready, in the line of its endpoint. :meth:`DeliveryQueue.next` gives ready ones
while there is room in flight. Whoever carries them out reports each by
:meth:`DeliveryQueue.answered`, which decides: final, or once more after a while. A
connection's line moves on only when the request at its head is final *and* no
longer in flight, so that a client sees versions in their order. A deadline
makes a request final wherever it is; one in flight keeps its place until it is
answered, because nobody can call it back. What is final gathers in
:attr:`DeliveryQueue.settled` until somebody takes it.

A request that meets a 429 is held up, and so are those that wait behind it.
Requests that somebody waits for together are a :class:`Batch`: once all that
is left of it is held up, and nothing more has become final for as long as its
patience lasts, the rest is given up. So one client that doesn't read keeps
nobody waiting, while an API that is throttled still lets through one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf

from .ports import Delete, Outcome, Post, Request, TransportLimits

NO_ANSWER = 0
"""Stands for the status code where none came: refused, cut off, timed out."""

FINAL = {
    403: Outcome.FORBIDDEN,
    410: Outcome.GONE,
    413: Outcome.TOO_LARGE,
}
ONCE_MORE_FROM = 500
LIMIT_EXCEEDED = 429
DEADLINES_CHECKED_EVERY_S = 0.02


class Batch:
    """Requests that somebody waits for together; ``patience_s`` is for those held up at last."""

    __slots__ = ("held_up", "patience_s", "unsettled")

    def __init__(self, patience_s: float) -> None:
        self.patience_s = patience_s
        self.unsettled = 0
        self.held_up: dict[Queued, None] = {}

    @property
    def is_held_up(self) -> bool:
        """Whether whoever waits for it now waits for nothing but what is held up."""
        return len(self.held_up) == self.unsettled > 0


class Queued:
    """A request in the outbox, and how far it has come."""

    __slots__ = (
        "attempts",
        "backs_off",
        "company",
        "deadline_s",
        "failures",
        "final",
        "key",
        "request",
        "settle",
        "so_far",
    )

    def __init__(
        self,
        request: Request,
        deadline_s: float,
        settle: Callable[[Outcome], None],
        company: Batch | None = None,
    ) -> None:
        self.request = request
        self.deadline_s = deadline_s
        self.settle = settle
        self.company = company
        self.key = (request.endpoint, request.connection_id)
        self.attempts = 0
        self.failures = 0
        self.so_far = Outcome.LATE
        self.backs_off = False
        self.final = False

    @property
    def method(self) -> str:
        return "POST" if isinstance(self.request, Post) else "DELETE"


class _Line:
    """What is ready for one endpoint, and how much it already has in flight."""

    __slots__ = ("in_flight", "ready")

    def __init__(self) -> None:
        self.in_flight = 0
        self.ready: deque[Queued] = deque()


class DeliveryQueue:
    """The requests that have been accepted and aren't final. For one thread.

    ``jitter`` gives random numbers from 0 to 1.
    """

    def __init__(self, limits: TransportLimits, jitter: Callable[[], float]) -> None:
        self.settled: list[tuple[Queued, Outcome]] = []
        self._limits = limits
        self._jitter = jitter
        self._behind: dict[tuple[str, str], deque[Queued] | None] = {}
        self._lines: dict[str, _Line] = {}
        self._in_flight = 0
        # In the order in which they were accepted.
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

    def accept(self, queued: Queued) -> None:
        """Take a request; where too many wait for its connection the oldest is DROPPED."""
        key = queued.key
        if key not in self._behind:
            self._behind[key] = None
            self._make_ready(queued)
        else:
            behind = self._behind[key]
            if behind is None:
                behind = self._behind[key] = deque()
            if len(behind) >= self._limits.waiting_per_connection:
                if isinstance(behind[0].request, Delete):
                    # Nobody is there any more for whom this could be news.
                    queued.final = True
                    self.settled.append((queued, Outcome.DROPPED))
                    return
                # The newest says most. Without it a client would take what it
                # has for the last word, until its next heartbeat.
                oldest = behind.popleft()
                if not oldest.final:
                    self._settle(oldest, Outcome.DROPPED)
            behind.append(queued)
        self._unsettled[queued] = None
        if queued.company is not None:
            queued.company.unsettled += 1
        self._check_deadlines_at_s = min(self._check_deadlines_at_s, queued.deadline_s)

    def next(self) -> Queued | None:
        """The next to carry out, from now on in flight; none if nothing is ready or has room."""
        if self._in_flight >= self._limits.in_flight:
            return None
        room = self._limits.in_flight_per_endpoint
        for endpoint, line in list(self._lines.items()):
            if line.in_flight >= room:
                continue
            while line.ready:
                queued = line.ready.popleft()
                if queued.final:
                    self._move_on(queued)
                    continue
                queued.attempts += 1
                line.in_flight += 1
                self._in_flight += 1
                if len(self._lines) > 1:
                    # To the end: endpoints take turns.
                    self._lines[endpoint] = self._lines.pop(endpoint)
                return queued
        return None

    def answered(self, queued: Queued, status: int, now_s: float) -> None:
        """Note what came of an attempt: an HTTP status, or NO_ANSWER."""
        self._in_flight -= 1
        self._lines[queued.request.endpoint].in_flight -= 1
        if queued.company is not None:
            queued.company.held_up.pop(queued, None)
        if queued.final:
            self._move_on(queued)
        elif 200 <= status < 300:
            self._settle(queued, Outcome.DELIVERED)
            self._move_on(queued)
        elif status == LIMIT_EXCEEDED:
            queued.so_far = Outcome.LIMITED
            self._hold_up(queued, now_s)
            self._once_more(queued, now_s)
        elif status >= ONCE_MORE_FROM or status == NO_ANSWER:
            queued.so_far = Outcome.FAILED
            queued.failures += 1
            if queued.failures <= self._limits.repeats_of_failures:
                self._once_more(queued, now_s)
            else:
                self._settle(queued, Outcome.FAILED)
                self._move_on(queued)
        else:
            self._settle(queued, FINAL.get(status, Outcome.FAILED))
            self._move_on(queued)
        company = queued.company
        if company is not None and (queued.final or not company.is_held_up):
            self._watch(company, now_s)

    def due_at_s(self) -> float:
        """When :meth:`pass_time` has something to do again; infinity if never."""
        due_at_s = self._check_deadlines_at_s
        if self._backing_off:
            due_at_s = min(due_at_s, self._backing_off[0][0])
        if self._give_up_at_s:
            due_at_s = min(due_at_s, *self._give_up_at_s.values())
        return due_at_s

    def pass_time(self, now_s: float) -> None:
        """Make ready whose backoff is over, and settle those for whom time is up."""
        while self._backing_off and self._backing_off[0][0] <= now_s:
            queued = heappop(self._backing_off)[2]
            if queued.backs_off:
                queued.backs_off = False
                self._make_ready(queued)
        for company in [one for one, at_s in self._give_up_at_s.items() if at_s <= now_s]:
            self._give_up(company)
        if now_s >= self._check_deadlines_at_s:
            self._check_deadlines(now_s)

    def drop_all(self) -> None:
        """Settle everything as DROPPED."""
        for queued in list(self._unsettled):
            self._settle(queued, Outcome.DROPPED)

    def _make_ready(self, queued: Queued) -> None:
        line = self._lines.get(queued.request.endpoint)
        if line is None:
            line = self._lines[queued.request.endpoint] = _Line()
        line.ready.append(queued)

    def _once_more(self, queued: Queued, now_s: float) -> None:
        limits = self._limits
        # attempts is 1 or more; beyond 2^16 the limit has long been reached.
        longest_s = min(
            limits.longest_backoff_s, limits.backoff_s * 2 ** min(queued.attempts - 1, 16)
        )
        at_s = now_s + longest_s * self._jitter()
        if at_s >= queued.deadline_s:
            self._settle(queued, queued.so_far)
            self._move_on(queued)
            return
        self._backoffs += 1
        queued.backs_off = True
        heappush(self._backing_off, (at_s, self._backoffs, queued))

    def _hold_up(self, queued: Queued, now_s: float) -> None:
        """Note that a limit keeps a request waiting, and those behind it."""
        for one in (queued, *(self._behind[queued.key] or ())):
            if one.company is not None and not one.final:
                one.company.held_up[one] = None
                if one.company not in self._give_up_at_s:
                    self._watch(one.company, now_s)

    def _watch(self, company: Batch, now_s: float) -> None:
        """Begin, or begin anew, to lose patience with a company, if there is cause."""
        if company.is_held_up:
            self._give_up_at_s[company] = now_s + company.patience_s
        else:
            self._give_up_at_s.pop(company, None)

    def _give_up(self, company: Batch) -> None:
        del self._give_up_at_s[company]
        for queued in list(company.held_up):
            # News can be given up untried, but not to close a connection.
            if queued.attempts or isinstance(queued.request, Post):
                self._end(queued)

    def _end(self, queued: Queued) -> None:
        """Settle a request for which time is up; nobody behind it waits for its backoff."""
        self._settle(queued, queued.so_far)
        if queued.backs_off:
            queued.backs_off = False
            self._move_on(queued)

    def _settle(self, queued: Queued, outcome: Outcome) -> None:
        queued.final = True
        del self._unsettled[queued]
        self.settled.append((queued, outcome))
        if queued.company is not None:
            queued.company.unsettled -= 1
            queued.company.held_up.pop(queued, None)

    def _move_on(self, queued: Queued) -> None:
        """Give the turn of a connection to whoever is next in its line."""
        behind = self._behind[queued.key]
        while behind:
            following = behind.popleft()
            if not following.final:
                if following.company is not None:
                    following.company.held_up.pop(following, None)
                self._make_ready(following)
                return
        del self._behind[queued.key]
        line = self._lines[queued.request.endpoint]
        if not line.in_flight and not line.ready and len(self._lines) > 1:
            # Endpoints come and go; their lines must not pile up.
            del self._lines[queued.request.endpoint]

    def _check_deadlines(self, now_s: float) -> None:
        earliest_s = inf
        for queued in list(self._unsettled):
            if queued.deadline_s <= now_s:
                self._end(queued)
            elif queued.deadline_s < earliest_s:
                earliest_s = queued.deadline_s
        # Many deadlines close together must not mean many walks through all.
        self._check_deadlines_at_s = max(earliest_s, now_s + DEADLINES_CHECKED_EVERY_S)
