"""Key cache: reads the signing keys with the first token, and refreshes them.

Owns how often keys are read and which callers wait for that. ``key_source`` owns where they come
from and how old they may be. Keeps cached keys when a refresh fails.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from math import inf
from threading import Lock
from typing import Final, Protocol

from ..core.errors import KeysUnavailable
from .jwks import InvalidKeys, KeySet, read_keys

LOG = logging.getLogger("tickless")

RETRY_AFTER_FAILURE_SECONDS: Final = 1.0
"""After a failed read without cached keys, calls fail at once for this long."""

MIN_REFRESH_INTERVAL_SECONDS: Final = 10.0
"""At most one refresh per interval for unknown key ids, which any client can make up."""


class ReadText(Protocol):
    """Returns the text of the keys, or raises InvalidKeys."""

    def __call__(self, *, fresh: bool) -> str:
        """Unless ``fresh``, the text may be some minutes old."""


class KeyCache:
    """Caches the keys that ``read_text`` returns. Thread-safe."""

    def __init__(
        self, read_text: ReadText, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._read_text = read_text
        self._monotonic = monotonic
        self._reading = Lock()
        self._not_before_s = -inf
        self._text: str | None = None
        self._keys: KeySet | None = None
        self._failure: str | None = None

    def keys(self) -> KeySet:
        """The cached keys; reads them first if there are none, or if they are stale.

        Raises:
            KeysUnavailable: No keys are cached, and reading them failed.
        """
        cached = self._keys
        if cached is None:
            return self._refresh(None)
        # One call refreshes; the others continue with the cached keys.
        if self._reading.acquire(blocking=False):
            try:
                if self._monotonic() >= self._not_before_s:
                    # After a failure the secret may have been fixed: bypass its cache.
                    self._read(fresh=self._failure is not None)
            finally:
                self._reading.release()
        return self._keys or cached

    def newer_than(self, cached: KeySet) -> KeySet | None:
        """The current keys if they differ from ``cached``."""
        current = self._refresh(cached)
        return None if current is cached else current

    def _refresh(self, cached: KeySet | None) -> KeySet:
        with self._reading:
            # A call that waited for the lock shares the result of the call before it.
            if self._keys is cached and self._monotonic() >= self._not_before_s:
                self._read(fresh=True)
            if self._keys is None:
                raise KeysUnavailable(self._failure)
            return self._keys

    def _read(self, *, fresh: bool) -> None:
        self._failure = None
        try:
            text = self._read_text(fresh=fresh)
            # Unchanged keys stay the same object, so that verified tokens stay cached.
            if text != self._text:
                self._keys, self._text = read_keys(text), text
        except InvalidKeys as error:
            self._failure = f"keys: {error}"
            if self._keys is not None:
                LOG.error("%s; continuing with the cached keys", self._failure)
        # Text from the source's own cache is cheap: it may be read with each call.
        if fresh or self._failure is not None:
            wait_s = (
                RETRY_AFTER_FAILURE_SECONDS if self._keys is None else MIN_REFRESH_INTERVAL_SECONDS
            )
            self._not_before_s = self._monotonic() + wait_s
