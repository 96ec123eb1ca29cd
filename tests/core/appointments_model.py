"""Appointments in the reference models: what is refused, and what a reopened session keeps.

Written from the rules' text, to compare with the core.
"""

from __future__ import annotations

from typing import Protocol

from chalicelib.core.edits import Patch

MINUTE_MS = 60_000
MONTH_MS = 31 * 24 * 60 * 60_000


class Appointed(Protocol):
    now: int
    status: str
    starts_at: int | None
    ends_at: int | None


def refusal_of_appointments(model: Appointed, patch: Patch) -> str | None:
    """The error code, if an update can't have these instants."""
    starts_at = patch.get("starts_at", model.starts_at)
    ends_at = patch.get("ends_at", model.ends_at)
    if starts_at != model.starts_at:
        if model.status != "pending":
            return "INVALID_STATE_TRANSITION"
        if starts_at and not -MINUTE_MS <= starts_at - model.now <= MONTH_MS:
            return "VALIDATION_ERROR"
    if ends_at != model.ends_at and ends_at and not 0 < ends_at - model.now <= MONTH_MS:
        return "VALIDATION_ERROR"
    if (starts_at, ends_at) == (model.starts_at, model.ends_at):
        return None
    return "VALIDATION_ERROR" if starts_at and ends_at and ends_at <= starts_at else None


def still_to_come(model: Appointed) -> tuple[int | None, int | None]:
    starts_at, ends_at = model.starts_at, model.ends_at
    return (
        starts_at if starts_at and starts_at > model.now else None,
        ends_at if ends_at and ends_at > model.now else None,
    )
