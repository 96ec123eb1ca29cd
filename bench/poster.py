"""The application's own client of @connections, as the local stack's relay has it."""

from __future__ import annotations

from chalicelib.broadcast.connections_api import (
    ConnectionsApi,
    Credentials,
    open_boto3_client,
    open_connections_api,
)

REGION = "us-east-1"
CREDENTIALS = Credentials("local", "local")
"""The same as in the environment of the stacks."""


def open_poster() -> ConnectionsApi:
    return open_connections_api(REGION, CREDENTIALS)


def open_reference_poster() -> ConnectionsApi:
    return open_boto3_client(REGION, CREDENTIALS)
