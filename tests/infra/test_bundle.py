"""Trimming and validation of the bundle."""

from __future__ import annotations

import ast
import json
import re
import struct
import subprocess
import sys
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import botocore
import pytest
from botocore.regions import EndpointResolver

from infra.bundle import LIMIT_BYTES, SERVICES, optimize, validation_errors

ARM64, X86_64 = 183, 62
PYTHON = Path(sys.executable)


def elf(machine: int) -> bytes:
    return b"\x7fELF".ljust(18, b"\0") + struct.pack("<H", machine) + bytes(44)


def zipped(path: Path, files: Mapping[str, bytes], year: int = 2026) -> Path:
    with ZipFile(path, "w", ZIP_STORED) as bundle:
        for name, content in files.items():
            bundle.writestr(ZipInfo(name, (year, 1, 2, 3, 4, 6)), content)
    return path


def test_unused_files_are_left_out(tmp_path: Path) -> None:
    kept = {
        "app.py": b"app",
        "botocore/data/endpoints.json": b"{}",
        "botocore/data/lambda/2015-03-31/service-2.json.gz": b"lambda",
        "botocore/data/apigatewaymanagementapi/2018-11-29/service-2.json.gz": b"post",
        "botocore/session.py": b"session",
        "boto3-1.0.dist-info/RECORD": b"boto3/__init__.py,,",
    }
    others = {
        "botocore/data/lambda-microvms/2026-01-01/service-2.json.gz": b"?",
        "botocore/data/ec2/2016-11-15/service-2.json.gz": b"ec2",
        "offapi/redoc.js": b"redoc",
    }
    bundle = zipped(tmp_path / "a.zip", {**others, **kept})

    optimize(bundle, PYTHON)

    with ZipFile(bundle) as finished:
        names = [name for name in finished.namelist() if not name.endswith(".pyc")]
        assert {name: finished.read(name) for name in names} == kept


def test_bundle_is_reproducible(tmp_path: Path) -> None:
    files = {"app.py": b"app", "chalicelib/a.lua": b"return 1"}
    one = zipped(tmp_path / "one.zip", files)
    other = zipped(tmp_path / "other.zip", dict(reversed(files.items())), year=2027)

    optimize(one, PYTHON)
    optimize(other, PYTHON)

    assert one.read_bytes() == other.read_bytes()


def test_bytecode_is_added_and_used(tmp_path: Path) -> None:
    source = b"ANSWER = 42\n"
    bundle = zipped(tmp_path / "a.zip", {"app.py": source, "pydantic/a.py": b""})

    optimize(bundle, PYTHON)

    with ZipFile(bundle) as finished:
        finished.extractall(tmp_path)
    compiled = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.pyc")}
    assert compiled == {"__pycache__", "pydantic"}
    # With an invalid source, only bytecode can run.
    (tmp_path / "app.py").write_text("nonsense(")
    ran = subprocess.run(
        [PYTHON, "-B", "-c", "import app; print(app.ANSWER)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "42"


def test_bundle_describes_only_the_services_in_use() -> None:
    called = {
        node.args[0].value
        for path in (Path(__file__).parents[2] / "chalicelib").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "client"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }

    # Powertools creates the third client.
    assert called | {"secretsmanager"} == SERVICES


def test_endpoints_of_the_services_in_use_are_unchanged(tmp_path: Path) -> None:
    described = (Path(botocore.__file__).parent / "data" / "endpoints.json").read_bytes()
    bundle = zipped(tmp_path / "a.zip", {"botocore/data/endpoints.json": described})

    optimize(bundle, PYTHON)

    with ZipFile(bundle) as finished:
        left = finished.read("botocore/data/endpoints.json")
    assert len(left) < len(described) / 10
    before, after = (EndpointResolver(json.loads(one)) for one in (described, left))
    partitions = before.get_available_partitions()
    assert after.get_available_partitions() == partitions
    for partition in partitions:
        regions = before.get_available_endpoints("ec2", partition)
        assert regions
        for service, region in product(("execute-api", "lambda", "secretsmanager"), regions):
            known = before.construct_endpoint(service, region)
            assert known is not None
            assert after.construct_endpoint(service, region) == known


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"app.py": b"app"}, None),
        ({"a/b.cpython-313-aarch64-linux-gnu.so": elf(ARM64), "a.libs/c.so": elf(ARM64)}, None),
        ({"a/b.abi3.so": elf(ARM64)}, None),
        ({"a/b.cpython-311-aarch64-linux-gnu.so": elf(ARM64)}, "b.*is not for Python 3.13"),
        ({"a.libs/c.so": elf(X86_64)}, "c.so is not for arm64"),
        ({"a.libs/c-1a2b.so.4.8": elf(X86_64)}, "c-1a2b.so.4.8 is not for arm64"),
        ({"big": bytes(LIMIT_BYTES)}, "a.zip has 20,000,.* more than 20,000,000"),
    ],
)
def test_unusable_file_is_named(
    tmp_path: Path, files: Mapping[str, bytes], fault: str | None
) -> None:
    found = list(validation_errors(zipped(tmp_path / "a.zip", files), "arm64", "3.13"))

    assert len(found) == (fault is not None)
    assert fault is None or re.search(fault, found[0])
