"""A Lua script: its source, and the SHA-1 digest by which a server knows it."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"

ScriptArguments = tuple[bytes | str | int, ...]
"""The number of keys, the keys and the arguments, in that order."""


class Script:
    """A ``.lua`` file, with the files it uses prepended."""

    def __init__(self, name: str, *uses: str) -> None:
        self.source = b"".join((SCRIPTS / f"{one}.lua").read_bytes() for one in (*uses, name))
        self.digest = sha1(self.source, usedforsecurity=False).hexdigest()
