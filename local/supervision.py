"""Supervision of the stack's processes: restart with backoff, up to a maximum rate.

Owns when to restart and when to give up. Must never know what it supervises or how to start it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

LOG = logging.getLogger("local")

RESTART_DELAYS_SECONDS: Final = (0.0, 0.5, 1.0, 2.0, 4.0)
"""The delay before each restart within the window; the first restart is immediate."""

RESTART_WINDOW_SECONDS: Final = 60.0
"""An exit older than this no longer counts."""


class Supervised(Protocol):
    """A process that should run until it is stopped."""

    @property
    def name(self) -> str: ...

    async def wait_for_exit(self) -> str:
        """Return once it has exited. The result follows its name in messages: "exited with 1"."""

    async def restart(self) -> None: ...


@dataclass(slots=True)
class RestartBackoff:
    """The delay before each restart, from the recent exits."""

    _exits_s: deque[float] = field(default_factory=deque)

    def delay_seconds(self, now_s: float) -> float | None:
        """Record an exit; the delay before the restart, or None if there were too many exits."""
        while self._exits_s and self._exits_s[0] <= now_s - RESTART_WINDOW_SECONDS:
            self._exits_s.popleft()
        self._exits_s.append(now_s)
        restarts = len(self._exits_s) - 1
        return RESTART_DELAYS_SECONDS[restarts] if restarts < len(RESTART_DELAYS_SECONDS) else None


@asynccontextmanager
async def supervised(services: Sequence[Supervised]) -> AsyncIterator[asyncio.Task[str]]:
    """Restart services that exit while the block runs. The caller starts and stops them.

    The task is done once a service has exited too often; its result is the error message.
    """
    task = asyncio.create_task(_supervise_all(services))
    try:
        yield task
    finally:
        await _cancel_all([task])


async def _supervise_all(services: Sequence[Supervised]) -> str:
    tasks = [asyncio.create_task(_supervise(service)) for service in services]
    if not tasks:
        await asyncio.get_running_loop().create_future()
    try:
        failed, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return failed.pop().result()
    finally:
        await _cancel_all(tasks)


async def _supervise(service: Supervised) -> str:
    loop, backoff = asyncio.get_running_loop(), RestartBackoff()
    while True:
        how = await service.wait_for_exit()
        delay_seconds = backoff.delay_seconds(loop.time())
        if delay_seconds is None:
            exits = len(RESTART_DELAYS_SECONDS) + 1
            window = f"{RESTART_WINDOW_SECONDS:.0f} s"
            return f"{service.name} {how}, for the {exits}th time within {window}."
        LOG.warning("%s %s; restarting it in %g s.", service.name, how, delay_seconds)
        await asyncio.sleep(delay_seconds)
        await service.restart()


async def _cancel_all(tasks: Sequence[asyncio.Task[str]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
