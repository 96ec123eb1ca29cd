"""The keys as they are by now: read with the first token, and again as they grow old.

Owns how often the text of the keys is read, and who waits for that. Where it
comes from, and how old it may be, ``secret`` knows. Must never drop keys that
are there because they could not be read again.
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
"""So long after a failure nothing is read again while there are no keys: calls fail at once."""

MIN_REFRESH_INTERVAL_SECONDS: Final = 10.0
"""So long no unknown name of a key has them read again: anyone can make one up."""


class ReadText(Protocol):
    """Gives the text of the keys, or raises InvalidKeys."""

    def __call__(self, *, fresh: bool) -> str:
        """Unless ``fresh`` is asked for, it may be one of some minutes ago."""


class KeyCache:
    """Keys of a text that ``read_text`` gives; safe for many threads."""

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
        """The keys that are known, which are read if there are none, or if they are old.

        Raises:
            KeysUnavailable: They can't be had, or can't be used.
        """
        known = self._keys
        if known is None:
            return self._after(None)
        # One call reads what is old; the others go on with it meanwhile.
        if self._reading.acquire(blocking=False):
            try:
                if self._monotonic() >= self._not_before_s:
                    # What could not be used may have been mended.
                    self._read(fresh=self._failure is not None)
            finally:
                self._reading.release()
        return self._keys or known

    def newer_than(self, known: KeySet) -> KeySet | None:
        """Other keys than these, if they have been changed."""
        found = self._after(known)
        return None if found is known else found

    def _after(self, known: KeySet | None) -> KeySet:
        with self._reading:
            # Who had to wait here takes what another call has found meanwhile, or has not.
            if self._keys is known and self._monotonic() >= self._not_before_s:
                self._read(fresh=True)
            if self._keys is None:
                raise KeysUnavailable(self._failure)
            return self._keys

    def _read(self, *, fresh: bool) -> None:
        self._failure = None
        try:
            text = self._read_text(fresh=fresh)
            # The same keys stay the same object: what was verified with them stays verified.
            if text != self._text:
                self._keys, self._text = read_keys(text), text
        except InvalidKeys as error:
            self._failure = f"keys: {error}"
            if self._keys is not None:
                LOG.error("%s; those known before go on", self._failure)
        # A text that is remembered may be asked for with each call.
        if fresh or self._failure is not None:
            wait_s = (
                RETRY_AFTER_FAILURE_SECONDS if self._keys is None else MIN_REFRESH_INTERVAL_SECONDS
            )
            self._not_before_s = self._monotonic() + wait_s
