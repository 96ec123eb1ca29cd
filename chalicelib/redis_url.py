"""What a REDIS_URL says: where the server is, and how one is let in.

    redis://USER:PASSWORD@HOST:PORT/DATABASE, with TLS rediss://

The forms are those that redis-py takes, and so are the names of what may stand
behind a question mark. Nothing is opened here, and no file read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

DEFAULT_PORT: Final = 6379

TLS_OPTIONS: Final = (
    "ssl_ca_certs",
    "ssl_cert_reqs",
    "ssl_certfile",
    "ssl_check_hostname",
    "ssl_keyfile",
)
OPTIONS: Final = frozenset(("db", *TLS_OPTIONS))


class InvalidUrl(ValueError):
    """It leads to no Redis. The message names no part of it that might be secret."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to believe that they are the server, and what to show them; files by their paths."""

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    verifies: bool = True
    verifies_name: bool = True


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where a server is, and as whom to log in; without ``tls`` in clear text."""

    host: str = "localhost"
    port: int = DEFAULT_PORT
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    tls: Tls | None = None


def read_redis_url(url: str) -> RedisAddress:
    """The address that a URL means.

    Raises:
        InvalidUrl: It is none of ours, or asks for something that there isn't.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("redis", "rediss") or port == 0:
        raise InvalidUrl("must be redis://HOST:PORT or rediss://HOST:PORT")
    if parts.fragment or "@" in parts.path + parts.query:
        # What stands behind such a character is a password's end, and none of the names below.
        raise InvalidUrl("must have /, ?, # and @ of user and password quoted, as %2F %3F %23 %40")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(options.keys() - OPTIONS)
    if unknown:
        raise InvalidUrl(f"has options it can't have: {', '.join(unknown)}")
    is_secure = parts.scheme == "rediss"
    if not is_secure and options.keys() & set(TLS_OPTIONS):
        raise InvalidUrl("has options of TLS, which only rediss:// has")
    return RedisAddress(
        host=unquote(parts.hostname or "localhost"),
        port=port or DEFAULT_PORT,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=_database(options.get("db", parts.path.strip("/"))),
        tls=_tls(options) if is_secure else None,
    )


def _database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise InvalidUrl("must name its database by a number")
    return int(text or 0)


def _tls(options: Mapping[str, str]) -> Tls:
    verifies = _choice(options, "ssl_cert_reqs", yes=("required", "optional"), no=("none",))
    return Tls(
        ca_file=options.get("ssl_ca_certs"),
        certificate_file=options.get("ssl_certfile"),
        key_file=options.get("ssl_keyfile"),
        verifies=verifies,
        verifies_name=_choice(
            options, "ssl_check_hostname", yes=("true", "yes", "1"), no=("false", "no", "0")
        )
        and verifies,
    )


def _choice(
    options: Mapping[str, str], name: str, yes: tuple[str, ...], no: tuple[str, ...]
) -> bool:
    chosen = options.get(name, yes[0]).lower()
    if chosen not in yes + no:
        raise InvalidUrl(f"must have as {name} one of {', '.join(yes + no)}")
    return chosen in yes
