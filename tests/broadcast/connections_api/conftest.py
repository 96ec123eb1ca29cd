"""The curl and boto3 clients, and the server that they post to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from chalicelib.broadcast.connections_api import (
    ConnectionsApi,
    ConnectionsApiClient,
    Credentials,
    CurrentCredentials,
    TransportLimits,
    fixed,
)
from chalicelib.broadcast.connections_api.boto3_client import Boto3Transport
from chalicelib.broadcast.connections_api.client import Transport
from chalicelib.broadcast.connections_api.curl import CurlTransport
from chalicelib.broadcast.connections_api.poller import SelectorPoller, new_poller

from .stub_server import CREDENTIALS, REGION

PATIENT = TransportLimits(
    in_flight=32,
    in_flight_per_endpoint=32,
    connect_within_s=30,
    answer_within_s=60,
    backoff_s=0.001,
    longest_backoff_s=0.01,
)
"""Waits for answers for as long as a noisy machine may need, but not between them."""

NewWire = Callable[[str, CurrentCredentials, TransportLimits], Transport]

WIRES: dict[str, NewWire] = {
    "fast": partial(CurlTransport, new_poller=new_poller),
    "fast without epoll": partial(CurlTransport, new_poller=SelectorPoller),
    "reference": Boto3Transport,
}

OpenApi = Callable[..., ConnectionsApi]


@pytest.fixture(params=list(WIRES))
def wire_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def open_api(wire_name: str) -> Iterator[OpenApi]:
    """Opens the client under test; all are closed in the end."""
    with ExitStack() as opened:

        def open_one(
            limits: TransportLimits = PATIENT,
            credentials: Credentials = CREDENTIALS,
            region: str = REGION,
        ) -> ConnectionsApi:
            new_wire = partial(WIRES[wire_name], region, fixed(credentials), limits)
            api = ConnectionsApiClient(new_wire, limits)
            opened.callback(api.close, 0)
            return api

        yield open_one


@pytest.fixture
def api(open_api: OpenApi) -> ConnectionsApi:
    return open_api()


@pytest.fixture
def quiet() -> Iterator[None]:
    """For tests that provoke what would be logged with a traceback."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
