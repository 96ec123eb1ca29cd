"""/v1/time: the store's clock, for clients that set theirs by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalice.app import Response

from .. import __version__
from .resource import Resource
from .responses import plain

if TYPE_CHECKING:
    from ..container import Container

DRIFT_TOLERANCE_MS = 50


def blueprint(container: Container) -> Resource:
    routes = Resource(__name__)

    @routes.view("/v1/time", "GET", "HEAD")
    def get_time() -> Response:
        return plain(
            {
                "timestamp_ms": container.store.now_ms(),
                "server_version": __version__,
                "drift_tolerance_ms": DRIFT_TOLERANCE_MS,
            }
        )

    return routes
