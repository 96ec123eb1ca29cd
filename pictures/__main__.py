"""``make pictures``: draw every picture that docs/clocks.md shows."""

from __future__ import annotations

import sys

from .draw import draw
from .examples import DOCUMENT, FOLDER, pictures
from .film import shoot
from .stories import STORIES


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for shown in pictures(DOCUMENT.read_text()):
        draw(shoot(shown.setup(), STORIES[shown.name]), shown.name, shown.path)
        sys.stdout.write(f"{shown.path.stat().st_size:7,} bytes  {shown.path.name}\n")


if __name__ == "__main__":
    main()
