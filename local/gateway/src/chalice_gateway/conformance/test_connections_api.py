"""What ``@connections`` does, called with an unmodified botocore."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from .deployment import WITHIN_S, Deployment, Reports, Rest

KB = 1024
UNKNOWN_ID = "PJqB0fHsqRcCHlw="
VERBS = ("post_to_connection", "get_connection", "delete_connection")


def connection_id(client: ClientConnection) -> str:
    client.send("event")
    found: str = json.loads(client.recv(WITHIN_S))["requestContext"]["connectionId"]
    return found


def call(connections: Any, verb: str, connection: str, data: bytes = b"x") -> Any:
    arguments: dict[str, Any] = {"ConnectionId": connection}
    if verb == "post_to_connection":
        arguments["Data"] = data
    return getattr(connections, verb)(**arguments)


def status_of(result: Any) -> int:
    status: int = result["ResponseMetadata"]["HTTPStatusCode"]
    return status


def test_post_arrives(deployment: Deployment, connections: Any) -> None:
    """Source: developer guide, "Use @connections commands in your backend service"."""
    with deployment.connect() as client:
        connection = connection_id(client)
        for text in ("hé", "", "x" * 32 * KB):
            result = call(connections, "post_to_connection", connection, text.encode())
            assert status_of(result) == 200
            assert client.recv(WITHIN_S) == text


def test_get_describes_a_connection(deployment: Deployment, connections: Any) -> None:
    """Source: API reference of the ApiGatewayManagementApi, GetConnection."""
    with deployment.connect(user_agent_header="someone") as client:
        connection = connection_id(client)
        found = call(connections, "get_connection", connection)
        call(connections, "post_to_connection", connection)
        later = call(connections, "get_connection", connection)
    assert status_of(found) == 200
    assert isinstance(found["ConnectedAt"], datetime)
    assert later["ConnectedAt"] == found["ConnectedAt"]
    assert later["LastActiveAt"] >= found["LastActiveAt"] >= found["ConnectedAt"]
    assert found["Identity"]["UserAgent"] == "someone"
    assert found["Identity"]["SourceIp"]


def test_delete_closes_a_connection_and_runs_disconnect(
    deployment: Deployment, connections: Any, reports: Reports
) -> None:
    """Source: API reference, DeleteConnection; captured events."""
    with deployment.connect(user_agent_header=reports.agent) as client:
        reports.next("CONNECT")
        connection = connection_id(client)
        assert status_of(call(connections, "delete_connection", connection)) == 204
        with pytest.raises(ConnectionClosed):
            client.recv(WITHIN_S)
    assert reports.disconnected() == (1000, "Connection Closed Normally")
    with pytest.raises(connections.exceptions.GoneException):
        call(connections, "post_to_connection", connection)


def test_app_closes_a_connection(deployment: Deployment, reports: Reports) -> None:
    """Source: API reference, DeleteConnection; captured events."""
    with deployment.connect(user_agent_header=reports.agent) as client:
        reports.next("CONNECT")
        client.send("close")
        with pytest.raises(ConnectionClosed):
            client.recv(WITHIN_S)
    assert reports.disconnected() == (1000, "Connection Closed Normally")


@pytest.mark.parametrize("verb", VERBS)
def test_unknown_connection_is_gone(connections: Any, verb: str) -> None:
    """Source: API reference, GoneException; localstack/localstack 4694."""
    with pytest.raises(connections.exceptions.GoneException) as raised:
        call(connections, verb, UNKNOWN_ID)
    metadata = raised.value.response["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 410
    assert metadata["HTTPHeaders"]["x-amzn-errortype"].startswith("GoneException")


def test_connection_is_gone_after_the_client_has_left(
    deployment: Deployment, connections: Any, reports: Reports
) -> None:
    """Source: AWS re:Post, "Troubleshoot 410 GoneException errors"."""
    with deployment.connect(user_agent_header=reports.agent) as client:
        reports.next("CONNECT")
        connection = connection_id(client)
    reports.next("DISCONNECT")
    with pytest.raises(connections.exceptions.GoneException):
        call(connections, "post_to_connection", connection)


def test_connection_is_gone_until_connect_has_returned(
    deployment: Deployment, reports: Reports
) -> None:
    """Source: AWS re:Post, "Troubleshoot 410 GoneException errors"."""
    with deployment.connect("?probe=1", user_agent_header=reports.agent):
        # Chalice's name for a GoneException.
        assert reports.next("CONNECT")["note"] == "WebsocketDisconnectedError"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("connection", ["x", "no id/at all"])
def test_malformed_id_is_a_bad_request(connections: Any, verb: str, connection: str) -> None:
    """Source: localstack/localstack 4694."""
    with pytest.raises(ClientError) as raised:
        call(connections, verb, connection)
    assert status_of(raised.value.response) == 400
    assert raised.value.response["Error"] == {
        "Code": "BadRequestException",
        "Message": f"Invalid connectionId: {connection}",
    }


@pytest.mark.parametrize("size", [128 * KB + 1, 11 * KB * KB])
def test_post_over_128_kb_is_too_large(deployment: Deployment, connections: Any, size: int) -> None:
    """Source: API reference, PayloadTooLargeException; quotas: message size."""
    with deployment.connect() as client:
        connection = connection_id(client)
        with pytest.raises(connections.exceptions.PayloadTooLargeException) as raised:
            call(connections, "post_to_connection", connection, b"x" * size)
        assert status_of(raised.value.response) == 413
        client.send("still there")
        assert client.recv(WITHIN_S) == "still there"


@pytest.mark.unconfirmed("Posted data larger than a frame may be")
def test_post_of_128_kb_is_one_message_in_frames_of_32_kb(
    deployment: Deployment, connections: Any
) -> None:
    with deployment.connect() as client:
        connection = connection_id(client)
        call(connections, "post_to_connection", connection, b"x" * 128 * KB)
        frames = [len(frame) for frame in client.recv_streaming()]
    assert frames == [32 * KB] * 4


@pytest.mark.unconfirmed("Posted data that is not UTF-8")
def test_post_that_is_not_utf_8_is_a_bad_request(deployment: Deployment, connections: Any) -> None:
    with deployment.connect() as client:
        connection = connection_id(client)
        with pytest.raises(ClientError) as raised:
            call(connections, "post_to_connection", connection, b"\xff")
        assert status_of(raised.value.response) == 400


@pytest.mark.parametrize("path", ["/no-such-stage", "", "/{stage}/more"])
def test_other_stage_is_forbidden(deployment: Deployment, path: str) -> None:
    """Source: developer guide, "Use @connections commands": the stage is part of the URL."""
    url = urlsplit(deployment.endpoint)
    path = path.format(stage=deployment.ws_stage)
    elsewhere = deployment.connections(endpoint=f"{url.scheme}://{url.netloc}{path}")
    with pytest.raises(elsewhere.exceptions.ForbiddenException) as raised:
        call(elsewhere, "post_to_connection", UNKNOWN_ID)
    assert status_of(raised.value.response) == 403


@pytest.mark.parametrize("verb", VERBS)
def test_wrong_signature_is_forbidden(deployment: Deployment, verb: str) -> None:
    """Source: API reference, ForbiddenException."""
    impostor = deployment.connections(secret_key="wrong")
    with pytest.raises(ClientError) as raised:
        call(impostor, verb, UNKNOWN_ID)
    assert status_of(raised.value.response) == 403


def test_unsigned_call_is_forbidden(deployment: Deployment, rest: Rest) -> None:
    """Source: developer guide, "Control access with IAM authorization"."""
    url = f"{deployment.endpoint}/@connections/{quote(UNKNOWN_ID)}"
    assert rest("POST", url, b"x").status == 403


@pytest.mark.parametrize("at", ["@", "%40"])
def test_path_may_be_percent_encoded(deployment: Deployment, rest: Rest, at: str) -> None:
    """Source: developer guide, "Use @connections commands": encode the connection id."""
    with deployment.connect() as client:
        url = f"{deployment.endpoint}/{at}connections/{quote(connection_id(client))}"
        connections = deployment.connections()
        request = AWSRequest("POST", url, data=b"signed")
        SigV4Auth(
            deployment.session().get_credentials(), "execute-api", connections.meta.region_name
        ).add_auth(request)
        assert rest("POST", url, b"signed", dict(request.headers.items())).status == 200
        assert client.recv(WITHIN_S) == "signed"
