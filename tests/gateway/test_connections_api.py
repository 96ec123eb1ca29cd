"""``@connections``, called by an unmodified boto3 and by clients with errors."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials
from websockets.sync.client import ClientConnection

from chalice_gateway.connections_api import is_connections_request
from chalice_gateway.sigv4 import Credentials
from chalice_gateway.websocket_limits import Faults, Limits

from .websocket_serving import CREDENTIALS, WITHIN_S, Backend, Served, serving

UNKNOWN = "PJqB0fHsqRcCHlw="


def management(served: Served, secret: str = "local", **options: Any) -> Any:
    """An unmodified boto3 client: only its ``endpoint_url`` is the emulator's."""
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=served.endpoint,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
        **options,
    )


@contextmanager
def connected(**options: Any) -> Iterator[tuple[Served, Backend, ClientConnection, str]]:
    backend = Backend()
    with serving(backend.routes, **options) as served, served.connect() as client:
        yield served, backend, client, backend.connected()["connectionId"]


def call(api: Any, verb: str, connection_id: str) -> Any:
    data = {"Data": b"x"} if verb == "post_to_connection" else {}
    return getattr(api, verb)(ConnectionId=connection_id, **data)


def test_too_many_calls_raise_limit_exceeded_exception() -> None:
    limits = Limits(posts_per_second=0.001, posts_burst=2)
    with connected(limits=limits) as (served, _, _client, connection_id):
        api = management(served)
        call(api, "post_to_connection", connection_id)
        call(api, "get_connection", connection_id)
        for verb in ("post_to_connection", "get_connection", "delete_connection"):
            with pytest.raises(api.exceptions.LimitExceededException):
                call(api, verb, connection_id)


def test_aws_endpoint_url_is_sufficient(monkeypatch: pytest.MonkeyPatch) -> None:
    with connected() as (served, _, client, connection_id):
        monkeypatch.setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", served.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        api = boto3.session.Session().client("apigatewaymanagementapi")
        call(api, "post_to_connection", connection_id)

        assert client.recv(WITHIN_S) == "x"


def test_temporary_credentials_are_accepted() -> None:
    credentials = Credentials("local", "local", "the-token")
    with connected(credentials=credentials) as (served, _, client, connection_id):
        call(management(served, aws_session_token="the-token"), "post_to_connection", connection_id)

        assert client.recv(WITHIN_S) == "x"


# Without boto3


def call_http(
    served: Served, method: str, path: str, body: bytes = b"", *, sign: bool = True
) -> tuple[int, dict[str, str], bytes]:
    request = AWSRequest(
        method,
        f"http://127.0.0.1:{served.port}{path}",
        data=body,
        headers={"Host": f"127.0.0.1:{served.port}"},
    )
    if sign:
        credentials = BotocoreCredentials(CREDENTIALS.access_key, CREDENTIALS.secret_key)
        SigV4Auth(credentials, "execute-api", "eu-west-3").add_auth(request)
    client = http.client.HTTPConnection("127.0.0.1", served.port, timeout=WITHIN_S)
    client.request(method, path, body, dict(request.headers.items()))
    response = client.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    answer = response.status, headers, response.read()
    client.close()
    return answer


@pytest.mark.parametrize("at", ["@connections", "%40connections"])
@pytest.mark.parametrize("safe", ["=", ""])
def test_path_may_be_percent_encoded(at: str, safe: str) -> None:
    with connected() as (served, _, client, connection_id):
        path = f"/dev/{at}/{quote(connection_id, safe=safe)}"
        status, headers, body = call_http(served, "POST", path, b"hello")

        assert (status, body) == (200, b"")
        assert "x-amzn-requestid" in headers
        assert client.recv(WITHIN_S) == "hello"
        status, _, body = call_http(served, "GET", path)
        assert (status, set(json.loads(body))) == (
            200,
            {"connectedAt", "identity", "lastActiveAt"},
        )
        assert call_http(served, "DELETE", path)[0] == 204


@pytest.mark.parametrize(
    ("method", "path", "sign", "status", "error_type", "body"),
    [
        ("POST", f"/dev/@connections/{UNKNOWN}", True, 410, "GoneException", b""),
        ("GET", f"/dev/@connections/{UNKNOWN}", True, 410, "GoneException", b""),
        ("DELETE", f"/dev/@connections/{UNKNOWN}", True, 410, "GoneException", b""),
        ("POST", "/dev/@connections/x", True, 400, "BadRequestException",
         b'{"message":"Invalid connectionId: x"}'),
        ("POST", "/dev/@connections/", True, 400, "BadRequestException",
         b'{"message":"Invalid connectionId: "}'),
        ("POST", f"/@connections/{UNKNOWN}", True, 403, "ForbiddenException",
         b'{"message":"Forbidden"}'),
        ("POST", f"/prod/@connections/{UNKNOWN}", True, 403, "ForbiddenException",
         b'{"message":"Forbidden"}'),
        ("POST", f"/prod/@connections/{UNKNOWN}", False, 403, "ForbiddenException",
         b'{"message":"Forbidden"}'),
        ("PUT", f"/dev/@connections/{UNKNOWN}", True, 403, "ForbiddenException",
         b'{"message":"Forbidden"}'),
        ("POST", f"/dev/@connections/{UNKNOWN}/more", True, 403, "ForbiddenException",
         b'{"message":"Forbidden"}'),
        ("POST", f"/dev/@connections/{UNKNOWN}", False, 403, "ForbiddenException",
         b'{"message":"Missing Authentication Token"}'),
    ],
)  # fmt: skip
def test_error_responses_over_http(
    method: str, path: str, sign: bool, status: int, error_type: str, body: bytes
) -> None:
    with serving(Backend().routes) as served:
        got_status, headers, got_body = call_http(served, method, path, sign=sign)

    assert (got_status, got_body) == (status, body)
    assert headers["x-amzn-errortype"] == error_type


def test_signatures_can_be_disabled() -> None:
    with connected(credentials=None) as (served, _, client, connection_id):
        path = f"/dev/@connections/{quote(connection_id)}"

        assert call_http(served, "POST", path, b"hello", sign=False)[0] == 200
        assert client.recv(WITHIN_S) == "hello"


# Faults


def test_faults_drop_delay_and_reorder() -> None:
    # Half a second: on a slow machine, too, the next post comes earlier.
    faults = Faults(seed=7, drop_posts=0.1, delay_posts=0.3, reorder=0.3, delay_ms=500)
    with connected(faults=faults, credentials=None) as (served, _, client, connection_id):
        path = f"/dev/@connections/{quote(connection_id)}"
        sent = [str(number) for number in range(40)]
        for text in sent:
            assert call_http(served, "POST", path, text.encode(), sign=False)[0] == 200
        # By this seed, five are dropped.
        came = [str(client.recv(WITHIN_S)) for _ in range(40 - 5)]
        with pytest.raises(TimeoutError):
            client.recv(0.6)

    assert set(came) < set(sent)
    assert came != sorted(came, key=int)


def test_faults_lose_disconnects() -> None:
    backend = Backend()
    with serving(backend.routes, faults=Faults(lose_disconnects=1.0)) as served:
        with served.connect():
            backend.connected()
        served.wait_until_quiet()

        assert served.connection_count() == 0
    assert backend.disconnects.empty()


def test_only_the_path_makes_a_connections_request() -> None:
    assert is_connections_request("/dev/@connections/id")
    assert is_connections_request("/dev/%40connections/id?x=1")
    assert not is_connections_request("/dev?sessionId=1&back=/x/@connections/y")
