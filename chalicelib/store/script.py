"""Lua on the server: a script is a file, known there by its digest."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any

from ..ports import StoreUnavailable
from .client import Server, is_unknown_script
from .connection import ErrorReply

SCRIPTS = Path(__file__).parent / "scripts"

Words = tuple[bytes | str | int, ...]
"""The number of keys, the keys and the arguments, in that order."""


class Script:
    """A ``.lua`` file, behind those whose functions it uses."""

    def __init__(self, name: str, *uses: str) -> None:
        self._source = b"".join((SCRIPTS / f"{one}.lua").read_bytes() for one in (*uses, name))
        self._digest = sha1(self._source, usedforsecurity=False).hexdigest()

    def run(self, server: Server, *words: bytes | str | int) -> Any:
        try:
            return server.execute("EVALSHA", self._digest, *words)
        except ErrorReply as error:
            if not is_unknown_script(error):
                raise
            return self._known(server, words, error)

    def run_together(self, server: Server, calls: Sequence[Words]) -> list[Any]:
        """As :meth:`run`, many calls at once."""
        answers = server.execute_together([("EVALSHA", self._digest, *words) for words in calls])
        return [
            self._known(server, words, answer) for words, answer in zip(calls, answers, strict=True)
        ]

    def run_beside(
        self, server: Server, words: Words, other: Script, other_words: Words
    ) -> tuple[Any, Any]:
        """As :meth:`run`, with another script that may fail by itself; see execute_beside."""
        answer, others = server.execute_beside(
            ("EVALSHA", self._digest, *words), ("EVALSHA", other._digest, *other_words)
        )
        answer = self._known(server, words, answer)
        try:
            return answer, other._known(server, other_words, others)
        except (StoreUnavailable, ErrorReply) as error:
            return answer, error

    def _known(self, server: Server, words: Words, answer: Any) -> Any:
        """The answer, or a second one where the first says that the script is not known.

        A server that restarted or took over knows none. EVAL goes where the
        keys are, and makes the script known there.
        """
        if is_unknown_script(answer):
            return server.execute("EVAL", self._source, *words)
        return answer
