"""From sources to what AWS deploys: ``deployment.zip`` and ``sam.json``.

Chalice's own packager does the work, on a copy of what is deployed. It says
when a requirement could not be had, and packages all the same; here that, and
whatever else would fail on AWS, is a failure.
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
from .environments import VERSION, environment_of
from .merging import merged

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build"
CONFIG = Path(".chalice") / "config.json"
THIS_ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
"""This machine's, as Lambda calls it; what is to run here must be made for it."""

DEPLOYED = {
    "app.py": "app.py",
    "chalicelib": "chalicelib",
    "requirements.txt": "requirements.txt",
    # What lies in vendor/ comes to lie beside app.py.
    "client/web/index.html": "vendor/client/web/index.html",
    "client/web/src": "vendor/client/web/src",
    "client/js/src": "vendor/client/js/src",
}
"""What is copied for Chalice to package, and whereto."""


class PackagingFailed(Exception):
    """There is no package, or none that AWS would run; the message says all that is wrong."""


@dataclass(frozen=True, slots=True)
class Package:
    """What was made: the bundle, and the template that deploys it."""

    zip: Path
    template: Path

    def read_template(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.template.read_bytes())
        return read


def packager() -> Path:
    """The folder of Chalice's own program, on Lambda's Python."""
    return environment_of(ROOT / "requirements-local.txt", BUILD / "package-venv")


def linters() -> Path:
    """The folder of the programs that read templates as AWS does."""
    return environment_of(ROOT / "requirements-infra.txt", BUILD / "infra-venv")


def package(
    stage: str, folder: Path, *, source: Path = ROOT, architecture: str | None = None
) -> Package:
    """Make the package of ``stage`` in ``folder``, for the configured architecture or another.

    Raises:
        PackagingFailed: It can't be made, or AWS would not run it.
        NoInterpreter: Lambda's Python is not here.
    """
    config = json.loads((source / CONFIG).read_bytes())
    if stage not in config["stages"]:
        raise PackagingFailed(f"{CONFIG} has no stage {stage}, but {', '.join(config['stages'])}")
    config["lambda_architecture"] = architecture or config["lambda_architecture"]
    made = chalice_package(source, config, stage, folder, merged())
    bundle.finish(made.zip, packager() / "python")
    wrong = [
        *bundle.faults(made.zip, config["lambda_architecture"], VERSION),
        *_faults_of_template(made),
    ]
    if wrong:
        raise PackagingFailed("\n".join(wrong))
    return made


def chalice_package(
    source: Path, config: Mapping[str, Any], stage: str, folder: Path, merge: Mapping[str, Any]
) -> Package:
    """What Chalice itself makes of an app, with another configuration than its own.

    Raises:
        PackagingFailed: It can't be made, or a requirement is not in it.
        NoInterpreter: Lambda's Python is not here.
    """
    # What an earlier run left behind must not be taken for this one's.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="package-") as working:
        merge_template = Path(working, "merge.json")
        merge_template.write_text(json.dumps(merge))
        app = Path(working, "app")
        _copy(source, app)
        (app / CONFIG).parent.mkdir()
        (app / CONFIG).write_text(json.dumps(config))
        command: list[str | Path] = [packager() / "chalice", "package", "--stage", stage]
        ran = subprocess.run(
            [*command, "--merge-template", merge_template, folder.resolve()],
            cwd=app,
            # Chalice wants a region, and writes none into the template.
            env={"AWS_DEFAULT_REGION": "us-east-1", **os.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    # It says so, and exits with 0.
    if ran.returncode != 0 or "Could not install" in ran.stdout:
        raise PackagingFailed(ran.stdout.strip())
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


def _faults_of_template(made: Package) -> Iterator[str]:
    resources = made.read_template()["Resources"]
    untyped = [name for name, resource in resources.items() if "Type" not in resource]
    if untyped:
        # Linters would say so in many more words.
        yield f"Chalice makes no {', '.join(untyped)}, which our templates complete"
        return
    for name, resource in resources.items():
        runtime = resource.get("Properties", {}).get("Runtime", f"python{VERSION}")
        if runtime != f"python{VERSION}":
            yield f"{name} is for {runtime}"
    linted = subprocess.run(
        [linters() / "cfn-lint", made.template], capture_output=True, text=True, check=False
    )
    if linted.returncode != 0:
        yield linted.stdout.strip() or linted.stderr.strip()
