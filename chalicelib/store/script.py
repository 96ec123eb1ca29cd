"""Lua scripts on the server: each is a file, known there by its digest."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from ..ports import StoreUnavailable
from .client import RedisClient

SCRIPTS = Path(__file__).parent / "scripts"

Words = tuple[bytes | str | int, ...]
"""The number of keys, the keys and the arguments, in that order."""


class Script:
    """A ``.lua`` file, after those whose functions it uses."""

    def __init__(self, name: str, *uses: str) -> None:
        self._source = b"".join((SCRIPTS / f"{one}.lua").read_bytes() for one in (*uses, name))
        self._digest = sha1(self._source, usedforsecurity=False).hexdigest()

    def run(self, client: RedisClient, *words: bytes | str | int) -> Any:
        """The script's reply; errors as of :meth:`RedisClient.execute`."""
        try:
            return client.execute("EVALSHA", self._digest, *words)
        except NoScriptError as error:
            return self._known(client, words, error)

    def run_pipeline(self, client: RedisClient, calls: Sequence[Words]) -> list[Any]:
        """As :meth:`run`, many calls at once."""
        replies = client.pipeline([("EVALSHA", self._digest, *words) for words in calls])
        return [
            self._known(client, words, reply) for words, reply in zip(calls, replies, strict=True)
        ]

    def run_with_optional(
        self, client: RedisClient, words: Words, optional: Script, optional_words: Words
    ) -> tuple[Any, Any]:
        """As :meth:`run`, with another script whose error takes the place of its reply."""
        reply, other = client.pipeline_with_optional(
            ("EVALSHA", self._digest, *words), ("EVALSHA", optional._digest, *optional_words)
        )
        reply = self._known(client, words, reply)
        try:
            return reply, optional._known(client, optional_words, other)
        except (StoreUnavailable, ResponseError) as error:
            return reply, error

    def _known(self, client: RedisClient, words: Words, reply: Any) -> Any:
        """The reply, or a second one where the server does not know the script.

        A server that restarted or took over knows none. EVAL goes where the keys are, and makes
        the script known there.
        """
        if isinstance(reply, NoScriptError):
            return client.execute("EVAL", self._source, *words)
        return reply
