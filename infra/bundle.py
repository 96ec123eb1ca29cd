"""The deployment bundle, a zip: removal of unused files, bytecode, and validation.

Reads and writes zips; knows nothing of Chalice or CloudFormation.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

LIMIT_BYTES = 20_000_000
"""Well below AWS's limit of 50 MB, so that growth, which slows cold starts, is noticed."""

SERVICES = frozenset({"apigatewaymanagementapi", "lambda", "secretsmanager"})
"""The AWS services that functions call; botocore describes all 400, in 16 MB."""

UNUSED = (
    # Two other OpenAPI viewers, 2 MB; /docs uses Swagger UI.
    "offapi/redoc.js",
    "offapi/scalar.js",
)
"""Files that no function opens. Without these two the bundle is below its limit."""

_DATA = "botocore/data/"
_ENDPOINTS = _DATA + "endpoints.json"

_TASK_ROOT = "/var/task"
_LIBRARY = re.compile(r"\.so(\.[\d.]+)?$")
# e_machine of an ELF header: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
_MACHINE = slice(18, 20)
_MACHINES = {"arm64": 183, "x86_64": 62}
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644 << 16


def optimize(bundle: Path, python: Path) -> None:
    """Remove unused files, mainly descriptions of AWS services, and add bytecode.

    Lambda unpacks a bundle to a read-only directory, so without bytecode every cold start
    compiles every module. ``python`` must be Lambda's version: another version ignores the
    bytecode and compiles.

    The zip depends only on names and contents: the same sources give the same bytes, so
    CloudFormation detects no change.
    """
    with ZipFile(bundle) as packed:
        files = {name: packed.read(name) for name in packed.namelist() if _is_used(name)}
    files |= _bytecode(files, python)
    if _ENDPOINTS in files:
        files[_ENDPOINTS] = _endpoints_in_use(files[_ENDPOINTS])
    with ZipFile(bundle, "w", ZIP_DEFLATED, compresslevel=9) as written:
        for name, content in sorted(files.items()):
            entry = ZipInfo(name, _EARLIEST)
            entry.external_attr = _READABLE
            written.writestr(entry, content, ZIP_DEFLATED)


def _is_used(name: str) -> bool:
    service, in_folder, _ = name.removeprefix(_DATA).partition("/")
    described = name.startswith(_DATA) and in_folder
    return name not in UNUSED and (not described or service in SERVICES)


def _endpoints_in_use(endpoints: bytes) -> bytes:
    """Botocore's endpoints.json without services that functions don't call.

    With all services it is 1.2 MB, and parsing it is half the time of creating the first
    boto3 client.
    """
    parsed = json.loads(endpoints)
    for partition in parsed.get("partitions", ()):
        services = partition["services"]
        partition["services"] = {name: services[name] for name in services if name in SERVICES}
    return json.dumps(parsed, separators=(",", ":")).encode()


def _bytecode(files: Mapping[str, bytes], python: Path) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="byte-code-") as working:
        folder = Path(working)
        for name, content in files.items():
            if name.endswith(".py"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
        # Unchecked: the sources in the bundle are never newer.
        options = ("-q", "--invalidation-mode", "unchecked-hash", "-s", working, "-p", _TASK_ROOT)
        subprocess.run([python, "-m", "compileall", *options, working], check=True)
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.pyc")}


def validation_errors(bundle: Path, architecture: str, python: str) -> Iterator[str]:
    """What would make AWS reject this bundle, or a function in it fail."""
    size = bundle.stat().st_size
    if size > LIMIT_BYTES:
        yield f"{bundle.name} has {size:,} bytes, more than {LIMIT_BYTES:,}"
    tag = f"cpython-{python.replace('.', '')}-"
    with ZipFile(bundle) as packed:
        for name in packed.namelist():
            if not _LIBRARY.search(name):
                continue
            if ".cpython-" in name and tag not in name:
                yield f"{name} is not for Python {python}"
            machine = int.from_bytes(packed.read(name)[_MACHINE], "little")
            if machine != _MACHINES[architecture]:
                yield f"{name} is not for {architecture}"
