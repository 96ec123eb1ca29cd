"""Route selection of a WebSocket API: which route key a message is for.

A pure function of the message and the routes. Must never know a connection's state.

https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Final

_AWS_OWN: Final = frozenset({"$connect", "$default", "$disconnect"})


def select_route(text: str, routes: Collection[str]) -> str | None:
    """The route that ``$request.body.action`` selects among ``routes``, if any does."""
    default = "$default" if "$default" in routes else None
    if _AWS_OWN.issuperset(routes):
        return default
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return default
    action = body.get("action") if isinstance(body, dict) else None
    # [?] AWS documents neither an action that names one of its own routes, with which a client
    # must not forge a $connect, nor an action that is not a string.
    if isinstance(action, str) and action in routes and not action.startswith("$"):
        return action
    return default
