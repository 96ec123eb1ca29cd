"""Lua scripts: loads each from its file and calls it by its SHA-1 digest (EVALSHA)."""

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
    """A ``.lua`` file, with the files it uses prepended."""

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
        """:meth:`run` for many calls, pipelined."""
        replies = client.pipeline([("EVALSHA", self._digest, *words) for words in calls])
        return [
            self._known(client, words, reply) for words, reply in zip(calls, replies, strict=True)
        ]

    def run_with_optional(
        self, client: RedisClient, words: Words, optional: Script, optional_words: Words
    ) -> tuple[Any, Any]:
        """:meth:`run` with an optional second script; its error is returned as its reply."""
        reply, other = client.pipeline_with_optional(
            ("EVALSHA", self._digest, *words), ("EVALSHA", optional._digest, *optional_words)
        )
        reply = self._known(client, words, reply)
        try:
            return reply, optional._known(client, optional_words, other)
        except (StoreUnavailable, ResponseError) as error:
            return reply, error

    def _known(self, client: RedisClient, words: Words, reply: Any) -> Any:
        """The reply; runs the script with EVAL if the server doesn't have it cached.

        A server has no scripts after a restart or failover. EVAL runs on the keys' node and
        caches the script there.
        """
        if isinstance(reply, NoScriptError):
            return client.execute("EVAL", self._source, *words)
        return reply
