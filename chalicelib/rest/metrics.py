"""/metrics: what Prometheus scrapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalice.app import Response

from .resource import Resource

if TYPE_CHECKING:
    from ..container import Container


def blueprint(container: Container) -> Resource:
    routes = Resource(__name__)

    @routes.view("/metrics", "GET", "HEAD")
    def metrics() -> Response:
        # Most functions never need it.
        from ..telemetry.prometheus import CONTENT_TYPE  # noqa: PLC0415

        return Response(container.metrics_text().decode(), {"Content-Type": CONTENT_TYPE}, 200)

    return routes
