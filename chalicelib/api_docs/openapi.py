"""OpenAPI 3.1 document, generated from the table of operations.

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
"""JSON Schemas by body type."""

TITLE = "Tickless"
LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
ABOUT = """\
Timers in sync on every screen. The WebSocket, which pushes each change to every subscriber, is
described in `asyncapi.json`.

Names that end in `_at` (and `at`) are ISO 8601 in UTC with milliseconds; names that end in `_ms`,
and `timestamp`, are whole milliseconds of the store's clock. Unknown fields are ignored, `null`
means that a field is missing, and the last of duplicate fields counts. `HEAD` works wherever `GET`
does. Any origin may call. Every response has `x-amzn-RequestId`, which is also in the log."""

SCHEME = "token"
OF_OWN = " (to end their own cycle)"
ABOUT_TOKENS = """\
Required where AUTH is on (the default on AWS), ignored where it is off. A token grants a role in
one session, or, for a server, access to every session."""

TAGS = {
    "sessions": "Sessions and their event logs.",
    "commands": "Commands to a session. Concurrent commands are all applied, one after another.",
    "participants": "Who takes part in a session.",
    "tokens": "Tokens of a session, where AUTH is on.",
    "server": "The server's clock and health.",
    "contract": "The API documents.",
    "page": "The web page.",
}


def document() -> dict[str, Any]:
    """The document, ready for JSON."""
    bodies, schemas = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, bodies
        )
    gateway = {
        "GatewayRefusal": _gateway_refusal(),
        "GatewayFailure": _response(
            "The gateway got no response, or none in time.",
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
        # Relative to this document, so that it is right on every stage.
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
    """The schemas of bodies, and all component schemas."""
    requests = [one.request for one in OPERATIONS if one.request is not None]
    answers = [answer for one in OPERATIONS for answer in one.answers.values()]
    bodies = [answer.body for answer in answers if answer.body is not None]
    by_type, schemas = component_schemas([*requests, *bodies, ErrorBody, *codes.DETAILS.values()])
    error = schemas.pop(ErrorBody.__name__)
    for code in {code for one in OPERATIONS for code in one.codes} | codes.GATEWAY_REFUSALS.keys():
        details = by_type[codes.DETAILS[code]] if code in codes.DETAILS else None
        schemas[codes.answer_name(code)] = codes.answer_schema(code, error, details)
    return by_type, schemas


def _operation(operation: Operation, bodies: BodySchemas) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.view,
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": _responses(operation, bodies),
    }
    if operation.action is not None:
        made["security"] = [{SCHEME: []}, {}]
        made["description"] = _required_role(operation.action)
    if operation.parameters:
        made["parameters"] = [_parameter(one) for one in operation.parameters]
    if operation.request is not None:
        made["requestBody"] = {
            "required": not operation.is_body_optional,
            "content": {JSON: {"schema": ref(operation.request.__name__)}},
        }
    return made


def _required_role(action: Action) -> str:
    """The roles that allow an action."""
    rights = zip(ROLES, RIGHTS[action], strict=True)
    roles = [f"{role}{OF_OWN if right is OWN else ''}" for role, right in rights if right is not NO]
    return f"Where AUTH is on, requires a token with one of these roles: {', '.join(roles)}."


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.location,
        "required": parameter.required,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _responses(operation: Operation, bodies: BodySchemas) -> dict[str, Any]:
    made = {str(status): _success(answer, bodies) for status, answer in operation.answers.items()}
    for status, error_codes in codes.by_status(operation.codes).items():
        made[str(status)] = _refusal(error_codes)
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
        return _response(answer.description, {"type": "string"}, answer.headers, answer.media_type)
    schema = None if answer.body is None else bodies[answer.body]
    made = _response(answer.description, schema, answer.headers)
    return {**made, "links": _links()} if answer.links_to_session else made


def _links() -> dict[str, Any]:
    """Links to every operation on the session in a response."""
    return {
        one.view: {
            "operationId": one.view,
            "parameters": {SESSION_ID.name: f"$response.body#/data/{SESSION_ID.name}"},
        }
        for one in OPERATIONS
        if SESSION_ID in one.parameters
    }


def _refusal(error_codes: tuple[str, ...]) -> dict[str, Any]:
    """The error response of one status."""
    meaning = "\n".join(f"- `{code}`: {codes.DESCRIPTIONS[code]}" for code in error_codes)
    schemas = [ref(codes.answer_name(code)) for code in error_codes]
    headers = (header for code in error_codes for header in codes.HEADERS.get(code, ()))
    return _response(meaning, schemas[0] if len(schemas) == 1 else {"anyOf": schemas}, headers)


def _gateway_refusal() -> dict[str, Any]:
    # Without headers: only 429 has any.
    made = _refusal(tuple(codes.GATEWAY_REFUSALS))
    meaning = f"The gateway itself rejects the request.\n\n{made['description']}"
    return {"description": meaning, "content": made["content"]}


def _response(
    meaning: str,
    schema: Schema | None = None,
    headers: Iterable[str] = (),
    media_type: str = JSON,
) -> dict[str, Any]:
    made: dict[str, Any] = {"description": meaning}
    if refs := _headers(headers):
        made["headers"] = refs
    if schema is not None:
        made["content"] = {media_type: {"schema": schema}}
    return made


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
