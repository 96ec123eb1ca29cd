"""A small Chalice app to test how the gateway passes requests and results."""

from __future__ import annotations

import base64
import threading
from typing import Any

from chalice.app import Blueprint, Chalice, CORSConfig, Response

from chalice_gateway.lambdas import make_thread_safe
from tests.waiting import HUNG_AFTER_S

CORS = CORSConfig(
    allow_origin="https://example.test",
    allow_headers=["If-Match"],
    expose_headers=["ETag"],
    max_age=60,
    allow_credentials=True,
)


def make_app() -> Chalice:
    """A new app; Chalice keeps an app's request on the app, so tests don't share one."""
    app = Chalice("echo", configure_logs=False)
    blueprint = Blueprint("tests.gateway.rest_app")
    meeting = threading.Barrier(2, timeout=HUNG_AFTER_S)

    @app.route("/event", methods=["GET", "POST", "HEAD"])
    def event() -> Any:
        request = app.current_request
        assert request is not None
        return request.to_original_event()

    @app.route("/things/{name}", methods=["GET", "PUT"], cors=CORS)
    def thing(name: str) -> Any:
        return {"name": name}

    @app.route("/things/special", methods=["GET"])
    def special() -> Any:
        return {"special": True}

    @app.route("/custom-preflight", methods=["GET", "OPTIONS"], cors=True)
    def custom_preflight() -> Any:
        return Response("mine", headers={"X-Mine": "1"})

    @blueprint.route("/meet/{name}", methods=["GET"])
    def meet(name: str) -> Any:
        before = blueprint.current_request.uri_params
        meeting.wait()
        after = blueprint.current_request.uri_params
        context = blueprint.lambda_context
        return {"before": before, "after": after, "request": context.aws_request_id, "name": name}

    app.register_blueprint(blueprint)
    return make_thread_safe(app)


def raising(_event: Any, _context: Any) -> Any:
    raise KeyError("a secret")


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()
