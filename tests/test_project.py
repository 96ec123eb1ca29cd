"""The project's metadata agrees with itself: versions, the workflow, the hooks."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import chalice_gateway
from chalicelib import __version__

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()


def parsed_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


# One version


def test_python_client_has_the_version_of_the_server() -> None:
    project = tomllib.loads((ROOT / "client/python/pyproject.toml").read_text())["project"]

    assert project["version"] == __version__


def test_gateway_is_a_project_with_the_same_python_and_licence() -> None:
    project = tomllib.loads((ROOT / "local/gateway/pyproject.toml").read_text())["project"]
    client = tomllib.loads((ROOT / "client/python/pyproject.toml").read_text())["project"]

    assert project["requires-python"] == client["requires-python"]
    assert (ROOT / "local/gateway/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_latest_release_in_the_gateways_changelog_is_its_version() -> None:
    changelog = (ROOT / "local/gateway/CHANGELOG.md").read_text()
    releases = re.findall(r"^## (\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)

    assert releases[0][0] == chalice_gateway.__version__


def test_browser_client_has_the_version_of_the_server() -> None:
    package = json.loads((ROOT / "client/js/package.json").read_text())
    lock = json.loads((ROOT / "client/js/package-lock.json").read_text())

    assert package["version"] == __version__
    assert lock["version"] == lock["packages"][""]["version"] == __version__


def test_latest_release_in_the_changelog_is_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## (\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)

    assert releases[0][0] == __version__
    assert [date for _, date in releases] == sorted((date for _, date in releases), reverse=True)


def test_security_policy_supports_this_version() -> None:
    minor = __version__.rpartition(".")[0]

    assert f"| {minor}.x | yes |" in (ROOT / "SECURITY.md").read_text()


# Continuous integration


def test_workflow_runs_every_step_of_the_ci_script() -> None:
    script = (ROOT / ".ci/run").read_text()
    matrix = parsed_yaml(".github/workflows/ci.yml")["jobs"]["make"]["strategy"]["matrix"]

    commands = re.findall(r"^make (.+)$", script, re.MULTILINE)
    targets = [word for command in commands for word in command.split() if word[0] != "-"]
    assert sorted(matrix["target"]) == sorted(one for one in targets if not one.isdigit())


def test_workflow_runs_on_every_supported_python() -> None:
    matrix = parsed_yaml(".github/workflows/ci.yml")["jobs"]["make"]["strategy"]["matrix"]
    project = tomllib.loads((ROOT / "client/python/pyproject.toml").read_text())["project"]

    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    assert project["requires-python"] == f">={matrix['python'][0]}"


def test_every_hook_runs_a_command_of_make_check() -> None:
    (local,) = parsed_yaml(".pre-commit-config.yaml")["repos"]
    commands = [re.search(r"\.venv/bin/(\S+)", hook["entry"]) for hook in local["hooks"]]

    assert len(commands) >= 4
    for command in commands:
        assert command is not None
        assert f"$(BIN)/{command[1]}" in MAKEFILE


@pytest.mark.parametrize(
    ("ecosystem", "manifest"),
    [("pip", "requirements.txt"), ("pip", "pyproject.toml"), ("npm", "package-lock.json")],
)
def test_dependabot_watches_every_folder_with_requirements(ecosystem: str, manifest: str) -> None:
    watched = {
        update["directory"]
        for update in parsed_yaml(".github/dependabot.yml")["updates"]
        if update["package-ecosystem"] == ecosystem
    }
    found = [*ROOT.glob(f"client/*/{manifest}"), *ROOT.glob(f"local/*/{manifest}")]
    folders = {f"/{path.parent.relative_to(ROOT)}" for path in found}
    if (ROOT / manifest).exists():
        folders.add("/")

    assert folders
    assert folders <= watched
