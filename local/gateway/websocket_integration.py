"""What a message is for, and what a Lambda's answer means to a WebSocket API.

Owns AWS's words and shapes for both, as pure functions. Must never know the state a
connection is in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .websocket_effects import Outcome, Returned, Send, TimedOut

FAILED: Final = "Internal server error"
TIMED_OUT: Final = "Endpoint request timed out"
FORBIDDEN: Final = "Forbidden"

_AWS_OWN: Final = frozenset({"$connect", "$default", "$disconnect"})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def selected_route(text: str, routes: Collection[str]) -> str | None:
    """The route that ``$request.body.action`` selects among ``routes``, if any does."""
    default = "$default" if "$default" in routes else None
    if _AWS_OWN.issuperset(routes):
        return default
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return default
    action = body.get("action") if isinstance(body, dict) else None
    # [?] A client that names one of AWS's own routes: it must not be able
    # to make up a $connect. Neither is it documented what becomes of an
    # action that is no string.
    if isinstance(action, str) and action in routes and not action.startswith("$"):
        return action
    return default


def error_message(connection_id: str, message: str, request_id: str) -> Send:
    """What a client is told whose message came to nothing, spaced exactly as on AWS."""
    return Send(
        connection_id,
        f'{{"message": "{message}", "connectionId":"{connection_id}",'
        f' "requestId":"{request_id}"}}'.encode(),
    )


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """What becomes of a handshake; a ``message`` only where the gateway is the one to speak."""

    status: int
    subprotocol: str | None = None
    message: str | None = None


def connect_answer(outcome: Outcome) -> ConnectAnswer:
    """What $connect's Lambda has decided, or what is said where it has decided nothing."""
    if isinstance(outcome, TimedOut):
        # [?] Not documented for handshakes; REST answers so.
        return ConnectAnswer(504, message=TIMED_OUT)
    if isinstance(outcome, Returned) and isinstance(outcome.result, dict):
        status = outcome.result.get("statusCode")
        subprotocol = _header_of(outcome.result, "sec-websocket-protocol")
        if (
            isinstance(status, int)
            and not isinstance(status, bool)
            and 200 <= status <= 599
            and (subprotocol is None or _is_token(subprotocol))
        ):
            # [?] Whether anything of a refusal but its status reaches the
            # client isn't documented. Here nothing does.
            return ConnectAnswer(status, subprotocol)
    # What is no proxy result counts as an exception, as it does in REST.
    return ConnectAnswer(502, message=FAILED)


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
