"""TLS: which certificates the clients trust."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from math import inf
from pathlib import Path
from threading import Thread
from typing import Protocol

import pytest

from chalicelib.broadcast.connections_api import (
    ConnectionsApi,
    Credentials,
    DeliveryStatus,
    Post,
    TransportLimits,
    open_boto3_client,
    open_connections_api,
)
from chalicelib.broadcast.connections_api.curl import botocores_ca_bundle
from tests.servers import Certificate

LIMITS = TransportLimits(in_flight=4, repeats_of_failures=0)


class Open(Protocol):
    def __call__(
        self, region: str, credentials: Credentials, limits: TransportLimits, ca_bundle: Path | None
    ) -> ConnectionsApi: ...


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def endpoint(certificate: Certificate) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = certificate.server_context().wrap_socket(server.socket, server_side=True)
    # A client that doesn't trust it breaks off, as the test wants.
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/dev"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("open_api", [open_connections_api, open_boto3_client])
def test_certificate_is_trusted_only_if_configured(
    open_api: Open,
    endpoint: str,
    certificate: Certificate,
) -> None:
    posts = [Post(endpoint, f"{number}", b"1", inf) for number in range(3)]
    trusting = open_api("eu-west-1", Credentials("a", "b"), LIMITS, certificate.path)
    distrustful = open_api("eu-west-1", Credentials("a", "b"), LIMITS, None)

    assert trusting.post_all(posts, 30) == [DeliveryStatus.DELIVERED] * 3
    assert distrustful.post_all(posts, 30) == [DeliveryStatus.FAILED] * 3
    trusting.close(10)
    distrustful.close(10)


def test_trusted_certificates_are_those_of_boto3() -> None:
    bundle = botocores_ca_bundle()

    assert bundle is not None
    assert ssl.create_default_context(cafile=bundle).get_ca_certs()
