"""Key source: the text of the keys, from the setting itself or AWS Secrets Manager.

Powertools fetches the secret and caches it for ``MAX_AGE_SECONDS``. It imports boto3, the largest
cost of a first token; so it is imported with the first secret, and never where AUTH_KEYS is set.
Secrets Manager's messages may quote the signed request, so errors contain only the error code.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from ..settings import Settings
from .jwks import InvalidKeys

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters.secrets import SecretsProvider

MAX_AGE_SECONDS: Final = 300
"""How long a secret is cached; after that, tokens of a removed key are rejected."""

CONNECT_TIMEOUT_SECONDS: Final = 0.5
READ_TIMEOUT_SECONDS: Final = 0.9
ATTEMPTS: Final = 2
"""Less than two seconds in total when Secrets Manager does not respond."""


class KeySource:
    """Reads the text of the keys. Not thread-safe."""

    def __init__(self, settings: Settings, max_age_seconds: int = MAX_AGE_SECONDS) -> None:
        self._text = settings.auth_keys
        self._arn = settings.auth_keys_secret
        self._max_age_seconds = max_age_seconds

    def read(self, *, fresh: bool) -> str:
        """The text of the keys; ``fresh`` bypasses the cache.

        Raises:
            InvalidKeys: AWS Secrets Manager did not return the secret.
        """
        return self._text or self._secret(fresh=fresh)

    def _secret(self, *, fresh: bool) -> str:
        from aws_lambda_powertools.utilities.parameters.exceptions import (  # noqa: PLC0415
            GetParameterError,
        )
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            text = self._provider.get(self._arn, max_age=self._max_age_seconds, force_fetch=fresh)
        except GetParameterError as error:
            cause = error.__context__
            if isinstance(cause, ClientError):
                why = cause.response["Error"]["Code"]
            else:
                why = type(cause).__name__
        except (BotoCoreError, ValueError) as error:
            # No client: the environment names an invalid profile or endpoint.
            why = str(error)
        else:
            if isinstance(text, str):
                return text
            why = "it is binary; store it as text"
        raise InvalidKeys(f"{self._arn} could not be read: {why}")

    @cached_property
    def _provider(self) -> SecretsProvider:
        from aws_lambda_powertools.utilities.parameters.secrets import (  # noqa: PLC0415
            SecretsProvider,
        )
        from botocore.config import Config  # noqa: PLC0415

        return SecretsProvider(
            boto_config=Config(
                # The secret may be in another region than this function.
                region_name=self._arn.split(":")[3],
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            )
        )
