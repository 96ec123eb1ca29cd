"""Signing keys and a server token for local use with ``AUTH=on``.

Owns the file of generated keys. The app's own command, ``python -m chalicelib.auth``, makes
keys and tokens, and rejects keys that it can't use before the stack serves requests.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

AUTH_COMMAND: Final = "chalicelib.auth"
KEYS_FILE: Final = "auth-keys.json"
KEYS_VARIABLES: Final = ("AUTH_KEYS", "AUTH_KEYS_SECRET")


class AuthKeysError(Exception):
    """The app's auth command failed; the message is its error output."""


@dataclass(frozen=True, slots=True)
class DevToken:
    """A server token. ``is_generated``: the stack generated its key, so it may be printed."""

    token: str = field(repr=False)
    is_generated: bool


async def prepare_auth(data_dir: Path) -> DevToken | None:
    """A token if the app requires tokens, else None. Sets ``AUTH_KEYS`` unless keys are configured.

    Raises:
        AuthKeysError: The configured keys are invalid, or none can be generated.
    """
    if os.environ.get("AUTH", "").strip().lower() != "on" or not app_has_auth_command():
        return None
    is_generated = not any(os.environ.get(name) for name in KEYS_VARIABLES)
    if is_generated:
        os.environ["AUTH_KEYS"] = await _load_or_create_keys(data_dir / KEYS_FILE)
    return DevToken(await _run_auth_command("token"), is_generated)


def app_has_auth_command() -> bool:
    """Whether the app in the working directory has the auth command."""
    return Path(*AUTH_COMMAND.split("."), "__main__.py").exists()


async def _load_or_create_keys(file: Path) -> str:
    """The keys of an earlier run, or new ones, readable by this user alone."""
    try:
        return file.read_text()
    except FileNotFoundError:
        keys = await _run_auth_command("keys")
    file.parent.mkdir(parents=True, exist_ok=True)
    # Written atomically, and never readable by other users.
    new_file = file.with_suffix(".new")
    new_file.touch(mode=0o600)
    new_file.write_text(keys)
    new_file.replace(file)
    return keys


async def _run_auth_command(subcommand: str) -> str:
    command = sys.executable, "-m", AUTH_COMMAND, subcommand
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise AuthKeysError(errors.decode().strip())
    return output.decode().strip()
