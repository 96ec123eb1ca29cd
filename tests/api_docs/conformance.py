"""Validates responses and messages against the published API documents.

Each validator is built from the documents once, on first use. Responses and server messages are
validated against closed schemas: an undocumented field is an error, which clients must ignore.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import jsonschema_rs

from chalicelib.api_docs import asyncapi, openapi
from chalicelib.api_docs.components import REF_PREFIX, Schema

Schemas = Mapping[str, Schema]

PARTS_OF_PAGES = frozenset({"/docs/{asset}", "/page/{version}/{package}/src/{name}"})
"""Assets of pages, which are not operations."""


OF_EVERY_ANSWER = frozenset(
    {
        "content-type",
        "access-control-allow-headers",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "access-control-max-age",
        # Security headers of pages.
        "content-security-policy",
        "referrer-policy",
        "x-content-type-options",
        "x-frame-options",
    }
)
REMAPPED = {"www-authenticate": "x-amzn-remapped-www-authenticate"}
"""Headers that API Gateway renames."""


@cache
def openapi_document() -> dict[str, Any]:
    return openapi.document()


@cache
def asyncapi_document() -> dict[str, Any]:
    return asyncapi.document()


def validator(schema: Schema, schemas: Schemas) -> jsonschema_rs.Draft202012Validator:
    """A validator for a schema whose references are in ``schemas``."""
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": {"schemas": dict(schemas)}}, validate_formats=True
    )


def closed(schema: Schema, schemas: Schemas, *, is_part: bool = False) -> Schema:
    """A schema with its references put in, that allows no property it does not name.

    A schema that ``is_part`` of a larger object can't know which properties are unknown.
    """
    if "$ref" in schema:
        return closed(schemas[schema["$ref"].removeprefix(REF_PREFIX)], schemas, is_part=is_part)
    made = dict(schema)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            made[word] = [closed(one, schemas, is_part=is_part) for one in schema[word]]
    if "items" in schema:
        made["items"] = closed(schema["items"], schemas)
    if "properties" in schema:
        made["properties"] = {
            name: closed(one, schemas) for name, one in schema["properties"].items()
        }
    if "allOf" in schema:
        made["allOf"] = [closed(one, schemas, is_part=True) for one in schema["allOf"]]
    if not is_part and ("properties" in schema or "allOf" in schema):
        made["unevaluatedProperties"] = False
    return made


def problems(check: jsonschema_rs.Draft202012Validator, value: object, limit: int = 3) -> list[str]:
    found = [f"{error.instance_path}: {error.message[:400]}" for error in check.iter_errors(value)]
    return found[:limit]


# REST


def check_answer(method: str, path: str, status: int, headers: Iterable[str], body: Any) -> None:
    """Validate a response of the operation at ``path`` against the OpenAPI document.

    ``body`` is what was read from JSON, or the text of anything else.
    """
    if path in PARTS_OF_PAGES:
        return
    operations = openapi_document()["paths"][path]
    operation = operations.get("get" if method == "HEAD" else method.lower())
    if operation is None:
        assert status == 405, (method, path, status)
        return
    answer = operation["responses"].get(str(status))
    assert answer is not None, f"{method} {path} does not say that it may answer {status}: {body}"
    known = openapi_document()["components"]["headers"]
    named = {name.lower(): known[name]["required"] for name in answer.get("headers", ())}
    given = {REMAPPED.get(one.lower(), one.lower()) for one in headers}
    missing = {name for name, is_always_there in named.items() if is_always_there} - given
    assert not missing, f"{method} {path} {status} lacks {missing}"
    untold = given - named.keys() - OF_EVERY_ANSWER
    assert not untold, f"{method} {path} {status} does not say that it may have {untold}"
    check = _answer_validator(path, "get" if method == "HEAD" else method.lower(), status)
    if method == "HEAD" or check is None:
        assert method == "HEAD" or body == "", body
        return
    if not check.is_valid(body):
        raise AssertionError(f"{method} {path} {status}: {problems(check, body)}")


@cache
def _answer_validator(
    path: str, method: str, status: int
) -> jsonschema_rs.Draft202012Validator | None:
    answer = openapi_document()["paths"][path][method]["responses"][str(status)]
    if "content" not in answer:
        return None
    (content,) = answer["content"].values()
    schemas = openapi_document()["components"]["schemas"]
    return validator(closed(content["schema"], schemas), {})


# The socket


def check_server_message(message: Any) -> None:
    """Validate a server message against the AsyncAPI document."""
    _check_message(message, _server_messages())


def check_client_message(message: Any) -> None:
    """Validate a client message against the AsyncAPI document."""
    _check_message(message, _client_messages())


def _check_message(
    message: Any, validators: Mapping[str, jsonschema_rs.Draft202012Validator]
) -> None:
    check = validators.get(message.get("type"))
    assert check is not None, f"There is no such message: {message}"
    if not check.is_valid(message):
        raise AssertionError(f"{message['type']}: {problems(check, message)}")


@cache
def _server_messages() -> dict[str, jsonschema_rs.Draft202012Validator]:
    document = asyncapi_document()
    schemas = document["components"]["schemas"]
    return {
        name: validator(closed(document["components"]["messages"][name]["payload"], schemas), {})
        for name in _names("send") | _replies()
    }


@cache
def _client_messages() -> dict[str, jsonschema_rs.Draft202012Validator]:
    document = asyncapi_document()
    return {
        name: validator(
            document["components"]["messages"][name]["payload"], document["components"]["schemas"]
        )
        for name in _names("receive")
    }


def _names(action: str) -> set[str]:
    operations = asyncapi_document()["operations"].values()
    return {
        _name(one)
        for operation in operations
        if operation["action"] == action
        for one in operation["messages"]
    }


def _replies() -> set[str]:
    operations = asyncapi_document()["operations"].values()
    return {_name(one) for each in operations for one in each.get("reply", {}).get("messages", ())}


def _name(reference: Mapping[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]
