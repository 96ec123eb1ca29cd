"""Lambda functions, run in threads of this process.

Owns the threads, the handlers' context object, and making a Chalice app thread-safe. Must
never know where an event comes from.

On AWS an execution environment handles one event at a time, and there are as many as are
needed; here an environment is a thread. AWS destroys the environment of a function that
times out. A thread can't be stopped: its result is ignored, and another thread replaces it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from math import inf
from queue import SimpleQueue
from typing import Any, Final

from chalice.app import Chalice

from .ids import uuid

LOG = logging.getLogger(__name__)

ACCOUNT_ID: Final = "123456789012"
API_ID: Final = "local00000"
REGION: Final = "us-east-1"
LOG_STREAM_NAME: Final = "local/[$LATEST]"
# A synchronous invocation's limits for its JSON.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
# AWS's error messages name these numbers.
REQUEST_BYTES: Final = 6 * 1024 * 1024
RESPONSE_BYTES: Final = REQUEST_BYTES + 100

Event = dict[str, Any]


class FunctionError(Exception):
    """The handler raised; the cause is what it raised."""


class FunctionTimeout(FunctionError):
    """The function timed out, which on AWS is a function error like any other."""


class CallerTimeout(Exception):
    """The caller's timeout has passed. The handler continues, as on AWS."""


