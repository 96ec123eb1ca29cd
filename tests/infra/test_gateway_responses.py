"""Gateway responses have the error format of the app, on AWS and in the emulator."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from chalice_gateway.gateway_responses import (
    FUNCTION_FAILED,
    FUNCTION_TIMED_OUT,
    MALFORMED_RESULT,
    REQUEST_TOO_LARGE,
    GatewayError,
    ResponseType,
    bad_request,
    gateway_response,
    internal_error,
    no_such_method,
    read_gateway_responses,
)
from chalicelib.api_docs.error_codes import GATEWAY_REFUSALS
from chalicelib.schemas.errors import STATUS
from infra.merge_templates import merge_templates
from tests.api_docs.conformance import closed, openapi_document, problems, validator

ROOT = Path(__file__).parents[2]
RESPONSES = read_gateway_responses(merge_templates())

# AWS's default statuses; DEFAULT_4XX and DEFAULT_5XX have none.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
AWS_STATUS = {
    ResponseType.ACCESS_DENIED: 403,
    ResponseType.API_CONFIGURATION_ERROR: 500,
    ResponseType.AUTHORIZER_CONFIGURATION_ERROR: 500,
    ResponseType.AUTHORIZER_FAILURE: 500,
    ResponseType.BAD_REQUEST_BODY: 400,
    ResponseType.BAD_REQUEST_PARAMETERS: 400,
    ResponseType.EXPIRED_TOKEN: 403,
    ResponseType.INTEGRATION_FAILURE: 504,
    ResponseType.INTEGRATION_TIMEOUT: 504,
    ResponseType.INVALID_API_KEY: 403,
    ResponseType.INVALID_SIGNATURE: 403,
    ResponseType.MISSING_AUTHENTICATION_TOKEN: 403,
    ResponseType.QUOTA_EXCEEDED: 429,
    ResponseType.REQUEST_TOO_LARGE: 413,
    ResponseType.RESOURCE_NOT_FOUND: 404,
    ResponseType.THROTTLED: 429,
    ResponseType.UNAUTHORIZED: 401,
    ResponseType.UNSUPPORTED_MEDIA_TYPE: 415,
    ResponseType.WAF_FILTERED: 403,
}


def answer(error: GatewayError) -> tuple[int, dict[str, str], dict[str, object]]:
    response = gateway_response(error, RESPONSES, {"requestId": "the-id"})
    return response.status, dict(response.headers), json.loads(response.body)["error"]


NO_SUCH_PATH = {ResponseType.MISSING_AUTHENTICATION_TOKEN, ResponseType.INVALID_SIGNATURE}
"""The types for an unknown path, without and with a token, since no route uses signatures."""


@pytest.mark.parametrize("kind", AWS_STATUS)
def test_each_response_type_has_a_code_of_the_contract(kind: ResponseType) -> None:
    status, headers, error = answer(GatewayError(kind, AWS_STATUS[kind], 'its "reason"', "X"))

    contract = (ROOT / "docs" / "protocol.md").read_text()
    assert set(error) - {"retry_after_seconds"} == {"code", "message", "request_id"}
    assert f"`{error['code']}`" in contract
    assert error["request_id"] == "the-id"
    assert headers["Access-Control-Allow-Origin"] == "*"
    if status < 500:
        assert STATUS.get(str(error["code"]), status) == status
        assert status == (404 if kind in NO_SUCH_PATH else AWS_STATUS[kind])
    else:
        assert error["code"] == "INTERNAL_ERROR"
        assert "reason" not in str(error["message"])


def test_gateway_errors_match_the_published_contract() -> None:
    document = openapi_document()
    refusal = document["components"]["responses"]["GatewayRefusal"]
    schema = refusal["content"]["application/json"]["schema"]
    check = validator(closed(schema, document["components"]["schemas"]), {})
    statuses = {}
    for kind in (ResponseType.DEFAULT_4XX, *AWS_STATUS):
        status, _, error = answer(GatewayError(kind, AWS_STATUS.get(kind, 400), "so", "X"))
        if status < 500:
            statuses[error["code"]] = status
            assert problems(check, {"error": error}) == []

    assert statuses == GATEWAY_REFUSALS


def test_throttled_response_has_retry_after() -> None:
    _, headers, error = answer(GatewayError(ResponseType.THROTTLED, 429, "Too fast", "X"))

    assert headers["Retry-After"] == str(error["retry_after_seconds"]) == "1"
    assert headers["Access-Control-Expose-Headers"] == "Retry-After"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (no_such_method(None), 404, "NOT_FOUND"),
        (no_such_method("Bearer x"), 404, "NOT_FOUND"),
        (REQUEST_TOO_LARGE, 413, "PAYLOAD_TOO_LARGE"),
        (bad_request(400, "no HTTP"), 400, "BAD_REQUEST"),
        (bad_request(431, "too long"), 431, "BAD_REQUEST"),
        (internal_error("oh"), 500, "INTERNAL_ERROR"),
        (FUNCTION_FAILED, 502, "INTERNAL_ERROR"),
        (MALFORMED_RESULT, 502, "INTERNAL_ERROR"),
        (FUNCTION_TIMED_OUT, 504, "INTERNAL_ERROR"),
    ],
)
def test_emulator_returns_the_same_error_body(error: GatewayError, status: int, code: str) -> None:
    answered_status, _, answered = answer(error)

    assert (answered_status, answered["code"]) == (status, code)


def test_gateway_responses_are_part_of_the_api() -> None:
    # A separate resource would take effect only with the next deployment of the API.
    assert not re.search("AWS::ApiGateway::GatewayResponse", json.dumps(merge_templates()))
