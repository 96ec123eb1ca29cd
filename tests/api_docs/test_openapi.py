"""The OpenAPI document is valid and matches the routes and models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator

import app as tickless
from chalicelib.api_docs import error_codes as codes
from chalicelib.api_docs import openapi
from chalicelib.api_docs.components import REF_PREFIX
from chalicelib.api_docs.operations import OPERATIONS, Operation
from chalicelib.schemas.creation import CreateSession
from chalicelib.schemas.errors import InvalidRequest
from chalicelib.schemas.requests import read
from tests.rest.client import RestClient
from tests.rest.test_fuzz import bent

from .conformance import PARTS_OF_PAGES, asyncapi_document, openapi_document, problems, validator


def test_document_is_valid() -> None:
    OpenAPIV31SpecValidator(openapi_document()).validate()


def test_document_is_generated_once(rest: RestClient) -> None:
    answer = rest.get("/openapi.json")

    assert answer.json == json.loads(json.dumps(openapi.document()))
    assert answer.headers["Cache-Control"] == "public, max-age=300"


def test_operations_match_the_routes() -> None:
    routes = {
        (method, path): entry.view_name
        for path, methods in tickless.app.routes.items()
        for method, entry in methods.items()
        if entry.view_name != "not_allowed" and method != "HEAD" and path not in PARTS_OF_PAGES
    }

    assert {(one.method, one.path): one.view for one in OPERATIONS} == routes


def test_head_is_supported_exactly_where_get_is() -> None:
    for path, methods in tickless.app.routes.items():
        gets, heads = methods["GET"].view_name, methods["HEAD"].view_name
        assert gets == heads, path


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.view)
def test_status_is_either_a_success_or_an_error(operation: Operation) -> None:
    assert not operation.answers.keys() & codes.by_status(operation.codes).keys()


def test_component_schemas_are_exactly_those_referenced() -> None:
    document = openapi_document()
    used = set(re.findall(rf'"{REF_PREFIX}(\w+)"', json.dumps(document)))

    assert used == set(document["components"]["schemas"])


def everywhere(value: Any, word: str) -> Iterator[Any]:
    """Every value of a key, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == word:
                yield inner
            yield from everywhere(inner, word)
    elif isinstance(value, list):
        for inner in value:
            yield from everywhere(inner, word)


def test_unions_are_of_objects_that_generators_can_name() -> None:
    schemas = openapi_document()["components"]["schemas"]
    parts = [one["$ref"] for several in everywhere(schemas, "allOf") for one in several]

    assert len(parts) > 20
    for part in parts:
        assert "properties" in schemas[part.removeprefix(REF_PREFIX)], part


def test_instants_and_ids_in_responses_have_formats() -> None:
    schemas = {
        **asyncapi_document()["components"]["schemas"],
        **openapi_document()["components"]["schemas"],
    }
    formats = {
        (name, field.get("format"))
        for one in schemas.values()
        for name, field in one.get("properties", {}).items()
        # Requests have a pattern instead, or allow any text.
        if re.search("(^|_)(at|session_id|participant_id|group_id)$|At$|sessionId$", name)
        and "string" in field.get("type", ())
        and not ("pattern" in field and "format" not in field)
    }

    assert len(formats) == 21
    for name, named in formats:
        assert named == ("uuid" if name.lower().endswith("id") else "date-time"), name


def test_error_fields_that_are_always_present_are_required() -> None:
    schemas = openapi_document()["components"]["schemas"]
    always = {
        name: set(schema["properties"]["error"]["required"]) - {"code", "message", "details"}
        for name, schema in schemas.items()
        if "error" in schema.get("properties", ()) and name.endswith("Answer")
    }

    assert {name: one for name, one in always.items() if one} == {
        "BadRequestAnswer": {"request_id"},
        "InternalErrorAnswer": {"request_id"},
        "RateLimitExceededAnswer": {"retry_after_seconds"},
    }


def test_every_example_matches_its_schema() -> None:
    schemas = openapi_document()["components"]["schemas"]
    examples = [
        (name, example) for name, one in schemas.items() for example in one.get("examples", ())
    ]

    assert len(examples) >= 8
    for name, example in examples:
        assert problems(validator(schemas[name], schemas), example) == [], name


BEYOND_SCHEMAS = {
    "too_large",
    "too_deep",
    "number_range",
    "time_control_range",
}
"""Reasons to reject a creation that matches its schema."""


@cache
def creation_validator() -> jsonschema_rs.Draft202012Validator:
    schemas = openapi_document()["components"]["schemas"]
    return validator(schemas[CreateSession.__name__], schemas)


@settings(max_examples=300, deadline=None)
@given(body=bent())
def test_schema_accepts_what_the_model_accepts(body: Any) -> None:
    # 1.0 is an integer in JSON Schema, but not for us.
    body = json.loads(json.dumps(body), parse_float=lambda text: float(text) % 1 or 0.5)
    fits = creation_validator().is_valid(body)
    try:
        read(CreateSession, json.dumps(body).encode())
        refused_for = set()
    except InvalidRequest as error:
        refused_for = {one["code"] for one in error.details}
    assert fits is (refused_for <= BEYOND_SCHEMAS), (body, refused_for)
