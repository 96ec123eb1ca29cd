"""Blueprints whose views may raise, and may take an authorized and rate-limited SessionRequest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING
from urllib.parse import unquote

from chalice.app import Blueprint, Chalice, Request, Response

from ..schemas.errors import Problem, internal_error, problem
from .responses import CORS, refuse
from .session_request import SessionRequest

if TYPE_CHECKING:
    from ..auth.policy import Action
    from ..container import Container

LOG = logging.getLogger("tickless")

View = Callable[..., Response]

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
JSON_TYPE = "application/json"
BODY_TYPES = {"POST": (JSON_TYPE,), "PATCH": (JSON_TYPE, "application/merge-patch+json")}
"""The media types of a body, by method; RFC 7396 has its own."""
FAILED_FROM = 500


class Resource(Blueprint):
    """A Blueprint whose views may raise: each exception becomes an error response.

    A middleware would be too late: by then Chalice has made a 500 of the exception.
    """

    def view(self, path: str, *methods: str) -> Callable[[View], View]:
        """Register a view, CORS and error answers included."""
        reads_body = not BODY_TYPES.keys().isdisjoint(methods)

        def register(view: View) -> View:
            @self.route(
                path,
                methods=list(methods),
                cors=CORS,
                # Chalice would also check the media type of an empty body, which has none.
                content_types=[],
                name=view.__name__,
            )
            @wraps(view)
            def handle(**arguments: str) -> Response:
                if reads_body and (found := _unsupported_media_type(self.current_request)):
                    return refuse(found)
                try:
                    return view(**_decoded(arguments))
                except Exception as error:
                    return self.error_response(error)

            return view

        return register

    def error_response(self, error: Exception) -> Response:
        """The response to an error that a view raised; logs it if it is ours."""
        found = problem(error)
        if found is None or found.status >= FAILED_FROM:
            request_id = self.current_request.context.get("requestId", "")
            LOG.error("request %s: %s", request_id, error, exc_info=found is None)
            found = found or internal_error(request_id)
        return refuse(found)


def _unsupported_media_type(request: Request) -> Problem | None:
    """What is wrong with the media type of a body; an empty one has none."""
    given = request.headers.get("content-type", JSON_TYPE)
    accepted = BODY_TYPES[request.method]
    if not request.raw_body or given.partition(";")[0].strip().lower() in accepted:
        return None
    types = " or ".join(accepted)
    return Problem("UNSUPPORTED_MEDIA_TYPE", f"The body must be {types}, got {given}")


def _decoded(arguments: dict[str, str]) -> dict[str, str]:
    """Path parameters, which API Gateway passes as sent: clients may encode any character."""
    return {name: unquote(value) for name, value in arguments.items()}


class SessionResource(Resource):
    """A Resource whose views take a SessionRequest, authorized and rate limited."""

    def __init__(self, import_name: str, container: Container) -> None:
        super().__init__(import_name)
        self._container = container

    def view(
        self, path: str, *methods: str, action: Action | None = None
    ) -> Callable[[View], View]:
        """Register a view that performs ``action``, for callers that may."""
        register = super().view(path, *methods)
        if action is None:
            raise TypeError(f"{path} must name the action that it performs")

        def decorate(view: View) -> View:
            @wraps(view)
            def handle(session_id: str | None = None, **arguments: str) -> Response:
                request = SessionRequest(self.current_request, self._container)
                try:
                    request.authorize(action, session_id)
                    response = view(request, **arguments)
                except Exception as error:
                    response = self.error_response(error)
                if response.status_code < FAILED_FROM:
                    try:
                        request.count_refused(response)
                    except Exception as error:
                        response = self.error_response(error)
                response.headers.update(request.rate_limit_headers())
                return response

            register(handle)
            return view

        return decorate


def refuse_other_methods(app: Chalice) -> None:
    """Answer 405 to every method that a path lacks, on AWS too.

    API Gateway answers an unknown method as it does an unknown path or a missing token, so every
    method is registered.
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
