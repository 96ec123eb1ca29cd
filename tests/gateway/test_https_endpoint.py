"""The gateway's ``https`` URLs in its own process."""

from __future__ import annotations

from pathlib import Path

import pytest
import urllib3
from urllib3.connection import HTTPSConnection
from websockets.sync.client import connect

from chalice_gateway.https_endpoint import https_endpoint, is_this_machine

from .http_serving import echo, serving
from .test_command_line import started
from .websocket_serving import WITHIN_S

APP = """\
import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from chalice.app import Chalice

app = Chalice("public", configure_logs=False)
app.experimental_feature_flags.add("WEBSOCKETS")
pool = urllib3.PoolManager()

@app.on_ws_message()
def message(event):
    endpoint = f"https://{event.domain_name}/{event.stage}"
    client = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)
    client.post_to_connection(ConnectionId=event.connection_id, Data=b"by boto3")

    url = f"{endpoint}/@connections/{event.connection_id.replace('=', '%3D')}"
    request = AWSRequest("POST", url, data=b"by urllib3")
    credentials = boto3.session.Session().get_credentials()
    SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(request)
    answer = pool.request("POST", url, body=b"by urllib3", headers=dict(request.headers))
    assert answer.status == 200, answer.data
"""


def test_app_posts_to_the_https_endpoint_of_its_event(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    with started(tmp_path) as run:
        for url in (run.sockets, run.sockets.replace("127.0.0.1", "localhost")):
            with connect(url) as client:
                client.send("?")
                assert {client.recv(WITHIN_S), client.recv(WITHIN_S)} == {
                    "by boto3",
                    "by urllib3",
                }


def test_port_is_reached_in_plain_text_while_the_block_runs() -> None:
    with serving(echo) as served, urllib3.PoolManager(retries=False) as pool:
        url = f"https://127.0.0.1:{served.port}/path"
        with https_endpoint([served.port]):
            assert pool.request("GET", url).data == b"/path"
        pool.clear()
        with pytest.raises(urllib3.exceptions.SSLError):
            pool.request("GET", url)


def test_other_ports_still_need_tls() -> None:
    with (
        serving(echo) as served,
        serving(echo) as other,
        https_endpoint([served.port]),
        urllib3.PoolManager(retries=False) as pool,
        pytest.raises(urllib3.exceptions.SSLError),
    ):
        pool.request("GET", f"https://127.0.0.1:{other.port}/path")


def test_gateways_of_one_process_stop_in_any_order() -> None:
    original = HTTPSConnection.connect
    first, second = https_endpoint([1]), https_endpoint([2])
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert HTTPSConnection.connect is not original
    second.__exit__(None, None, None)
    assert HTTPSConnection.connect is original


class Connected:
    def __init__(self, peer: str, own: str) -> None:
        self._addresses = (peer, 443), (own, 50_000)

    def getpeername(self) -> tuple[str, int]:
        return self._addresses[0]

    def getsockname(self) -> tuple[str, int]:
        return self._addresses[1]


@pytest.mark.parametrize(
    ("peer", "own", "same"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", True),
        ("::1", "::1", True),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_other_machine_is_recognised(peer: str, own: str, same: bool) -> None:
    assert is_this_machine(Connected(peer, own)) is same
