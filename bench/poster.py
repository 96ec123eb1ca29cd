"""The application's own client of @connections, as the local stack's relay has it."""

from __future__ import annotations

from chalicelib.broadcast.connections_api import (
    Credentials,
    ManagementApi,
    open_management_api,
    open_reference,
)

REGION = "us-east-1"
CREDENTIALS = Credentials("local", "local")
"""The same as in the environment of the stacks."""


def open_poster() -> ManagementApi:
    return open_management_api(REGION, CREDENTIALS)


def open_reference_poster() -> ManagementApi:
    return open_reference(REGION, CREDENTIALS)
