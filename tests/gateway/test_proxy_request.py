"""The event of the Lambda proxy integration."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventModel
from hypothesis import given
from hypothesis import strategies as st

from chalice_gateway.http_messages import Headers, Request
from chalice_gateway.proxy_request import (
    ApiIdentity,
    event_body,
    event_headers,
    matches_media_type,
    proxy_event,
    query_parameters,
)
from chalice_gateway.resources import RouteTable

ROUTES = RouteTable({"/v1/sessions/{id}": {}, "/health": {}})
NOW_MS = 1_767_225_600_123


def event_of(
    target: str,
    *headers: tuple[str, str],
    method: str = "GET",
    body: bytes = b"",
    peer_ip: str = "192.0.2.7",
) -> dict[str, Any]:
    matched = ROUTES.match(target.partition("?")[0])
    assert matched is not None
    return proxy_event(
        Request(method, target, (("Host", "localhost:8000"), *headers), body, peer_ip, 8000),
        matched,
        api=ApiIdentity(stage="dev", api_id="abcdefghij"),
        binary_types=["image/png"],
        request_id="11111111-1111-4111-8111-111111111111",
        extended_request_id="PJqB0fHsqRcCHlw=",
        trace_id="Root=1-65a6825f-0123456789abcdef01234567",
        now_ms=NOW_MS,
    )


def test_event_is_the_one_of_api_gateway() -> None:
    event = event_of(
        "/v1/sessions/a%20b?after=3&after=4&flag",
        ("User-Agent", "test/1"),
        ("Content-Type", "application/json"),
        ("Content-Length", "4"),
        ("x-forwarded-for", "203.0.113.9"),
        ("Accept", "a"),
        ("accept", "b"),
        method="POST",
        body=b"{\xc3\xa4}",
    )
    assert event == {
        "resource": "/v1/sessions/{id}",
        "path": "/v1/sessions/a%20b",
        "httpMethod": "POST",
        "headers": {
            "Host": "localhost:8000",
            "User-Agent": "test/1",
            "Content-Type": "application/json",
            "Accept": "b",
            "X-Amzn-Trace-Id": "Root=1-65a6825f-0123456789abcdef01234567",
            "X-Forwarded-For": "203.0.113.9, 192.0.2.7",
            "X-Forwarded-Port": "8000",
            "X-Forwarded-Proto": "http",
        },
        "multiValueHeaders": {
            "Host": ["localhost:8000"],
            "User-Agent": ["test/1"],
            "Content-Type": ["application/json"],
            "Accept": ["a", "b"],
            "X-Amzn-Trace-Id": ["Root=1-65a6825f-0123456789abcdef01234567"],
            "X-Forwarded-For": ["203.0.113.9, 192.0.2.7"],
            "X-Forwarded-Port": ["8000"],
            "X-Forwarded-Proto": ["http"],
        },
        "queryStringParameters": {"after": "4", "flag": ""},
        "multiValueQueryStringParameters": {"after": ["3", "4"], "flag": [""]},
        "pathParameters": {"id": "a%20b"},
        "stageVariables": None,
        "requestContext": {
            "resourceId": "r00000",
            "resourcePath": "/v1/sessions/{id}",
            "httpMethod": "POST",
            "extendedRequestId": "PJqB0fHsqRcCHlw=",
            "requestTime": "01/Jan/2026:00:00:00 +0000",
            "path": "/dev/v1/sessions/a%20b",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "dev",
            "domainPrefix": "localhost",
            "requestTimeEpoch": NOW_MS,
            "requestId": "11111111-1111-4111-8111-111111111111",
            "identity": {
                "cognitoIdentityPoolId": None,
                "accountId": None,
                "cognitoIdentityId": None,
                "caller": None,
                "sourceIp": "192.0.2.7",
                "principalOrgId": None,
                "accessKey": None,
                "cognitoAuthenticationType": None,
                "cognitoAuthenticationProvider": None,
                "userArn": None,
                "userAgent": "test/1",
                "user": None,
            },
            "domainName": "localhost:8000",
            "apiId": "abcdefghij",
        },
        "body": "{ä}",
        "isBase64Encoded": False,
    }


def test_absent_values_are_null() -> None:
    event = event_of("/health?")
    absent = (
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    )
    assert {name: event[name] for name in absent} == dict.fromkeys(absent)
    assert event["requestContext"]["identity"]["userAgent"] is None


HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255))


@given(
    id_=st.text(alphabet="abc%2F.-é", min_size=1).filter(lambda text: text.strip("/")),
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126)),
    headers=st.lists(st.tuples(st.from_regex(r"[A-Za-z-]{1,12}", fullmatch=True), HEADER_TEXT)),
    method=st.sampled_from(["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]),
    body=st.binary(),
    peer_ip=st.sampled_from(["127.0.0.1", "::1", "2001:db8::1"]),
)
def test_every_event_is_json_and_valid_for_powertools(
    id_: str,
    query: str,
    headers: list[tuple[str, str]],
    method: str,
    body: bytes,
    peer_ip: str,
) -> None:
    event = event_of(
        f"/v1/sessions/{id_}?{query}", *headers, method=method, body=body, peer_ip=peer_ip
    )
    APIGatewayProxyEventModel.model_validate(json.loads(json.dumps(event)))


# Headers


def forwarded(*headers: tuple[str, str]) -> dict[str, list[str]]:
    passed = event_headers(
        headers, peer_ip="192.0.2.7", port=8000, scheme="http", trace_id="Root=1-2-3"
    )
    ours = ("X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto")
    return {name: values for name, values in passed.items() if name not in ours}


def test_header_name_in_several_cases_is_one_header() -> None:
    assert forwarded(("X-a", "1"), ("x-A", "2"), ("B", "3")) == {"X-a": ["1", "2"], "B": ["3"]}


@pytest.mark.parametrize(
    "name",
    ["Connection", "content-length", "Expect", "Keep-Alive", "TE", "Transfer-Encoding", "UPGRADE"],
)
def test_hop_by_hop_headers_are_dropped(name: str) -> None:
    assert forwarded((name, "x"), ("Kept", "y")) == {"Kept": ["y"]}


def test_forwarding_headers_of_the_client_are_replaced() -> None:
    claims: Headers = (
        ("x-forwarded-port", "443"),
        ("X-FORWARDED-PROTO", "https"),
        ("X-amzn-trace-id", "mine"),
        ("X-Forwarded-For", "198.51.100.1"),
        ("x-forwarded-for", "198.51.100.2"),
    )
    headers = event_headers(claims, peer_ip="::1", port=8000, scheme="http", trace_id="Root=1-2-3")
    assert headers == {
        "X-Amzn-Trace-Id": ["Root=1-2-3"],
        "X-Forwarded-For": ["198.51.100.1, 198.51.100.2, ::1"],
        "X-Forwarded-Port": ["8000"],
        "X-Forwarded-Proto": ["http"],
    }


# Queries


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("", None),
        ("&&", None),
        ("a=1&a=2&b", {"a": ["1", "2"], "b": [""]}),
        ("a=%26%3D+%2B", {"a": ["&= +"]}),
        ("a;b=1", {"a;b": ["1"]}),
        ("%C3%A4=%FF", {"ä": ["\ufffd"]}),
    ],
)
def test_query_is_decoded(query: str, parameters: dict[str, list[str]] | None) -> None:
    assert query_parameters(query) == parameters


def test_semicolons_separate_parameters_unless_encoded() -> None:
    event = event_of("/health?a=1;b=2&c=3%3B4;a=5")
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "5"], "b": ["2"], "c": ["3;4"]}


# Bodies

BINARY = ["image/png", "audio/*"]


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"", "application/json", (None, False)),
        (b"", "image/png", (None, False)),
        ("ä".encode(), "application/json", ("ä", False)),
        (b"plain", None, ("plain", False)),
        (b"plain", "image/png", ("cGxhaW4=", True)),
        (b"plain", "Image/PNG; q=1", ("cGxhaW4=", True)),
        (b"plain", "audio/ogg", ("cGxhaW4=", True)),
        (b"\xff\xfe", "application/json", ("//4=", True)),
    ],
)
def test_body_is_base64_if_binary_or_not_utf8(
    body: bytes, content_type: str | None, expected: tuple[str | None, bool]
) -> None:
    assert event_body(body, content_type, BINARY) == expected


@given(st.binary(), st.sampled_from([None, "application/json", "image/png"]))
def test_body_keeps_every_byte(body: bytes, content_type: str | None) -> None:
    text, is_base64 = event_body(body, content_type, BINARY)
    back = base64.b64decode(text or "") if is_base64 else (text or "").encode()
    assert back == body


def test_media_types_match_binary_types() -> None:
    assert matches_media_type(None, ["*/*"])
    assert not matches_media_type("", ["image/png"])
    assert matches_media_type("image/png,text/html", ["image/png"])
    assert not matches_media_type("text/html,image/png", ["image/png"])
