"""The text of the keys, wherever the settings say it is."""

from __future__ import annotations

from ..aws.credentials import NoCredentials, given_or_found
from ..settings import Settings
from .keys import InvalidKeys


def keys_text(settings: Settings) -> str:
    """The setting itself, or the secret that it names.

    Raises:
        InvalidKeys: AWS Secrets Manager does not give it.
    """
    if settings.auth_keys:
        return settings.auth_keys
    # A function that is told its keys needs no libcurl to ask for them.
    from ..aws.secrets_manager import SecretUnavailable, secret_string  # noqa: PLC0415

    try:
        credentials = given_or_found(
            settings.aws_access_key_id,
            settings.aws_secret_access_key,
            settings.aws_session_token,
        )
        return secret_string(
            settings.auth_keys_secret,
            credentials(),
            settings.aws_endpoint_url_secrets_manager,
        )
    except NoCredentials as error:
        raise InvalidKeys(f"{settings.auth_keys_secret} could not be read: {error}") from error
    except SecretUnavailable as error:
        raise InvalidKeys(str(error)) from error
