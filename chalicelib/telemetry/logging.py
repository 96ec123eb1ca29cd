"""How log lines look, whoever writes them, and which are written.

Every logger's lines leave by one handler, on standard error: as JSON, one
object each, in the form of Powertools for AWS Lambda, or as text for people.
Both say what is known of the work that was being done.
"""

from __future__ import annotations

import logging
from typing import TextIO

from ..settings import Settings
from .log_context import log_keys

OURS = ("tickless", "chalicelib")

_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def start_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Have every line of this process written as ``settings`` want it, from now on."""
    handler = logging.StreamHandler(stream)
    handler.addFilter(_say_what_is_noted)
    handler.setFormatter(_json(settings.service) if settings.log_format == "json" else _Text())
    # Lambda's own handler, too, would write every line.
    logging.basicConfig(handlers=[handler], force=True)
    # Of libraries never more than warnings: botocore's finer lines hold bodies.
    for name in OURS:
        logging.getLogger(name).setLevel(settings.log_level.upper())


def _say_what_is_noted(record: logging.LogRecord) -> bool:
    facts = log_keys()
    for name, value in facts.items():
        # What the line itself says is nearer to it.
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
            if name not in _OF_EVERY_RECORD
        ]
        return super().formatMessage(record) + "".join(said)
