"""The HTTP response for a Lambda's result."""

from __future__ import annotations

from typing import Any

import pytest

from chalice_gateway.http_messages import Response
from chalice_gateway.proxy_response import MalformedResult, http_response

from .rest_app import encoded

JSON = ("Content-Type", "application/json")


def answered(result: Any, accept: str | None = None) -> Response:
    return http_response(result, accept=accept, binary_types=["image/png"])


@pytest.mark.parametrize(
    ("result", "response"),
    [
        ({}, Response(200, (JSON,), b"")),
        ({"statusCode": 204, "body": None}, Response(204, (), b"")),
        ({"statusCode": 304, "headers": {"ETag": "1"}}, Response(304, (("ETag", "1"),), b"")),
        ({"statusCode": "201", "body": "ä"}, Response(201, (JSON,), "ä".encode())),
        ({"headers": {"content-type": "a/b"}}, Response(200, (("content-type", "a/b"),))),
        ({"headers": {"A": True}, "body": ""}, Response(200, (("A", "true"), JSON))),
        ({"headers": None, "multiValueHeaders": None}, Response(200, (JSON,))),
        (
            {"multiValueHeaders": {"Set-Cookie": ["a", "b"]}, "headers": {"X": "y"}},
            Response(200, (("X", "y"), ("Set-Cookie", "a"), ("Set-Cookie", "b"), JSON)),
        ),
        (
            {"multiValueHeaders": {"X": ["1", "2"]}, "headers": {"X": "3"}},
            Response(200, (("X", "1"), ("X", "2"), JSON)),
        ),
    ],
)
def test_proxy_result_becomes_a_response(result: Any, response: Response) -> None:
    assert answered(result) == response


def test_reserved_headers_are_renamed_or_dropped() -> None:
    names = ("WWW-Authenticate", "Server", "Date", "connection", "Content-Length")
    response = answered({"headers": {**dict.fromkeys(names, "x"), "Transfer-Encoding": "chunked"}})
    assert response.headers == (*((f"x-amzn-Remapped-{name}", "x") for name in names), JSON)


def test_base64_is_decoded_only_if_the_client_accepts_a_binary_type_first() -> None:
    result = {"body": encoded(b"\xff"), "isBase64Encoded": True}
    assert answered(result, "image/png, */*").body == b"\xff"
    for accept in (None, "*/*", "text/html, image/png"):
        assert answered(result, accept).body == b"/w=="


@pytest.mark.parametrize(
    "result",
    [
        None,
        "text",
        ["list"],
        {"unknown": 1},
        {"errorMessage": "raised"},
        {"statusCode": None},
        {"statusCode": True},
        {"statusCode": 99},
        {"statusCode": 101},
        {"statusCode": 600},
        {"statusCode": "two"},
        {"body": {"not": "a string"}},
        {"body": b"bytes"},
        {"body": "\ud800"},
        {"headers": ["list"]},
        {"headers": {"A": 1}},
        {"headers": {"A": None}},
        {"headers": {"A": "b\r\nInjected: c"}},
        {"headers": {"A": "b\n"}},
        {"headers": {"A b": "c"}},
        {"headers": {"A": "\u20ac"}},
        {"headers": {"": "c"}},
        {"multiValueHeaders": "text"},
        {"multiValueHeaders": {"A": "not a list"}},
        {"multiValueHeaders": {"A": [1]}},
    ],
)
def test_any_other_result_is_malformed(result: Any) -> None:
    with pytest.raises(MalformedResult):
        answered(result)


@pytest.mark.parametrize("body", ["not base64!", "abc", "\u20ac"])
def test_invalid_base64_is_malformed(body: str) -> None:
    with pytest.raises(MalformedResult):
        answered({"body": body, "isBase64Encoded": True}, "image/png")
