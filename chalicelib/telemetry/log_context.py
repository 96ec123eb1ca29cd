"""Log context: keys that every log line of the current request, message or invocation carries.

Code that learns a key in the middle of the work appends it here without logging; all
later lines of the same context include it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

LogValue = str | int | float

_NO_KEYS: Mapping[str, LogValue] = {}
_context: ContextVar[dict[str, LogValue] | None] = ContextVar("log_context", default=None)


@contextmanager
def log_context(**keys: LogValue) -> Iterator[dict[str, LogValue]]:
    """A log context for the block, in this thread; yields its keys."""
    token = _context.set(keys)
    try:
        yield keys
    finally:
        _context.reset(token)


def append_keys(**keys: LogValue) -> None:
    """Add keys to the current log context; no-op without one."""
    log_keys = _context.get()
    if log_keys is not None:
        log_keys.update(keys)


def log_keys() -> Mapping[str, LogValue]:
    """The keys of the current log context; empty without one."""
    return _context.get() or _NO_KEYS
