"""The examples of docs/clocks.md: requests, and the pictures that show what becomes of them.

A block of ``json`` there is the body of a POST /v1/sessions, and the next
picture after it shows that session.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from chalicelib.core.setup import Setup
from chalicelib.schemas.requests import CreateSession, read

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "clocks.md"
FOLDER = ROOT / "docs" / "pictures"

_BLOCK = r"^```json\n(?P<body>.*?)^```$"
_PICTURE = r"^!\[(?P<alt>[^\]]*)\]\(pictures/(?P<name>\w+)\.svg\)$"
_EXAMPLE = re.compile(f"{_BLOCK}|{_PICTURE}", re.MULTILINE | re.DOTALL)


class Shown(NamedTuple):
    """A picture as the document shows it; ``body`` is the request it illustrates."""

    name: str
    alt: str
    body: bytes

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.svg"

    def setup(self) -> Setup:
        return read(CreateSession, self.body).setup()


def requests(document: str) -> list[bytes]:
    """The body of every request, in the order of the document."""
    return [one["body"].encode() for one in _EXAMPLE.finditer(document) if one["body"]]


def pictures(document: str) -> list[Shown]:
    """Every picture with the request above it.

    Raises:
        ValueError: There is a picture before the first request.
    """
    found, body = [], None
    for one in _EXAMPLE.finditer(document):
        if one["body"]:
            body = one["body"].encode()
        elif body is None:
            raise ValueError(f"No request stands above the picture {one['name']}")
        else:
            found.append(Shown(one["name"], one["alt"], body))
    return found
