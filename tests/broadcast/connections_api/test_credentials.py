"""Credentials that botocore fetches from AWS."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from chalicelib.broadcast.connections_api import NoCredentials, from_botocore

ACCESS_DENIED = (
    b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
)
CONFIG = """\
[profile tickless]
role_arn = arn:aws:iam::123456789012:role/tickless
source_profile = source
region = eu-west-1
[profile source]
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = secret
"""


class Refusing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(403)
        self.send_header("Content-Length", str(len(ACCESS_DENIED)))
        self.end_headers()
        self.wfile.write(ACCESS_DENIED)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def refusing_sts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A role is to be assumed, and may not."""
    config = tmp_path / "config"
    config.write_text(CONFIG)
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    thread = Thread(target=server.serve_forever)
    thread.start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "tickless")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("refusing_sts")
def test_role_that_may_not_be_assumed_gives_no_credentials() -> None:
    current = from_botocore()
    with pytest.raises(NoCredentials, match="ClientError"):
        current()
