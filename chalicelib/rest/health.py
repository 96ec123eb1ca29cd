"""/health: this process answers. /ready: and its store does too."""

from __future__ import annotations

from chalice.app import Response

from ..container import container
from ..core.errors import StoreUnavailable
from ..schemas.errors import RETRY_AFTER_SECONDS
from .responses import Resource, plain

routes = Resource(__name__)


@routes.view("/health", "GET", "HEAD")
def health() -> Response:
    return plain({"status": "ok"})


@routes.view("/ready", "GET", "HEAD")
def ready() -> Response:
    try:
        container().store.ping()
    except StoreUnavailable:
        return plain(
            {"status": "not_ready", "error": "The store can't be reached"},
            503,
            {"Retry-After": str(RETRY_AFTER_SECONDS)},
        )
    return plain({"status": "ready"})
