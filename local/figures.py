"""Where the processes of a stack keep their Prometheus figures, so that one scrape sees them all.

A stack that is killed can't take its folder away, so the next one to start
does. It knows by a lock, which ends with the process that holds it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Final

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own, read when that is imported; an app without it isn't concerned."""

PREFIX: Final = "stack-metrics-"
LOCK: Final = "lock"


@contextmanager
def one_scrape() -> Iterator[None]:
    """Have all processes of the stack keep their figures in one folder while the block lasts.

    So the app's scrape has those of the relay and the sweeper, too, and counters
    go on when one of them is restarted.
    """
    if VARIABLE in os.environ:
        yield
        return
    take_away_what_is_left(Path(gettempdir()))
    with ExitStack() as kept:
        os.environ[VARIABLE] = _folder_of_its_own(kept)
        try:
            yield
        finally:
            del os.environ[VARIABLE]


def take_away_what_is_left(parent: Path) -> None:
    """Delete the folders of stacks that are no more."""
    if sys.platform == "win32":
        return
    for lock in parent.glob(f"{PREFIX}*/{LOCK}"):
        # Its stack runs, or another stack that starts at the same time was first.
        with suppress(OSError), _locked(lock):
            shutil.rmtree(lock.parent, ignore_errors=True)


def _folder_of_its_own(kept: ExitStack) -> str:
    """A new folder and its lock, which both last as long as ``kept``."""
    while True:
        with ExitStack() as tried:
            folder = tried.enter_context(
                TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
            )
            # Before it is locked another stack that starts may take it for one that is left.
            with suppress(FileNotFoundError, BlockingIOError):
                tried.enter_context(_locked(Path(folder, LOCK)))
                kept.push(tried.pop_all())
                return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """The lock, held by this process.

    Raises:
        OSError: Another holds it, has taken it away, or it can't be had.
    """
    with path.open("a") as file:
        if sys.platform != "win32":
            import fcntl  # noqa: PLC0415

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                raise FileNotFoundError(path)
        yield
