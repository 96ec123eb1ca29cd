"""Rules of the code base that no linter checks."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import app as tickless
from chalicelib.api_docs.operations import OPERATIONS
from chalicelib.container import Container
from chalicelib.engine.sweeper import CALLS_IN_FLIGHT_SECONDS, MINUTE_SECONDS
from chalicelib.rest.resource import SessionResource

ROOT = Path(__file__).parent.parent
VIEWS = {
    "/health": {"GET", "HEAD"},
    "/metrics": {"GET", "HEAD"},
    "/ready": {"GET", "HEAD"},
    "/openapi.json": {"GET", "HEAD"},
    "/asyncapi.json": {"GET", "HEAD"},
    "/": {"GET", "HEAD"},
    "/page/{version}/{package}/src/{name}": {"GET", "HEAD"},
    "/docs": {"GET", "HEAD"},
    "/docs/{asset}": {"GET", "HEAD"},
    "/v1/time": {"GET", "HEAD"},
    "/v1/sessions": {"POST"},
    "/v1/sessions/{session_id}": {"DELETE", "GET", "HEAD", "PATCH"},
    "/v1/sessions/{session_id}/events": {"GET", "HEAD"},
    "/v1/sessions/{session_id}/participants": {"POST"},
    "/v1/sessions/{session_id}/participants/{participant_id}": {"DELETE", "PATCH"},
    "/v1/sessions/{session_id}/tokens": {"POST"},
    "/v1/sessions/{session_id}/tokens/{token_id}": {"DELETE"},
    **{
        f"/v1/sessions/{{session_id}}/{command}": {"POST"}
        for command in (
            "start",
            "switch",
            "pause",
            "resume",
            "finish",
            "complete",
            "cancel",
            "adjust",
            "undo",
            "set_turn",
            "reopen",
            "reset",
        )
    },
}


def test_app_py_only_registers() -> None:
    tree = ast.parse((ROOT / "app.py").read_text())
    docstring, *statements = tree.body

    assert isinstance(docstring, ast.Expr)
    imported = {node.module for node in statements if isinstance(node, ast.ImportFrom)}
    assert imported == {"typing", "chalice.app", "chalicelib.rest", "chalicelib.container"}
    modules = [
        one.name for node in statements if isinstance(node, ast.Import) for one in node.names
    ]
    assert modules == ["gc"]
    functions = [node for node in statements if isinstance(node, ast.FunctionDef)]
    assert {node.name for node in functions} == {
        "connect",
        "message",
        "disconnect",
        "greet",
        "sweep",
    }
    assert all(len(node.body) == 1 for node in functions)
    others = [node for node in statements if node not in functions]
    assert all(
        isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.Expr) for node in others
    )


def test_handlers_outside_of_routes_are_in_app_py() -> None:
    sockets = {
        key: config.handler_string for key, config in tickless.app.websocket_handlers.items()
    }
    plain = {one.name: one.handler_string for one in tickless.app.pure_lambda_functions}

    assert sockets == {
        "$connect": "app.connect",
        "$default": "app.message",
        "$disconnect": "app.disconnect",
    }
    assert plain == {"greet": "app.greet"}


def test_scheduled_sweep_runs_every_minute_with_enough_time() -> None:
    sources: Any = tickless.app.event_sources
    (schedule,) = sources
    config = json.loads((ROOT / ".chalice/config.json").read_text())

    assert schedule.handler_string == "app.sweep"
    assert schedule.schedule_expression.to_string() == "rate(1 minute)"
    for stage in config["stages"].values():
        timeout = stage["lambda_functions"][schedule.name]["lambda_timeout"]
        assert timeout >= MINUTE_SECONDS + CALLS_IN_FLIGHT_SECONDS


def test_every_path_takes_every_method_so_that_405_is_ours() -> None:
    every = {"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"}

    assert {path: set(methods) for path, methods in tickless.app.routes.items()} == dict.fromkeys(
        VIEWS, every
    )
    for path, allowed in VIEWS.items():
        views = tickless.app.routes[path]
        assert {
            method for method in every if views[method].view_name != "not_allowed"
        } == allowed, path


@pytest.mark.parametrize("path", sorted((ROOT / "chalicelib").rglob("*.py")), ids=lambda p: p.name)
def test_only_settings_reads_the_environment(path: Path) -> None:
    reads = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert not reads or path.name == "settings.py"


def test_python_client_needs_only_its_declared_requirements() -> None:
    project = tomllib.loads((ROOT / "client/python/pyproject.toml").read_text())["project"]
    needed = {re.split(r"\W", one)[0] for one in project["dependencies"]}
    imported = {
        name.partition(".")[0]
        for path in (ROOT / "client/python/src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
    }

    assert imported - sys.stdlib_module_names == needed == {"httpx", "websockets"}


def test_gateway_needs_only_its_declared_requirements() -> None:
    project = tomllib.loads((ROOT / "local/gateway/pyproject.toml").read_text())["project"]
    extras = {one for all_of in project["optional-dependencies"].values() for one in all_of}
    needed = {re.split(r"[^\w-]", one)[0] for one in (*project["dependencies"], *extras)}
    deployed_app = ROOT / "local/gateway/src/chalice_gateway/conformance/app"
    imported = {
        name.partition(".")[0]
        for path in (ROOT / "local/gateway/src").rglob("*.py")
        if not path.is_relative_to(deployed_app)
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
    }

    distributions = {"jwt": "pyjwt"}
    third_party = {distributions.get(name, name) for name in imported - sys.stdlib_module_names}
    assert third_party == needed - {"chalice-gateway"}


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    return [str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else []


def test_every_module_has_a_docstring() -> None:
    for folder in ("chalicelib", "client/python", "local", "bench", "pictures", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            source = path.read_text()
            if source.strip() and path.name != "conftest.py":
                assert ast.get_docstring(ast.parse(source)), path


def test_only_api_docs_requests_import_the_api_docs() -> None:
    code = "import sys, app; print([name for name in sys.modules if 'contract' in name])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_auth_modules_are_not_imported_without_auth() -> None:
    code = """
