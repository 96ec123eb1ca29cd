"""REST: one Blueprint per resource. A view reads the request, asks the engine, answers.

Views decide nothing about sessions, and no view catches an error: what they
raise becomes an answer in ``answers``.
"""

from __future__ import annotations

from chalice.app import Chalice

from . import api_docs as docs
from . import health, metrics, page, sessions, time, tokens
from .observability import observe
from .responses import answer_failures, refuse_other_methods, reshape

BLUEPRINTS = (
    docs.routes,
    health.routes,
    metrics.routes,
    page.routes,
    sessions.routes,
    time.routes,
    tokens.routes,
)


def register(app: Chalice) -> None:
    """Give the application its routes, and have all of its functions observed."""
    # Everything here is text: no answer has to be compared with what might be binary.
    app.api.binary_types = []
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    # From the outermost to the innermost: what is observed has its final shape.
    app.register_middleware(answer_failures, "http")
    observe(app)
    app.register_middleware(reshape, "http")
    refuse_other_methods(app)
