"""Field types and the base model of requests."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

UUID_PATTERN = "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"

Uuid = Annotated[str, StringConstraints(pattern=rf"^{UUID_PATTERN}\z", to_lower=True)]
"""A UUID in canonical form; any case is accepted and converted to lower case."""

MIN_DURATION_MS, MAX_DURATION_MS = 1_000, 86_400_000

Duration = Annotated[int, Field(ge=MIN_DURATION_MS, le=MAX_DURATION_MS)]
"""Milliseconds, from one second to one day."""


class Request(BaseModel):
    """Integers are integers: no floats, strings, booleans. Unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, defer_build=True)
