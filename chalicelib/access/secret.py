"""The text of the keys, wherever the settings say it is."""

from __future__ import annotations

from ..settings import Settings
from .keys import InvalidKeys

CONNECT_SECONDS = 1
ANSWER_SECONDS = 2


def keys_text(settings: Settings) -> str:
    """The setting itself, or the secret that it names.

    Raises:
        InvalidKeys: AWS Secrets Manager does not give it.
    """
    if settings.auth_keys:
        return settings.auth_keys
    # A function that is told its keys needs none of these.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    arn = settings.auth_keys_secret
    try:
        client = boto3.client(
            "secretsmanager",
            region_name=settings.aws_region,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=ANSWER_SECONDS,
                retries={"total_max_attempts": 2},
            ),
        )
        text: str = client.get_secret_value(SecretId=arn)["SecretString"]
    except (BotoCoreError, ClientError, KeyError) as error:
        raise InvalidKeys(f"{arn} could not be read: {type(error).__name__}") from error
    return text
