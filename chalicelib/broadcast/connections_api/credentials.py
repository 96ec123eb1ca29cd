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
    """Nowhere that botocore looks are there any credentials, or none that can be had now."""


def given_or_found(
    access_key_id: str, secret_access_key: str, session_token: str
) -> CurrentCredentials:
    """These, as a Lambda's settings have them; where they are empty, those that botocore finds.

    Raises:
        NoCredentials: It finds none.
    """
    if not access_key_id:
        return from_botocore()
    return fixed(Credentials(access_key_id, secret_access_key, session_token or None))


def fixed(credentials: Credentials) -> CurrentCredentials:
    """Always the same ones, as those in a Lambda's environment are."""
    return lambda: credentials


def from_botocore() -> CurrentCredentials:
    """Those that boto3 would use, wherever it finds them, renewed when they expire.

    They raise NoCredentials where that fails.

    Raises:
        NoCredentials: It finds none.
    """
    # Half of boto3's import time, which a function with fixed credentials saves.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    try:
        found = Session().get_credentials()
    except BotoCoreError as error:
        raise _none_because(error) from error
    if found is None:
        raise NoCredentials("botocore finds no credentials")

    def current() -> Credentials:
        try:
            frozen = found.get_frozen_credentials()
        # The latter is what AWS says no with, where a role is to be assumed.
        except (BotoCoreError, ClientError) as error:
            raise _none_because(error) from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return current


def _none_because(error: Exception) -> NoCredentials:
    return NoCredentials(f"botocore finds no credentials: {type(error).__name__}")
