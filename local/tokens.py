"""Where the app asks for tokens: keys to sign them with, and one to try it with.

Owns the file in which a stack keeps keys of its own. What keys and tokens are
is the app's to say: its own command makes them, and refuses keys that it
could not use before anybody is served.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

COMMAND: Final = "chalicelib.auth"
FILE: Final = "auth-keys.json"
WHERE: Final = ("AUTH_KEYS", "AUTH_KEYS_SECRET")


class TokensError(Exception):
    """The app finds no fault with everything but its keys; the message is what it says of them."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to get in: a ``token`` for servers, to be shown where the keys are the stack's own."""

    token: str = field(repr=False)
    is_ours: bool


async def access(data_dir: Path) -> Access | None:
    """Keys and a token, where tokens are asked for; the keys are in the environment then.

    Raises:
        TokensError: The keys that are set can't be used, or none can be made.
    """
    if os.environ.get("AUTH", "").strip().lower() != "on" or not has_command():
        return None
    is_ours = not any(os.environ.get(name) for name in WHERE)
    if is_ours:
        os.environ["AUTH_KEYS"] = await _kept_keys(data_dir / FILE)
    return Access(await _made("token"), is_ours)


def has_command() -> bool:
    """Whether the app of the working directory makes keys at all."""
    return Path(*COMMAND.split("."), "__main__.py").exists()


async def _kept_keys(file: Path) -> str:
    """The keys of the last time, or new ones, readable by this user alone."""
    try:
        return file.read_text()
    except FileNotFoundError:
        keys = await _made("keys")
    file.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all, and at no instant for others to read.
    whole = file.with_suffix(".new")
    whole.touch(mode=0o600)
    whole.write_text(keys)
    whole.replace(file)
    return keys


async def _made(what: str) -> str:
    words = sys.executable, "-m", COMMAND, what
    process = await asyncio.create_subprocess_exec(*words, stdout=PIPE, stderr=PIPE)
    made, complaint = await process.communicate()
    if process.returncode != 0:
        raise TokensError(complaint.decode().strip())
    return made.decode().strip()
