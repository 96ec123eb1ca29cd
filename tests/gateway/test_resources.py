"""Resource matching and CORS preflights."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalice_gateway.proxy_request import split_target
from chalice_gateway.resources import RouteTable, preflight_response

from .rest_app import CORS, make_app


def table(*paths: str) -> RouteTable:
    return RouteTable({path: {} for path in paths})


SESSIONS = table(
    "/",
    "/health",
    "/v1/sessions",
    "/v1/sessions/{id}",
    "/v1/sessions/{id}/switch",
    "/v1/sessions/new",
)


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("/", "/", None),
        ("/health", "/health", None),
        ("/health/", "/health", None),
        ("/v1/sessions/abc", "/v1/sessions/{id}", {"id": "abc"}),
        ("/v1/sessions/abc/", "/v1/sessions/{id}", {"id": "abc"}),
        ("/v1/sessions/abc/switch", "/v1/sessions/{id}/switch", {"id": "abc"}),
        ("/v1/sessions/new", "/v1/sessions/new", None),
        ("/v1/sessions/new/switch", "/v1/sessions/{id}/switch", {"id": "new"}),
        ("/v1/sessions/a%2Fb%20c", "/v1/sessions/{id}", {"id": "a%2Fb%20c"}),
        ("/v1/sessions/a+b", "/v1/sessions/{id}", {"id": "a+b"}),
        ("/v1/sessions/%C3%A4", "/v1/sessions/{id}", {"id": "%C3%A4"}),
        ("/v1/sessions/%FF", "/v1/sessions/{id}", {"id": "%FF"}),
        ("/he%61lth", "/health", None),
    ],
)
def test_path_matches_its_resource(
    path: str, resource: str, parameters: dict[str, str] | None
) -> None:
    matched = SESSIONS.match(path)
    assert matched is not None
    assert (matched.resource.path, matched.path_parameters) == (resource, parameters)


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/v1", "/v1/sessions/a/b", "/v1/sessions//switch", "//health", "/Health", "*", ""],
)
def test_other_path_matches_no_resource(path: str) -> None:
    assert SESSIONS.match(path) is None or path == ""


def test_parameters_have_the_names_of_their_route() -> None:
    routes = table("/{a}/x/{b}", "/{c}/y")
    matched = routes.match("/1/x/2")
    assert matched is not None
    assert matched.path_parameters == {"a": "1", "b": "2"}
    matched = routes.match("/1/y")
    assert matched is not None
    assert matched.path_parameters == {"c": "1"}


@given(st.lists(st.text(alphabet="ab/%{}.é", min_size=1), min_size=2, max_size=2))
def test_parameter_is_as_sent(values: list[str]) -> None:
    first, second = (quote(value, safe="") for value in values)
    matched = table("/p/{x}/q/{y}").match(f"/p/{first}/q/{second}")
    assert matched is not None
    assert matched.path_parameters == {"x": first, "y": second}


FILES = table("/files/{proxy+}", "/files/index", "/files/{name}", "/files/{name}/info", "/{rest+}")


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("/files/a/b.txt", "/files/{proxy+}", {"proxy": "a/b.txt"}),
        ("/files/a/b/", "/files/{proxy+}", {"proxy": "a/b"}),
        ("/files/a%2Fb/c%20d", "/files/{proxy+}", {"proxy": "a%2Fb/c%20d"}),
        ("/files/a//b", "/files/{proxy+}", {"proxy": "a//b"}),
        ("/files/index", "/files/index", None),
        ("/files/a", "/files/{name}", {"name": "a"}),
        ("/files/a/info", "/files/{name}/info", {"name": "a"}),
        ("/files/a/info/x", "/files/{proxy+}", {"proxy": "a/info/x"}),
        ("/files/index/x", "/files/{proxy+}", {"proxy": "index/x"}),
        ("/files", "/{rest+}", {"rest": "files"}),
        ("/other/x", "/{rest+}", {"rest": "other/x"}),
    ],
)
def test_greedy_parameter_takes_the_rest_of_the_path(
    path: str, resource: str, parameters: dict[str, str] | None
) -> None:
    matched = FILES.match(path)
    assert matched is not None
    assert (matched.resource.path, matched.path_parameters) == (resource, parameters)


def test_greedy_parameter_is_not_empty() -> None:
    assert FILES.match("/") is None
    assert table("/files/{proxy+}").match("/files/") is None


@pytest.mark.parametrize(
    ("target", "path_and_query"),
    [
        ("/a?b=c?d", ("/a", "b=c?d")),
        ("/a", ("/a", "")),
        ("/a?", ("/a", "")),
        ("http://host:1/a/b?c", ("/a/b", "c")),
        ("http://host", ("/", "")),
        ("*", ("*", "")),
    ],
)
def test_target_is_split_into_path_and_query(target: str, path_and_query: tuple[str, str]) -> None:
    assert split_target(target) == path_and_query


def routes_of(path: str) -> Any:
    return make_app().routes[path]


def test_preflight_has_the_routes_methods_and_headers() -> None:
    preflight = preflight_response(routes_of("/things/{name}"))
    assert preflight is not None
    assert preflight.status == 200
    assert dict(preflight.headers) == {
        "Content-Type": "application/json",
        "Access-Control-Allow-Methods": "GET,PUT,OPTIONS",
        **CORS.get_access_control_headers(),
    }
    assert preflight.body == b""


@pytest.mark.parametrize("path", ["/event", "/custom-preflight"])
def test_no_preflight_without_cors_or_with_an_options_view(path: str) -> None:
    assert preflight_response(routes_of(path)) is None
