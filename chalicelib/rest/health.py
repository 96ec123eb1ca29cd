"""/health: this process responds. /ready: and its store does too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalice.app import Response

from ..core.errors import StoreUnavailable
from ..schemas.errors import RETRY_AFTER_SECONDS
from .resource import Resource
from .responses import plain

if TYPE_CHECKING:
    from ..container import Container


def blueprint(container: Container) -> Resource:
    routes = Resource(__name__)

    @routes.view("/health", "GET", "HEAD")
    def health() -> Response:
        return plain({"status": "ok"})

    @routes.view("/ready", "GET", "HEAD")
    def ready() -> Response:
        try:
            container.store.ping()
        except StoreUnavailable:
            return plain(
                {"status": "not_ready", "error": "The store can't be reached"},
                503,
                {"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
        return plain({"status": "ready"})

    return routes
