"""What is being worked on, as its log lines say it: a request, a message, an invocation.

Facts become known in the middle of the work, in places that know nothing of
the log; they note them here, and each line written from then on says them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

LogValue = str | int | float

_NOTHING: Mapping[str, LogValue] = {}
_work: ContextVar[dict[str, LogValue] | None] = ContextVar("work", default=None)


@contextmanager
def log_context(**facts: LogValue) -> Iterator[dict[str, LogValue]]:
    """A piece of work, in this thread, while the block lasts; yields what is noted of it."""
    token = _work.set(facts)
    try:
        yield facts
    finally:
        _work.reset(token)


def append_keys(**facts: LogValue) -> None:
    """Say more of the work that is being done; where there is none, nothing happens."""
    log_keys = _work.get()
    if log_keys is not None:
        log_keys.update(facts)


def log_keys() -> Mapping[str, LogValue]:
    """What is known of the work being done; empty without any."""
    return _work.get() or _NOTHING
