"""A deployed copy of the app, on AWS or behind a gateway started for the tests; its clients.

Owns URLs, credentials and timeouts. Must never import the gateway.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from botocore.session import Session
from websockets.sync.client import ClientConnection, connect

from . import APP_FOLDER

WITHIN_S: Final = 40
"""How long AWS may take for anything: a cold start, and what hangs for 29 seconds."""

REPORT_TO: Final = "report-to/"

_STARTED = re.compile(r"REST +(\S+)\nWebSocket +(\S+)\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error_type(self) -> str | None:
        """The error in ``x-amzn-errortype``, without the URL that may follow it."""
        return self.headers.get("x-amzn-errortype", "").partition(":")[0] or None


@dataclass(frozen=True, slots=True)
class Deployment:
    """The app at its URLs. ``too_long_s`` exceeds the integration timeout."""

    rest_url: str
    ws_url: str
    is_local: bool = False
    too_long_s: float = 32

    @property
    def endpoint(self) -> str:
        """The URL of @connections."""
        return self.ws_url.replace("ws", "http", 1)

    @property
    def host(self) -> str:
        return urlsplit(self.ws_url).netloc

    @property
    def ws_stage(self) -> str:
        return urlsplit(self.ws_url).path.strip("/")

    def connect(self, query: str = "", **options: Any) -> ClientConnection:
        options = {"open_timeout": WITHIN_S, "close_timeout": WITHIN_S, **options}
        client: ClientConnection = connect(self.ws_url + query, **options)
        return client

    def session(self, secret_key: str | None = None) -> Session:
        """Credentials from boto3's chain, or those of the gateway; another secret if given."""
        session = Session()
        if self.is_local:
            session.set_credentials("local", secret_key or "local")
        elif secret_key is not None:
            found = session.get_credentials()
            session.set_credentials(found.access_key, secret_key, found.token)
        return session

    def connections(self, *, endpoint: str | None = None, secret_key: str | None = None) -> Any:
        """A client of @connections."""
        region = re.search(r"\.execute-api\.([\w-]+)\.", self.host)
        return self.session(secret_key).create_client(
            "apigatewaymanagementapi",
            endpoint_url=endpoint or self.endpoint,
            region_name=region[1] if region else "us-east-1",
        )

    @contextmanager
    def raw_socket(self) -> Iterator[socket.socket]:
        """A connection to the WebSocket API on which nothing has been sent."""
        url = urlsplit(self.ws_url)
        assert url.hostname is not None
        is_tls = url.scheme == "wss"
        address = url.hostname, url.port or (443 if is_tls else 80)
        with socket.create_connection(address, WITHIN_S) as plain:
            if not is_tls:
                yield plain
                return
            context = ssl.create_default_context()
            with context.wrap_socket(plain, server_hostname=url.hostname) as encrypted:
                yield encrypted

    def handshake(
        self, query: str = "", *, http: str = "1.1", version: str = "13", agent: str = "raw"
    ) -> bytes:
        """The request that opens a WebSocket, with RFC 6455's example key."""
        lines = (
            f"GET /{self.ws_stage}{query} HTTP/{http}",
            f"Host: {self.host}",
            f"User-Agent: {agent}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            f"Sec-WebSocket-Version: {version}",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        return "\r\n".join([*lines, "", ""]).encode()


class Rest:
    """A client of the REST API that follows no redirect, decodes nothing and never retries."""

    def __init__(self, deployment: Deployment) -> None:
        self._url = deployment.rest_url.rstrip("/")
        self._pool = urllib3.PoolManager(timeout=WITHIN_S, retries=False)

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        response = self._pool.request(
            method,
            path if "://" in path else self._url + path,
            body=body,
            headers=headers or {},
            redirect=False,
            decode_content=False,
        )
        return Answer(response.status, response.headers, response.data)

    def get(self, path: str, **headers: str) -> Answer:
        """GET with headers, whose names have ``_`` for ``-``."""
        return self(
            "GET", path, headers={name.replace("_", "-"): headers[name] for name in headers}
        )

    def close(self) -> None:
        self._pool.clear()


class Reports:
    """A WebSocket to which the functions report the events of a client that names it."""

    def __init__(self, client: ClientConnection) -> None:
        self._client = client
        client.send("event")
        event = json.loads(client.recv(WITHIN_S))
        self.agent = REPORT_TO + event["requestContext"]["connectionId"]
        """The ``User-Agent`` of a client whose events are to be reported."""

    def next(self, event_type: str) -> dict[str, Any]:
        """The next report, which must be of a CONNECT or a DISCONNECT."""
        report: dict[str, Any] = json.loads(self._client.recv(WITHIN_S))
        assert report["event"]["requestContext"]["eventType"] == event_type
        return report

    def disconnected(self) -> tuple[int, str]:
        """Code and reason of the next DISCONNECT."""
        context = self.next("DISCONNECT")["event"]["requestContext"]
        return context["disconnectStatusCode"], context["disconnectReason"]


@contextmanager
def local_deployment(*arguments: str, too_long_s: float = 32) -> Iterator[Deployment]:
    """The app behind chalice-gateway, in a process of its own, with these arguments."""
    environment = {
        name: os.environ[name]
        for name in os.environ
        if not name.startswith("AWS_") and name != "TZ"
    }
    command = (
        *(sys.executable, "-m", "chalice_gateway", "run", str(APP_FOLDER)),
        *("--port", "0", "--ws-port", "0", "--api-key", secrets.token_hex()),
        *arguments,
    )
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            said = process.stdout.readline() + process.stdout.readline()
            found = _STARTED.fullmatch(said)
            if found is None:
                process.wait(WITHIN_S)
                errors.seek(0)
                raise RuntimeError(f"chalice-gateway did not start: {errors.read().decode()}")
            yield Deployment(found[1], found[2], is_local=True, too_long_s=too_long_s)
        finally:
            process.terminate()
            process.wait(WITHIN_S)
