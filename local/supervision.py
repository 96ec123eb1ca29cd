"""Whatever dies while the stack runs is started again, and said; what keeps dying is given up.

Owns when to start again and when that makes no sense any more. Must never know
what it is that runs, or how it is started.
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

DELAYS_SECONDS: Final = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Before each start within a minute: at once first, so that hardly anybody notices."""

MEMORY_SECONDS: Final = 60.0


class Kept(Protocol):
    """Something that runs, and isn't supposed to end before it is told to."""

    @property
    def name(self) -> str: ...

    async def ended(self) -> str:
        """Return once it has ended; how, to be read after its name."""

    async def start_again(self) -> None: ...


@dataclass(slots=True)
class Restarts:
    """How long to wait before each start, from what became of those before."""

    _ends_s: deque[float] = field(default_factory=deque)

    def delay_seconds(self, now_s: float) -> float | None:
        """It has ended now; ``None`` if that happens too often to go on."""
        while self._ends_s and self._ends_s[0] <= now_s - MEMORY_SECONDS:
            self._ends_s.popleft()
        self._ends_s.append(now_s)
        earlier = len(self._ends_s) - 1
        return DELAYS_SECONDS[earlier] if earlier < len(DELAYS_SECONDS) else None


@asynccontextmanager
async def supervised(parts: Sequence[Kept]) -> AsyncIterator[asyncio.Task[str]]:
    """Keep parts running while the block lasts; they are started before and stopped after.

    The task is done once one of them is given up, and has what is to be said about it.
    """
    keeping = asyncio.create_task(_keep_all(parts))
    try:
        yield keeping
    finally:
        await _cancelled([keeping])


async def _keep_all(parts: Sequence[Kept]) -> str:
    tasks = [asyncio.create_task(_keep(part)) for part in parts]
    if not tasks:
        await asyncio.get_running_loop().create_future()
    try:
        given_up, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return given_up.pop().result()
    finally:
        await _cancelled(tasks)


async def _keep(part: Kept) -> str:
    loop, restarts = asyncio.get_running_loop(), Restarts()
    while True:
        how = await part.ended()
        delay_seconds = restarts.delay_seconds(loop.time())
        if delay_seconds is None:
            return f"{part.name} {how}, again and again."
        LOG.warning("%s %s; it is started again.", part.name, how)
        await asyncio.sleep(delay_seconds)
        await part.start_again()


async def _cancelled(tasks: Sequence[asyncio.Task[str]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
