"""The page on which the contract is read and tried: HTML, scripts and styles, as text.

Swagger UI comes from the ``offapi`` package, whose files are read without
importing it, since it would read all of them. Nothing is loaded from anywhere
else, so the page works offline; the policy it is sent with sees to that.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Final, NamedTuple

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

_HERE: Final = Path(__file__).parent
_SWAGGER_UI: Final = "offapi"


class Asset(NamedTuple):
    """A part of the page; ``digest`` stands in the addresses by which the page knows it."""

    media_type: str
    text: str
    digest: str


SOURCES: Final = {
    "swagger-ui.css": (_SWAGGER_UI, "swagger_style.css"),
    "swagger-ui.js": (_SWAGGER_UI, "swagger_bundle.js"),
    "page.css": (None, "page.css"),
    "page.js": (None, "page.js"),
}
"""The package and the file that each asset is read from; ours stand beside this module."""

_MEDIA_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


def asset(name: str) -> Asset | None:
    """What the page loads under a name; ``None`` if it loads nothing of the kind."""
    # Names come from anybody: only those that exist may fill the cache.
    return _read(name) if name in SOURCES else None


@cache
def html(root: str) -> str:
    """The page; ``root`` leads from its address to that of the API."""
    # An asset's address changes with its content, so that it may be kept for ever.
    addresses = {
        name.replace("-", "_").replace(".", "_"): f"{root}docs/{name}?v={_read(name).digest}"
        for name in SOURCES
    }
    template = Template((_HERE / "page.html").read_text(encoding="utf-8"))
    return template.substitute(addresses, root=root)


@cache
def _read(name: str) -> Asset:
    package, file = SOURCES[name]
    text = (_folder(package) / file).read_text(encoding="utf-8")
    digest = sha256(text.encode()).hexdigest()[:16]
    return Asset(_MEDIA_TYPES[Path(file).suffix], text, digest)


def _folder(package: str | None) -> Path:
    if package is None:
        return _HERE
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed", name=package)
    return Path(spec.submodule_search_locations[0])
