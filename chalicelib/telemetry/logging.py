"""Logging setup: format and threshold of all log lines.

One handler writes every logger's lines to standard error: as JSON in the format of
Powertools for AWS Lambda, or as text. Both include the log context.
"""

from __future__ import annotations

import logging
from typing import TextIO

from ..settings import Settings
from .log_context import log_keys

OWN_LOGGERS = ("tickless", "chalicelib")

_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def start_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Configure logging for this process."""
    handler = logging.StreamHandler(stream)
    handler.addFilter(_add_log_context)
    handler.setFormatter(_json(settings.service) if settings.log_format == "json" else _Text())
    # force removes Lambda's own handler, which would write every line again.
    logging.basicConfig(handlers=[handler], force=True)
    # Libraries log warnings at most: botocore's debug lines contain bodies.
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(settings.log_level.upper())


def _add_log_context(record: logging.LogRecord) -> bool:
    facts = log_keys()
    for name, value in facts.items():
        # Keys given with the line itself win.
        record.__dict__.setdefault(name, value)
    return True


def _json(service: str) -> logging.Formatter:
    from aws_lambda_powertools.logging.formatter import (  # noqa: PLC0415
        LambdaPowertoolsFormatter,
    )

    return LambdaPowertoolsFormatter(
        utc=True,
        use_rfc3339=True,
        log_record_order=["timestamp", "level", "message"],
        service=service,
        location=None,
    )


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        said = [
            f" {name}={value}"
            for name, value in vars(record).items()
            if name not in _STANDARD_ATTRIBUTES
        ]
        return super().formatMessage(record) + "".join(said)
