"""Gateway responses and their customisation in templates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalice_gateway.gateway_responses import (
    FUNCTION_FAILED,
    FUNCTION_TIMED_OUT,
    MALFORMED_RESULT,
    MISSING_AUTHENTICATION_TOKEN,
    REQUEST_TOO_LARGE,
    GatewayError,
    GatewayResponse,
    InvalidTemplate,
    ResponseType,
    bad_request,
    gateway_response,
    internal_error,
    read_gateway_responses,
)
from chalice_gateway.http_messages import Response

CONTEXT = {"requestId": "the-id", "stage": "dev"}


def template(**properties: Any) -> dict[str, Any]:
    return {
        "Resources": {
            "Other": {"Type": "AWS::Lambda::Function", "Properties": {"ResponseType": "nonsense"}},
            "Mine": {"Type": "AWS::ApiGateway::GatewayResponse", "Properties": properties},
        }
    }


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (MISSING_AUTHENTICATION_TOKEN, 403, b'{"message":"Missing Authentication Token"}'),
        (REQUEST_TOO_LARGE, 413, b'{"message":"Request Too Long"}'),
        (FUNCTION_FAILED, 502, b'{"message":"Internal server error"}'),
        (MALFORMED_RESULT, 502, b'{"message":"Internal server error"}'),
        (FUNCTION_TIMED_OUT, 504, b'{"message":"Endpoint request timed out"}'),
        (bad_request(400, 'with "quotes"'), 400, b'{"message":"with \\"quotes\\""}'),
        (internal_error("oh"), 500, b'{"message":"oh"}'),
    ],
)
def test_default_responses_are_those_of_aws(error: GatewayError, status: int, body: bytes) -> None:
    assert gateway_response(error, {}, CONTEXT) == Response(
        status,
        (("Content-Type", "application/json"), ("x-amzn-ErrorType", error.error_type)),
        body,
    )


def test_template_sets_status_headers_and_body() -> None:
    responses = read_gateway_responses(
        template(
            ResponseType="MISSING_AUTHENTICATION_TOKEN",
            StatusCode="404",
            ResponseParameters={
                "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
                "gatewayresponse.header.content-type": "'text/x'",
                "gatewayresponse.header.X-Stage": "context.stage",
            },
            ResponseTemplates={
                "application/json": "$context.error.messageString|$context.error.message|"
                "$context.requestId.|$context.error.responseType|$context.unknown.thing|$5"
            },
        )
    )
    assert gateway_response(MISSING_AUTHENTICATION_TOKEN, responses, CONTEXT) == Response(
        404,
        (
            ("Content-Type", "text/x"),
            ("x-amzn-ErrorType", "MissingAuthenticationTokenException"),
            ("Access-Control-Allow-Origin", "*"),
            ("X-Stage", "dev"),
        ),
        b'"Missing Authentication Token"|Missing Authentication Token|'
        b"the-id.|MISSING_AUTHENTICATION_TOKEN||$5",
    )


def test_api_definition_may_contain_gateway_responses() -> None:
    responses = {
        "THROTTLED": {
            "statusCode": 429,
            "responseParameters": {"gatewayresponse.header.Retry-After": "'1'"},
            "responseTemplates": {"application/json": "{}"},
        },
        "DEFAULT_5XX": {},
    }
    body = {"x-amazon-apigateway-gateway-responses": responses}
    # A template that extends a resource of Chalice's has no type.
    api = {"Properties": {"DefinitionBody": body}}

    assert read_gateway_responses({"Resources": {"RestAPI": api}}) == {
        ResponseType.THROTTLED: GatewayResponse("{}", status=429, headers={"Retry-After": "1"}),
        ResponseType.DEFAULT_5XX: GatewayResponse(),
    }


@pytest.mark.parametrize("kind", ["TEAPOT", "throttled"])
def test_unknown_type_in_an_api_definition_is_rejected_with_the_api_s_name(kind: str) -> None:
    body: dict[str, Any] = {"x-amazon-apigateway-gateway-responses": {kind: {}}}

    with pytest.raises(InvalidTemplate, match="Mine"):
        read_gateway_responses({"Resources": {"Mine": {"Properties": {"DefinitionBody": body}}}})


def test_type_without_a_response_uses_its_default() -> None:
    responses = {
        ResponseType.DEFAULT_4XX: GatewayResponse(body="4"),
        ResponseType.DEFAULT_5XX: GatewayResponse(body="5"),
        ResponseType.INTEGRATION_TIMEOUT: GatewayResponse(body="own", status=503),
    }
    for error, status, body in (
        (REQUEST_TOO_LARGE, 413, b"4"),
        (FUNCTION_FAILED, 502, b"5"),
        (FUNCTION_TIMED_OUT, 503, b"own"),
    ):
        answer = gateway_response(error, responses, CONTEXT)
        assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize("status", ["404", 404])
def test_status_may_be_a_number_or_a_string(status: object) -> None:
    responses = read_gateway_responses(template(ResponseType="THROTTLED", StatusCode=status))
    assert responses[ResponseType.THROTTLED].status == 404


def test_only_template_is_used_whatever_its_media_type() -> None:
    responses = read_gateway_responses(
        template(ResponseType="THROTTLED", ResponseTemplates={"text/html": "<p>"})
    )
    assert responses[ResponseType.THROTTLED] == GatewayResponse("<p>", "text/html")


def test_template_without_gateway_responses_customises_none() -> None:
    assert read_gateway_responses({}) == {}
    assert read_gateway_responses({"Resources": {"A": {"Type": "B"}}}) == {}


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"ResponseType": "TEAPOT"},
        {"ResponseType": "THROTTLED", "StatusCode": "abc"},
        {"ResponseType": "THROTTLED", "StatusCode": {"Ref": "Status"}},
        {"ResponseType": "THROTTLED", "ResponseTemplates": {"application/json": {"Ref": "T"}}},
        {"ResponseType": "THROTTLED", "ResponseParameters": {"gatewayresponse.header.A": "b"}},
        {"ResponseType": "THROTTLED", "ResponseParameters": {"gatewayresponse.header.A": {}}},
        {"ResponseType": "THROTTLED", "ResponseParameters": {"gatewayresponse.path.A": "'b'"}},
    ],
    ids=json.dumps,
)
def test_unsupported_gateway_response_is_rejected_with_its_name(properties: Any) -> None:
    with pytest.raises(InvalidTemplate, match="Mine"):
        read_gateway_responses(template(**properties))
