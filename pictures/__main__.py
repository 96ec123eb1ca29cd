"""``make pictures``: draw every picture in docs/clocks.md."""

from __future__ import annotations

import sys

from .draw import draw
from .examples import DOCUMENT, FOLDER, pictures
from .recording import record
from .scenarios import SCENARIOS


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for picture in pictures(DOCUMENT.read_text()):
        draw(record(picture.setup(), SCENARIOS[picture.name]), picture.name, picture.path)
        sys.stdout.write(f"{picture.path.stat().st_size:7,} bytes  {picture.path.name}\n")


if __name__ == "__main__":
    main()
