"""``--reload``: when to restart the stack after a change of its app.

Owns the decision. The whole stack restarts, not the app alone: the relay and the sweeper
run the app's code too, and a replaced app would leave threads and connections behind. Clients
are closed with 1001 and reconnect; their sessions are in the store.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from chalice_gateway.watch_app import watch_app

LOG = logging.getLogger("local")


async def wait_for_app_change(folder: Path, modules: Sequence[str]) -> None:
    """Return once the app in ``folder`` has changed, and its ``modules`` can be imported."""
    changed = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch_app(folder, changed.set))
        while True:
            await changed.wait()
            changed.clear()
            if await _can_be_imported(folder, modules):
                watching.cancel()
                return
            LOG.warning("The app can't be loaded (error above); the previous version still runs.")


async def _can_be_imported(folder: Path, modules: Sequence[str]) -> bool:
    # In a new process, which has no modules of the running app and may exit.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"import {', '.join(modules)}", cwd=folder
    )
    try:
        return await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
