"""The examples of docs/clocks.md: requests and their pictures.

A ``json`` block is the body of a POST /v1/sessions, and the next picture after it shows
that session.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from chalicelib.core.setup import Setup
from chalicelib.schemas.creation import CreateSession
from chalicelib.schemas.requests import read

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "clocks.md"
FOLDER = ROOT / "docs" / "pictures"

_BLOCK = r"^```json\n(?P<body>.*?)^```$"
_PICTURE = r"^!\[(?P<alt>[^\]]*)\]\(pictures/(?P<name>\w+)\.svg\)$"
_EXAMPLE = re.compile(f"{_BLOCK}|{_PICTURE}", re.MULTILINE | re.DOTALL)


class Picture(NamedTuple):
    """A picture in the document; ``body`` is the request that it shows."""

    name: str
    alt: str
    body: bytes

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.svg"

    def setup(self) -> Setup:
        return read(CreateSession, self.body).setup()


def requests(document: str) -> list[bytes]:
    """The bodies of all requests, in the document's order."""
    return [one["body"].encode() for one in _EXAMPLE.finditer(document) if one["body"]]


def pictures(document: str) -> list[Picture]:
    """All pictures, with the request above each.

    Raises:
        ValueError: A picture comes before the first request.
    """
    found, body = [], None
    for one in _EXAMPLE.finditer(document):
        if one["body"]:
            body = one["body"].encode()
        elif body is None:
            raise ValueError(f"Picture {one['name']} has no request above it")
        else:
            found.append(Picture(one["name"], one["alt"], body))
    return found
