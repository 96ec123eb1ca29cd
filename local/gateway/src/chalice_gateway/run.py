"""``chalice-gateway run``: serves an app, or several, until a signal stops them.

Owns signals and output. Must never know how a component works.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import StartupError
from .options import Options
from .served_app import ServedApp


async def serve(options: Options) -> None:
    """Start, print the URLs, and stop on the first signal; exit on the second.

    Raises:
        StartupError: The app can't be served.
        OSError: A port is taken.
    """
    stop_requested = stop_signal()
    async with serving(options) as served:
        print(served.startup_message(), flush=True)
        await stop_requested.wait()


def stop_signal() -> asyncio.Event:
    """An event that the first signal sets; the second ends the process."""
    loop = asyncio.get_running_loop()
    stop_requested = asyncio.Event()

    def on_signal() -> None:
        if stop_requested.is_set():
            os._exit(130)
        stop_requested.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows, where Ctrl-C cancels instead
            loop.add_signal_handler(number, on_signal)
    return stop_requested


@asynccontextmanager
async def serving(options: Options) -> AsyncIterator[ServedApp]:
    """Serve an app while the block runs, and reload it if the options say so.

    Raises:
        StartupError: The app can't be served.
        OSError: A port is taken.
    """
    watch = _watcher() if options.reload else None
    async with AsyncExitStack() as exit_stack:
        served = await ServedApp.start(exit_stack, options)
        if watch is not None:
            # In a task group, so that an error of the watcher stops the gateway.
            watchers = await exit_stack.enter_async_context(asyncio.TaskGroup())
            watcher = watchers.create_task(watch(served.folder, served.reload))
            exit_stack.callback(watcher.cancel)
        yield served


def _watcher() -> Callable[[Path, Callable[[], None]], Coroutine[Any, Any, None]]:
    try:
        from .watch_app import watch_app  # noqa: PLC0415 - only --reload needs watchfiles
    except ImportError as error:
        raise StartupError(
            "--reload needs the package watchfiles: pip install 'chalice-gateway[reload]'"
        ) from error
    return watch_app
