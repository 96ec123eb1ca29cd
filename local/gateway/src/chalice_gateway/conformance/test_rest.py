"""What a REST API does with requests and with the results of its function."""

from __future__ import annotations

import gzip
import json

import pytest

from .deployment import Deployment, Rest

BINARY = b"\xde\xad\xbe\xef"  # not UTF-8
BROWSER_ACCEPTS = "text/html,application/xhtml+xml;q=0.9,image/webp,*/*;q=0.8"


# Routes


def test_views_are_called(rest: Rest) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    assert rest.get("/").json() == {"hello": "world"}
    assert rest.get("/one/two/three/four/five/six").json() == {"nested": True}
    assert rest.get("/things/one").json() == {"name": "one"}
    assert rest.get("/things/two").json() == {"name": "two"}


@pytest.mark.parametrize(("method", "path"), [("POST", "/post-only"), ("PUT", "/put-only")])
def test_other_method_is_403(rest: Rest, method: str, path: str) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    assert rest(method, path).json() == {"method": method}
    assert rest.get(path).status == 403


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_methods_share_a_path(rest: Rest, method: str) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    assert rest(method, "/both").json() == {"method": method}
    assert rest(method, "/each").json() == {"view": method.lower()}


def test_literal_segment_wins_over_a_parameter(rest: Rest) -> None:
    """Source: developer guide, "Set up a proxy integration with a proxy resource"."""
    assert rest.get("/things/special").json() == {"special": True}


def test_greedy_parameter_has_the_rest_of_the_path(rest: Rest) -> None:
    """Source: developer guide, "Set up a proxy integration with a proxy resource"."""
    assert rest.get("/files/a/b.txt").json() == {"proxy": "a/b.txt"}


@pytest.mark.unconfirmed("Does `{proxy+}` include a trailing slash?")
def test_greedy_parameter_ends_before_a_trailing_slash(rest: Rest) -> None:
    assert rest.get("/files/a/").json() == {"proxy": "a"}


@pytest.mark.parametrize("path", ["/nowhere", "/things/one/more"])
def test_unknown_path_is_403(rest: Rest, path: str) -> None:
    """Source: developer guide, "Gateway response types": MISSING_AUTHENTICATION_TOKEN."""
    answer = rest.get(path)
    assert (answer.status, answer.json()) == (403, {"message": "Missing Authentication Token"})
    assert answer.error_type == "MissingAuthenticationTokenException"
    assert answer.headers["x-amzn-requestid"]


def test_authorization_on_an_unknown_path_is_taken_for_a_signature(rest: Rest) -> None:
    """Source: developer guide, "Gateway response types": INVALID_SIGNATURE."""
    answer = rest.get("/nowhere", Authorization="Bearer secret")
    assert (answer.status, answer.error_type) == (403, "IncompleteSignatureException")


# Events


def test_event_has_the_documented_keys(rest: Rest, deployment: Deployment) -> None:
    """Source: developer guide, "Lambda proxy integrations": input format."""
    event = rest("POST", "/event?a=1", b"{}", {"Content-Type": "application/json"}).json()
    context = event["requestContext"]

    assert {
        *("resource", "path", "httpMethod", "headers", "multiValueHeaders"),
        *("queryStringParameters", "multiValueQueryStringParameters", "pathParameters"),
        *("stageVariables", "requestContext", "body", "isBase64Encoded"),
    } <= event.keys()
    assert {
        *("resourceId", "resourcePath", "httpMethod", "extendedRequestId", "requestTime", "path"),
        *("accountId", "protocol", "stage", "requestTimeEpoch", "requestId", "identity"),
        *("domainName", "apiId"),
    } <= context.keys()
    assert (event["path"], event["resource"], event["body"]) == ("/event", "/event", "{}")
    assert (context["httpMethod"], context["resourcePath"]) == ("POST", "/event")
    assert context["path"] == f"/{context['stage']}/event"
    assert event["isBase64Encoded"] is False


def test_absent_parts_are_null(rest: Rest) -> None:
    """Source: developer guide, "Lambda proxy integrations": input format."""
    event = rest.get("/event").json()
    for name in ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters"):
        assert event[name] is None, name
    assert (event["stageVariables"], event["body"]) == (None, None)


def test_response_has_the_ids_of_the_event(rest: Rest) -> None:
    """Source: developer guide, "Gateway response types": x-amzn-RequestId."""
    answer = rest.get("/event")
    context = answer.json()["requestContext"]
    assert answer.headers["x-amzn-requestid"] == context["requestId"]
    assert answer.headers["x-amz-apigw-id"] == context["extendedRequestId"]


@pytest.mark.parametrize("segment", ["a%20b", "a%2Fb", "caf%C3%A9"])
def test_path_is_as_sent(rest: Rest, segment: str) -> None:
    """Source: aws/aws-sam-cli 771 and 3524, dherault/serverless-offline 265."""
    assert rest.get(f"/things/{segment}").json() == {"name": segment}


