from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

from infra.packaging import THIS_ARCHITECTURE, Package, linters, package

from .rights import Template


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """What is deployed."""
    return package("prod", tmp_path_factory.mktemp("packaged") / "prod")


@pytest.fixture(scope="session")
def template(packaged: Package) -> Template:
    """What CloudFormation makes of it: SAM's resources replaced by AWS's own translator."""
    transform = Path(__file__).with_name("sam.py")
    done = subprocess.run(
        [linters() / "python", transform, packaged.template],
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Template(json.loads(done.stdout))


@pytest.fixture(scope="session")
def task_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle made for this machine, where Lambda would have unpacked it."""
    folder = tmp_path_factory.mktemp("task")
    made = package("dev", folder / "package", architecture=THIS_ARCHITECTURE)
    with ZipFile(made.zip) as bundle:
        bundle.extractall(folder / "root")
    return folder / "root"
