"""The page on which sessions are made and shown: its files as text, and the policy it is sent with.

The files are those of ``client/web`` and of ``client/js``, which lie beside this
package in a checkout, in the bundle and in the image alike. They load each
other by relative addresses, and every address has the version of all of them in
it, so that browsers may keep them for ever. Must never know of sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

CLIENT: Final = Path(__file__).parents[2] / "client"
PACKAGES: Final = ("js", "web")

MEDIA_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Part(NamedTuple):
    """A file that the page loads."""

    media_type: str
    text: str


def html(root: str, websocket_url: str) -> str:
    """The page; ``root`` leads from its address to that of the API.

    ``websocket_url`` is where browsers connect to, or empty if that is unknown.
    """
    page = _html(root)
    for name, address in (("api", root or "./"), ("websocket", websocket_url)):
        untold = f'<meta name="tickless-{name}" content="">'
        page = page.replace(untold, untold.replace('""', f'"{escape(address)}"'))
    return page


def policy(websocket_url: str) -> str:
    """What the page may load and whom it may talk to: this server, and its sockets."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            f"connect-src 'self' {_sockets(websocket_url)}".rstrip(),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def part(package: str, name: str) -> Part | None:
    """The file of that name; ``None`` if the page has none."""
    return _parts().get((package, name))


@cache
def version() -> str:
    """Changes with whatever the page loads."""
    return digest("".join(f"\0{key}\0{found.text}" for key, found in sorted(_parts().items())))


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


@cache
def _html(root: str) -> str:
    # As they lie on the disk, so that any static host can serve the folders as they are.
    here = f'"{root}page/{version()}/'
    return _read_html().replace('"src/', f"{here}web/src/").replace('"../js/src/', f"{here}js/src/")


def _read_html() -> str:
    return (CLIENT / "web" / "index.html").read_text(encoding="utf-8")


@cache
def _parts() -> Mapping[tuple[str, str], Part]:
    return {
        (package, path.name): Part(MEDIA_TYPES[path.suffix], path.read_text(encoding="utf-8"))
        for package in PACKAGES
        for path in sorted((CLIENT / package / "src").iterdir())
        if path.suffix in MEDIA_TYPES
    }


def _sockets(url: str) -> str:
    parts = urlsplit(url)
    if parts.hostname in _LOOPBACK:
        # Opened from another device, the page connects to the host it came from.
        return f"{parts.scheme}://*:{parts.port}" if parts.port else f"{parts.scheme}://*"
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
