"""The contents of the zip."""

from __future__ import annotations

import json
import platform
import re
from pathlib import Path
from zipfile import ZipFile

import pytest

from infra.bundle import LIMIT_BYTES
from infra.packaging import (
    ROOT,
    THIS_ARCHITECTURE,
    Package,
    PackagingFailed,
    chalice_package,
    package,
)

SMALL_APP = """
from chalice import Chalice

app = Chalice("small")


@app.route("/")
def index():
    return {}
"""


@pytest.fixture(scope="module")
def names(packaged: Package) -> set[str]:
    with ZipFile(packaged.zip) as bundle:
        return set(bundle.namelist())


def pins(requirements: str) -> set[str]:
    lines = (ROOT / requirements).read_text().splitlines()
    return {line.split("==")[0].lower() for line in lines if "==" in line}


def distributions(names: set[str]) -> set[str]:
    found = (re.match(r"([^/]+)-[^-/]+\.dist-info/", name) for name in names)
    return {match[1].lower().replace("_", "-") for match in found if match}


def test_bundle_is_small(packaged: Package) -> None:
    assert packaged.zip.stat().st_size < LIMIT_BYTES == 20_000_000


def test_bundle_contains_the_whole_application(names: set[str]) -> None:
    sources = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "chalicelib").rglob("*")
        if path.suffix in (".py", ".lua", ".html", ".css", ".js")
    }

    assert {"app.py", "chalicelib/store/scripts/commit.lua"} <= {"app.py"} | sources <= names
    inside = {name for name in names if name.startswith("chalicelib/")}
    assert {name for name in inside if not name.endswith(".pyc")} == sources


def test_modules_have_byte_code_of_the_python_of_lambda(names: set[str]) -> None:
    assert {
        "__pycache__/app.cpython-313.pyc",
        "chalicelib/engine/__pycache__/sync_engine.cpython-313.pyc",
        "hiredis/__pycache__/__init__.cpython-313.pyc",
    } <= names


def test_bundle_contains_no_development_files(names: set[str]) -> None:
    found = distributions(names)

    assert pins("requirements.txt") <= found
    for others in ("requirements-local.txt", "requirements-dev.txt"):
        assert not (pins(others) - pins("requirements.txt")) & found
    folders = {name.partition("/")[0] for name in names}
    assert not folders & {"local", "tests", "bench", "infra", "docs", ".chalice", "vendor"}


def test_bundle_contains_the_page_and_nothing_else_of_the_clients(names: set[str]) -> None:
    client = ROOT / "client"
    sources = [
        client / "web" / "index.html",
        *client.glob("web/src/*"),
        *client.glob("js/src/*"),
    ]

    assert len(sources) > 30
    assert {name for name in names if name.startswith("client/")} == {
        str(path.relative_to(ROOT)) for path in sources
    }


def wheel(folder: Path, name: str, platform_tag: str) -> Path:
    """A distribution that there is for one platform alone."""
    path = folder / f"{name}-1.0-cp313-cp313-{platform_tag}.whl"
    with ZipFile(path, "w") as packed:
        packed.writestr(f"{name}-1.0.dist-info/METADATA", f"Name: {name}\nVersion: 1.0\n")
        packed.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        packed.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return path


def test_unavailable_requirement_fails_the_packaging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path, "for_here", f"linux_{platform.machine()}")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    (tmp_path / "requirements.txt").write_text("for-here==1.0\n")
    (tmp_path / "app.py").write_text(SMALL_APP)
    elsewhere = "x86_64" if THIS_ARCHITECTURE == "arm64" else "arm64"
    config = {"version": "2.0", "app_name": "small", "lambda_architecture": elsewhere}

    with pytest.raises(PackagingFailed, match=r"(?s)Could not install.*for.here"):
        chalice_package(tmp_path, {**config, "stages": {"dev": {}}}, "dev", tmp_path / "out", {})


def test_broken_app_fails_the_packaging(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import nothing_of_that_name\n")
    config = {"version": "2.0", "app_name": "small", "stages": {"dev": {}}}

    with pytest.raises(PackagingFailed, match="nothing_of_that_name"):
        chalice_package(tmp_path, config, "dev", tmp_path / "out", {})


def test_unconfigured_stage_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PackagingFailed, match="no stage moon, but dev, prod"):
        package("moon", tmp_path / "out")


def test_unmatched_template_fails_the_packaging(tmp_path: Path) -> None:
    # An app without sockets: our templates would complete functions that are not there.
    (tmp_path / ".chalice").mkdir()
    config = {"version": "2.0", "app_name": "small", "lambda_architecture": "arm64"}
    (tmp_path / ".chalice" / "config.json").write_text(
        json.dumps({**config, "stages": {"dev": {}}})
    )
    (tmp_path / "app.py").write_text(SMALL_APP)

    with pytest.raises(PackagingFailed, match=r"Chalice makes no .*WebsocketConnect"):
        package("dev", tmp_path / "out", source=tmp_path)
