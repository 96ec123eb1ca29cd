"""Field types and the base model of requests."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from ..core.limits import MAX_CLOCK_MS, MIN_DURATION_MS

UUID_PATTERN = "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"

Uuid = Annotated[str, StringConstraints(pattern=rf"^{UUID_PATTERN}\z", to_lower=True)]
"""A UUID in canonical form; any case is accepted and converted to lower case."""

Duration = Annotated[int, Field(ge=MIN_DURATION_MS, le=MAX_CLOCK_MS)]
"""Milliseconds, from one second to 31 days."""


def _not_too_short(value: int) -> int:
    if 0 < value < MIN_DURATION_MS:
        raise PydanticCustomError(
            "main_time_range",
            "Input should be 0, or greater than or equal to {least}",
            {"least": MIN_DURATION_MS},
        )
    return value


MainTime = Annotated[
    int,
    Field(
        ge=0,
        le=MAX_CLOCK_MS,
        json_schema_extra={"not": {"exclusiveMinimum": 0, "exclusiveMaximum": MIN_DURATION_MS}},
    ),
    AfterValidator(_not_too_short),
]
"""A duration, or 0 where a time control has periods after main time."""


INSTANT_PATTERN = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{3})?Z"


def _read_instant(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(INSTANT_PATTERN, value):
        try:
            return round(datetime.fromisoformat(value).timestamp() * 1000)
        except ValueError:
            pass
    raise PydanticCustomError(
        "instant", "Input should be an instant in UTC, such as 2026-12-01T09:00:00.000Z"
    )


Instant = Annotated[
    int,
    PlainValidator(_read_instant),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "pattern": f"^{INSTANT_PATTERN}$"},
        mode="validation",
    ),
]
"""An instant in ISO 8601, UTC, with or without milliseconds; read as milliseconds."""


class Request(BaseModel):
    """Integers are integers: no floats, strings, booleans. Unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, defer_build=True)
