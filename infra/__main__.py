"""``python -m infra``: build the package of a stage, in ``build/package/STAGE``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from subprocess import CalledProcessError

from .packaging import BUILD, PackagingError, package
from .virtualenvs import PythonNotFound


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra",
        description="Build the package for AWS, or print why AWS would reject it.",
    )
    parser.add_argument("--stage", default="dev", help="one of .chalice/config.json")
    options = parser.parse_args(arguments)
    try:
        built = package(options.stage, BUILD / "package" / options.stage)
    except (PythonNotFound, PackagingError, CalledProcessError) as error:
        sys.stderr.write(f"package: {error}\n")
        return 1
    size = built.zip.stat().st_size / 1e6
    sys.stdout.write(f"{built.zip} ({size:.1f} MB)\n{built.template}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
