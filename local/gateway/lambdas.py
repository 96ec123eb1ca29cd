"""Lambda functions, run in threads of this process.

Owns the threads, the context object a handler is given, and what Chalice needs
to be called by several threads. Must never know where an event came from.

On AWS an environment handles one event at a time and there are as many
environments as it takes; here an environment is a thread. On AWS one whose time is up
is destroyed. A thread can't be: it is left alone, unheard, and another takes its place.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from math import inf
from queue import SimpleQueue
from typing import Any, Final

from chalice.app import Chalice

from .ids import uuid

LOG = logging.getLogger(__name__)

ACCOUNT_ID: Final = "123456789012"

Event = dict[str, Any]


class FunctionError(Exception):
    """The handler raised; the cause is what it raised."""


class FunctionTimeout(FunctionError):
    """The handler took longer than its function may, which on AWS is an error like any other."""


class CallerTimeout(Exception):
    """The caller waits no longer. The handler goes on, as on AWS."""


class LambdaContext:
    """What Lambda passes beside the event.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    function_version = "$LATEST"
    identity = None
    client_context = None

    def __init__(self, function: LambdaFunction) -> None:
        self.function_name = function.name
        self.invoked_function_arn = function.arn
        self.memory_limit_in_mb = str(function.memory_mb)
        self.aws_request_id = uuid()
        self.log_group_name = function.log_group_name
        self.log_stream_name = function.log_stream_name
        self._deadline_seconds = time.monotonic() + function.timeout_seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline_seconds - time.monotonic()) * 1000))


@dataclass(frozen=True, slots=True)
class LambdaFunction:
    """A handler under the name and with the settings it would be deployed with."""

    name: str
    handler: Callable[[Event, Any], Any]
    memory_mb: int = 1024
    timeout_seconds: float = 60.0
    region: str = "us-east-1"

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{ACCOUNT_ID}:function:{self.name}"

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.name}"

    @property
    def log_stream_name(self) -> str:
        return "local/[$LATEST]"


def for_threads(app: Chalice) -> Chalice:
    """The same app, with ``current_request`` and ``lambda_context`` of each thread's own.

    Chalice keeps both on the app, because on AWS one process handles one
    request at a time. ``chalice local`` changes the class of the app object,
    and so does this, since views and blueprints hold on to that very object.
    """
    kind = app.__class__
    own = {"_of_thread": threading.local()}
    app.__class__ = type(f"Threaded{kind.__name__}", (_RequestPerThread, kind), own)
    return app


class _RequestPerThread:
    _of_thread: threading.local

    @property
    def current_request(self) -> Any:
        return getattr(self._of_thread, "request", None)

    @current_request.setter
    def current_request(self, request: Any) -> None:
        self._of_thread.request = request

    @property
    def lambda_context(self) -> Any:
        return getattr(self._of_thread, "context", None)

    @lambda_context.setter
    def lambda_context(self, context: Any) -> None:
        self._of_thread.context = context


@dataclass(slots=True, eq=False)
class _Job:
    function: LambdaFunction
    event: Event
    loop: asyncio.AbstractEventLoop
    outcome: asyncio.Future[Any]
    caller_leaves_at: float = inf
    # Until an environment is free for it there is neither.
    thread: threading.Thread | None = None
    ends_at: float = inf
    alarm: asyncio.TimerHandle | None = None
    # Taken by what ends it: the handler that returns, or the alarm.
    end: threading.Lock = field(default_factory=threading.Lock)


class Environments:
    """Up to ``limit`` threads, started as they are needed and kept.

    The standard library's executor would do, but for two things: at exit it
    waits for a handler that never returns, and under load an invocation through
    it costs about a quarter more CPU time.
    """

    def __init__(self, limit: int = 32) -> None:
        self._limit = limit
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._numbers = count()
        self._unfinished = 0

    async def invoke(
        self, function: LambdaFunction, event: Event, *, timeout_seconds: float | None = None
    ) -> Any:
        """What the handler returns.

        Raises:
            FunctionError: The handler raised.
            FunctionTimeout: It took longer than its function may, from its beginning on.
            CallerTimeout: ``timeout_seconds`` are over, the wait for an environment included.
        """
        loop = asyncio.get_running_loop()
        patience_seconds = inf if timeout_seconds is None else timeout_seconds
        job = _Job(function, event, loop, loop.create_future())
        job.caller_leaves_at = time.monotonic() + patience_seconds
        self._unfinished += 1
        self._start_thread_if_wanted()
        self._jobs.put(job)
        job.alarm = loop.call_later(
            min(patience_seconds, function.timeout_seconds), self._look_at, job
        )
        return await job.outcome

    async def stop(self, seconds: float) -> bool:
        """Let handlers finish; false if some had not after ``seconds``."""
        for _ in self._threads:
            self._jobs.put(None)
        deadline_seconds = time.monotonic() + seconds
        return await asyncio.to_thread(self._join, deadline_seconds)

    def _join(self, deadline_seconds: float) -> bool:
        threads = tuple(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline_seconds - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _start_thread_if_wanted(self) -> None:
        if not self._unfinished > len(self._threads) < self._limit:
            return
        # Daemons, so that a handler that hangs can't keep the process alive.
        thread = threading.Thread(
            target=self._work, name=f"environment-{next(self._numbers)}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        this_thread = threading.current_thread()
        while (job := self._jobs.get()) is not None:
            result: Any = None
            error: BaseException | None = None
            try:
                # A caller that gave up while it waited has had its answer.
                if not job.outcome.done():
                    job.thread = this_thread
                    job.ends_at = time.monotonic() + job.function.timeout_seconds
                    result = job.function.handler(job.event, LambdaContext(job.function))
            except BaseException as raised:  # SystemExit ends an environment on AWS as well
                error = raised
            if not job.end.acquire(blocking=False):  # its time was up: another has its place
                return
            try:
                job.loop.call_soon_threadsafe(self._settle, job, result, error)
            except RuntimeError:  # the loop is closed: no caller waits
                return

    def _settle(self, job: _Job, result: Any, error: BaseException | None) -> None:
        self._unfinished -= 1
        if job.alarm is not None:
            job.alarm.cancel()
        if job.outcome.done():
            return
        if error is None:
            job.outcome.set_result(result)
        else:
            failure = FunctionError(repr(error))
            failure.__cause__ = error
            job.outcome.set_exception(failure)

    def _look_at(self, job: _Job) -> None:
        now = time.monotonic()
        # One whose environment was free only later than it came has begun later, or
        # not at all.
        left_seconds = min(job.ends_at - now, job.function.timeout_seconds)
        if left_seconds <= 0 and job.end.acquire(blocking=False):
            self._replace(job)
            return
        if not job.outcome.done():
            patience_seconds = job.caller_leaves_at - now
            if patience_seconds <= 0:
                job.outcome.set_exception(CallerTimeout())
            else:
                left_seconds = min(left_seconds, patience_seconds)
        job.alarm = job.loop.call_later(left_seconds, self._look_at, job)

    def _replace(self, job: _Job) -> None:
        assert job.thread is not None
        self._unfinished -= 1
        self._threads.remove(job.thread)
        self._start_thread_if_wanted()
        if not job.outcome.done():
            seconds = f"{job.function.timeout_seconds:.2f}"
            job.outcome.set_exception(FunctionTimeout(f"Task timed out after {seconds} seconds"))
