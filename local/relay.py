"""The relay beside a stack: a process of the app's own, started and stopped here.

A process and not a thread, as in a container on AWS: while it posts to a
thousand connections, requests go on being answered.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

RELAY_MODULE: Final = "chalicelib.run_relay"
START_SECONDS: Final = 15.0


class RelayError(Exception):
    """The relay ended at once, as it does with settings that can't be understood."""


@asynccontextmanager
async def relay_process(stop_seconds: float) -> AsyncIterator[Process]:
    """A relay with this process's environment; it ends with the block, or with this process."""
    relay = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", RELAY_MODULE, "--while-parent"),
        stdin=PIPE,
        stdout=PIPE,
        # Ctrl-C is for whoever started it, who stops it last but one.
        start_new_session=True,
        env=dict(os.environ),
    )
    try:
        assert relay.stdout is not None
        with suppress(TimeoutError):
            if not await asyncio.wait_for(relay.stdout.readline(), START_SECONDS):
                raise RelayError("The relay did not start; what it said stands above.")
        yield relay
    finally:
        with suppress(ProcessLookupError):
            relay.terminate()
        try:
            await asyncio.wait_for(relay.wait(), stop_seconds)
        except TimeoutError:
            relay.kill()
            await relay.wait()
