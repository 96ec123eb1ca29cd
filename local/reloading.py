"""``--reload``: when a stack is to be started anew, because its app has changed.

Owns the deciding. All of it is started anew, not the app alone: the relay and the sweeper
run the app's code as well, and an app leaves threads and connections behind. Clients
are told 1001 and come again; what they were told is in the store.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from .gateway.reloading import changes

LOG = logging.getLogger("local")


async def app_has_changed(folder: Path, modules: Sequence[str]) -> None:
    """Return once the app in ``folder`` has changed, and its ``modules`` can be imported."""
    async for _ in changes(folder):
        if await _can_be_imported(folder, modules):
            return
        LOG.warning("The app can't be loaded, for the reason above; the one before stays.")


async def _can_be_imported(folder: Path, modules: Sequence[str]) -> bool:
    # By a process of its own, which has nothing of the app as it was and can end as it likes.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"import {', '.join(modules)}", cwd=folder
    )
    try:
        return await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