def test_query_is_decoded_and_the_last_value_counts(rest: Rest) -> None:
    """Source: developer guide, "Lambda proxy integrations": input format."""
    event = rest.get("/event?x=a%20b&x=c%2Bd&empty=").json()
    assert event["queryStringParameters"] == {"x": "c+d", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {"x": ["a b", "c+d"], "empty": [""]}


def test_semicolon_separates_parameters(rest: Rest) -> None:
    """Source: developer guide, "Important notes for REST APIs": semicolons are split."""
    assert rest.get("/event?a=1;b=2").json()["queryStringParameters"] == {"a": "1", "b": "2"}
    assert rest.get("/event?a=1%3Bb").json()["queryStringParameters"] == {"a": "1;b"}


def test_gateway_adds_forwarding_headers(rest: Rest) -> None:
    """Source: developer guide, "Lambda proxy integrations": input format."""
    headers = {name.lower() for name in rest.get("/event").json()["headers"]}
    forwarding = {"x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"}
    assert {"host", *forwarding} <= headers


def test_event_is_json(rest: Rest) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    assert "headers" in rest.get("/request").json()


# Bodies


def test_json_body_is_parsed(rest: Rest) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    body = json.dumps({"hello": "world"}).encode()
    answer = rest("POST", "/json", body, {"Content-Type": "application/json"})
    assert answer.json() == {"json": {"hello": "world"}}


def test_form_is_parsed(rest: Rest) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert rest("POST", "/form", b"foo=bar", headers).json() == {"foo": ["bar"]}


def test_charset_does_not_change_the_media_type(rest: Rest) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert rest("GET", "/json-only", headers=headers).status == 200


def test_absent_body_is_empty(rest: Rest) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    assert rest("POST", "/body").json() == {"body": ""}


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/binary", "application/octet-stream"), ("/own-binary", "application/binary")],
)
def test_binary_body_comes_back(rest: Rest, path: str, media_type: str) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    headers = {"Content-Type": media_type, "Accept": media_type}
    answer = rest("POST", path, BINARY, headers)
    assert (answer.status, answer.body) == (200, BINARY)


def test_binary_response_is_base64_unless_its_type_is_accepted_first(rest: Rest) -> None:
    """Source: developer guide, "Return binary media from a Lambda proxy integration".

    Also aws/chalice, tests/aws/test_features.py.
    """
    assert rest.get("/image", Accept="application/octet-stream").body == b"\x89PNG"
    assert rest.get("/image", Accept=BROWSER_ACCEPTS).body == b"iVBORw=="


def test_event_over_six_megabytes_is_413(rest: Rest) -> None:
    """Source: developer guide, "Gateway response types": REQUEST_TOO_LARGE; Lambda's quotas."""
    answer = rest("POST", "/event", b"x" * 6_400_000, {"Content-Type": "text/plain"})
    assert (answer.status, answer.json()) == (413, {"message": "Request Too Long"})


def test_result_over_six_megabytes_is_502(rest: Rest) -> None:
    """Source: Lambda's quotas; developer guide, "Gateway response types": INTEGRATION_FAILURE."""
    answer = rest.get("/text/6400000")
    assert (answer.status, answer.json()) == (502, {"message": "Internal server error"})


# Responses


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/bad-request", 400, "BadRequestError"),
        ("/not-found", 404, "NotFoundError"),
        ("/error", 500, "InternalServerError"),
    ],
)
def test_error_of_a_view_is_an_answer(rest: Rest, path: str, status: int, code: str) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    answer = rest.get(path)
    assert (answer.status, answer.json()["Code"]) == (status, code)
    assert b"secret" not in answer.body


def test_malformed_result_is_502(rest: Rest) -> None:
    """Source: developer guide, "Lambda proxy integrations": output format."""
    answer = rest.get("/malformed")
    assert (answer.status, answer.json()) == (502, {"message": "Internal server error"})
    assert answer.error_type == "InternalServerErrorException"


@pytest.mark.slow("30 seconds", "--integration-seconds", "1")
def test_function_that_takes_too_long_is_504(slow_deployment: Deployment) -> None:
    """Source: developer guide, "Gateway response types": INTEGRATION_TIMEOUT; quotas: 29 s."""
    rest = Rest(slow_deployment)
    answer = rest.get(f"/sleep/{slow_deployment.too_long_s}")
    rest.close()
    assert (answer.status, answer.json()) == (504, {"message": "Endpoint request timed out"})


def test_status_headers_and_cookies_are_the_view_s(rest: Rest) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    answer = rest.get("/no-content")
    assert (answer.status, answer.headers["content-type"]) == (204, "text/plain")
    assert answer.headers.getlist("set-cookie") == ["a=1", "b=2"]


