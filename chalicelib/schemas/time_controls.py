"""Time control requests: an object, or the notation of chess and go players.

``300+3``, ``25m+5x30s``, ``10m+20/15m``, ``60m d5``: the main time, then what the control adds. A
time is a number of seconds, or hours, minutes and seconds with their letters (``90``, ``1h30m``,
``2.5m``). ``300+3``, the star of an hourglass and the stages of ``40/7200:3600`` are from PGN's
TimeControl tag; byo-yomi, Canadian overtime and delay follow go servers and US Chess. ``15 | 10``
of chess sites and ``G/60;d5`` of US Chess are in minutes and seconds wherever they are used. Any
other text is rejected, never guessed.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PlainValidator, Tag, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from ..core import time_controls
from ..core.limits import (
    MAX_CLOCK_MS,
    MAX_DELAY_MS,
    MAX_INCREMENT_MS,
    MAX_PERIOD_MS,
    MAX_PERIODS,
    MAX_STAGE_CYCLES,
    MAX_STAGES,
    MIN_DURATION_MS,
)
from .fields import Duration, Request

Cycles = Annotated[int, Field(ge=1, le=MAX_STAGE_CYCLES)]


class ControlRequest(Request):
    @property
    def main_ms(self) -> int | None:
        """The main time in it; ``None`` for most objects, because ``total_time_ms`` sets it."""
        return None

    @abstractmethod
    def control(self) -> time_controls.TimeControl: ...


class FischerRequest(ControlRequest):
    type: Literal["fischer"]
    increment_ms: Annotated[int, Field(ge=0, le=MAX_INCREMENT_MS)]
    max_bank_ms: Duration | None = None
    first_increment: bool | None = None

    def control(self) -> time_controls.Fischer:
        first_increment = bool(self.first_increment)
        return time_controls.Fischer(self.increment_ms, self.max_bank_ms, first_increment)


class DelayRequest(ControlRequest):
    type: Literal["delay"]
    delay_ms: Annotated[int, Field(ge=1, le=MAX_DELAY_MS)]

    def control(self) -> time_controls.Delay:
        return time_controls.Delay(self.delay_ms)


class BronsteinRequest(ControlRequest):
    type: Literal["bronstein"]
    delay_ms: Annotated[int, Field(ge=1, le=MAX_DELAY_MS)]

    def control(self) -> time_controls.Bronstein:
        return time_controls.Bronstein(self.delay_ms)


class ByoyomiRequest(ControlRequest):
    type: Literal["byoyomi"]
    period_ms: Annotated[int, Field(ge=MIN_DURATION_MS, le=MAX_PERIOD_MS)]
    periods: Annotated[int, Field(ge=1, le=MAX_PERIODS)]

    def control(self) -> time_controls.TimeControl:
        return time_controls.Byoyomi(self.period_ms, self.periods)


class CanadianRequest(ControlRequest):
    type: Literal["canadian"]
    period_ms: Annotated[int, Field(ge=MIN_DURATION_MS, le=MAX_PERIOD_MS)]
    cycles_per_period: Cycles

    def control(self) -> time_controls.TimeControl:
        return time_controls.Canadian(self.period_ms, self.cycles_per_period)


class HourglassRequest(ControlRequest):
    type: Literal["hourglass"]

    def control(self) -> time_controls.TimeControl:
        return time_controls.Hourglass()


class StageFischerRequest(FischerRequest):
    max_bank_ms: None = None


StageControlRequest = Annotated[
    StageFischerRequest | DelayRequest | BronsteinRequest, Field(discriminator="type")
]


class StageRequest(Request):
    time_ms: Duration
    cycles: Cycles | None = None
    control: StageControlRequest | None = None

    def stage(self) -> time_controls.Stage:
        control = self.control.control() if self.control else None
        return time_controls.Stage(self.time_ms, self.cycles, control)


class StagesRequest(ControlRequest):
    type: Literal["stages"]
    stages: Annotated[list[StageRequest], Field(min_length=1, max_length=MAX_STAGES)]

    @property
    def main_ms(self) -> int:
        return self.stages[0].time_ms

    def control(self) -> time_controls.TimeControl:
        return time_controls.Stages(tuple(one.stage() for one in self.stages))


ControlObject = Annotated[
    FischerRequest
    | DelayRequest
    | BronsteinRequest
    | ByoyomiRequest
    | CanadianRequest
    | HourglassRequest
    | StagesRequest,
    Field(discriminator="type"),
]


class WrittenControl:
    """A time control written as text, and its main time."""

    # Not a dataclass: pydantic would publish its schema, although no client sends one.
    def __init__(self, main_ms: int, request: ControlRequest) -> None:
        self.main_ms = main_ms
        self._request = request

    def control(self) -> time_controls.TimeControl:
        return self._request.control()


def _grammar(form: str) -> str:
    """A form with its times, numbers and fractions filled in."""
    time = (
        "(?:[0-9]{1,7}FRACTIONs?|[0-9]{1,5}FRACTIONm|[0-9]{1,3}FRACTIONh"
        "|[0-9]{1,5}m[0-9]{1,7}FRACTIONs"
        "|[0-9]{1,3}h(?:[0-9]{1,5}FRACTIONm|(?:[0-9]{1,5}m)?[0-9]{1,7}FRACTIONs))"
    )
    parts = {
        "STAGES": rf"CYCLESTIME(?:\+TIME!?| [db]TIME)?(?::CYCLESSTAGE){{0,{MAX_STAGES - 2}}}"
        r"(?::(?:CYCLES)?STAGE)?",
        "STAGE": r"TIME(?:(?:\+| [db])TIME)?",
        "CYCLES": "[0-9]{1,3}/",
        "BAR": r"(?: \| |\|)",
        "TIME": time,
        "NUMBER": "[0-9]{1,5}FRACTION",
        "FRACTION": r"(?:\.[0-9]{1,3})?",
    }
    for name, part in parts.items():
        form = form.replace(name, part)
    return form


NOTATION_PATTERN = _grammar(
    r"(?:TIME(?:\+TIME!?|\+[0-9]{1,3}[x/]TIME| [db]TIME)?|\*TIME|STAGES"
    r"|NUMBERBARNUMBER!?|G/NUMBER(?:[; ]dNUMBER|;\+NUMBER)?)"
)
"""All notations in one pattern, for clients that validate before sending."""

# Compiled with the first text, not at every cold start.
_FORMS = [
    (control, _grammar(form))
    for control, form in (
        ("fischer", r"(?P<main_ms>TIME)(?:\+(?P<increment_ms>TIME)(?P<first_increment>!)?)?"),
        (
            "fischer",
            r"(?P<main_minutes>NUMBER)BAR(?P<increment_seconds>NUMBER)(?P<first_increment>!)?",
        ),
        # US Chess writes "no delay" as d0.
        ("fischer", r"G/(?P<main_minutes>NUMBER)(?:[; ]d0|;\+(?P<increment_seconds>NUMBER))?"),
        ("delay", r"G/(?P<main_minutes>NUMBER)[; ]d(?P<delay_seconds>NUMBER)"),
        ("byoyomi", r"(?P<main_ms>TIME)\+(?P<periods>[0-9]{1,3})x(?P<period_ms>TIME)"),
        ("canadian", r"(?P<main_ms>TIME)\+(?P<cycles_per_period>[0-9]{1,3})/(?P<period_ms>TIME)"),
        ("delay", r"(?P<main_ms>TIME) d(?P<delay_ms>TIME)"),
        ("bronstein", r"(?P<main_ms>TIME) b(?P<delay_ms>TIME)"),
        ("hourglass", r"\*(?P<main_ms>TIME)"),
    )
]

_STAGES = _grammar("STAGES")

_UNITS_MS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "": 1_000}

_OBJECTS: TypeAdapter[ControlRequest] = TypeAdapter(ControlObject, config={"defer_build": True})


def _read_text(text: str) -> WrittenControl:
    if re.fullmatch(_STAGES, text):
        stages = _within_limits({"type": "stages", "stages": list(map(_stage, text.split(":")))})
        return WrittenControl(stages.main_ms or 0, stages)
    main_ms, fields = _read_control(text)
    request = _within_limits(fields)
    can_be_zero = not request.control().needs_main_time
    if not MIN_DURATION_MS <= main_ms <= MAX_CLOCK_MS and (main_ms or not can_be_zero):
        raise PydanticCustomError(
            "time_control_range",
            "main time must be between 1 s and 31 days{or_zero}, got {main_ms} ms",
            {"main_ms": main_ms, "or_zero": " or 0" if can_be_zero else ""},
        )
    return WrittenControl(main_ms, request)


def _read_control(text: str) -> tuple[int, dict[str, Any]]:
    """The main time, and the fields of the object."""
    for control, form in _FORMS:
        if (match := re.fullmatch(form, text)) is not None:
            fields = dict(_field(name, value) for name, value in match.groupdict().items())
            return fields.pop("main_ms"), {"type": control, **fields}
    raise PydanticCustomError(
        "time_control_text",
        "Must be a time control such as 300+3, 300+3!, 15 | 10, 25m+5x30s, 10m+20/15m, 60m d5,"
        " G/60;d5 or 40/90m+30:30m+30",
    )


def _stage(text: str) -> dict[str, Any]:
    """The object of one stage."""
    *cycles, control = text.split("/")
    main_ms, fields = _read_control(control)
    return {
        "time_ms": main_ms,
        "cycles": int(cycles[0]) if cycles else None,
        # A time alone has no control.
        "control": fields if re.search("[+ ]", control) else None,
    }


def _field(name: str, value: str | None) -> tuple[str, int]:
    """A field of the object, from a group of a form; one that is left out is 0."""
    if name == "first_increment":
        return name, value is not None
    quantity, _, unit = name.rpartition("_")
    if unit in ("minutes", "seconds"):
        return f"{quantity}_ms", _milliseconds(f"{value or 0}{unit[0]}")
    return name, _milliseconds(value or "0") if unit == "ms" else int(value or 0)


def _within_limits(fields: dict[str, Any]) -> ControlRequest:
    try:
        return _OBJECTS.validate_python(fields)
    except ValidationError as error:
        # The text is one field, so it gets one message: the first error.
        wrong, *_ = error.errors(include_url=False, include_context=False)
        raise PydanticCustomError(
            "time_control_range",
            "{name}: {message}, got {value}",
            {"name": wrong["loc"][-1], "message": wrong["msg"], "value": wrong["input"]},
        ) from None


def _milliseconds(time: str) -> int:
    # Three decimals of any unit are whole milliseconds.
    parts = re.findall(r"([0-9]+)\.?([0-9]*)([hms]?)", time)
    return sum(
        (int(whole) * 1_000 + int(decimals.ljust(3, "0"))) * _UNITS_MS[unit] // 1_000
        for whole, decimals, unit in parts
    )


Written = Annotated[
    str,
    Field(
        pattern=rf"^{NOTATION_PATTERN}\z",
        description="Players' notation: the main time of each clock, then what the control adds."
        " Sudden death, Fischer (`!`: with an increment before the first cycle), byo-yomi (periods"
        " `x` time), Canadian (cycles `/` time), US delay (`d`), Bronstein (`b`), hourglass (`*`);"
        " stages, separated by `:`, each but the last with its cycles and `/` in front. Times are"
        " seconds, or hours, minutes and seconds with their letters; `15 | 10` and `G/60;d5` are"
        " minutes and seconds.",
        examples=[
            *["90m", "300+3", "300+3!", "15 | 10", "25m+5x30s", "0+5x30s", "10m+20/15m"],
            *["60m d5", "G/60;d5", "60m b5", "*2.5m", "40/90m+30:30m+30", "40/7200"],
        ],
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

VARIANTS = frozenset({"object", "text", "stages", *(control for control, _ in _FORMS)})
"""Parts that pydantic adds to an error's path; see ``errors``."""

VARIANTS_BELOW = {"time_control": 2, "control": 1}
"""How many of them at most follow a part."""
