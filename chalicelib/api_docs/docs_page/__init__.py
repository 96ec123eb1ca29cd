"""API documentation page: HTML, scripts and styles, as text.

Swagger UI comes from the ``offapi`` package; its files are read without importing it, because the
import would read all of them. The content security policy blocks other origins, so the page works
offline.
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
    """A file of the page; its URL contains the ``digest``."""

    media_type: str
    text: str
    digest: str


SOURCES: Final = {
    "swagger-ui.css": (_SWAGGER_UI, "swagger_style.css"),
    "swagger-ui.js": (_SWAGGER_UI, "swagger_bundle.js"),
    "page.css": (None, "page.css"),
    "page.js": (None, "page.js"),
}
"""The package and file of each asset; None is this package."""

_MEDIA_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


def asset(name: str) -> Asset | None:
    """The asset with this name, or ``None``."""
    # Any client can send names: only existing ones may fill the cache.
    return _read(name) if name in SOURCES else None


@cache
def html(root: str) -> str:
    """The page; ``root`` is the relative URL of the API."""
    # An asset's URL changes with its content, so that it can be cached forever.
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
