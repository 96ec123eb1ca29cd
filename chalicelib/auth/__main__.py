"""``python -m chalicelib.auth``: create signing keys and server tokens.

The output is secret: put it into a secret store, never into a log.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ..settings import InvalidSetting, Settings, read_settings, read_settings_before_keys
from .authenticator import random_token_id
from .jwks import InvalidKeys, new_key, read_keys
from .jwt import sign
from .key_source import KeySource
from .policy import EVERY_SESSION, Bearer, Role

DAY_S = 24 * 60 * 60

MAX_DAYS = 10 * 365

CLOCK_SKEW_S = 5 * 60
"""The store's clock validates the token, and it may be behind this machine's."""


def main(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Run the command and return the exit code."""
    options = _parse(arguments)
    is_keys = options.command == "keys"
    read = read_settings_before_keys if is_keys else read_settings
    try:
        settings = read() if environment is None else read(environment)
        output = _key_set(settings) if is_keys else _token(settings, options.days)
    except (InvalidSetting, InvalidKeys) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{output}\n")
    return 0


def _key_set(settings: Settings) -> str:
    """A new key, which signs from now on, followed by the existing keys."""
    existing: list[object] = []
    if settings.auth_keys or settings.auth_keys_secret:
        text = KeySource(settings).read(fresh=True)
        read_keys(text)
        document = json.loads(text)
        existing = document.get("keys", [document])
    # A timestamp, so that the order of rotated keys is visible.
    kid = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return json.dumps({"keys": [new_key(kid), *existing]})


def _token(settings: Settings, days: int) -> str:
    """A server token. There is no store here, so this machine's clock sets its validity."""
    now_s = int(time.time())
    since_s, until_s = now_s - CLOCK_SKEW_S, now_s + days * DAY_S
    server = Bearer(Role.SERVER, EVERY_SESSION, random_token_id(), since_s, until_s)
    if not (settings.auth_keys or settings.auth_keys_secret):
        raise InvalidKeys("No signing keys are configured; set AUTH_KEYS or AUTH_KEYS_SECRET")
    return sign(server, read_keys(KeySource(settings).read(fresh=True)))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m chalicelib.auth",
        description="Keys are read from AUTH_KEYS or AUTH_KEYS_SECRET.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("keys", help="print a key set: a new key, then the existing ones")
    token = commands.add_parser("token", help="print a server token, valid for every session")
    token.add_argument("--days", type=_days, default=90, help="days until it expires (default: 90)")
    return parser.parse_args(arguments)


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= MAX_DAYS:
        raise argparse.ArgumentTypeError(f"must be between 1 and {MAX_DAYS}, got {days}")
    return days


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
