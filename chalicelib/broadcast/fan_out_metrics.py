"""Fan-out metrics: reports one message's posts as metrics and one log line.

Epoch and version identify the commit across processes; the process that made the
commit logs them with its request id.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..schemas.pushes import version_of
from ..telemetry.ports import Telemetry
from .connections_api.ports import DeliveryStatus

LOG = logging.getLogger("tickless")

EXPECTED = {DeliveryStatus.DELIVERED, DeliveryStatus.GONE}


def report(
    telemetry: Telemetry,
    session_id: str,
    message: bytes,
    outcomes: Mapping[DeliveryStatus, int],
    seconds: float,
) -> None:
    """Report a finished fan-out; logs a warning if a connection missed the message."""
    posts = {str(outcome): number for outcome, number in outcomes.items()}
    telemetry.fanned_out(posts, seconds)
    level = logging.INFO if outcomes.keys() <= EXPECTED else logging.WARNING
    if not LOG.isEnabledFor(level):
        return
    version = version_of(message)
    facts = {"epoch": version[0], "version": version[1]} if version else {}
    LOG.log(
        level,
        "fan-out",
        extra={
            "session_id": session_id,
            **facts,
            "duration_ms": round(seconds * 1000, 3),
            "posts": posts,
        },
    )
