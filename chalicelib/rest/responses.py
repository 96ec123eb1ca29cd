"""How REST answers: the envelope, the errors, the headers, for every view alike."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from chalice.app import Blueprint, Chalice, CORSConfig, Response
from chalice.app import Request as ChaliceRequest
from pydantic_core import to_json

from ..schemas.conditions import entity_tag
from ..schemas.errors import CODES, PayloadTooLarge, Problem, internal_error, problem
from ..schemas.fields import Request
from ..schemas.requests import read
from ..schemas.states import event_view
from ..settings import InvalidSetting
from ..telemetry.log_context import append_keys

if TYPE_CHECKING:
    from ..schemas.answers import Body, StateAnswer, SwitchAnswer

if TYPE_CHECKING:
    from ..engine.commit_loop import CommandResult

LOG = logging.getLogger("tickless")

View = Callable[..., Response]
Model = TypeVar("Model", bound=Request)

BODY_BYTES = 1024 * 1024
NO_HEADERS: Mapping[str, str] = {}
JSON = {"Content-Type": "application/json"}
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")

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
        answer["events"] = [event_view(event) for event in result.events]
    return plain(answer, status, {"ETag": entity_tag(result.session.version)})


def plain(body: Body, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_json(body).decode(), {**JSON, **(headers or {})}, status)


def no_content() -> Response:
    return Response("", {}, 204)


def not_modified(result: CommandResult) -> Response:
    """304: the client has this version, and computes its clocks itself."""
    return Response("", {"ETag": entity_tag(result.session.version)}, 304)


def body_as(model: type[Model], request: ChaliceRequest) -> Model:
    """The request's body as a model.

    Raises:
        PayloadTooLarge: It is above 1 MB.
        MalformedJson: It is not JSON.
        InvalidRequest: It is not what the model wants.
    """
    raw = cast(bytes, request.raw_body)
    if len(raw) > BODY_BYTES:
        raise PayloadTooLarge(BODY_BYTES)
    return read(model, raw)


def refuse(found: Problem, headers: Mapping[str, Any] = NO_HEADERS) -> Response:
    append_keys(code=found.code)
    return plain(found.answer(), found.status, {**headers, **found.headers})


class Resource(Blueprint):
    """A Blueprint whose views may raise: whatever they raise is answered in our shape.

    A middleware would be too late: Chalice has made a 500 of the exception by
    the time it sees it.
    """

    def view(self, path: str, *methods: str) -> Callable[[View], View]:
        """Register a view, CORS and error answers included."""
        # Without a body there is nothing whose media type could be wrong.
        reads_body = "POST" in methods

        def register(view: View) -> View:
            @self.route(
                path,
                methods=list(methods),
                cors=CORS,
                content_types=["application/json"] if reads_body else [],
                name=view.__name__,
            )
            @wraps(view)
            def answered(**arguments: str) -> Response:
                return self.respond(partial(view, **arguments))

            return view

        return register

    def respond(self, work: Callable[[], Response]) -> Response:
        """What ``work`` returns, or the answer to what it raises."""
        try:
            return work()
        except Exception as error:
            return refuse(self._problem(error))

    def _problem(self, error: Exception) -> Problem:
        found = problem(error)
        if found is not None and found.status < 500:
            return found
        request_id = self.current_request.context.get("requestId", "")
        LOG.error("request %s: %s", request_id, error, exc_info=found is None)
        return found or internal_error(request_id)


def answer_failures(
    request: ChaliceRequest, get_response: Callable[[ChaliceRequest], Response]
) -> Response:
    """Middleware around all others: what one of them raises is answered, too.

    Nothing can be observed, for instance, where a setting is invalid, which the
    log has said already.
    """
    request_id = request.context.get("requestId", "")
    try:
        return get_response(request)
    except InvalidSetting:
        return refuse(internal_error(request_id), CORS.get_access_control_headers())
    except Exception as error:
        LOG.error("request %s: %s", request_id, error, exc_info=True)
        return refuse(internal_error(request_id), CORS.get_access_control_headers())


def reshape(
    request: ChaliceRequest, get_response: Callable[[ChaliceRequest], Response]
) -> Response:
    """Middleware: what Chalice itself answers, put into our shape, CORS headers included."""
    response = get_response(request)
    body = response.body
    if not isinstance(body, dict) or "Code" not in body:
        return response
    code = CODES.get(response.status_code)
    if code is None:
        found = internal_error(request.context.get("requestId", ""))
    else:
        found = Problem(code, body["Message"])
    return refuse(found, {**CORS.get_access_control_headers(), **response.headers})


def refuse_other_methods(app: Chalice) -> None:
    """Answer 405 to every method a path lacks, on AWS too.

    API Gateway tells an unknown method from an unknown path no more than it
    tells either from a missing token, so the methods are made known.
    """
    for path, views in list(app.routes.items()):
        missing = [method for method in METHODS if method not in views]
        allowed = ", ".join(sorted({*views, "OPTIONS"}))

        def not_allowed(allowed: str = allowed, **_: str) -> Response:
            found = Problem("METHOD_NOT_ALLOWED", f"This path takes {allowed}")
            return refuse(found, {"Allow": allowed})

        app.route(path, methods=missing, cors=CORS, content_types=[], name="not_allowed")(
            not_allowed
        )
