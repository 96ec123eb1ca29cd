"""The text of the keys: the setting itself, or a secret of AWS Secrets Manager.

Powertools reads the secret and remembers it for ``MAX_AGE_SECONDS``. It imports
boto3, which costs more than all else that a first token does; so it is imported
with the first secret that is read, and not at all where a setting has the keys.
What Secrets Manager says in full may quote what was signed: of that only the
name of the error becomes part of a message.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from ..settings import Settings
from .jwks import InvalidKeys

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters.secrets import SecretsProvider

MAX_AGE_SECONDS: Final = 300
"""So long a secret is taken for what it was; after that a key that was taken out is refused."""

CONNECT_TIMEOUT_SECONDS: Final = 0.5
READ_TIMEOUT_SECONDS: Final = 0.9
ATTEMPTS: Final = 2
"""Together less than two seconds where nothing is answered."""


class KeySource:
    """Reads the text of the keys, wherever the settings say it is. For one thread at a time."""

    def __init__(self, settings: Settings, max_age_seconds: int = MAX_AGE_SECONDS) -> None:
        self._text = settings.auth_keys
        self._arn = settings.auth_keys_secret
        self._max_age_seconds = max_age_seconds

    def read(self, *, fresh: bool) -> str:
        """The text; ``fresh`` asks for it even if it was read a moment ago.

        Raises:
            InvalidKeys: AWS Secrets Manager does not give it.
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
            # No client: a profile or an endpoint in the environment that is none.
            why = str(error)
        else:
            if isinstance(text, str):
                return text
            why = "it is binary, and must be text"
        raise InvalidKeys(f"{self._arn} could not be read: {why}")

    @cached_property
    def _provider(self) -> SecretsProvider:
        from aws_lambda_powertools.utilities.parameters.secrets import (  # noqa: PLC0415
            SecretsProvider,
        )
        from botocore.config import Config  # noqa: PLC0415

        return SecretsProvider(
            boto_config=Config(
                # The secret may be kept in another region than this function's.
                region_name=self._arn.split(":")[3],
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            )
        )
