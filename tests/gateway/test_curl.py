"""Requests signed by libcurl's own SigV4 implementation."""

from __future__ import annotations

from io import BytesIO
from urllib.parse import quote

import pycurl
import pytest

from chalice_gateway.sigv4 import Credentials

from .websocket_serving import WITHIN_S, Backend, serving


def post(url: str, data: bytes, secret: str, *headers: str) -> int:
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.AWS_SIGV4, "aws:amz:eu-west-3:execute-api")
    curl.setopt(pycurl.USERPWD, f"local:{secret}")
    curl.setopt(pycurl.POSTFIELDS, data)
    curl.setopt(pycurl.HTTPHEADER, ["Content-Type: application/json", *headers])
    curl.setopt(pycurl.TIMEOUT, WITHIN_S)
    curl.setopt(pycurl.WRITEDATA, BytesIO())
    curl.perform()
    status: int = curl.getinfo(pycurl.RESPONSE_CODE)
    curl.close()
    return status


@pytest.mark.parametrize("token", [None, "the/token+=="])
def test_signatures_of_libcurl_are_valid(token: str | None) -> None:
    backend = Backend()
    credentials = Credentials("local", "local", token)
    headers = () if token is None else (f"X-Amz-Security-Token: {token}",)
    with serving(backend.routes, credentials=credentials) as served, served.connect() as client:
        connection_id = quote(backend.connected()["connectionId"], safe="")
        url = f"{served.endpoint}/@connections/{connection_id}"

        assert post(url, "für dich".encode(), "local", *headers) == 200
        assert client.recv(WITHIN_S) == "für dich"
        assert post(url, b"{}", "another", *headers) == 403
        assert post(url, b"x" * 131_073, "local", *headers) == 413
