"""/v1/time: the only clock there is, for clients that set theirs by it."""

from __future__ import annotations

from chalice.app import Response

from .. import __version__
from ..container import container
from .responses import Resource, plain

routes = Resource(__name__)

DRIFT_TOLERANCE_MS = 50


@routes.view("/v1/time", "GET", "HEAD")
def get_time() -> Response:
    return plain(
        {
            "timestamp_ms": container().store.now_ms(),
            "server_version": __version__,
            "drift_tolerance_ms": DRIFT_TOLERANCE_MS,
        }
    )