def test_large_response_is_compressed_if_the_client_accepts_gzip(rest: Rest) -> None:
    """Source: developer guide, "Receive an API response with a compressed payload"."""
    large = rest.get("/text/5000", Accept_Encoding="gzip")
    assert large.headers["content-encoding"] == "gzip"
    assert gzip.decompress(large.body) == b"x" * 5000
    assert "content-encoding" not in rest.get("/text/5000").headers
    assert "content-encoding" not in rest.get("/text/100", Accept_Encoding="gzip").headers


def test_cors_is_answered_without_the_function(rest: Rest) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    assert rest.get("/cors").headers["access-control-allow-origin"] == "*"
    answer = rest("OPTIONS", "/cors")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert (
        answer.headers["access-control-allow-headers"]
        == "Authorization,Content-Type,X-Amz-Date,X-Amz-Security-Token,X-Api-Key"
    )
    methods = answer.headers["access-control-allow-methods"].split(",")
    assert sorted(methods) == ["GET", "OPTIONS", "POST", "PUT"]


def test_own_cors_settings_are_sent(rest: Rest) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    origin = rest.get("/own-cors").headers["access-control-allow-origin"]
    headers = rest("OPTIONS", "/own-cors").headers
    assert origin == headers["access-control-allow-origin"] == "https://example.test"
    assert (
        headers["access-control-allow-headers"]
        == "Authorization,Content-Type,X-Amz-Date,X-Amz-Security-Token,X-Api-Key,X-Own"
    )
    assert headers["access-control-expose-headers"] == "X-Exposed"
    assert headers["access-control-max-age"] == "600"
    assert headers["access-control-allow-credentials"] == "true"


# Authorizers


@pytest.mark.parametrize(("method", "path"), [("GET", "/guarded"), ("POST", "/profile")])
def test_authorizer_admits_with_its_context(rest: Rest, method: str, path: str) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    refused = rest(method, path)
    assert (refused.status, refused.json()) == (401, {"message": "Unauthorized"})
    assert refused.error_type == "UnauthorizedException"

    context = rest(method, path, headers={"Authorization": "allow"}).json()
    assert (context["principalId"], context["colour"]) == ("someone", "blue")


def test_method_without_the_authorizer_is_open(rest: Rest) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    assert rest.get("/profile").json() == {"read": True}


@pytest.mark.parametrize(("path", "token"), [("/guarded-too", "allow"), ("/guarded", "other")])
def test_policy_that_does_not_allow_is_403(rest: Rest, path: str, token: str) -> None:
    """Source: developer guide, "Use API Gateway Lambda authorizers"."""
    answer = rest.get(path, Authorization=token)
    assert (answer.status, answer.error_type) == (403, "AccessDeniedException")


def test_authorizer_may_raise_unauthorized(rest: Rest) -> None:
    """Source: developer guide, "Use API Gateway Lambda authorizers"."""
    answer = rest.get("/guarded", Authorization="unauthorized")
    assert (answer.status, answer.json()) == (401, {"message": "Unauthorized"})


def test_authorizer_that_fails_is_500(rest: Rest) -> None:
    """Source: developer guide, "Gateway response types": AUTHORIZER_FAILURE."""
    answer = rest.get("/guarded", Authorization="fail")
    assert answer.status == 500
    assert b"secret" not in answer.body


@pytest.mark.unconfirmed("The error type of a failed authorizer")
def test_failed_authorizer_is_a_configuration_error(rest: Rest) -> None:
    answer = rest.get("/guarded", Authorization="fail")
    assert answer.error_type == "AuthorizerConfigurationException"


def test_api_key_is_required(rest: Rest) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    answer = rest.get("/key-only")
    assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})


@pytest.mark.unconfirmed("Is the authorizer or the API key checked first?")
def test_authorizer_is_asked_before_the_api_key(rest: Rest) -> None:
    assert rest.get("/guarded-key-only").status == 401


# What Lambda and Chalice do


def test_function_runs_in_its_folder_and_in_utc(rest: Rest) -> None:
    """Source: Lambda developer guide, "Working with environment variables": defined by Lambda."""
    assert rest.get("/runtime").json() == {"utc_offset": "+0000", "is_in_task_root": True}


def test_modules_of_chalicelib_are_deployed(rest: Rest) -> None:
    """Source: aws/chalice, tests/aws/test_features.py."""
    assert rest.get("/multifile").json() == {"greeting": "from another file"}


def test_websocket_api_is_not_configured_in_a_rest_view(rest: Rest) -> None:
    """Source: aws/chalice, chalice/app.py: only WebSocket handlers configure it."""
    error = rest.get("/send-unconfigured").json()["error"]
    assert error == "WebsocketAPI.configure must be called before using the WebsocketAPI"
