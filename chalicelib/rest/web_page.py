"""/ and /page: the web page and its assets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalice.app import Response

from ..schemas.conditions import is_cached
from ..schemas.errors import Problem
from . import web_page_assets
from .resource import Resource
from .responses import refuse

if TYPE_CHECKING:
    from ..container import Container

# The page is revalidated; the URLs of its assets contain a version, so they never change.
REVALIDATED = {"Cache-Control": "no-cache"}
IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
NO_SNIFF = {"X-Content-Type-Options": "nosniff"}


def blueprint(container: Container) -> Resource:
    routes = Resource(__name__)

    @routes.view("/", "GET", "HEAD")
    def get_page() -> Response:
        websocket_url = container.settings.websocket_url
        origins = container.settings.allowed_origins
        # On AWS the stage precedes the path, and may come without a slash after it.
        asked_for: str = routes.current_request.context["path"]
        root = "" if asked_for.endswith("/") else f"{asked_for.rpartition('/')[2]}/"
        text = web_page_assets.html(root, websocket_url)
        policy = web_page_assets.policy(websocket_url, origins)
        # A 304 leaves the headers that a browser has as they are, so they are part of the version.
        tag = f'"{web_page_assets.digest(policy + text)}"'
        if is_cached(routes.current_request.headers.get("If-None-Match"), tag):
            return Response("", {**REVALIDATED, "ETag": tag}, 304)
        return Response(
            text,
            {
                **REVALIDATED,
                "ETag": tag,
                **NO_SNIFF,
                "Content-Type": "text/html; charset=utf-8",
                "Content-Security-Policy": policy,
                # For browsers without frame-ancestors. It can name no origins.
                **({} if origins else {"X-Frame-Options": "DENY"}),
                "Referrer-Policy": "no-referrer",
            },
        )

    @routes.view("/page/{version}/{package}/src/{name}", "GET", "HEAD")
    def get_asset(version: str, package: str, name: str) -> Response:
        found = web_page_assets.asset(package, name)
        if found is None:
            return refuse(Problem("NOT_FOUND", "The page has no such asset"))
        # A page from before a deployment gets the current asset, and must not cache it.
        caching = IMMUTABLE if version == web_page_assets.version() else REVALIDATED
        return Response(found.text, {**caching, **NO_SNIFF, "Content-Type": found.media_type})

    return routes
