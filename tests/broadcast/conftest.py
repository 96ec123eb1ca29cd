"""A stub of the @connections API, and the client that posts to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.broadcast.connections_api import ConnectionsApi, open_connections_api

from .connections_api.stub_server import CREDENTIALS, REGION, Stub


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub(CREDENTIALS)
    server.open()
    yield server
    server.close()


@pytest.fixture
def api() -> Iterator[ConnectionsApi]:
    api = open_connections_api(REGION, CREDENTIALS)
    yield api
    api.close(0)
