"""REST responses: envelope, errors, headers and CORS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalice.app import CORSConfig, Response
from pydantic_core import to_json

from ..schemas.conditions import entity_tag
from ..schemas.errors import Problem
from ..schemas.states import event_views
from ..telemetry.log_context import append_keys

if TYPE_CHECKING:
    from ..engine.commit_loop import CommandResult
    from ..schemas.answers import Body, StateAnswer, SwitchAnswer

NO_HEADERS: Mapping[str, str] = {}
JSON = {"Content-Type": "application/json"}

CORS = CORSConfig(
    allow_headers=["Idempotency-Key", "If-Match", "If-None-Match"],
    expose_headers=[
        "ETag",
        "RateLimit-Limit",
        "RateLimit-Remaining",
        "RateLimit-Reset",
        "Retry-After",
        # The gateway's own; a client that asks for help has it to tell.
        "x-amzn-RequestId",
    ],
    max_age=600,
)


def succeed(
    answer: StateAnswer | SwitchAnswer, result: CommandResult, status: int = 200
) -> Response:
    """A session's answer, tagged with its version; a command's also says what happened."""
    if result.events:
        answer["events"] = event_views(result.events)
    return plain(answer, status, {"ETag": entity_tag(result.session.version)})


def plain(body: Body, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_json(body).decode(), {**JSON, **(headers or {})}, status)


def no_content() -> Response:
    return Response("", {}, 204)


def not_modified(result: CommandResult) -> Response:
    """304: the client has this version, and computes its clocks itself."""
    return Response("", {"ETag": entity_tag(result.session.version)}, 304)


def refuse(found: Problem, headers: Mapping[str, Any] = NO_HEADERS) -> Response:
    append_keys(code=found.code)
    return plain(found.answer(), found.status, {**headers, **found.headers})
