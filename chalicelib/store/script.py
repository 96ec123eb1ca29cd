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

ScriptArguments = tuple[bytes | str | int, ...]
"""The number of keys, the keys and the arguments, in that order."""


class Script:
    """A ``.lua`` file, with the files it uses prepended."""

    def __init__(self, name: str, *uses: str) -> None:
        self._source = b"".join((SCRIPTS / f"{one}.lua").read_bytes() for one in (*uses, name))
        self._digest = sha1(self._source, usedforsecurity=False).hexdigest()

    def run(self, client: RedisClient, *arguments: bytes | str | int) -> Any:
        """The script's reply; errors as of :meth:`RedisClient.execute`."""
        try:
            return client.execute("EVALSHA", self._digest, *arguments)
        except NoScriptError as error:
            return self._evaluated(client, arguments, error)

    def run_pipeline(self, client: RedisClient, calls: Sequence[ScriptArguments]) -> list[Any]:
        """:meth:`run` for many calls, pipelined."""
        replies = client.pipeline([("EVALSHA", self._digest, *arguments) for arguments in calls])
        return [
            self._evaluated(client, arguments, reply)
            for arguments, reply in zip(calls, replies, strict=True)
        ]

    def run_with_optional(
        self,
        client: RedisClient,
        arguments: ScriptArguments,
        optional: Script,
        optional_arguments: ScriptArguments,
    ) -> tuple[Any, Any]:
        """:meth:`run` with an optional second script; its error is returned as its reply."""
        reply, other = client.pipeline_with_optional(
            ("EVALSHA", self._digest, *arguments),
            ("EVALSHA", optional._digest, *optional_arguments),
        )
        reply = self._evaluated(client, arguments, reply)
        try:
            return reply, optional._evaluated(client, optional_arguments, other)
        except (StoreUnavailable, ResponseError) as error:
            return reply, error

    def _evaluated(self, client: RedisClient, arguments: ScriptArguments, reply: Any) -> Any:
        """The reply; runs the script with EVAL if the server doesn't have it cached.

        A server has no scripts after a restart or failover. EVAL runs on the keys' node and
        caches the script there.
        """
        if isinstance(reply, NoScriptError):
            return client.execute("EVAL", self._source, *arguments)
        return reply
