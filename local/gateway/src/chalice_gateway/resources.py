"""Resource matching: the API resource and path parameters for a request's path.

Owns the tree of routes, and the CORS preflights that Chalice makes API Gateway answer.
Must never look at a request's headers or body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from chalice.app import RouteEntry

from .http_messages import Response


@dataclass(frozen=True, slots=True)
class Resource:
    """An API resource, such as ``/v1/sessions/{id}``, and its methods."""

    path: str
    resource_id: str
    parameters: tuple[str, ...]
    methods: frozenset[str]
    preflight: Response | None


@dataclass(frozen=True, slots=True)
class Matched:
    resource: Resource
    path_parameters: dict[str, str] | None


@dataclass(slots=True)
class _Node:
    resource: Resource | None
    literals: dict[str, _Node]
    parameter: _Node | None = None
    greedy: _Node | None = None


class RouteTable:
    """The resources as a tree of path segments; immutable once built."""

    def __init__(self, routes: Mapping[str, Mapping[str, RouteEntry]]) -> None:
        self._root = _Node(None, {})
        for number, (path, methods) in enumerate(routes.items()):
            segments = _segments(path)
            node = self._root
            for segment in segments:
                if _is_greedy(segment):
                    node.greedy = node.greedy or _Node(None, {})
                    node = node.greedy
                elif _is_parameter(segment):
                    node.parameter = node.parameter or _Node(None, {})
                    node = node.parameter
                else:
                    node = node.literals.setdefault(segment, _Node(None, {}))
            node.resource = Resource(
                path=path,
                resource_id=f"r{number:05}",
                parameters=tuple(s[1:-1].removesuffix("+") for s in segments if _is_parameter(s)),
                methods=frozenset(methods),
                preflight=preflight_response(methods),
            )

    def match(self, path: str) -> Matched | None:
        """The resource that matches ``path``, which is percent-encoded.

        A literal segment wins over a parameter, and a parameter over a greedy one such as
        ``{proxy+}``. Values are as sent: AWS doesn't decode them for REST APIs, as captured
        events show. A trailing slash is ignored.
        """
        values: list[str] = []
        resource = _find(self._root, _segments(path), 0, values)
        if resource is None:
            return None
        return Matched(
            resource, dict(zip(resource.parameters, values, strict=True)) if values else None
        )


def _find(node: _Node, segments: list[str], at: int, values: list[str]) -> Resource | None:
    if at == len(segments):
        return node.resource
    segment = segments[at]
    literal = node.literals.get(unquote(segment))
    if literal is not None:
        found = _find(literal, segments, at + 1, values)
        if found is not None:
            return found
    # [?] AWS doesn't document whether it backtracks when a literal segment leads to no match.
    if not segment:
        return None
    if node.parameter is not None:
        values.append(segment)
        found = _find(node.parameter, segments, at + 1, values)
        if found is not None:
            return found
        values.pop()
    if node.greedy is not None:
        values.append("/".join(segments[at:]))
        return node.greedy.resource
    return None


def _is_greedy(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("+}")


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")


def _segments(path: str) -> list[str]:
    return path.removeprefix("/").removesuffix("/").split("/")


def preflight_response(methods: Mapping[str, RouteEntry]) -> Response | None:
    """The response of the OPTIONS method that Chalice generates for a path with CORS, if any.

    In Chalice's template it is a mock integration, so no Lambda is invoked
    (``SwaggerGenerator._add_preflight_request``).
    """
    with_cors = [method for method, route in methods.items() if route.cors is not None]
    if not with_cors or "OPTIONS" in methods:
        return None
    cors = methods[with_cors[-1]].cors
    return Response(
        200,
        (
            ("Content-Type", "application/json"),
            ("Access-Control-Allow-Methods", ",".join([*with_cors, "OPTIONS"])),
            *cors.get_access_control_headers().items(),
        ),
    )
