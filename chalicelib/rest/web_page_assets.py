"""The web page: its HTML and assets as text, and its Content-Security-Policy.

The files are those of ``client/web`` and ``client/js``, which lie next to this package in a
checkout, in the bundle and in the image. They load each other by relative URLs that contain a
version of all of them, so browsers may cache them forever. Knows nothing of sessions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

CLIENT: Final = Path(__file__).parents[2] / "client"
PACKAGES: Final = ("js", "web")

TYPES: Final = "types.js"
"""Types in JSDoc, which no browser loads."""

MEDIA_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Asset(NamedTuple):
    """A file that the page loads."""

    media_type: str
    text: str


def html(root: str, websocket_url: str) -> str:
    """The page; ``root`` is the relative URL of the API.

    ``websocket_url`` is the WebSocket API's, or empty if it is unknown.
    """
    page = _html(root)
    for name, address in (("api", root or "./"), ("websocket", websocket_url)):
        empty = f'<meta name="tickless-{name}" content="">'
        page = page.replace(empty, empty.replace('""', f'"{escape(address)}"'))
    return page


def policy(websocket_url: str, framed_by: Sequence[str] = ()) -> str:
    """The Content-Security-Policy: only this server and its WebSocket API.

    Only pages of the origins ``framed_by`` may show this one in a frame.
    """
    ancestors = " ".join(framed_by) or "'none'"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            f"connect-src 'self' {_sockets(websocket_url)}".rstrip(),
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {ancestors}",
        )
    )


def asset(package: str, name: str) -> Asset | None:
    """The asset of this name; ``None`` if the page has none."""
    return _assets().get((package, name))


@cache
def version() -> str:
    """A digest of all assets."""
    return digest("".join(f"\0{key}\0{found.text}" for key, found in sorted(_assets().items())))


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


@cache
def _html(root: str) -> str:
    # The files on disk have other URLs, so that any static host can serve the folders unchanged.
    here = f'"{root}page/{version()}/'
    return _read_html().replace('"src/', f"{here}web/src/").replace('"../js/src/', f"{here}js/src/")


def _read_html() -> str:
    return (CLIENT / "web" / "index.html").read_text(encoding="utf-8")


@cache
def _assets() -> Mapping[tuple[str, str], Asset]:
    return {
        (package, path.name): Asset(MEDIA_TYPES[path.suffix], path.read_text(encoding="utf-8"))
        for package in PACKAGES
        for path in sorted((CLIENT / package / "src").iterdir())
        if path.suffix in MEDIA_TYPES and path.name != TYPES
    }


def _sockets(url: str) -> str:
    parts = urlsplit(url)
    if parts.hostname in _LOOPBACK:
        # Opened from another device, the page connects to the host it came from.
        return f"{parts.scheme}://*:{parts.port}" if parts.port else f"{parts.scheme}://*"
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
