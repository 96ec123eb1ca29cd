"""Time controls as they are asked for: as an object, or as chess and go players write them.

``300+3``, ``25m+5x30s``, ``10m+20/15m``, ``60m d5``. The main time comes first,
then what the control adds to it. A time is a number of seconds, or hours,
minutes and seconds with their letters (``90``, ``1h30m``). The first form is
that of PGN's TimeControl tag, and so is the star of an hourglass; byo-yomi,
Canadian overtime and delay are written as go servers and US Chess do. Nothing
else is understood: a time control that is guessed is wrong.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, PlainValidator, Tag, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from ..core import time_controls
from .fields import LEAST_DURATION_MS, MOST_DURATION_MS, Duration, Request


class ControlRequest(Request):
    main_ms: ClassVar[int | None] = None
    """The time on each clock is said elsewhere."""

    @abstractmethod
    def control(self) -> time_controls.TimeControl: ...


class FischerRequest(ControlRequest):
    type: Literal["fischer"]
    increment_ms: Annotated[int, Field(ge=0, le=60_000)]
    max_bank_ms: Duration | None = None

    def control(self) -> time_controls.TimeControl:
        return time_controls.Fischer(self.increment_ms, self.max_bank_ms)


class DelayRequest(ControlRequest):
    type: Literal["delay"]
    delay_ms: Annotated[int, Field(ge=1, le=600_000)]

    def control(self) -> time_controls.TimeControl:
        return time_controls.Delay(self.delay_ms)


class BronsteinRequest(ControlRequest):
    type: Literal["bronstein"]
    delay_ms: Annotated[int, Field(ge=1, le=600_000)]

    def control(self) -> time_controls.TimeControl:
        return time_controls.Bronstein(self.delay_ms)


class ByoyomiRequest(ControlRequest):
    type: Literal["byoyomi"]
    period_ms: Annotated[int, Field(ge=1_000, le=3_600_000)]
    periods: Annotated[int, Field(ge=1, le=100)]

    def control(self) -> time_controls.TimeControl:
        return time_controls.Byoyomi(self.period_ms, self.periods)


class CanadianRequest(ControlRequest):
    type: Literal["canadian"]
    period_ms: Annotated[int, Field(ge=1_000, le=3_600_000)]
    cycles_per_period: Annotated[int, Field(ge=1, le=500)]

    def control(self) -> time_controls.TimeControl:
        return time_controls.Canadian(self.period_ms, self.cycles_per_period)


class HourglassRequest(ControlRequest):
    type: Literal["hourglass"]

    def control(self) -> time_controls.TimeControl:
        return time_controls.Hourglass()


ControlObject = Annotated[
    FischerRequest
    | DelayRequest
    | BronsteinRequest
    | ByoyomiRequest
    | CanadianRequest
    | HourglassRequest,
    Field(discriminator="type"),
]


class WrittenControl:
    """A time control that was written, and the time it puts on each clock."""

    # No dataclass, whose schema pydantic would publish although no client sends one.
    def __init__(self, main_ms: int, request: ControlRequest) -> None:
        self.main_ms = main_ms
        self._request = request

    def control(self) -> time_controls.TimeControl:
        return self._request.control()


_TIME = "(?:[0-9]{1,5}s?|[0-9]{1,4}m(?:[0-9]{1,5}s)?|[0-9]{1,2}h(?:[0-9]{1,4}m)?(?:[0-9]{1,5}s)?)"

NOTATION_PATTERN = r"(?:TIME(?:(?:\+(?:[0-9]{1,3}[x/])?| [db])TIME)?|\*TIME)".replace("TIME", _TIME)
"""All forms in one, for those who check a text before they send it."""

# Compiled by the first text that is read, not by every cold start.
_FORMS = {
    control: form.replace("TIME", _TIME)
    for control, form in {
        "fischer": r"(?P<main_ms>TIME)(?:\+(?P<increment_ms>TIME))?",
        "byoyomi": r"(?P<main_ms>TIME)\+(?P<periods>[0-9]{1,3})x(?P<period_ms>TIME)",
        "canadian": r"(?P<main_ms>TIME)\+(?P<cycles_per_period>[0-9]{1,3})/(?P<period_ms>TIME)",
        "delay": r"(?P<main_ms>TIME) d(?P<delay_ms>TIME)",
        "bronstein": r"(?P<main_ms>TIME) b(?P<delay_ms>TIME)",
        "hourglass": r"\*(?P<main_ms>TIME)",
    }.items()
}

_UNITS_MS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "": 1_000}

_OBJECTS: TypeAdapter[ControlRequest] = TypeAdapter(ControlObject, config={"defer_build": True})


def _read_text(text: str) -> WrittenControl:
    for control, form in _FORMS.items():
        if (match := re.fullmatch(form, text)) is not None:
            figures = {
                name: _milliseconds(figure) if name.endswith("_ms") else int(figure)
                for name, figure in match.groupdict(default="0").items()
            }
            main_ms = figures.pop("main_ms")
            if not LEAST_DURATION_MS <= main_ms <= MOST_DURATION_MS:
                raise PydanticCustomError("time_control_range", "Not from 1 s to 24 h of main time")
            return WrittenControl(main_ms, _within_limits({"type": control, **figures}))
    raise PydanticCustomError(
        "time_control_text", "Not a time control as 300+3, 25m+5x30s, 10m+20/15m, 60m d5 are"
    )


def _within_limits(asked: dict[str, str | int]) -> ControlRequest:
    try:
        return _OBJECTS.validate_python(asked)
    except ValidationError as error:
        # The text is one field, so what is wrong with it has to be said in one message.
        wrong, *_ = error.errors(include_url=False, include_context=False)
        raise PydanticCustomError(
            "time_control_range",
            "{name}: {message}",
            {"name": wrong["loc"][-1], "message": wrong["msg"]},
        ) from None


def _milliseconds(time: str) -> int:
    parts = re.findall("([0-9]+)([hms]?)", time)
    return sum(int(number) * _UNITS_MS[unit] for number, unit in parts)


Written = Annotated[
    str,
    Field(
        pattern=rf"^{NOTATION_PATTERN}\z",
        description="As players write it: the time on each clock, then what is added to it."
        " Sudden death, Fischer, byo-yomi (periods `x` time), Canadian (cycles `/` time),"
        " US delay (`d`), Bronstein (`b`), hourglass (`*`). Times are seconds, or hours, minutes"
        " and seconds with their letters.",
        examples=["90m", "300+3", "25m+5x30s", "10m+20/15m", "60m d5", "60m b5", "*3m"],
    ),
]


def _variant(value: object) -> str:
    return "text" if isinstance(value, str) else "object"


TimeControlRequest = Annotated[
    Annotated[ControlObject, Tag("object")]
    | Annotated[
        WrittenControl, PlainValidator(_read_text, json_schema_input_type=Written), Tag("text")
    ],
    Discriminator(_variant),
]

VARIANTS = frozenset({"object", "text", *_FORMS})
"""What pydantic puts into the path of an error behind ``time_control``, and no client has sent."""
