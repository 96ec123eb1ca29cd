"""Signatures equal those of botocore for every possible request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.broadcast.connections_api import Credentials
from chalicelib.broadcast.connections_api.sigv4 import (
    InvalidEndpoint,
    SignedEndpoint,
    region_of,
)

from .stub_server import Received, signature_of

AT_S = 1_767_225_599  # the last second of 2025
PLAIN = Credentials("AKIDEXAMPLE", "secret")


def sent(
    endpoint: SignedEndpoint, host: str, connection_id: str = "PJqB0fHsqRcCHlw=", data: bytes = b""
) -> tuple[str, Received]:
    """The URL, and the request as a server would see it."""
    url, lines = endpoint.sign("POST", connection_id, data)
    headers = {"host": host}
    for line in lines:
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    path = "/" + url.split("://", 1)[1].partition("/")[2]
    return url, Received("POST", path, headers, data, socket=0)


printable = st.characters(min_codepoint=33, max_codepoint=126)
awss_own = st.from_regex(r"[A-Za-z0-9_-]{10,15}={0,2}", fullmatch=True)
# A dot, or two, would be a step in a path, and is no connection's id anywhere.
connection_ids = awss_own | st.text(min_size=1).filter(lambda text: text.strip("."))
stages = st.text(st.characters(whitelist_categories=["Ll", "Nd"], max_codepoint=122), min_size=1)


@given(
    connection_id=connection_ids,
    stage=stages,
    secret=st.text(printable, min_size=1),
    token=st.none() | st.text(printable, min_size=1),
    data=st.binary(max_size=2000),
    at_s=st.integers(AT_S - 10**8, AT_S + 10**8),
)
def test_signature_equals_that_of_botocore(
    connection_id: str, stage: str, secret: str, token: str | None, data: bytes, at_s: int
) -> None:
    credentials = Credentials("AKIDEXAMPLE", secret, token)
    host = "abc123.execute-api.ap-southeast-2.amazonaws.com"
    endpoint = SignedEndpoint(
        f"https://{host}/{stage}", "eu-west-1", lambda: credentials, lambda: at_s
    )

    _, request = sent(endpoint, host, connection_id, data)

    assert request.connection_id == connection_id
    assert request.headers.get("x-amz-security-token") == token
    assert request.headers["authorization"] == signature_of(
        request, "https", credentials, "ap-southeast-2"
    )


@pytest.mark.parametrize(
    ("endpoint", "host", "url"),
    [
        ("https://a.example/dev", "a.example", "https://a.example/dev/@connections/x"),
        ("https://a.example:443/dev/", "a.example", "https://a.example/dev/@connections/x"),
        ("http://A.Example:80", "a.example", "http://a.example/@connections/x"),
        ("http://a.example:443/d", "a.example:443", "http://a.example:443/d/@connections/x"),
        ("http://[::1]:8001/dev", "[::1]:8001", "http://[::1]:8001/dev/@connections/x"),
    ],
)
def test_host_is_signed_as_sent(endpoint: str, host: str, url: str) -> None:
    signed = SignedEndpoint(endpoint, "eu-west-1", lambda: PLAIN, lambda: AT_S)

    found, request = sent(signed, host, "x")

    assert found == url
    scheme = url.partition(":")[0]
    assert request.headers["authorization"] == signature_of(request, scheme, PLAIN, "eu-west-1")


def test_credentials_are_read_once_per_second() -> None:
    now_s = float(AT_S)
    offered = [PLAIN, Credentials("ASIANEW", "renewed", "token")]
    asked = []

    def current() -> Credentials:
        asked.append(now_s)
        return offered[len(asked) - 1]

    endpoint = SignedEndpoint("http://a.example/dev", "eu-west-1", current, lambda: now_s)
    for _ in range(3):
        _, first = sent(endpoint, "a.example")
    # Midnight passes, too: the key of yesterday signs nothing today.
    now_s += 1
    for _ in range(3):
        _, second = sent(endpoint, "a.example", data=b"another")

    assert len(asked) == 2
    for request, credentials in zip((first, second), offered, strict=True):
        assert request.headers["authorization"] == signature_of(
            request, "http", credentials, "eu-west-1"
        )


def test_signing_key_belongs_to_its_endpoint() -> None:
    for host, region in (
        ("a.execute-api.eu-west-1.amazonaws.com", "eu-west-1"),
        ("a.execute-api.us-east-1.amazonaws.com", "us-east-1"),
    ):
        endpoint = SignedEndpoint(f"https://{host}/dev", "none-1", lambda: PLAIN, lambda: AT_S)
        _, request = sent(endpoint, host)
        assert request.headers["authorization"] == signature_of(request, "https", PLAIN, region)


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("https://abc.execute-api.eu-west-1.amazonaws.com/dev", "eu-west-1"),
        ("https://abc.execute-api.cn-north-1.amazonaws.com.cn/dev", "cn-north-1"),
        ("https://vpce-1.execute-api.us-gov-west-1.vpce.amazonaws.com/dev", "us-gov-west-1"),
        ("https://sync.example.com/dev", "elsewhere"),
        ("http://127.0.0.1:8001/dev", "elsewhere"),
        ("https://not-execute-api.example.com/dev", "elsewhere"),
    ],
)
def test_region_is_taken_from_the_host_name(endpoint: str, region: str) -> None:
    assert region_of(endpoint, otherwise="elsewhere") == region


@pytest.mark.parametrize(
    "endpoint", ["", "a.example/dev", "ws://a.example", "http://a:b/", "http:///"]
)
def test_invalid_endpoint_is_rejected(endpoint: str) -> None:
    with pytest.raises(InvalidEndpoint):
        SignedEndpoint(endpoint, "eu-west-1", lambda: PLAIN)
