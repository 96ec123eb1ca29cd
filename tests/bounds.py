"""Values outside the bounds of each field, from the published schema of a request.

So a field that is added is tested without a change here. Rules between fields are not in a schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any, NamedTuple

from chalicelib.schemas.commands import COMMANDS, CommandName
from chalicelib.schemas.fields import Request

UUID = "00000000-0000-4000-8000-0000000000aa"

Schema = Mapping[str, Any]


class Invalid(NamedTuple):
    """A body with one wrong value.

    ``field`` is its dotted path; ``told`` must be in the message: the bound, and what was given.
    """

    field: str
    body: Any
    told: tuple[str, ...] = ()


def invalid_bodies(model: type[Request]) -> list[Invalid]:
    """Bodies that are valid, each but for one field."""
    whole = model.model_json_schema()
    schemas = _Schemas(whole.get("$defs", {}))
    return [one for one in schemas.wrong(whole) if one.field]


def _join(name: str, below: str) -> str:
    return f"{name}.{below}" if below else name


class _Schemas:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def valid(self, schema: Schema) -> Any:
        """The least value that the schema accepts."""
        schema = self._variants(schema)[0]
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type"):
            case "object":
                required = schema.get("required", ())
                return {name: self.valid(schema["properties"][name]) for name in required}
            case "array":
                return [self.valid(schema["items"])] * schema.get("minItems", 0)
            case "string":
                return UUID if "pattern" in schema else "x" * schema.get("minLength", 0)
            case "integer" | "number":
                return schema["minimum"]
            case "boolean":
                return True
        return None

    def wrong(self, schema: Schema) -> Iterator[Invalid]:
        """Values that the schema does not accept; ``field`` is the path to what is wrong in it."""
        variants = self._variants(schema)
        if variants == [{}]:
            return
        kinds = {variant["type"] for variant in variants}
        for kind, value in _ONE_OF_EACH:
            if not kinds & kind:
                yield Invalid("", value)
        for variant in variants:
            yield from self._out_of_bounds(variant)

    def _out_of_bounds(self, schema: Schema) -> Iterator[Invalid]:
        if "enum" in schema:
            yield Invalid("", "unheard-of", (*schema["enum"], "unheard-of"))
            return
        match schema["type"]:
            case "integer":
                yield from _beyond(schema, 1)
                for value in (1e300, inf, 2**64, -(2**64)):
                    yield Invalid("", value)
            case "number":
                yield from _beyond(schema, 0.001)
                yield Invalid("", inf)
                yield Invalid("", 1.2345, ("three decimals", "1.2345"))
            case "string":
                yield from _wrong_texts(schema)
            case "array":
                yield from self._wrong_lists(schema)
            case "object":
                yield from self._wrong_objects(schema)

    def _wrong_lists(self, schema: Schema) -> Iterator[Invalid]:
        one = self.valid(schema["items"])
        if "maxItems" in schema:
            count = schema["maxItems"] + 1
            yield Invalid("", [one] * count, (str(schema["maxItems"]), str(count)))
        if schema.get("minItems"):
            yield Invalid("", [], (str(schema["minItems"]), "0"))
        for field, value, told in self.wrong(schema["items"]):
            yield Invalid(_join("0", field), [value], told)

    def _wrong_objects(self, schema: Schema) -> Iterator[Invalid]:
        least = self.valid(schema)
        for name, inner in schema.get("properties", {}).items():
            if "const" in inner:
                # What says which variant an object is, is no field of one of them.
                continue
            if name in schema.get("required", ()):
                yield Invalid(name, {key: least[key] for key in least if key != name})
            for field, value, told in self.wrong(inner):
                yield Invalid(_join(name, field), {**least, name: value}, told)

    def _variants(self, schema: Schema) -> list[Schema]:
        """What a value may be, without references."""
        if "$ref" in schema:
            return self._variants(self._definitions[schema["$ref"].rpartition("/")[2]])
        for choice in ("anyOf", "oneOf"):
            if choice in schema:
                return [one for inner in schema[choice] for one in self._variants(inner)]
        return [{key: value for key, value in schema.items() if key not in _NOTES}]


_NOTES = {"title", "description", "default", "examples"}

_ONE_OF_EACH = (
    ({"null"}, None),
    ({"boolean"}, True),
    ({"integer", "number"}, 5_000),
    ({"number"}, 5_000.5),
    ({"string"}, "5000"),
    ({"array"}, [5_000]),
    ({"object"}, {"a": 5_000}),
)
"""A value, and the types of a schema that may accept it."""


def _beyond(schema: Schema, step: float) -> Iterator[Invalid]:
    least, most = schema["minimum"], schema["maximum"]
    for bound, value in ((least, least - step), (most, most + step)):
        told = (str(bound), str(value))
        # JSON numbers of that size are no integers to the parser any more.
        yield Invalid("", value, told if abs(value) < 2**53 else ())
    refused = schema.get("not", {})
    if "const" in refused:
        yield Invalid("", refused["const"], (str(refused["const"]),))
    if "exclusiveMinimum" in refused:
        for value in (refused["exclusiveMinimum"] + 1, refused["exclusiveMaximum"] - 1):
            yield Invalid("", value, (str(refused["exclusiveMaximum"]), str(value)))


def _wrong_texts(schema: Schema) -> Iterator[Invalid]:
    # Python's $ also matches before a line's end, and its \Z is \z elsewhere.
    pattern = re.sub(r"\$|\\z", r"\\Z", schema.get("pattern", ""))
    for value in ("x", "", f"{UUID}\n", "a\x00b"):
        if not re.search(pattern, value):
            yield Invalid("", value)
    for bound, step in (("minLength", -1), ("maxLength", 1)):
        if bound in schema:
            length = schema[bound] + step
            if re.search(pattern, value := "x" * length):
                yield Invalid("", value, (str(schema[bound]), str(length)))


WITH_FIELDS = [name for name, spec in COMMANDS.items() if spec.model.model_fields]
"""The commands that have arguments."""

# Rules between fields

ANNE = "00000000-0000-4000-8000-00000000000a"
BEN = "00000000-0000-4000-8000-00000000000b"
STRANGER = "00000000-0000-4000-8000-00000000000c"
LONGEST_MS = 31 * 86_400_000


def _stages(*stages: dict[str, Any]) -> dict[str, Any]:
    return {
        "sync_mode": "per_participant",
        "total_time_ms": None,
        "participants": [{"participant_id": ANNE}],
        "time_control": {"type": "stages", "stages": [{"time_ms": 5_000, **one} for one in stages]},
    }


def _people(*people: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"participant_id": one, **fields} for one, fields in zip((ANNE, BEN), people, strict=False)
    ]


FIRST_INCREMENT = {"type": "fischer", "increment_ms": 1, "first_increment": True}
HOURGLASS = {"type": "hourglass"}

CREATIONS = [
    # What is asked for instead of two participants with ten seconds each, what is refused, and what
    # must be in the message.
    Invalid("participants", {"participants": _people({}, {"participant_id": ANNE})}, (ANNE,)),
    Invalid("participants", {"participants": _people({"total_time_ms": 0})}, ("0",)),
    Invalid("total_time_ms", {"total_time_ms": 0}, ("0",)),
    Invalid("warn_at_ms", {"warn_at_ms": [5, 9, 5]}, ("5",)),
    Invalid("time_control", _stages({}, {"cycles": 1}), ("cycles", "stage 1")),
    Invalid("time_control", _stages({"cycles": 1}, {}, {"cycles": 1}), ("cycles", "stage 2")),
    Invalid("time_control", _stages({}), ("cycles",)),
    Invalid(
        "time_control", _stages({"cycles": 1}, {"control": FIRST_INCREMENT}), ("first", "stage 2")
    ),
    Invalid(
        "time_control",
        _stages({"cycles": 1}, {"time_ms": LONGEST_MS}),
        (str(LONGEST_MS), str(LONGEST_MS + 5_000)),
    ),
    Invalid(
        "total_time_ms",
        {**_stages({"cycles": 1}), "total_time_ms": 5_001},
        ("Differs from the main time in time_control",),
    ),
    Invalid("time_control", {"time_control": HOURGLASS, "participants": _people({})}, ("2", "1")),
    Invalid(
        "participants",
        {
            "sync_mode": "simultaneous",
            "total_time_ms": LONGEST_MS,
            "participants": _people({"time_factor": 1.001}),
        },
        (str(LONGEST_MS), str(LONGEST_MS + LONGEST_MS // 1_000)),
    ),
    Invalid("participants", {"participants": _people({"time_factor": 2}, {})}, ("time_factor",)),
    Invalid("participants_may", {"participants_may": ["start"]}, ("simultaneous",)),
    Invalid(
        "participants_may",
        {"sync_mode": "simultaneous", "participants_may": ["pause", "pause"]},
        ("unique", "pause"),
    ),
    Invalid("soft_close", {"soft_close": {"extend_to_ms": 1_000}}, ("per_participant", "global")),
    Invalid("turn_taking", {"sync_mode": "simultaneous", "turn_taking": "take"}, ("simultaneous",)),
    Invalid(
        "increment_ms", {"sync_mode": "simultaneous", "increment_ms": 1}, ("simultaneous sessions",)
    ),
]
"""What the schema of a creation accepts, and its rules refuse; total times are filled in."""

ROTATION, SIMULTANEOUS = "per_participant", "simultaneous"


class InvalidArguments(NamedTuple):
    """What a command refuses, in a session of this mode that is running."""

    sync_mode: str
    command: CommandName
    wrong: Invalid


def _argument(
    sync_mode: str, command: CommandName, field: str, body: Any, *told: object
) -> InvalidArguments:
    return InvalidArguments(sync_mode, command, Invalid(field, body, tuple(map(str, told))))


_ANNE, _STRANGER = {"participant_id": ANNE}, {"participant_id": STRANGER}
_MOST_AND_TEN_S = (LONGEST_MS, LONGEST_MS + 10_000)

ARGUMENTS = [
    _argument(ROTATION, "adjust", "participant_id", {"delta_ms": 1}, "required"),
    _argument(ROTATION, "adjust", "participant_id", {**_STRANGER, "delta_ms": 1}, STRANGER),
    _argument(ROTATION, "adjust", "group_id", {"group_id": ANNE, "delta_ms": 1}, ROTATION),
    _argument(ROTATION, "adjust", "scaled", {**_ANNE, "delta_ms": 1, "scaled": True}, ROTATION),
    _argument(
        ROTATION,
        "adjust",
        "delta_ms",
        {"participant_id": BEN, "delta_ms": LONGEST_MS},
        *_MOST_AND_TEN_S,
    ),
    _argument(
        ROTATION, "adjust", "delta_ms", {"participant_id": BEN, "delta_ms": -10_000}, "stopped"
    ),
    _argument(SIMULTANEOUS, "adjust", "group_id", {"group_id": ANNE, "delta_ms": 1}, SIMULTANEOUS),
    _argument(SIMULTANEOUS, "adjust", "participant_id", {**_STRANGER, "delta_ms": 1}, STRANGER),
    _argument(SIMULTANEOUS, "adjust", "scaled", {**_ANNE, "delta_ms": 1, "scaled": True}, "scaled"),
    _argument(SIMULTANEOUS, "adjust", "delta_ms", {"delta_ms": LONGEST_MS}, *_MOST_AND_TEN_S),
    _argument(ROTATION, "start", "participant_id", _ANNE, ROTATION),
    _argument(ROTATION, "pause", "participant_id", _ANNE, ROTATION),
    _argument(ROTATION, "resume", "participant_id", _ANNE, ROTATION),
    _argument(ROTATION, "finish", "sync_mode", {}, ROTATION, "switch"),
    _argument(ROTATION, "switch", "next_participant_id", {"next_participant_id": STRANGER}),
    _argument(SIMULTANEOUS, "start", "participant_id", _STRANGER, STRANGER),
    _argument(SIMULTANEOUS, "pause", "participant_id", _STRANGER, STRANGER),
    _argument(SIMULTANEOUS, "resume", "participant_id", _STRANGER, STRANGER),
    _argument(SIMULTANEOUS, "finish", "participant_id", _STRANGER, STRANGER),
    _argument(SIMULTANEOUS, "finish", "participant_id", {}, "required"),
    _argument(SIMULTANEOUS, "switch", "sync_mode", {}, SIMULTANEOUS, "finish"),
    _argument(SIMULTANEOUS, "undo", "sync_mode", {}, SIMULTANEOUS),
    _argument(SIMULTANEOUS, "set_turn", "sync_mode", _ANNE, SIMULTANEOUS),
    _argument(SIMULTANEOUS, "pause", "current_participant_id", {"current_participant_id": ANNE}),
    _argument(ROTATION, "update", "warn_at_ms", {"warn_at_ms": [5, 9, 5]}, 5),
    _argument(
        SIMULTANEOUS,
        "update",
        "participants_may",
        {"participants_may": ["start", "start"]},
        "unique",
        "start",
    ),
    _argument(ROTATION, "update", "metadata", {"metadata": {"a": "x" * 5_000}}, 4_096, 5_008),
    _argument(ROTATION, "update", "message.text", {"message": {"style": "alert"}}, "text"),
    _argument(
        ROTATION,
        "update",
        "soft_close",
        {"soft_close": {"extend_to_ms": 1_000}},
        ROTATION,
        "global",
    ),
    _argument(
        ROTATION, "update", "soft_close.extend_to_ms", {"soft_close": {}}, "extend_to_ms", "null"
    ),
    _argument(
        ROTATION,
        "update",
        "action_on_timeout.data",
        {"action_on_timeout": {"data": "x" * 1_023}},
        1_024,
        1_025,
    ),
    _argument(ROTATION, "update", "total_time_ms", {"total_time_ms": 5_000}),
]
"""What the schema of a command accepts, and its rules refuse."""
