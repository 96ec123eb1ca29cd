"""AWS credentials to sign with: fixed ones, or those botocore finds and renews.

Reads no environment variables itself; botocore does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Credentials(NamedTuple):
    """An access key; temporary keys, such as Lambda's, have a session token."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        # Keeps the secret out of logs.
        return f"Credentials({self.access_key_id!r}, ...)"


CurrentCredentials = Callable[[], Credentials]
"""Returns the current credentials; CurlTransport calls it at most once per second."""


class NoCredentials(LookupError):
    """botocore finds no credentials, or can't renew them."""


def given_or_found(
    access_key_id: str, secret_access_key: str, session_token: str
) -> CurrentCredentials:
    """The given credentials, or those botocore finds if ``access_key_id`` is empty.

    Raises:
        NoCredentials: It finds none.
    """
    if not access_key_id:
        return from_botocore()
    return fixed(Credentials(access_key_id, secret_access_key, session_token or None))


def fixed(credentials: Credentials) -> CurrentCredentials:
    """Always the same credentials, as in a Lambda's environment."""
    return lambda: credentials


def from_botocore() -> CurrentCredentials:
    """boto3's credentials, renewed when they expire.

    The returned function raises NoCredentials if renewal fails.

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
        raise NoCredentials("botocore finds no credentials; set AWS_ACCESS_KEY_ID or a role")

    def current() -> Credentials:
        try:
            frozen = found.get_frozen_credentials()
        # ClientError is AWS's refusal when a role is assumed.
        except (BotoCoreError, ClientError) as error:
            raise _none_because(error) from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return current


def _none_because(error: Exception) -> NoCredentials:
    return NoCredentials(f"botocore finds no credentials: {type(error).__name__}")
