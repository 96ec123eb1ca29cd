"""The integration response: the HTTP response for a Lambda function's result.

Owns the format of a proxy result and what API Gateway does to its headers, as pure
functions. Must never invoke anything.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-output-format
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .http_messages import Response
from .proxy_request import matches_media_type


class MalformedResult(ValueError):
    """A Lambda's result is not a valid proxy result; the message says why."""


_RESULT_KEYS: Final = frozenset(
    {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
)
_REMAPPED: Final = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "content-md5",
        "date",
        "expect",
        "max-forwards",
        "server",
        "upgrade",
        "user-agent",
        "www-authenticate",
    }
)
_DROPPED: Final = frozenset({"host", "proxy-authenticate", "te", "trailer", "transfer-encoding"})
_WITHOUT_CONTENT: Final = frozenset({204, 304})
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def http_response(result: Any, *, accept: str | None, binary_types: Sequence[str]) -> Response:
    """The response for a Lambda's result.

    Headers that API Gateway reserves are renamed to ``x-amzn-Remapped-...``
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html).

    Raises:
        MalformedResult: API Gateway would answer 502.
    """
    if not isinstance(result, dict) or not _RESULT_KEYS.issuperset(result):
        allowed = ", ".join(sorted(_RESULT_KEYS))
        raise MalformedResult(f"it must be an object with no other fields than {allowed}")
    status, headers = _result_status(result), _result_headers(result)
    # [?] Which default a response without content gets is not documented.
    is_typed = status in _WITHOUT_CONTENT or "content-type" in {name.lower() for name, _ in headers}
    if not is_typed:
        headers.append(("Content-Type", "application/json"))
    return Response(status, tuple(headers), _result_body(result, accept, binary_types))


def _result_status(result: Mapping[str, Any]) -> int:
    status = result.get("statusCode", 200)
    # [?] AWS accepts a number in a string. Informational statuses are rejected: a client
    # would wait for the final response.
    if isinstance(status, str) and status.isdecimal():
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise MalformedResult(f"statusCode must be between 200 and 599, got {status!r}")
    return status


def _result_headers(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    # A name in both has the values of multiValueHeaders alone.
    multi_value = result.get("multiValueHeaders") or {}
    single = result.get("headers") or {}
    if not isinstance(multi_value, dict) or not isinstance(single, dict):
        raise MalformedResult("headers and multiValueHeaders must be objects")
    named = [(name, value) for name, value in single.items() if name not in multi_value]
    for name, values in multi_value.items():
        if not isinstance(values, list):
            raise MalformedResult(f"multiValueHeaders: {name!r} must be a list")
        named += [(name, value) for value in values]
    headers = []
    for name, value in named:
        text = ("true" if value else "false") if isinstance(value, bool) else value
        if not (
            isinstance(name, str)
            and _HEADER_NAME.fullmatch(name)
            and isinstance(text, str)
            and _HEADER_VALUE.fullmatch(text)
        ):
            raise MalformedResult(f"header {name!r}: {value!r} is not a valid value")
        lower = name.lower()
        if lower in _REMAPPED:
            headers.append((f"x-amzn-Remapped-{name}", text))
        elif lower not in _DROPPED:
            headers.append((name, text))
    return headers


def _result_body(
    result: Mapping[str, Any], accept: str | None, binary_types: Sequence[str]
) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResult(f"body must be a string, got {type(body).__name__}")
    # Base64 is decoded only if the first type that the client accepts is binary: the usual
    # reason why images fail behind API Gateway.
    if result.get("isBase64Encoded") is True and matches_media_type(accept, binary_types):
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedResult(f"body is not base64: {error}") from None
    try:
        return body.encode()
    except UnicodeEncodeError as error:
        raise MalformedResult(f"body is not text: {error}") from None
