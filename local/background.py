"""Processes of the app's own beside a stack: started here, and stopped here.

Processes and not threads, as in containers on AWS: while one posts to a
thousand connections or settles a thousand sessions, requests go on being answered.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

RELAY: Final = "chalicelib.workers.relay"
SWEEPER: Final = "chalicelib.workers.sweeper"
START_SECONDS: Final = 15.0
LINE_BYTES: Final = 1024 * 1024


class BackgroundError(Exception):
    """A process ended at once, as it does with settings that can't be understood."""


class BackgroundProcess:
    """A module that runs as a process, with this process's environment, no longer than this one.

    The first line that it writes says that it runs; whatever follows is passed on.
    """

    def __init__(self, module: str, process: Process) -> None:
        self.name = module
        self._attend(process)

    def _attend(self, process: Process) -> None:
        self._process = process
        self._first_line: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._hearing = asyncio.create_task(self._hear())

    @classmethod
    async def start(cls, module: str) -> BackgroundProcess:
        return cls(module, await _start(module))

    @property
    def pid(self) -> int:
        return self._process.pid

    async def start_again(self) -> None:
        self._attend(await _start(self.name))

    async def has_started(self) -> None:
        """Return once it says so, or has had the time for it.

        Raises:
            BackgroundError: It has ended instead.
        """
        said, _ = await asyncio.wait([self._first_line], timeout=START_SECONDS)
        if said and not self._first_line.result():
            raise BackgroundError("A part of it did not start; what it said stands above.")

    async def ended(self) -> str:
        code = await self._process.wait()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return f"(process {self.pid}) {how}"

    async def stop(self, seconds: float) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        # To the end of its output, or its pipe would be left for the garbage collector.
        await self._hearing

    async def _hear(self) -> None:
        output = self._process.stdout
        assert output is not None
        self._first_line.set_result(await output.readline())
        # Output that is not read would fill the pipe and block the process.
        while line := await output.readline():
            sys.stdout.write(line.decode())
            sys.stdout.flush()


@asynccontextmanager
async def background(
    modules: Sequence[str], stop_seconds: float
) -> AsyncIterator[list[BackgroundProcess]]:
    """Modules that run while the block, or this process, lasts."""
    started: list[BackgroundProcess] = []
    try:
        # One by one, so that those that run are stopped where this is cancelled in between.
        for module in modules:
            started.append(await BackgroundProcess.start(module))  # noqa: PERF401
        await _all_have_started(started)
        yield started
    finally:
        await asyncio.gather(*(one.stop(stop_seconds) for one in started))


async def _all_have_started(started: Sequence[BackgroundProcess]) -> None:
    waiting = [asyncio.create_task(one.has_started()) for one in started]
    try:
        await asyncio.gather(*waiting)
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _start(module: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, "--while-parent"),
        stdin=PIPE,
        stdout=PIPE,
        limit=LINE_BYTES,
        # Ctrl-C goes to the stack, which stops them after the gateway.
        start_new_session=True,
        env=dict(os.environ),
    )