class LambdaContext:
    """The context object that Lambda passes to a handler.

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
    """A handler, with the name and settings with which it is deployed."""

    name: str
    handler: Callable[[Event, Any], Any]
    memory_mb: int = 1024
    timeout_seconds: float = 60.0
    region: str = REGION

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{ACCOUNT_ID}:function:{self.name}"

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.name}"

    @property
    def log_stream_name(self) -> str:
        return LOG_STREAM_NAME


_CURRENT_FUNCTION: ContextVar[LambdaFunction | None] = ContextVar("current_function", default=None)


def current_function() -> LambdaFunction | None:
    """The function that this thread runs; None in threads that a handler has started."""
    return _CURRENT_FUNCTION.get()


def make_thread_safe(app: Chalice) -> Chalice:
    """The same app, with a ``current_request`` and ``lambda_context`` per thread.

    Chalice keeps both on the app, because on AWS a process handles one request at a time.
    As ``chalice local`` does, this changes the class of the app object, because views and
    blueprints refer to that object.
    """
    if isinstance(app, _RequestPerThread):
        return app
    app_class = app.__class__
    attributes = {"_thread_local": threading.local()}
    app.__class__ = type(
        f"Threaded{app_class.__name__}", (_RequestPerThread, app_class), attributes
    )
    return app


class _RequestPerThread:
    _thread_local: threading.local

    @property
    def current_request(self) -> Any:
        return getattr(self._thread_local, "request", None)

    @current_request.setter
    def current_request(self, request: Any) -> None:
        self._thread_local.request = request

    @property
    def lambda_context(self) -> Any:
        return getattr(self._thread_local, "context", None)

    @lambda_context.setter
    def lambda_context(self, context: Any) -> None:
        self._thread_local.context = context


@dataclass(slots=True, eq=False)
class _Invocation:
    function: LambdaFunction
    event: Event
    loop: asyncio.AbstractEventLoop
    outcome: asyncio.Future[Any]
    caller_deadline: float = inf
    # Set once an environment is free for it.
    thread: threading.Thread | None = None
    deadline: float = inf
    timer: asyncio.TimerHandle | None = None
    # Acquired by what finishes it: the handler that returns, or the timer.
    finished: threading.Lock = field(default_factory=threading.Lock)


class ExecutionEnvironments:
    """A pool of up to ``limit`` threads, started on demand and kept.

    Not the standard library's executor: at exit it waits for a handler that never returns,
    and under load an invocation through it takes about a quarter more CPU time.
    """

    def __init__(self, limit: int = 32) -> None:
        self._limit = limit
        self._queue: SimpleQueue[_Invocation | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._numbers = count()
        self._unfinished = 0

    async def invoke(
        self, function: LambdaFunction, event: Event, *, timeout_seconds: float | None = None
    ) -> Any:
        """Run the handler; its result.

        Raises:
            FunctionError: The handler raised.
            FunctionTimeout: The function's timeout has passed since the handler started.
            CallerTimeout: ``timeout_seconds`` have passed, including the wait for an
                environment.
        """
        loop = asyncio.get_running_loop()
        caller_seconds = inf if timeout_seconds is None else timeout_seconds
        invocation = _Invocation(function, event, loop, loop.create_future())
        invocation.caller_deadline = time.monotonic() + caller_seconds
        self._unfinished += 1
        self._start_thread_if_needed()
        self._queue.put(invocation)
        invocation.timer = loop.call_later(
            min(caller_seconds, function.timeout_seconds), self._check_deadlines, invocation
        )
        return await invocation.outcome

    async def stop(self, seconds: float) -> bool:
        """Wait for running handlers; false if some have not finished after ``seconds``."""
        for _ in self._threads:
            self._queue.put(None)
        deadline_seconds = time.monotonic() + seconds
        return await asyncio.to_thread(self._join, deadline_seconds)

    def _join(self, deadline_seconds: float) -> bool:
        threads = tuple(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline_seconds - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _start_thread_if_needed(self) -> None:
        if not self._unfinished > len(self._threads) < self._limit:
            return
        # Daemon threads, so that a handler that hangs doesn't keep the process alive.
        thread = threading.Thread(
            target=self._run_thread, name=f"environment-{next(self._numbers)}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _run_thread(self) -> None:
        this_thread = threading.current_thread()
        while (invocation := self._queue.get()) is not None:
            result: Any = None
            error: BaseException | None = None
            try:
                # Not if its caller has timed out while it waited.
                if not invocation.outcome.done():
                    invocation.thread = this_thread
                    invocation.deadline = time.monotonic() + invocation.function.timeout_seconds
                    _CURRENT_FUNCTION.set(invocation.function)
                    result = invocation.function.handler(
                        invocation.event, LambdaContext(invocation.function)
                    )
            except BaseException as raised:  # SystemExit ends an environment on AWS as well
                error = raised
            if not invocation.finished.acquire(blocking=False):  # timed out: thread replaced
                return
            try:
                invocation.loop.call_soon_threadsafe(self._settle, invocation, result, error)
            except RuntimeError:  # the loop is closed: no caller waits
                return

    def _settle(self, invocation: _Invocation, result: Any, error: BaseException | None) -> None:
        self._unfinished -= 1
        if invocation.timer is not None:
            invocation.timer.cancel()
        if invocation.outcome.done():
            return
        if error is None:
            invocation.outcome.set_result(result)
        else:
            failure = FunctionError(repr(error))
            failure.__cause__ = error
            invocation.outcome.set_exception(failure)

    def _check_deadlines(self, invocation: _Invocation) -> None:
        now = time.monotonic()
        # A handler that waited for an environment has started later, or not yet.
        left_seconds = min(invocation.deadline - now, invocation.function.timeout_seconds)
        if left_seconds <= 0 and invocation.finished.acquire(blocking=False):
            self._replace_thread(invocation)
            return
        if not invocation.outcome.done():
            caller_seconds = invocation.caller_deadline - now
            if caller_seconds <= 0:
                invocation.outcome.set_exception(CallerTimeout())
            else:
                left_seconds = min(left_seconds, caller_seconds)
        invocation.timer = invocation.loop.call_later(
            left_seconds, self._check_deadlines, invocation
        )

    def _replace_thread(self, invocation: _Invocation) -> None:
        assert invocation.thread is not None
        self._unfinished -= 1
        self._threads.remove(invocation.thread)
        self._start_thread_if_needed()
        if not invocation.outcome.done():
            seconds = f"{invocation.function.timeout_seconds:.2f}"
            invocation.outcome.set_exception(
                FunctionTimeout(f"Task timed out after {seconds} seconds")
            )
