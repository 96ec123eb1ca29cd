"""/openapi.json, /asyncapi.json, /docs: the API's documents, built at the first request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from chalice.app import Response
from pydantic_core import to_json

from ..schemas.errors import Problem
from .resource import Resource
from .responses import JSON, refuse

# A deployment can change the documents; a URL with a digest never changes its content.
CHANGING = {"Cache-Control": "public, max-age=300"}
IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
NO_SNIFF = {"X-Content-Type-Options": "nosniff"}


def blueprint() -> Resource:
    routes = Resource(__name__)

    @routes.view("/openapi.json", "GET", "HEAD")
    def get_openapi() -> Response:
        return _sent(_openapi(), {**JSON, **CHANGING})

    @routes.view("/asyncapi.json", "GET", "HEAD")
    def get_asyncapi() -> Response:
        return _sent(_asyncapi(), {**JSON, **CHANGING})

    @routes.view("/docs", "GET", "HEAD")
    def get_docs() -> Response:
        from ..api_docs.docs_page import POLICY, html

        # URLs are relative: on AWS the stage precedes the path.
        asked_for: str = routes.current_request.context["path"]
        page = html("../" if asked_for.endswith("/") else "")
        headers = {
            **CHANGING,
            **NO_SNIFF,
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": POLICY,
            "Referrer-Policy": "no-referrer",
        }
        return _sent(page, headers)

    @routes.view("/docs/{asset}", "GET", "HEAD")
    def get_asset(asset: str) -> Response:
        from ..api_docs.docs_page import asset as find_asset

        found = find_asset(asset)
        if found is None:
            return refuse(Problem("NOT_FOUND", "The page has no such asset"))
        # During a deployment, a new page may request its assets from an old function.
        query: Mapping[str, str] = routes.current_request.query_params or {}
        caching = IMMUTABLE if query.get("v") == found.digest else CHANGING
        return _sent(found.text, {**caching, **NO_SNIFF, "Content-Type": found.media_type})

    return routes


def _sent(text: str, headers: Mapping[str, str]) -> Response:
    return Response(text, dict(headers))


@cache
def _openapi() -> str:
    from ..api_docs import openapi

    return to_json(openapi.document()).decode()


@cache
def _asyncapi() -> str:
    from ..api_docs import asyncapi

    return to_json(asyncapi.document()).decode()
