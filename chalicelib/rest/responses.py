"""REST responses: envelope, errors, entity tags and CORS.

The headers of an error, such as Retry-After, are set in ``schemas.errors``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalice.app import CORSConfig, Response
from pydantic_core import to_json

from ..schemas.errors import Problem
from ..telemetry.log_context import append_keys

if TYPE_CHECKING:
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
        # API Gateway's request id, which a bug report should contain.
        "x-amzn-RequestId",
    ],
    max_age=600,
)


def succeed(answer: StateAnswer | SwitchAnswer, version: int, status: int = 200) -> Response:
    """A response about a session, with its version as the entity tag."""
    return plain(answer, status, {"ETag": _entity_tag(version)})


def plain(body: Body, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_json(body).decode(), {**JSON, **(headers or {})}, status)


def no_content() -> Response:
    return Response("", {}, 204)


def not_modified(version: int) -> Response:
    """304: the client has this version, and computes its clocks itself."""
    return Response("", {"ETag": _entity_tag(version)}, 304)


def _entity_tag(version: int) -> str:
    """See ``schemas.conditions``, which reads them."""
    return f'"{version}"'


def refuse(found: Problem, headers: Mapping[str, Any] = NO_HEADERS) -> Response:
    append_keys(code=found.code)
    return plain(found.answer(), found.status, {**headers, **found.headers})
