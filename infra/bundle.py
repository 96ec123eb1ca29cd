"""The zip that Lambda unpacks: what is taken out of it, and what is wrong with it.

Reads and writes zips; knows nothing of Chalice or CloudFormation.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

LIMIT_BYTES = 15_000_000
"""A third of what AWS takes; what is fetched for each cold start shouldn't grow unnoticed."""

SERVICES = frozenset({"apigatewaymanagementapi", "lambda"})
"""Those AWS services that functions call; botocore describes all 400, in 16 MB."""

_DATA = "botocore/data/"
_MACHINES = {"arm64": 183, "x86_64": 62}
_EARLIEST = (1980, 1, 1, 0, 0, 0)


def slim(bundle: Path) -> None:
    """Take out the descriptions of AWS services that nobody calls.

    What is written depends on names and contents alone: the same sources give
    the same bytes, and CloudFormation sees that nothing has changed.
    """
    slimmed = bundle.with_suffix(".slim")
    with ZipFile(bundle) as whole, ZipFile(slimmed, "w", ZIP_DEFLATED) as written:
        for entry in sorted(whole.infolist(), key=lambda entry: entry.filename):
            if _is_used(entry.filename):
                copy = ZipInfo(entry.filename, _EARLIEST)
                copy.compress_type = ZIP_DEFLATED
                copy.external_attr = entry.external_attr
                written.writestr(copy, whole.read(entry))
    slimmed.replace(bundle)


def _is_used(name: str) -> bool:
    service, in_folder, _ = name.removeprefix(_DATA).partition("/")
    return not (name.startswith(_DATA) and in_folder) or service in SERVICES


def faults(bundle: Path, architecture: str, python: str) -> Iterator[str]:
    """What would make AWS refuse this bundle, or a function of it fail."""
    size = bundle.stat().st_size
    if size > LIMIT_BYTES:
        yield f"{bundle.name} has {size:,} bytes, more than {LIMIT_BYTES:,}"
    tag = f"cpython-{python.replace('.', '')}-"
    with ZipFile(bundle) as packed:
        for name in packed.namelist():
            if not name.endswith(".so"):
                continue
            if ".cpython-" in name and tag not in name:
                yield f"{name} is not for Python {python}"
            with packed.open(name) as library:
                # https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
                (machine,) = struct.unpack_from("<H", library.read(20), 18)
            if machine != _MACHINES[architecture]:
                yield f"{name} is not for {architecture}"
