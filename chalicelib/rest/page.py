"""/ and /page: the page on which sessions are made and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalice.app import Response

from ..schemas.conditions import is_cached
from ..schemas.errors import Problem
from . import web_page as web
from .resource import Resource
from .responses import refuse

if TYPE_CHECKING:
    from ..container import Container

# Who holds the page asks whether it is still the same; what it loads has its version in its
# address, and never changes.
ASKED_FOR_ANEW = {"Cache-Control": "no-cache"}
LASTING = {"Cache-Control": "public, max-age=31536000, immutable"}
UNSNIFFED = {"X-Content-Type-Options": "nosniff"}


def blueprint(container: Container) -> Resource:
    routes = Resource(__name__)

    @routes.view("/", "GET", "HEAD")
    def get_page() -> Response:
        websocket_url = container.settings.websocket_url
        # On AWS the stage stands before the path, and may come without a slash behind it.
        asked_for: str = routes.current_request.context["path"]
        root = "" if asked_for.endswith("/") else f"{asked_for.rpartition('/')[2]}/"
        text = web.html(root, websocket_url)
        tag = f'"{web.digest(text)}"'
        if is_cached(routes.current_request.headers.get("If-None-Match"), tag):
            return Response("", {**ASKED_FOR_ANEW, "ETag": tag}, 304)
        return Response(
            text,
            {
                **ASKED_FOR_ANEW,
                "ETag": tag,
                **UNSNIFFED,
                "Content-Type": "text/html; charset=utf-8",
                "Content-Security-Policy": web.policy(websocket_url),
                "Referrer-Policy": "no-referrer",
            },
        )

    @routes.view("/page/{version}/{package}/src/{name}", "GET", "HEAD")
    def get_part(version: str, package: str, name: str) -> Response:
        found = web.part(package, name)
        if found is None:
            return refuse(Problem("NOT_FOUND", "The page has no such part"))
        # A page from before a deployment is given what there is now, but not to keep.
        kept = LASTING if version == web.version() else ASKED_FOR_ANEW
        return Response(found.text, {**kept, **UNSNIFFED, "Content-Type": found.media_type})

    return routes
