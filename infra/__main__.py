"""``python -m infra``: make the package of a stage, in ``build/package/STAGE``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from subprocess import CalledProcessError

from .environments import NoInterpreter
from .packaging import BUILD, PackagingFailed, package


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra", description="Makes what AWS deploys, or says why it would not."
    )
    parser.add_argument("--stage", default="dev", help="one of .chalice/config.json")
    options = parser.parse_args(arguments)
    try:
        made = package(options.stage, BUILD / "package" / options.stage)
    except (NoInterpreter, PackagingFailed, CalledProcessError) as error:
        sys.stderr.write(f"package: {error}\n")
        return 1
    size = made.zip.stat().st_size / 1e6
    sys.stdout.write(f"{made.zip} ({size:.1f} MB)\n{made.template}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
