"""Whose signature a request bears, now. Knows no environment; botocore does, if it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Credentials(NamedTuple):
    """An access key; temporary ones, as Lambda's are, come with a session token."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        # What is logged by accident must not be a secret.
        return f"Credentials({self.access_key_id!r}, ...)"


CurrentCredentials = Callable[[], Credentials]
"""Gives the credentials of this moment; asked once a second at most by the fast client."""


class NoCredentials(LookupError):
    """Nowhere that botocore looks are there any credentials."""


def fixed(credentials: Credentials) -> CurrentCredentials:
    """Always the same ones, as those in a Lambda's environment are."""
    return lambda: credentials


def from_botocore() -> CurrentCredentials:
    """Those that boto3 would use, wherever it finds them, renewed when they expire.

    Raises:
        NoCredentials: It finds none.
    """
    # Half of boto3's import time, which a function with fixed credentials saves.
    from botocore.session import Session  # noqa: PLC0415

    found = Session().get_credentials()
    if found is None:
        raise NoCredentials("botocore finds no credentials")

    def current() -> Credentials:
        frozen = found.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return current
