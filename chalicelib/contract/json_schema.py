"""JSON Schemas of what comes in and of what goes out, under ``#/components/schemas``.

What comes in are pydantic models, and pydantic knows their schemas. What goes
out are typed dicts and, inside them, dicts that show a dataclass of the core;
their schemas are read from their annotations, because pydantic takes typed dicts
of Python 3.11 only from ``typing_extensions``. Must never look at a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import StrEnum
from inspect import cleandoc
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core.core_schema import StringSchema, WithDefaultSchema

from ..core.events import Event

Schema = dict[str, Any]

PLACE = "#/components/schemas/"

INSTANT = {"format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}

_PLAIN: dict[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    object: {},
    Any: {},
}


def ref(name: str) -> Schema:
    return {"$ref": f"{PLACE}{name}"}


def of_requests(models: Iterable[type[BaseModel]]) -> dict[str, Schema]:
    """The schemas of models and of all that they consist of, by name."""
    wanted = list(models)
    _, found = models_json_schema(
        [(model, "validation") for model in wanted],
        ref_template=f"{PLACE}{{model}}",
        schema_generator=_Incoming,
    )
    # Also what a text is read into, which no client sends.
    schemas: dict[str, Schema] = found["$defs"]
    used: dict[str, Schema] = {}
    names = [model.__name__ for model in wanted]
    while names:
        name = names.pop()
        if name not in used:
            used[name] = schemas[name]
            used[name].pop("title", None)
            names += re.findall(rf"{PLACE}(\w+)", repr(schemas[name]))
    return used


class _Incoming(GenerateJsonSchema):
    """Without titles and defaults that say nothing, and with patterns as JSON Schema has them."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: WithDefaultSchema) -> Schema:
        return self.generate_inner(schema["schema"])

    def str_schema(self, schema: StringSchema) -> Schema:
        made = super().str_schema(schema)
        if "pattern" in made:
            # The end of the text: \z to pydantic's Rust, $ to ECMA-262.
            made["pattern"] = made["pattern"].replace(r"\z", "$")
        return made


class Shown:
    """The schemas of everything that was asked for with ``of``, collected by name."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}

    def of(self, shape: Any) -> Schema:
        """The schema of a type, by reference where it has a name of its own.

        ``Annotated[dict, A, B]`` is a dict that shows what ``A`` and ``B`` have.
        """
        origin, arguments = get_origin(shape), get_args(shape)
        if origin is Annotated:
            first, *others = [self.of(part) for part in arguments[1:]]
            return self._together(first, others) if others else first
        if origin in (Union, UnionType):
            return _any_of([self.of(part) for part in arguments])
        if origin is Literal:
            return {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
        if origin is list:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin in (dict, Mapping):
            return {"type": "object"}
        if isinstance(shape, type):
            named = self._named(shape)
            if named is not None:
                return named
        return dict(_PLAIN[shape])

    def _named(self, shape: type) -> Schema | None:
        make: Callable[[type], Schema]
        if is_typeddict(shape):
            make = self._typed_dict
        elif issubclass(shape, StrEnum):
            make = _enumeration
        elif is_dataclass(shape):
            make = self._kind if "type" in vars(shape) else self._family
        else:
            return None
        name = shape.__name__
        if name not in self.schemas:
            self.schemas[name] = {}
            self.schemas[name] = _described(shape) | make(shape)
        return ref(name)

    def _together(self, first: Schema, others: list[Schema]) -> Schema:
        """What has everything that these have; each kind of a family by itself.

        Generators of clients make a class of objects that belong together, but none of
        an object and a choice.
        """
        shown = self.schemas[first["$ref"].removeprefix(PLACE)]
        each = [{"allOf": [kind, *others]} for kind in shown.get("oneOf", [first])]
        return each[0] if len(each) == 1 else {"oneOf": each}

    def _typed_dict(self, shape: type) -> Schema:
        properties, required = {}, []
        for name, hint in get_type_hints(shape, include_extras=True).items():
            if get_origin(hint) is NotRequired:
                properties[name] = _by_name(name, self.of(get_args(hint)[0]))
            else:
                properties[name] = _by_name(name, self.of(hint))
                required.append(name)
        return object_of(properties, required)

    def _family(self, shape: type) -> Schema:
        """Any of the dataclasses that derive from a class and have a ``type``."""
        # By name, because a dataclass with slots leaves its draft among the subclasses.
        kinds = {kind.__name__: kind for kind in _kinds(shape)}
        return {"oneOf": [self.of(kind) for kind in kinds.values()]}

    def _kind(self, shape: Any) -> Schema:
        """A dataclass as it is shown; of an event only the fields that have a value."""
        properties: dict[str, Schema] = {"type": {"const": shape.type}}
        required = ["type"]
        hints = get_type_hints(shape, include_extras=True)
        is_event = issubclass(shape, Event)
        for name in [field.name for field in fields(shape)]:
            if is_event and name == "at_ms":
                properties["at"] = _by_name("at", self.of(str))
                required.append("at")
            elif is_event and _may_be_none(hints[name]):
                given = [part for part in get_args(hints[name]) if part is not NoneType]
                properties[name] = _by_name(name, self.of(given[0] if given else object))
            else:
                properties[name] = _by_name(name, self.of(hints[name]))
                required.append(name)
        return object_of(properties, required)


def object_of(properties: Mapping[str, Schema], required: Sequence[str]) -> Schema:
    """An object that has these properties, and may have others."""
    return {"type": "object", "properties": dict(properties), "required": list(required)}


def _enumeration(shape: type) -> Schema:
    return {"type": "string", "enum": [str(value) for value in cast(type[StrEnum], shape)]}


def _kinds(shape: type) -> Iterator[type]:
    subclasses: list[type] = shape.__subclasses__()
    for kind in subclasses:
        if "type" in vars(kind):
            yield kind
        else:
            yield from _kinds(kind)


def _may_be_none(hint: Any) -> bool:
    return hint is object or NoneType in get_args(hint)


def _any_of(schemas: list[Schema]) -> Schema:
    if all(set(schema) == {"type"} for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    return {"anyOf": schemas}


def _by_name(name: str, schema: Schema) -> Schema:
    """The contract's rule: names tell instants and ids."""
    if "string" in schema.get("type", ()):
        if name == "at" or name.endswith(("_at", "At")):
            return {**schema, **INSTANT}
        if name in ("sessionId", "session_id", "participant_id", "group_id") or name.endswith(
            "_participant_id"
        ):
            return {**schema, "format": "uuid"}
    return schema


def _described(shape: type) -> Schema:
    text = shape.__doc__
    # What a dataclass writes into its place says nothing that the schema doesn't.
    if not text or text.startswith(f"{shape.__name__}("):
        return {}
    return {"description": cleandoc(text).replace("``", "`")}
