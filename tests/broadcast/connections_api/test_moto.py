"""moto, which many use to test what they build on @connections, receives from both clients.

It invents every connection it is asked for, so it knows no 410.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from math import inf
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from moto import mock_aws
from moto.apigatewaymanagementapi.models import apigatewaymanagementapi_backends

from chalicelib.broadcast.connections_api import (
    ConnectionsApi,
    Credentials,
    DeliveryStatus,
    Post,
    open_boto3_client,
    open_connections_api,
)
from tests.moto_server import moto_server

from .stub_server import REGION

CREDENTIALS = Credentials("testing", "testing", "testing")
ACCOUNT = "123456789012"


def received(connection_id: str) -> bytes:
    backend = apigatewaymanagementapi_backends[ACCOUNT][REGION]
    data: bytes = backend.connections[connection_id].data
    return data


@pytest.fixture
def endpoint() -> Iterator[str]:
    with moto_server() as endpoint:
        # The first request has moto import half of itself, for longer than a post may take.
        with suppress(HTTPError):
            urlopen(f"{endpoint}/@connections/first", timeout=60).close()
        yield endpoint


@mock_aws
def test_moto_intercepts_the_boto3_client() -> None:
    api = open_boto3_client("us-east-1", CREDENTIALS)
    endpoint = f"https://abc123.execute-api.{REGION}.amazonaws.com/dev"
    posts = [Post(endpoint, "PJqB0fHsqRcCHlw", data, inf) for data in (b"1", b"2", b"3")]

    assert api.post_all(posts, 30) == [DeliveryStatus.DELIVERED] * 3
    assert received("PJqB0fHsqRcCHlw") == b"123"
    assert api.delete(endpoint, "PJqB0fHsqRcCHlw", 30) == DeliveryStatus.DELIVERED
    api.close(10)


@pytest.mark.parametrize(
    ("name", "open_api"), [("fast", open_connections_api), ("reference", open_boto3_client)]
)
def test_server_of_moto_receives_from_both_clients(
    endpoint: str, name: str, open_api: Callable[[str, Credentials], ConnectionsApi]
) -> None:
    api = open_api(REGION, CREDENTIALS)
    # In this guise moto knows @connections by the beginning of the path.
    posts = [Post(endpoint, name, data, inf) for data in (b"1", b"2", b"3")]

    assert api.post_all(posts, 30) == [DeliveryStatus.DELIVERED] * 3
    assert received(name) == b"123"
    api.close(10)
