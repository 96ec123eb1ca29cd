"""The conformance tests as a user runs them, and what they claim about themselves.

`make test` runs the tests themselves, from the package's folder.
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest
from chalice.analyzer import get_client_calls_for_app

from chalice_gateway.conformance import (
    APP_FOLDER,
    NOT_TESTED,
    test_connections_api,
    test_rest,
    test_websockets,
)
from chalice_gateway.conformance.deployment import Deployment, local_deployment
from chalice_gateway.tls import write_certificate

from .websocket_serving import WITHIN_S

README = Path(__file__).parents[2] / "local" / "gateway" / "README.md"
MODULES = (test_rest, test_websockets, test_connections_api)


def claims() -> Iterator[FunctionType]:
    for module in MODULES:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_"):
                yield function


def unconfirmed(test: FunctionType) -> list[str]:
    return [mark.args[0] for mark in getattr(test, "pytestmark", []) if mark.name == "unconfirmed"]


def run_suite(
    *arguments: str, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pyargs")
    return subprocess.run(
        [*command, "chalice_gateway.conformance", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=4 * WITHIN_S,
        check=False,
    )


@pytest.mark.parametrize("test", list(claims()), ids=lambda test: test.__name__)
def test_each_claim_names_a_source_or_is_unconfirmed(test: FunctionType) -> None:
    assert bool(unconfirmed(test)) != ("Source: " in (test.__doc__ or ""))


def test_readme_lists_what_is_unconfirmed() -> None:
    table = README.read_text().split("## Undocumented behaviour of AWS")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| .+ \|$", table, re.MULTILINE)[1:]
    asked = {question for test in claims() for question in unconfirmed(test)}

    assert set(rows) == asked | NOT_TESTED.keys()
    assert not asked & NOT_TESTED.keys()


def test_suite_runs_against_urls(tmp_path: Path) -> None:
    """Over TLS, as on AWS, and with credentials from boto3's chain."""
    certificate = tmp_path / "cert.pem"
    write_certificate(certificate, ["127.0.0.1"])
    with local_deployment("--tls-certificate", str(certificate)) as deployed:
        assert deployed.rest_url.startswith("https:")
        done = run_suite(
            *("--rest-url", deployed.rest_url, "--ws-url", deployed.ws_url, "-rs", "-k"),
            "views_are or post_arrives or wrong_signature or broken or idle",
            folder=tmp_path,
            AWS_ACCESS_KEY_ID="local",
            AWS_SECRET_ACCESS_KEY="local",
            AWS_CA_BUNDLE=str(certificate),
            SSL_CERT_FILE=str(certificate),
        )

    assert done.returncode == 0, done.stdout
    assert "6 passed, 2 skipped" in done.stdout
    assert "takes ten minutes; run it with --slow" in done.stdout
    listed = done.stdout.split("claims that no source confirms")[1]
    assert "passed  What `$disconnect` reports for a broken connection" in listed


def test_suite_needs_both_urls(tmp_path: Path) -> None:
    done = run_suite("--rest-url", "http://127.0.0.1:9", folder=tmp_path)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--rest-url and --ws-url need each other" in done.stdout


def test_options_are_those_of_the_suite_alone(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--rest-url')\n"
    )
    (tmp_path / "test_own.py").write_text(
        "def test_own(pytestconfig):\n    assert pytestconfig.getoption('rest_url') == 'mine'\n"
    )
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rest-url", "mine")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_chalice_can_read_the_app_to_derive_its_permissions() -> None:
    # `chalice deploy` does this, and fails for annotated variables.
    get_client_calls_for_app((APP_FOLDER / "app.py").read_text())


def test_region_is_that_of_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    host = "abc.execute-api.eu-central-1.amazonaws.com"
    deployed = Deployment(f"https://{host}/api", f"wss://{host}/api")

    connections = deployed.connections()

    assert connections.meta.region_name == "eu-central-1"
    assert connections.meta.endpoint_url == f"https://{host}/api"


def test_gateway_that_does_not_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="--idle-seconds"), local_deployment("--idle-seconds"):
        pass
