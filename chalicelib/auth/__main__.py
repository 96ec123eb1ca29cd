"""``python -m chalicelib.auth``: make keys, and tokens for servers.

What is printed is secret: it is meant for a secret store, and for nobody's log.
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
"""A token made here is judged by the store's clock, which may well be behind this machine's."""


def main(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Print what was asked for; the exit code."""
    asked = _read(arguments)
    read = read_settings_before_keys if asked.what == "keys" else read_settings
    try:
        settings = read() if environment is None else read(environment)
        made = _key_set(settings) if asked.what == "keys" else _token(settings, asked.days)
    except (InvalidSetting, InvalidKeys) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{made}\n")
    return 0


def _key_set(settings: Settings) -> str:
    """The keys there are, if any, behind a new one, which signs from now on."""
    found: list[object] = []
    if settings.auth_keys or settings.auth_keys_secret:
        text = KeySource(settings).read(fresh=True)
        read_keys(text)
        kept = json.loads(text)
        found = kept.get("keys", [kept])
    # Named after the day and the second, so that whoever rotates them sees which is the older.
    kid = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return json.dumps({"keys": [new_key(kid), *found]})


def _token(settings: Settings, days: int) -> str:
    """A token for a server; made where no store is at hand, so by this machine's clock."""
    now_s = int(time.time())
    since_s, until_s = now_s - CLOCK_SKEW_S, now_s + days * DAY_S
    server = Bearer(Role.SERVER, EVERY_SESSION, random_token_id(), since_s, until_s)
    if not (settings.auth_keys or settings.auth_keys_secret):
        raise InvalidKeys("There are no keys; set AUTH_KEYS or AUTH_KEYS_SECRET")
    return sign(server, read_keys(KeySource(settings).read(fresh=True)))


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m chalicelib.auth",
        description="Keys are read from AUTH_KEYS or AUTH_KEYS_SECRET.",
    )
    made = parser.add_subparsers(dest="what", required=True)
    made.add_parser("keys", help="a key set: a new key, before those there are")
    token = made.add_parser("token", help="a server's token, which opens every session")
    token.add_argument("--days", type=_days, default=90, help="how long it holds; default: 90")
    return parser.parse_args(arguments)


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= MAX_DAYS:
        raise argparse.ArgumentTypeError(f"{days} is not from 1 to {MAX_DAYS}")
    return days


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
