"""REST: one Blueprint per resource. A view reads the request, calls the engine and responds.

Views decide nothing about sessions and catch no error: what they raise becomes a response in
``responses``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalice.app import Chalice

from . import api_docs, health, metrics, page, sessions, time, tokens
from .observability import register_observability
from .responses import answer_failures, refuse_other_methods, reshape

if TYPE_CHECKING:
    from ..container import Container


def register(app: Chalice, container: Container) -> None:
    """Give the application its routes, and observe all of its functions."""
    # All responses are text: none has to be compared with the binary media types.
    app.api.binary_types = []
    for blueprint in (
        api_docs.blueprint(),
        health.blueprint(container),
        metrics.blueprint(container),
        page.blueprint(container),
        sessions.blueprint(container),
        time.blueprint(container),
        tokens.blueprint(container),
    ):
        app.register_blueprint(blueprint)
    # From the outermost to the innermost: what is observed has its final shape.
    app.register_middleware(answer_failures, "http")
    register_observability(app, container)
    app.register_middleware(reshape, "http")
    refuse_other_methods(app)
