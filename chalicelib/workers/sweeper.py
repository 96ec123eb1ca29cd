"""``python -m chalicelib.workers.sweeper``: a sweeper as a process, as the local stack has one.

It settles what is due until it is told to stop, or, with ``--while-parent``,
until whoever started it is gone, which its standard input tells.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..container import Container
from .runner import run


def main(arguments: Sequence[str] | None = None) -> int:
    return run("sweeper", Container.sweeper, arguments)


if __name__ == "__main__":
    sys.exit(main())
