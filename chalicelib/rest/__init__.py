"""REST: one Blueprint per resource. A view reads the request, calls the engine and responds.

Views decide nothing about sessions and catch no error: what they raise becomes a response in
``resource``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalice.app import Chalice

from . import api_docs, health, metrics, sessions, time, tokens, web_page
from .middleware import register_middleware
from .resource import refuse_other_methods

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
        web_page.blueprint(container),
        sessions.blueprint(container),
        time.blueprint(container),
        tokens.blueprint(container),
    ):
        app.register_blueprint(blueprint)
    register_middleware(app, container)
    refuse_other_methods(app)
