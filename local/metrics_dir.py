"""The directory in which all processes of a stack keep their Prometheus metrics.

A killed stack can't delete its directory, so the next stack that starts does: the lock
of a directory is free once the process that held it has exited.
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

MULTIPROC_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Read by prometheus_client when it is imported."""

PREFIX: Final = "stack-metrics-"
LOCK: Final = "lock"


@contextmanager
def shared_metrics_dir() -> Iterator[None]:
    """Set ``PROMETHEUS_MULTIPROC_DIR`` to a new directory while the block runs, unless it is set.

    So one scrape of the app includes the metrics of the relay and the sweeper, and counters
    survive a restart of either.
    """
    if MULTIPROC_DIR in os.environ:
        yield
        return
    delete_stale_dirs(Path(gettempdir()))
    with ExitStack() as exit_stack:
        os.environ[MULTIPROC_DIR] = _create_locked_dir(exit_stack)
        try:
            yield
        finally:
            del os.environ[MULTIPROC_DIR]


def delete_stale_dirs(parent: Path) -> None:
    """Delete the directories of stacks that no longer run."""
    if sys.platform == "win32":
        return
    for lock in parent.glob(f"{PREFIX}*/{LOCK}"):
        # OSError: its stack runs, or another stack that is starting deletes it.
        with suppress(OSError), _locked(lock):
            shutil.rmtree(lock.parent, ignore_errors=True)


def _create_locked_dir(exit_stack: ExitStack) -> str:
    """A new directory, locked until ``exit_stack`` closes and deletes it."""
    while True:
        with ExitStack() as attempt:
            directory = attempt.enter_context(
                TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
            )
            # Before it is locked, another stack that is starting may delete it as stale.
            with suppress(FileNotFoundError, BlockingIOError):
                attempt.enter_context(_locked(Path(directory, LOCK)))
                exit_stack.push(attempt.pop_all())
                return directory


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``.

    Raises:
        OSError: Another process holds it or has deleted it, or it can't be opened.
    """
    with path.open("a") as file:
        if sys.platform != "win32":
            import fcntl  # noqa: PLC0415

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                raise FileNotFoundError(path)
        yield
