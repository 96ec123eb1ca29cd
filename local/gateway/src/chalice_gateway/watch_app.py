"""Watches a Chalice app's files for changes, with watchfiles.

Owns which files belong to the app. Must never load the app.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from watchfiles import Change, DefaultFilter, awatch

# The app's directory is not watched recursively: it may have a virtual environment with
# thousands of directories, or one that only another user can read.
SUBFOLDERS: Final = ("chalicelib", ".chalice")


class AppFilter(DefaultFilter):
    """Accepts the paths of the app in ``folder``, without bytecode and editors' files."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __call__(self, change: Change, path: str) -> bool:
        # Relative, so that an app below a directory named .venv can be watched too.
        relative = Path(path).relative_to(self._folder)
        match relative.parts:
            case ("app.py",) | (".chalice",) | (".chalice", "config.json"):
                return True
            case ("chalicelib", *_):
                return super().__call__(change, str(relative))
        return False


async def watch_app(folder: Path, on_change: Callable[[], None]) -> None:
    """Call ``on_change`` after each change of the app in ``folder``, until cancelled.

    Raises:
        ExceptionGroup: Contains the OSError of a directory that can't be watched.
    """
    folder = folder.resolve()
    subfolders = {str(folder / name) for name in SUBFOLDERS}
    is_part = AppFilter(folder)
    async with asyncio.TaskGroup() as watches:

        async def watch(path: str | Path, *, recursive: bool) -> None:
            async for changes in awatch(path, watch_filter=is_part, recursive=recursive):
                for change, one in changes:
                    if change is Change.added and one in subfolders:
                        watches.create_task(watch(one, recursive=True))
                on_change()

        watches.create_task(watch(folder, recursive=False))
        for path in filter(os.path.isdir, subfolders):
            watches.create_task(watch(path, recursive=True))