import sys, app
import app
app.container.engine, app.container.websocket, app.container.authenticator
print([name for name in sys.modules if name.split(".")[0] == "jwt"])
"""
    credentials = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **credentials},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"


WITHOUT_CRYPTOGRAPHY = """
import json, sys
sys.modules["cryptography"] = None
from chalicelib.auth import jwt as tokens
from chalicelib.auth.jwks import InvalidKeys, new_key, read_keys
from chalicelib.auth.policy import Bearer, Role
keys = read_keys(json.dumps(new_key("first")))
server = Bearer(Role.SERVER, "*", "a-token", 0, 1)
assert tokens.read(tokens.sign(server, keys), keys) == server
try:
    read_keys(json.dumps({"kty": "OKP", "crv": "Ed25519", "kid": "curve", "x": "AAAA"}))
except InvalidKeys as refused:
    print(refused)
"""


def test_hmac_tokens_are_read_without_cryptography() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_CRYPTOGRAPHY],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("Key curve: EdDSA needs the cryptography package")


def test_exactly_the_session_routes_need_a_token() -> None:
    for operation in OPERATIONS:
        needs = operation.action is not None
        assert needs is operation.path.startswith("/v1/sessions"), operation.view


def test_route_without_an_action_is_not_registered() -> None:
    with pytest.raises(TypeError):
        SessionResource("nowhere", Container()).view("/v1/sessions/{session_id}/anything", "POST")


def test_each_requirement_is_pinned_once_with_its_purpose() -> None:
    lines = [
        line
        for path in ROOT.glob("requirements*.txt")
        for line in path.read_text().splitlines()
        if line and not line.startswith(("#", "-e ", "-r "))
    ]
    read = [re.fullmatch(r"([a-z0-9-]+)==[^;# ]+(; [^#]+)?  # .+", line) for line in lines]

    assert [line for line, match in zip(lines, read, strict=True) if match is None] == []
    names = Counter(match[1] for match in read if match)
    assert [name for name, count in names.items() if count > 1] == []


def test_chalice_reads_the_whole_configuration() -> None:
    config = json.loads((ROOT / ".chalice/config.json").read_text())

    assert config["app_name"] == tickless.app.app_name
    assert config["lambda_architecture"] == "arm64"
    assert "dev" in config["stages"]
