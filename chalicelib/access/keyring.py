"""The keys as they are by now: looked up with the first token, and anew when one names another.

Owns how often somebody is asked for them, and who waits for that. Where they
come from others know. Must never drop keys that are there because they could
not be had again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from math import inf
from threading import Lock
from typing import Final

from ..core.errors import KeysUnavailable
from .keys import InvalidKeys, KeySet, read_keys

LOG = logging.getLogger("tickless")

FAILED_FOR_SECONDS: Final = 1.0
"""So long after keys could not be had nobody tries again: calls fail at once."""

SAME_FOR_SECONDS: Final = 10.0
"""So long no unknown name of a key has them looked up anew: anybody can make one up."""


class Keyring:
    """Keys of a text that ``look_up`` gives, or raises InvalidKeys; safe for many threads."""

    def __init__(
        self, look_up: Callable[[], str], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._look_up = look_up
        self._monotonic = monotonic
        self._looking = Lock()
        self._not_before_s = -inf
        self._text: str | None = None
        self._keys: KeySet | None = None
        self._why_none = ""

    def keys(self) -> KeySet:
        """The keys that are known, which are looked up if there are none.

        Raises:
            KeysUnavailable: They can't be had, or can't be used.
        """
        return self._keys or self._after(None)

    def newer_than(self, known: KeySet) -> KeySet | None:
        """Other keys than these, if somebody has changed them."""
        found = self._after(known)
        return None if found is known else found

    def _after(self, known: KeySet | None) -> KeySet:
        with self._looking:
            # Who had to wait here takes what another one has found meanwhile, or has not.
            if self._keys is known and self._monotonic() >= self._not_before_s:
                self._look()
            if self._keys is None:
                raise KeysUnavailable(self._why_none)
            return self._keys

    def _look(self) -> None:
        try:
            text = self._look_up()
            # The same keys stay the same object: what was verified with them stays verified.
            if text != self._text:
                self._keys, self._text = read_keys(text), text
        except InvalidKeys as error:
            self._why_none = f"keys: {error}"
            if self._keys is not None:
                LOG.error("%s; those known before go on", self._why_none)
        wait_s = FAILED_FOR_SECONDS if self._keys is None else SAME_FOR_SECONDS
        self._not_before_s = self._monotonic() + wait_s
