"""Runs scheduled functions when they are due.

Owns the waiting and the invocations. ``schedules`` says when.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from .lambdas import ExecutionEnvironments, FunctionError, LambdaFunction
from .schedules import Schedule, scheduled_event

LOG = logging.getLogger(__name__)

# The clock may be set, and a laptop may sleep, so no wait is longer.
LONGEST_WAIT_SECONDS: Final = 30.0


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ScheduledFunction:
    """A function with its expression and schedule."""

    function: LambdaFunction
    expression: str
    schedule: Schedule


class Scheduler:
    """Invokes functions asynchronously, each time that their schedules are due.

    What was due while the machine slept is skipped. Runs of one function may overlap, as on
    AWS.
    """

    def __init__(
        self,
        environments: ExecutionEnvironments,
        *,
        now: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._environments = environments
        self._now = now
        self._sleep = sleep
        self._waiting: list[asyncio.Task[None]] = []
        self._running: set[asyncio.Task[None]] = set()

    def replace(self, functions: Mapping[str, ScheduledFunction]) -> None:
        """Switch to these functions; what runs continues."""
        self.stop()
        self._waiting = [
            asyncio.get_running_loop().create_task(self._wait(scheduled))
            for scheduled in functions.values()
        ]

    def stop(self) -> None:
        """Start nothing more."""
        for task in self._waiting:
            task.cancel()
        self._waiting = []

    async def _wait(self, scheduled: ScheduledFunction) -> None:
        due = scheduled.schedule.next_after(self._now())
        while due is not None:
            while (seconds := (due - self._now()).total_seconds()) > 0:
                await self._sleep(min(seconds, LONGEST_WAIT_SECONDS))
            task = asyncio.get_running_loop().create_task(self._run(scheduled.function, due))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            due = scheduled.schedule.next_after(max(due, self._now()))

    async def _run(self, function: LambdaFunction, due: datetime) -> None:
        try:
            # Chalice's name for the rule.
            await self._environments.invoke(
                function, scheduled_event(f"{function.name}-event", due)
            )
        except FunctionError as error:
            LOG.error("%s, on schedule, failed: %s", function.name, error, exc_info=error.__cause__)
