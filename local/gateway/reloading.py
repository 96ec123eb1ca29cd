"""When an app is to be loaded anew.

Owns the looking at its files. Must never load anything itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from .chalice_app import fingerprint

LOG = logging.getLogger(__name__)

EVERY_SECONDS: Final = 0.5


async def changes(
    folder: Path,
    *,
    look: Callable[[Path], object] = fingerprint,
    every_seconds: float = EVERY_SECONDS,
) -> AsyncIterator[None]:
    """Yield whenever the app in ``folder`` has changed since the time before.

    Files that can't be looked at are said to be so, once, and are looked at again.
    """
    seen: object = None
    problem = ""
    while True:
        try:
            current = look(folder)
        except OSError as error:
            if str(error) != problem:
                problem = str(error)
                LOG.warning("Can't see whether the app has changed: %s", error)
        else:
            problem = ""
            if current != seen and seen is not None:
                yield
            seen = current
        await asyncio.sleep(every_seconds)
