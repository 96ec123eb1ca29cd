"""The gateway's own ``https`` URLs, for clients in this process.

An app builds the endpoint of @connections from an event, ``https://{domainName}/{stage}``, and
the gateway may listen without TLS, or with a certificate that no client trusts. So urllib3,
with which boto3 and requests connect, gets to know the gateway's ports: without TLS it
connects to them in plain text, otherwise it trusts their certificate. Must never affect a
connection to another port or machine.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

# The certificate of each port that a gateway of this process listens on; None without TLS.
_certificates: Final[dict[int, Path | None]] = {}
_connect_with_tls: Final = HTTPSConnection.connect


@contextmanager
def https_endpoint(ports: Iterable[int], certificate: Path | None = None) -> Iterator[None]:
    """Let ``https`` clients in this process reach ``ports`` while the block runs.

    ``certificate`` is the one with which they are served; without TLS there is none.
    """
    own = dict.fromkeys(ports, certificate)
    _certificates.update(own)
    HTTPSConnection.connect = _connect  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        for port in own:
            del _certificates[port]
        if not _certificates:
            HTTPSConnection.connect = _connect_with_tls  # type: ignore[method-assign]


def _connect(connection: HTTPSConnection) -> None:
    if connection.port not in _certificates or connection.proxy is not None:
        _connect_with_tls(connection)
        return
    certificate = _certificates[connection.port]
    if certificate is not None:
        connection.ca_certs = str(certificate)
        # So that a certificate is trusted without the authority that issued it.
        context = connection.ssl_context or create_urllib3_context()
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        connection.ssl_context = context
        _connect_with_tls(connection)
        return
    HTTPConnection.connect(connection)
    assert connection.sock is not None
    if is_this_machine(connection.sock):
        # Otherwise urllib3 would warn of an unverified certificate.
        connection.is_verified = True
        return
    connection.close()
    _connect_with_tls(connection)


def is_this_machine(sock: socket.socket | Any) -> bool:
    """Whether a connected socket's peer is on the same machine."""
    peer, own = sock.getpeername()[0], sock.getsockname()[0]
    return bool(peer == own or ip_address(peer).is_loopback)
