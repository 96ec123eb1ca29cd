"""Builds the package for AWS: ``deployment.zip`` and ``sam.json``.

Chalice's own packager does the work, on a copy of the deployed files. It only warns about a
requirement that it could not install; here that is an error, as is everything else that
would fail on AWS.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import bundle
from .merge_templates import merge_templates
from .virtualenvs import VERSION, virtualenv

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build"
CONFIG = Path(".chalice") / "config.json"
THIS_ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
"""This machine's architecture in Lambda's terms, for packages that run here."""

DEPLOYED = {
    "app.py": "app.py",
    "chalicelib": "chalicelib",
    "requirements.txt": "requirements.txt",
    # Chalice copies the contents of vendor/ to the directory of app.py.
    "client/web/index.html": "vendor/client/web/index.html",
    "client/web/src": "vendor/client/web/src",
    "client/js/src": "vendor/client/js/src",
}
"""The deployed files, and where to copy them for Chalice."""


class PackagingError(Exception):
    """The package can't be built, or AWS would reject it; the message has all problems."""


@dataclass(frozen=True, slots=True)
class Package:
    """The bundle, and the template that deploys it."""

    zip: Path
    template: Path

    def read_template(self) -> dict[str, Any]:
        template: dict[str, Any] = json.loads(self.template.read_bytes())
        return template


def packager_bin() -> Path:
    """The ``bin`` of Chalice's command line, on Lambda's Python."""
    return virtualenv(ROOT / "requirements-local.txt", BUILD / "package-venv")


def linters_bin() -> Path:
    """The ``bin`` of the linters for templates and the Dockerfile."""
    return virtualenv(ROOT / "requirements-infra.txt", BUILD / "infra-venv")


def package(
    stage: str, folder: Path, *, source: Path = ROOT, architecture: str | None = None
) -> Package:
    """Build the package of ``stage`` in ``folder``, for the configured architecture or another.

    Raises:
        PackagingError: It can't be built, or AWS would reject it.
        PythonNotFound: Lambda's Python is not on this machine.
    """
    config = json.loads((source / CONFIG).read_bytes())
    if stage not in config["stages"]:
        stages = ", ".join(config["stages"])
        raise PackagingError(f"{CONFIG} has no stage {stage}; its stages are {stages}")
    config["lambda_architecture"] = architecture or config["lambda_architecture"]
    built = chalice_package(source, config, stage, folder, merge_templates())
    bundle.optimize(built.zip, packager_bin() / "python")
    all_problems = [
        *bundle.validation_errors(built.zip, config["lambda_architecture"], VERSION),
        *_template_problems(built),
    ]
    if all_problems:
        raise PackagingError("\n".join(all_problems))
    return built


def chalice_package(
    source: Path, config: Mapping[str, Any], stage: str, folder: Path, merge: Mapping[str, Any]
) -> Package:
    """Chalice's own package of the app in ``source``, with ``config`` as its configuration.

    Raises:
        PackagingError: It can't be built, or lacks a requirement.
        PythonNotFound: Lambda's Python is not on this machine.
    """
    # The output of an earlier run must not be mistaken for this one's.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="package-") as working:
        merge_template = Path(working, "merge.json")
        merge_template.write_text(json.dumps(merge))
        app = Path(working, "app")
        _copy(source, app)
        (app / CONFIG).parent.mkdir()
        (app / CONFIG).write_text(json.dumps(config))
        command: list[str | Path] = [packager_bin() / "chalice", "package", "--stage", stage]
        ran = subprocess.run(
            [*command, "--merge-template", merge_template, folder.resolve()],
            cwd=app,
            # Chalice requires a region, but writes none into the template.
            env={"AWS_DEFAULT_REGION": "us-east-1", **os.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    # For a missing requirement Chalice prints a warning and exits with 0.
    if ran.returncode != 0 or "Could not install" in ran.stdout:
        raise PackagingError(ran.stdout.strip())
    return Package(folder / "deployment.zip", folder / "sam.json")


def _copy(source: Path, app: Path) -> None:
    app.mkdir()
    for name, place in DEPLOYED.items():
        path = source / name
        (app / place).parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, app / place, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.exists():
            shutil.copy(path, app / place)


def _template_problems(built: Package) -> Iterator[str]:
    resources = built.read_template()["Resources"]
    untyped = [name for name, resource in resources.items() if "Type" not in resource]
    if untyped:
        # Clearer than the linter's errors.
        yield f"Chalice makes no {', '.join(untyped)}, which templates in infra/ extend"
        return
    for name, resource in resources.items():
        runtime = resource.get("Properties", {}).get("Runtime", f"python{VERSION}")
        if runtime != f"python{VERSION}":
            yield f"{name} is for {runtime}"
    linted = subprocess.run(
        [linters_bin() / "cfn-lint", built.template],
        capture_output=True,
        text=True,
        check=False,
    )
    if linted.returncode != 0:
        yield linted.stdout.strip() or linted.stderr.strip()
