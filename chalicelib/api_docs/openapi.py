"""The OpenAPI 3.1 document, made from the table of operations.

https://spec.openapis.org/oas/v3.1.1
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import __version__
from ..auth.policy import NO, OWN, RIGHTS, ROLES, Action
from ..schemas.errors import ErrorBody
from . import error_codes as codes
from . import examples
from .components import Schema, component_schemas, ref
from .operations import (
    HEADERS,
    LIMIT_HEADERS,
    OPERATIONS,
    SESSION_ID,
    Answer,
    Operation,
    Parameter,
)

JSON = "application/json"

BodySchemas = Mapping[Any, Schema]
"""The schema of each body, by the type of the body."""

TITLE = "Tickless"
LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
ABOUT = """\
Timers that stay in step on every screen. The WebSocket, over which everybody sees each change, is
described in `asyncapi.json` beside this document.

Names that end in `_at` (and `at`) are ISO 8601 in UTC with milliseconds; names that end in `_ms`,
and `timestamp`, are whole milliseconds of the store's clock. Unknown fields are ignored, `null`
stands for a field that is left out, and of a field given twice the last one counts. `HEAD` works
wherever `GET` does. Any origin may call. Every answer has `x-amzn-RequestId`, which leads to it in
the log."""

SCHEME = "token"
OF_OWN = " (to end his own cycle)"
ABOUT_TOKENS = """\
Needed where AUTH is on, as it is on AWS unless it has been switched off, and ignored where it is
off. A token names one session and a role in it, or is a server's and opens every session."""

TAGS = {
    "sessions": "Sessions and what has happened in them.",
    "commands": "What may be done to a session; of n sent at once all are applied, in turn.",
    "tokens": "Who may do what, where AUTH is on.",
    "server": "The server's clock and health.",
    "contract": "This contract.",
    "page": "Clocks for people to look at.",
}


def document() -> dict[str, Any]:
    """The whole document, ready for JSON."""
    bodies, schemas = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, bodies
        )
    gateway = {
        "GatewayRefusal": _gateway_refusal(),
        "GatewayFailure": _response(
            "The gateway had no answer, or none in time.",
            ref(codes.answer_name("INTERNAL_ERROR")),
        ),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": TITLE,
            "version": __version__,
            "description": ABOUT,
            "license": LICENSE,
        },
        # Relative to where this document is, so that it holds on every stage.
        "servers": [{"url": "."}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": examples.attach(schemas),
            "responses": gateway,
            "headers": {
                name: {
                    "description": header.description,
                    "schema": header.schema,
                    "required": header.is_always_there,
                }
                for name, header in HEADERS.items()
            },
            "securitySchemes": {
                SCHEME: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": ABOUT_TOKENS,
                }
            },
        },
    }


def _schemas() -> tuple[BodySchemas, dict[str, Schema]]:
    """The schemas of bodies, and all that stand under components."""
    requests = [one.takes for one in OPERATIONS if one.takes is not None]
    answers = [answer for one in OPERATIONS for answer in one.answers.values()]
    bodies = [answer.body for answer in answers if answer.body is not None]
    found, schemas = component_schemas([*requests, *bodies, ErrorBody, *codes.DETAILS.values()])
    error = schemas.pop(ErrorBody.__name__)
    for code in {code for one in OPERATIONS for code in one.codes} | codes.GATEWAY_REFUSALS.keys():
        details = found[codes.DETAILS[code]] if code in codes.DETAILS else None
        schemas[codes.answer_name(code)] = codes.answer_schema(code, error, details)
    return found, schemas


def _operation(operation: Operation, bodies: BodySchemas) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.view,
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": _responses(operation, bodies),
    }
    if operation.action is not None:
        made["security"] = [{SCHEME: []}, {}]
        made["description"] = _who(operation.action)
    if operation.parameters:
        made["parameters"] = [_parameter(one) for one in operation.parameters]
    if operation.takes is not None:
        made["requestBody"] = {
            "required": not operation.body_may_be_absent,
            "content": {JSON: {"schema": ref(operation.takes.__name__)}},
        }
    return made


def _who(action: Action) -> str:
    """Whose token allows an action."""
    rights = zip(ROLES, RIGHTS[action], strict=True)
    may = [f"{role}{OF_OWN if right is OWN else ''}" for role, right in rights if right is not NO]
    return f"Where AUTH is on, with a token of: {', '.join(may)}."


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _responses(operation: Operation, bodies: BodySchemas) -> dict[str, Any]:
    made = {str(status): _success(answer, bodies) for status, answer in operation.answers.items()}
    for status, told in codes.by_status(operation.codes).items():
        made[str(status)] = _refusal(told)
    if operation.is_limited:
        for response in made.values():
            response["headers"] = {**response.get("headers", {}), **_headers(LIMIT_HEADERS)}
    return {
        **dict(sorted(made.items())),
        "4XX": {"$ref": "#/components/responses/GatewayRefusal"},
        "5XX": {"$ref": "#/components/responses/GatewayFailure"},
    }


def _success(answer: Answer, bodies: BodySchemas) -> dict[str, Any]:
    if answer.media_type is not None:
        return _response(answer.meaning, {"type": "string"}, answer.headers, answer.media_type)
    schema = None if answer.body is None else bodies[answer.body]
    made = _response(answer.meaning, schema, answer.headers)
    return {**made, "links": _links()} if answer.leads_to_session else made


def _links() -> dict[str, Any]:
    """Every operation on the session that an answer shows."""
    return {
        one.view: {
            "operationId": one.view,
            "parameters": {SESSION_ID.name: f"$response.body#/data/{SESSION_ID.name}"},
        }
        for one in OPERATIONS
        if SESSION_ID in one.parameters
    }


def _refusal(told: tuple[str, ...]) -> dict[str, Any]:
    """The answer with the errors of one status."""
    meaning = "\n".join(f"- `{code}`: {codes.MEANINGS[code]}" for code in told)
    schemas = [ref(codes.answer_name(code)) for code in told]
    headers = (header for code in told for header in codes.HEADERS.get(code, ()))
    return _response(meaning, schemas[0] if len(schemas) == 1 else {"anyOf": schemas}, headers)


def _gateway_refusal() -> dict[str, Any]:
    # Without headers, of which only a 429 has any.
    made = _refusal(tuple(codes.GATEWAY_REFUSALS))
    meaning = f"The gateway refuses the request by itself.\n\n{made['description']}"
    return {"description": meaning, "content": made["content"]}


def _response(
    meaning: str,
    schema: Schema | None = None,
    headers: Iterable[str] = (),
    media_type: str = JSON,
) -> dict[str, Any]:
    made: dict[str, Any] = {"description": meaning}
    if named := _headers(headers):
        made["headers"] = named
    if schema is not None:
        made["content"] = {media_type: {"schema": schema}}
    return made


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
