"""API Gateway's @connections, as a client of it: post to connections, and close them.

A request names its endpoint, so one client serves every gateway. What a post
says, and to whom it goes, others decide; nobody here reads the environment.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from .boto3_client import REFERENCE_LIMITS, Boto3Wire
from .client import Wire, WiredManagementApi
from .credentials import (
    Credentials,
    CurrentCredentials,
    NoCredentials,
    fixed,
    from_botocore,
    given_or_found,
)
from .ports import Closed, ConnectionsApi, Delete, Outcome, Post, Request, TransportLimits

__all__ = [
    "Closed",
    "ConnectionsApi",
    "Credentials",
    "CurrentCredentials",
    "Delete",
    "NoCredentials",
    "Outcome",
    "Post",
    "Request",
    "TransportLimits",
    "WiredManagementApi",
    "fixed",
    "from_botocore",
    "given_or_found",
    "open_boto3_client",
    "open_connections_api",
]

logger = logging.getLogger(__name__)

WireMaker = Callable[[str, CurrentCredentials, TransportLimits, Path | None], Wire]


def _curl_wire() -> WireMaker:
    from .curl import CurlWire  # noqa: PLC0415

    return CurlWire


def open_connections_api(
    region: str,
    credentials: Credentials | CurrentCredentials | None = None,
    limits: TransportLimits | None = None,
    ca_bundle: Path | None = None,
    fast_wire: Callable[[], WireMaker] = _curl_wire,
) -> ConnectionsApi:
    """The fast client, or, where there is no pycurl, the reference and a warning.

    ``region`` is that of endpoints whose host names none. Without
    ``credentials`` botocore is asked for them. Nothing is connected yet.
    ``ca_bundle`` is a file of certificates to trust instead of those that boto3
    trusts.

    Raises:
        NoCredentials: None were given, and botocore finds none.
    """
    try:
        new_wire = fast_wire()
    except ImportError as error:
        logger.warning(
            "Posting to connections through boto3, which is many times slower: %s", error
        )
        return open_boto3_client(region, credentials, limits, ca_bundle)
    current = _current(credentials)
    its_limits = limits or TransportLimits()
    return WiredManagementApi(lambda: new_wire(region, current, its_limits, ca_bundle), its_limits)


def open_boto3_client(
    region: str,
    credentials: Credentials | CurrentCredentials | None = None,
    limits: TransportLimits | None = None,
    ca_bundle: Path | None = None,
) -> ConnectionsApi:
    """The client made of boto3; with the arguments of :func:`open_connections_api`."""
    current = _current(credentials)
    its_limits = limits or REFERENCE_LIMITS
    return WiredManagementApi(lambda: Boto3Wire(region, current, its_limits, ca_bundle), its_limits)


def _current(credentials: Credentials | CurrentCredentials | None) -> CurrentCredentials:
    if credentials is None:
        return from_botocore()
    return fixed(credentials) if isinstance(credentials, Credentials) else credentials
