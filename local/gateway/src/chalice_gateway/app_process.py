"""One of several apps, in a process of its own as on AWS: both ends of that process.

Owns starting it, the one line with which it says where it listens, and stopping it. It stops
once its stdin is closed, so it never outlives the process that started it. Must never know
of other apps.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass
from typing import Final

from .errors import StartupError
from .options import Options
from .run import serving
from .served_app import GRACE_SECONDS

# Twice for each of the two servers and the functions that still run.
STOP_SECONDS: Final = 4 * GRACE_SECONDS
MAX_LINE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Listening:
    """Where an app listens, and what else it says at start."""

    name: str
    api_stage: str
    rest_port: int
    ws_port: int
    schedules: list[str]


class AppProcess:
    """The process of one app, from the side of the one that started it."""

    def __init__(self, process: Process, listening: Listening) -> None:
        self.listening = listening
        self._process = process
        self._output = asyncio.create_task(self._forward_output())

    @classmethod
    async def start(cls, exit_stack: AsyncExitStack, options: Options) -> AppProcess:
        """Start it, and wait until it listens; it is stopped when the stack closes.

        Raises:
            StartupError: It can't be served; its message is the process's.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chalice_gateway.app_process"),
            stdin=PIPE,
            stdout=PIPE,
            limit=MAX_LINE_BYTES,
            # Ctrl-C reaches the router alone, which then stops the apps.
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickle.dumps(options))
        line = await process.stdout.readline()
        answer = json.loads(line or b'{"error": "it did not start"}')
        if "error" in answer:
            process.stdin.close()
            await process.wait()
            raise StartupError(f"{options.folder}: {answer['error']}")
        started = cls(process, Listening(**answer))
        exit_stack.push_async_callback(started._stop)
        return started

    async def wait_for_exit(self) -> str:
        """Return once it has ended by itself, with a message."""
        code = await self._process.wait()
        return f"{self.listening.name} has ended with {code}"

    async def _stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._output

    async def _forward_output(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            sys.stdout.write(f"{self.listening.name}: {line.decode(errors='replace')}")
            sys.stdout.flush()


async def _serve(options: Options) -> None:
    """Serve until stdin is closed."""
    parent_left = asyncio.Event()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: _AtEnd(parent_left), sys.stdin)
    async with serving(options) as served:
        rest_port, ws_port = served.ports
        listening = Listening(
            served.name, served.api_stage, rest_port, ws_port, served.schedule_lines()
        )
        print(json.dumps(asdict(listening)), flush=True)
        await parent_left.wait()


class _AtEnd(asyncio.Protocol):
    def __init__(self, event: asyncio.Event) -> None:
        self._event = event

    def connection_lost(self, exc: Exception | None) -> None:
        self._event.set()


def main() -> int:
    """The process itself: its options come from stdin."""
    options: Options = pickle.load(sys.stdin.buffer)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(options))
    except (OSError, StartupError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
