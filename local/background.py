"""Processes of the app's own beside a stack: started here, and stopped here.

Processes and not threads, as in containers on AWS: while one posts to a
thousand connections or settles a thousand sessions, requests go on being answered.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

RELAY: Final = "chalicelib.run_relay"
SWEEPER: Final = "chalicelib.run_sweeper"
START_SECONDS: Final = 15.0


class BackgroundError(Exception):
    """A process ended at once, as it does with settings that can't be understood."""


@asynccontextmanager
async def background(modules: Sequence[str], stop_seconds: float) -> AsyncIterator[list[Process]]:
    """Modules that run with this process's environment while the block, or this process, lasts."""
    started: list[Process] = []
    try:
        started += [await _start(module) for module in modules]
        await asyncio.gather(*map(_has_started, started))
        yield started
    finally:
        await asyncio.gather(*(_stop(process, stop_seconds) for process in started))


async def _start(module: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, "--while-parent"),
        stdin=PIPE,
        stdout=PIPE,
        # Ctrl-C is for whoever started them, who stops them last but one.
        start_new_session=True,
        env=dict(os.environ),
    )


async def _has_started(process: Process) -> None:
    assert process.stdout is not None
    with suppress(TimeoutError):
        if not await asyncio.wait_for(process.stdout.readline(), START_SECONDS):
            raise BackgroundError("A part of it did not start; what it said stands above.")


async def _stop(process: Process, stop_seconds: float) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), stop_seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
