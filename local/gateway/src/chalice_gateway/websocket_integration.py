"""The meaning of a Lambda's result for a WebSocket API.

Pure functions, with AWS's messages and formats. Must never know a connection's state.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .websocket_outputs import InvokeResult, Returned, Send, TimedOut

FAILED: Final = "Internal server error"
TIMED_OUT: Final = "Endpoint request timed out"
FORBIDDEN: Final = "Forbidden"

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def error_message(connection_id: str, message: str, request_id: str) -> Send:
    """The message to a client whose message failed, with AWS's spacing."""
    return Send(
        connection_id,
        f'{{"message": "{message}", "connectionId":"{connection_id}",'
        f' "requestId":"{request_id}"}}'.encode(),
    )


@dataclass(frozen=True, slots=True)
class ConnectResult:
    """The result of $connect. ``message`` is set if the gateway itself refuses the handshake."""

    status: int
    subprotocol: str | None = None
    message: str | None = None


def connect_result(outcome: InvokeResult) -> ConnectResult:
    """The status that $connect's Lambda returned, or the gateway's own if it failed."""
    if isinstance(outcome, TimedOut):
        # [?] Not documented for handshakes; this is REST's status.
        return ConnectResult(504, message=TIMED_OUT)
    if isinstance(outcome, Returned) and isinstance(outcome.result, dict):
        status = outcome.result.get("statusCode")
        subprotocol = _header_of(outcome.result, "sec-websocket-protocol")
        if (
            isinstance(status, int)
            and not isinstance(status, bool)
            and 200 <= status <= 599
            and (subprotocol is None or _is_token(subprotocol))
        ):
            # [?] Whether the client gets more of a refusal than its status isn't documented.
            return ConnectResult(status, subprotocol)
    # A malformed result counts as an exception, as in REST.
    return ConnectResult(502, message=FAILED)


def _is_token(value: Any) -> bool:
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def _header_of(result: Mapping[str, Any], wanted: str) -> Any:
    for key in ("headers", "multiValueHeaders"):
        headers = result.get(key)
        if isinstance(headers, dict):
            for name, value in headers.items():
                if str(name).lower() == wanted:
                    return value[0] if isinstance(value, list) and value else value
    return None
