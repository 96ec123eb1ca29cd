"""``@connections``, the API with which a backend posts to, describes and closes connections.

Owns its HTTP: paths, signatures, statuses and error headers. Must never decide about a
connection.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from . import ids
from .connections_api_errors import ConnectionsApiError, ForbiddenError
from .http_messages import Request, Response
from .sigv4 import SignatureError, Verifier
from .websocket_api import WebSocketApi
from .websocket_outputs import Output

SERVICE: Final = "execute-api"


def is_connections_request(target: str) -> bool:
    """Whether a request's target is an ``@connections`` path, in any stage."""
    path, _, _ = target.partition("?")
    return "@connections" in path or "%40connections" in path


class ConnectionsApi:
    """Passes calls to ``state_machine``, and the outputs that it returns to ``perform``.

    ``buffered_bytes`` returns how much a client has still to read. Without a ``verifier``
    signatures are not checked.
    """

    def __init__(
        self,
        state_machine: WebSocketApi,
        *,
        verifier: Verifier | None,
        perform: Callable[[list[Output]], None],
        buffered_bytes: Callable[[str], int],
        now_ms: Callable[[], int],
    ) -> None:
        self._rules = state_machine
        self._verifier = verifier
        self._perform = perform
        self._buffered_bytes = buffered_bytes
        self._now_ms = now_ms

    def handle(self, request: Request) -> Response:
        try:
            return self._answer(request)
        except ConnectionsApiError as error:
            # An injected fault may be due.
            self._perform([])
            return error_response(error)

    def _answer(self, request: Request) -> Response:
        connection_id = self._connection_id(request.target)
        if self._verifier is not None:
            try:
                self._verifier.verify(request, SERVICE)
            except SignatureError as error:
                raise ForbiddenError(error.message) from error
        request_id = ("x-amzn-RequestId", ids.uuid())
        now_ms = self._now_ms()
        if request.method == "POST":
            buffered_bytes = self._buffered_bytes(connection_id)
            self._perform(self._rules.post(connection_id, request.body, buffered_bytes, now_ms))
            return Response(200, (request_id,))
        if request.method == "GET":
            described = json.dumps(self._rules.describe(connection_id, now_ms))
            return Response(
                200, (("Content-Type", "application/json"), request_id), described.encode()
            )
        if request.method == "DELETE":
            self._perform(self._rules.delete(connection_id, now_ms))
            return Response(204, (request_id,))
        # An unknown method is answered like an unknown stage.
        raise ForbiddenError("Forbidden")

    def _connection_id(self, target: str) -> str:
        segments = target.partition("?")[0].split("/")
        if (
            len(segments) != 4
            or unquote(segments[1]) != self._rules.api.stage
            or unquote(segments[2]) != "@connections"
        ):
            raise ForbiddenError("Forbidden")
        return unquote(segments[3])


def error_response(error: ConnectionsApiError) -> Response:
    """The error in the form that AWS's SDKs read: they take its type from the header.

    Without the header boto3 would raise a ``ClientError`` that ``except GoneException`` does
    not catch. A 410 has no body on AWS.
    """
    body = b""
    if error.message:
        body = json.dumps({"message": error.message}, separators=(",", ":")).encode()
    return Response(
        error.status,
        (
            ("Content-Type", "application/json"),
            ("x-amzn-RequestId", ids.uuid()),
            ("x-amzn-ErrorType", error.error_type),
        ),
        body,
    )
