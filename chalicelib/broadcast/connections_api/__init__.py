"""Client of API Gateway's @connections API: posts to WebSocket connections and closes them.

Each request names its endpoint, so one client serves every gateway. Callers decide
what is posted and to which connections. Nothing here reads the environment.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from .boto3_client import REFERENCE_LIMITS, Boto3Transport
from .client import ConnectionsApiClient, Transport
from .credentials import (
    Credentials,
    CurrentCredentials,
    NoCredentials,
    fixed,
    from_botocore,
    given_or_found,
)
from .ports import Closed, ConnectionsApi, Delete, DeliveryStatus, Post, Request, TransportLimits

__all__ = [
    "Closed",
    "ConnectionsApi",
    "ConnectionsApiClient",
    "Credentials",
    "CurrentCredentials",
    "Delete",
    "DeliveryStatus",
    "NoCredentials",
    "Post",
    "Request",
    "TransportLimits",
    "fixed",
    "from_botocore",
    "given_or_found",
    "open_boto3_client",
    "open_connections_api",
]

logger = logging.getLogger(__name__)

TransportFactory = Callable[[str, CurrentCredentials, TransportLimits, Path | None], Transport]


def _curl_transport() -> TransportFactory:
    from .curl import CurlTransport  # noqa: PLC0415

    return CurlTransport


def open_connections_api(
    region: str,
    credentials: Credentials | CurrentCredentials | None = None,
    limits: TransportLimits | None = None,
    ca_bundle: Path | None = None,
    curl_transport: Callable[[], TransportFactory] = _curl_transport,
) -> ConnectionsApi:
    """The client on libcurl. Without pycurl, the client on boto3 and a warning.

    ``region`` applies to endpoints whose host names none. Without ``credentials``,
    botocore looks them up. ``ca_bundle`` is a file of certificates to trust instead
    of boto3's. Connections open with the first request.

    Raises:
        NoCredentials: None were given, and botocore finds none.
    """
    try:
        new_transport = curl_transport()
    except ImportError as error:
        logger.warning(
            "Posting to connections through boto3, which is many times slower: %s", error
        )
        return open_boto3_client(region, credentials, limits, ca_bundle)
    current = _current(credentials)
    its_limits = limits or TransportLimits()
    return ConnectionsApiClient(
        lambda: new_transport(region, current, its_limits, ca_bundle), its_limits
    )


def open_boto3_client(
    region: str,
    credentials: Credentials | CurrentCredentials | None = None,
    limits: TransportLimits | None = None,
    ca_bundle: Path | None = None,
) -> ConnectionsApi:
    """The client on boto3; takes the arguments of :func:`open_connections_api`."""
    current = _current(credentials)
    its_limits = limits or REFERENCE_LIMITS
    return ConnectionsApiClient(
        lambda: Boto3Transport(region, current, its_limits, ca_bundle), its_limits
    )


def _current(credentials: Credentials | CurrentCredentials | None) -> CurrentCredentials:
    if credentials is None:
        return from_botocore()
    return fixed(credentials) if isinstance(credentials, Credentials) else credentials
