"""/metrics: what Prometheus collects."""

from __future__ import annotations

from chalice.app import Response

from ..container import container
from .responses import Resource

routes = Resource(__name__)


@routes.view("/metrics", "GET", "HEAD")
def metrics() -> Response:
    from ..telemetry.prometheus import CONTENT_TYPE  # noqa: PLC0415 (most functions never need it)

    return Response(container().metrics_page().decode(), {"Content-Type": CONTENT_TYPE}, 200)
