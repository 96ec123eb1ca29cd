"""``python -m chalicelib.workers.sweeper``: runs a sweeper as a process, outside Lambda.

Settles due timeouts until a signal or, with ``--while-parent``, until its standard input
is closed.
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
