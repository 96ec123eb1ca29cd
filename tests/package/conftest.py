from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

from infra.packaging import THIS_ARCHITECTURE, Package, linters_bin, package

from .permissions import Template


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The package for AWS."""
    return package("prod", tmp_path_factory.mktemp("packaged") / "prod")


@pytest.fixture(scope="session")
def template(packaged: Package) -> Template:
    """The template after AWS's own SAM transform."""
    transform = Path(__file__).with_name("sam.py")
    done = subprocess.run(
        [linters_bin() / "python", transform, packaged.template],
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Template(json.loads(done.stdout))


@pytest.fixture(scope="session")
def task_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the unpacked bundle, built for this machine's architecture."""
    folder = tmp_path_factory.mktemp("task")
    made = package("dev", folder / "package", architecture=THIS_ARCHITECTURE)
    with ZipFile(made.zip) as bundle:
        bundle.extractall(folder / "root")
    return folder / "root"
