"""The app's workers, the relay and the sweeper, as child processes of the stack.

Processes rather than threads, as in containers on AWS: while a worker posts to a thousand
connections or settles a thousand sessions, requests are still answered.
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
MAX_LINE_BYTES: Final = 1024 * 1024


class WorkerError(Exception):
    """A worker exited during startup, for example because of an invalid setting."""


class WorkerProcess:
    """A module that runs as a child process, with this process's environment.

    It exits when this process does. The first line that it writes means that it has started;
    further lines are forwarded to stdout.
    """

    def __init__(self, module: str, process: Process) -> None:
        self.name = module
        self._track(process)

    def _track(self, process: Process) -> None:
        self._process = process
        self._first_line: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._output_task = asyncio.create_task(self._forward_output())

    @classmethod
    async def start(cls, module: str) -> WorkerProcess:
        return cls(module, await _start(module))

    @property
    def pid(self) -> int:
        return self._process.pid

    async def restart(self) -> None:
        self._track(await _start(self.name))

    async def wait_until_started(self) -> None:
        """Return once it has started, or after ``START_SECONDS``.

        Raises:
            WorkerError: It has exited.
        """
        done, _ = await asyncio.wait([self._first_line], timeout=START_SECONDS)
        if done and not self._first_line.result():
            raise WorkerError(f"{self.name} did not start; its error is above.")

    async def wait_for_exit(self) -> str:
        code = await self._process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        return f"(process {self.pid}) {how}"

    async def stop(self, seconds: float) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        # Read its output to the end, so that the pipe is closed here.
        await self._output_task

    async def _forward_output(self) -> None:
        output = self._process.stdout
        assert output is not None
        self._first_line.set_result(await output.readline())
        # Unread output would fill the pipe and block the process.
        while line := await output.readline():
            sys.stdout.write(line.decode())
            sys.stdout.flush()


@asynccontextmanager
async def worker_processes(
    modules: Sequence[str], stop_seconds: float
) -> AsyncIterator[list[WorkerProcess]]:
    """Run ``modules`` as processes while the block runs.

    Raises:
        WorkerError: One of them exited during startup; the others are stopped.
    """
    started: list[WorkerProcess] = []
    try:
        # One after another, so that a cancellation in between stops those that have started.
        for module in modules:
            started.append(await WorkerProcess.start(module))  # noqa: PERF401
        await _wait_until_all_started(started)
        yield started
    finally:
        await asyncio.gather(*(worker.stop(stop_seconds) for worker in started))


async def _wait_until_all_started(started: Sequence[WorkerProcess]) -> None:
    waiting = [asyncio.create_task(worker.wait_until_started()) for worker in started]
    try:
        await asyncio.gather(*waiting)
    finally:
        for worker in waiting:
            worker.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _start(module: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, "--while-parent"),
        stdin=PIPE,
        stdout=PIPE,
        limit=MAX_LINE_BYTES,
        # Ctrl-C reaches the stack alone, which stops the workers after the gateway.
        start_new_session=True,
        env=dict(os.environ),
    )
