"""Welcome invoker: starts the Lambda function that sends the welcome message.

Invokes it asynchronously and doesn't wait for it.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from ..cached_service import cached_service
from .handlers import WelcomeEvent

LOG = logging.getLogger("tickless")

CONNECT_SECONDS = 1
ANSWER_SECONDS = 2


class WelcomeInvoker:
    """Invokes the plain Lambda function ``name`` asynchronously.

    boto3 is imported with the first connection: REST functions don't need it.
    """

    def __init__(self, name: str, region: str) -> None:
        self._name = name
        self._region = region

    def invoke(self, greeting: WelcomeEvent) -> None:
        try:
            self._lambda.invoke(
                FunctionName=self._name, InvocationType="Event", Payload=json.dumps(greeting)
            )
        except Exception as error:
            # The connection stays open; its client sends RECONNECT after two seconds.
            LOG.warning("connection %s: no welcome message: %s", greeting["connectionId"], error)

    @cached_service
    def _lambda(self) -> Any:
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        return boto3.client(
            "lambda",
            region_name=self._region,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=ANSWER_SECONDS,
                retries={"total_max_attempts": 2},
                max_pool_connections=32,
            ),
        )
