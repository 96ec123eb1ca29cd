"""HTTPS and WSS, with a certificate that is made or given."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from chalice_gateway.command_line import main
from chalice_gateway.http_messages import Limits, Request, Response
from chalice_gateway.tls import TlsError, server_context, write_certificate

from .http_serving import LoopFactory, Served, Wire, echo, serving
from .test_command_line import Run, started
from .test_https_endpoint import APP as POSTING_APP
from .websocket_serving import WITHIN_S

APP = (
    POSTING_APP
    + """

@app.route("/")
def index():
    return app.current_request.headers["x-forwarded-proto"]

seen = []

@app.on_ws_connect()
def opened(event):
    seen.append(event.to_dict()["headers"]["X-Forwarded-Proto"])

@app.route("/seen")
def show():
    return seen
"""
)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "made.pem"
    write_certificate(path, ["localhost", "127.0.0.1"])
    return path


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


def check(run: Run, certificate: Path) -> None:
    """REST and the WebSocket are served with ``certificate``, and the app can post."""
    context = trusting(certificate)
    assert (run.rest[:8], run.sockets[:6]) == ("https://", "wss://")
    with connect(run.sockets, ssl=context) as client:
        client.send("?")
        assert {client.recv(WITHIN_S), client.recv(WITHIN_S)} == {"by boto3", "by urllib3"}
        for path, text in (("/", b"https"), ("/seen", b'["https"]')):
            url = f"{run.rest}{path}"
            with urllib.request.urlopen(url, timeout=WITHIN_S, context=context) as response:
                assert response.read() == text
        run.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as raised:
            client.recv(WITHIN_S)
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 1001
    assert run.process.wait(WITHIN_S) == 0
    assert run.process.stderr is not None
    assert run.process.stderr.read() == ""


def test_tls_serves_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    with started(tmp_path, "--tls") as run:
        name, path = run.line().split()
        assert name == "Certificate"
        check(run, Path(path))
    assert not Path(path).exists()


def test_tls_serves_with_a_given_certificate(tmp_path: Path, certificate: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    with started(tmp_path, "--tls-certificate", str(certificate)) as run:
        assert run.line().split() == ["Certificate", str(certificate)]
        check(run, certificate)


def test_certificate_without_a_key_is_an_error(
    tmp_path: Path, certificate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text(APP)
    text = certificate.read_text()
    certificate.write_text(text[text.index("-----BEGIN CERTIFICATE") :])

    arguments = ["run", str(tmp_path), "--port", "0", "--ws-port", "0"]
    assert main([*arguments, "--tls-certificate", str(certificate)]) == 1
    assert "made.pem can't be used for TLS" in capsys.readouterr().err
    assert main([*arguments, "--tls-certificate", "/nowhere/x.pem", "--tls-key", "y.pem"]) == 1
    assert "/nowhere/x.pem and " in capsys.readouterr().err


def test_making_a_certificate_needs_cryptography(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(TlsError, match="needs the package cryptography"):
        write_certificate(tmp_path / "x.pem", ["localhost"])


def test_key_is_readable_by_its_owner_only(certificate: Path) -> None:
    assert certificate.stat().st_mode & 0o777 == 0o600


class TlsWire(Wire):
    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(port)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")


@pytest.fixture
def served(certificate: Path, loop_factory: LoopFactory) -> Iterator[Served]:
    tls = server_context(certificate, None)
    with serving(echo, loop_factory=loop_factory, tls=tls, limits=Limits(body_bytes=10)) as one:
        yield one


def test_requests_are_answered_on_a_kept_connection(served: Served, certificate: Path) -> None:
    with TlsWire(served.port, trusting(certificate)) as wire:
        for path in ("/one", "/two"):
            assert wire.get(path).body == path.encode()


def test_refused_request_is_answered_and_closed(
    served: Served, certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with TlsWire(served.port, trusting(certificate)) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 11\r\n\r\n")
        assert wire.answer().status == 413
        assert wire.ends()
    assert caplog.text == ""


def test_client_that_closes_its_side_causes_no_warning(
    certificate: Path, loop_factory: LoopFactory, caplog: pytest.LogCaptureFixture
) -> None:
    entered = asyncio.Event()

    async def slow(_request: Request) -> Response:
        entered.set()
        await asyncio.sleep(0.05)
        return Response(200)

    tls = server_context(certificate, None)
    with (
        serving(slow, loop_factory=loop_factory, tls=tls) as served,
        TlsWire(served.port, trusting(certificate)) as wire,
    ):
        wire.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        served.start(entered.wait()).result(WITHIN_S)
        wire.socket.shutdown(socket.SHUT_WR)
        while wire.socket.recv(1000):  # the server's side of TLS ends too
            pass
    assert caplog.text == ""


def test_plain_http_on_a_tls_port_is_cut(served: Served) -> None:
    with Wire(served.port) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        assert wire.socket.recv(1000)[:5] != b"HTTP/"


def test_stopping_answers_what_has_arrived(served: Served, certificate: Path) -> None:
    with TlsWire(served.port, trusting(certificate)) as wire:
        wire.send(b"GET /last HTTP/1.1\r\nHost: t\r\n\r\n")
        stopped = served.stop()
        assert wire.answer().body == b"/last"
        assert wire.ends()
    # TLS ends when the client has closed its side, too.
    stopped.result(WITHIN_S)
