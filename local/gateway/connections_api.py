"""``@connections``: how a backend reaches the clients that are connected.

Owns the HTTP of it: paths, signatures, statuses and error headers. Must never
decide about a connection.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from . import ids
from .callback_errors import CallbackError, ForbiddenError
from .http_messages import Request, Response
from .sigv4 import SignatureError, Verifier
from .websocket_api import WebSocketApi
from .websocket_effects import Effect

SERVICE: Final = "execute-api"


def is_for_connections(target: str) -> bool:
    """Whether a request's target is meant for ``@connections``, of whatever stage."""
    path, _, _ = target.partition("?")
    return "@connections" in path or "%40connections" in path


class ConnectionsApi:
    """Answers calls by asking ``rules``; what comes of them is ``perform``'s to carry out.

    ``buffered_bytes`` tells how much a client has still to read. Without a
    ``verifier`` every call counts as signed.
    """

    def __init__(
        self,
        rules: WebSocketApi,
        *,
        verifier: Verifier | None,
        perform: Callable[[list[Effect]], None],
        buffered_bytes: Callable[[str], int],
        now_ms: Callable[[], int],
    ) -> None:
        self._rules = rules
        self._verifier = verifier
        self._perform = perform
        self._buffered_bytes = buffered_bytes
        self._now_ms = now_ms

    def handle(self, request: Request) -> Response:
        try:
            return self._answer(request)
        except CallbackError as error:
            return refused(error)

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
        # A method that isn't there is answered like a stage that isn't.
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


def refused(error: CallbackError) -> Response:
    """The error as AWS's SDKs want it: they take its type from the header.

    Without the header boto3 raises a plain ``ClientError``, which no
    ``except GoneException`` catches. A 410 has no body on AWS.
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
