"""The zip that Lambda unpacks: what is put in, what is taken out, and what is wrong with it.

Reads and writes zips; knows nothing of Chalice or CloudFormation.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from .libraries import is_library, machine_of, without_symbols

LIMIT_BYTES = 15_000_000
"""A third of what AWS takes; what is fetched for each cold start shouldn't grow unnoticed."""

SERVICES = frozenset({"apigatewaymanagementapi", "lambda"})
"""Those AWS services that functions call; botocore describes all 400, in 16 MB."""

UNUSED = (
    "aws_lambda_powertools/event_handler/",
    "aws_lambda_powertools/utilities/data_classes/",
    "aws_lambda_powertools/utilities/parser/",
    # X-Ray's SDK could observe other libraries; it is told itself.
    "aws_xray_sdk/ext/",
    "boto3/data/",
    "dateutil/zoneinfo/",
    # Of offapi Swagger UI is shown.
    "offapi/redoc.js",
    "offapi/scalar.js",
    "offapi/swagger_preset.js",
    "pydantic/v1/",
    # Only X-Ray's SDK imports wrapt, which goes without what it has in C.
    "wrapt/_wrappers.",
)
"""The largest of what comes with a requirement and no function imports."""

_INVENTORY = ".dist-info/RECORD"
"""What pip would need to uninstall a distribution."""

_DATA = "botocore/data/"

_TASK_ROOT = "/var/task"
_MACHINES = {"arm64": 183, "x86_64": 62}
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644 << 16


def finish(bundle: Path, python: Path) -> None:
    """Take out what nobody uses, descriptions of AWS services above all, and put byte code in.

    Where Lambda unpacks a bundle nobody can write, so that without byte code
    every cold start compiles every module. ``python`` is to be Lambda's;
    another would ignore what this one wrote, and compile.

    What is written depends on names and contents alone: the same sources give
    the same bytes, and CloudFormation sees that nothing has changed.
    """
    with ZipFile(bundle) as packed:
        files = {name: packed.read(name) for name in packed.namelist() if _is_used(name)}
    files |= {name: without_symbols(content) for name, content in files.items() if is_library(name)}
    files |= _byte_code(files, python)
    with ZipFile(bundle, "w", ZIP_DEFLATED, compresslevel=9) as written:
        for name, content in sorted(files.items()):
            entry = ZipInfo(name, _EARLIEST)
            entry.external_attr = _READABLE
            written.writestr(entry, content, ZIP_DEFLATED)


def _is_used(name: str) -> bool:
    if name.startswith(UNUSED) or name.endswith(_INVENTORY):
        return False
    service, in_folder, _ = name.removeprefix(_DATA).partition("/")
    return not (name.startswith(_DATA) and in_folder) or service in SERVICES


def _byte_code(files: Mapping[str, bytes], python: Path) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="byte-code-") as working:
        folder = Path(working)
        for name, content in files.items():
            if name.endswith(".py"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
        # Unchecked: the sources beside it are never newer.
        options = ("-q", "--invalidation-mode", "unchecked-hash", "-s", working, "-p", _TASK_ROOT)
        subprocess.run([python, "-m", "compileall", *options, working], check=True)
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.pyc")}


def faults(bundle: Path, architecture: str, python: str) -> Iterator[str]:
    """What would make AWS refuse this bundle, or a function of it fail."""
    size = bundle.stat().st_size
    if size > LIMIT_BYTES:
        yield f"{bundle.name} has {size:,} bytes, more than {LIMIT_BYTES:,}"
    tag = f"cpython-{python.replace('.', '')}-"
    with ZipFile(bundle) as packed:
        for name in packed.namelist():
            if not is_library(name):
                continue
            if ".cpython-" in name and tag not in name:
                yield f"{name} is not for Python {python}"
            if machine_of(packed.read(name)) != _MACHINES[architecture]:
                yield f"{name} is not for {architecture}"
