"""What became of one message's posts, said once: as figures, and in one line of the log.

Epoch and version name the commit that the message tells of in every process:
whoever made it logs them with the id of the request.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..schemas.pushes import version_of
from ..telemetry.ports import Telemetry
from .connections_api.ports import DeliveryStatus

LOG = logging.getLogger("tickless")

HARMLESS = {DeliveryStatus.DELIVERED, DeliveryStatus.GONE}


def report(
    telemetry: Telemetry,
    session_id: str,
    message: bytes,
    outcomes: Mapping[DeliveryStatus, int],
    seconds: float,
) -> None:
    """Tell of a fan-out that is over; a warning where somebody missed the message."""
    posts = {str(outcome): number for outcome, number in outcomes.items()}
    telemetry.fanned_out(posts, seconds)
    level = logging.INFO if outcomes.keys() <= HARMLESS else logging.WARNING
    if not LOG.isEnabledFor(level):
        return
    shown = version_of(message)
    facts = {"epoch": shown[0], "version": shown[1]} if shown else {}
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
