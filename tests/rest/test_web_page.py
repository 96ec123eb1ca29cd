"""The page at / loads what it needs from here, talks to no other host, and may be cached."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest

from chalicelib.container import Container
from chalicelib.rest import web_page_assets
from chalicelib.settings import Settings

from .client import RestClient, rest_client

MOST_BYTES = 100_000
SOCKETS = "wss://sockets.example/prod"
ASSETS = [
    (package, path.name)
    for package in web_page_assets.PACKAGES
    for path in sorted((web_page_assets.CLIENT / package / "src").iterdir())
    if path.name != "types.js"
]


@pytest.fixture
def rest() -> RestClient:
    # Neither a store nor a limit: the page must ask for none.
    return rest_client(Container(Settings(websocket_url=SOCKETS, redis_url="redis://nowhere:1")))


def loaded(html: str) -> list[str]:
    return [one for one in re.findall(r'(?:src|href)="([^"#]+)"', html) if "data:" not in one]


@pytest.mark.parametrize("root", ["", "prod/"])
def test_assets_of_the_page_exist_on_any_stage(rest: RestClient, root: str) -> None:
    page = "https://api.example/prod" if root else "https://api.example/prod/"
    addresses = loaded(web_page_assets.html(root, SOCKETS))

    assert len(addresses) > 20
    for address in addresses:
        target = urljoin(page, address)
        assert target.startswith("https://api.example/prod/page/"), address
        assert rest.get(target.removeprefix("https://api.example/prod")).status == 200, address


@pytest.mark.parametrize("asset", ASSETS, ids="/".join)
def test_imports_of_a_module_resolve(rest: RestClient, asset: tuple[str, str]) -> None:
    package, name = asset
    here = f"/page/{web_page_assets.version()}/{package}/src/{name}"
    answer = rest.get(here)

    assert answer.headers["Content-Type"] == web_page_assets.MEDIA_TYPES[Path(name).suffix]
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    imports = re.findall(r"^(?:import|export) [^;]*?from '(.+?)';", answer.text, re.MULTILINE)
    for one in imports + re.findall(r"await import\('(.+?)'\)", answer.text):
        assert rest.get(urljoin(here, one)).status == 200, one


def test_old_asset_url_gets_the_current_asset_uncached(rest: RestClient) -> None:
    answer = rest.get("/page/0123456789abcdef/web/src/main.js")

    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "path", ["web/src/nothing.js", "web/src/..%2Findex.html", "up/src/main.js"]
)
def test_files_that_the_page_does_not_load_are_not_served(rest: RestClient, path: str) -> None:
    answer = rest.get(f"/page/{web_page_assets.version()}/{path}")

    assert (answer.status, answer.error["code"]) == (404, "NOT_FOUND")


def test_page_may_connect_to_its_websocket_url_only(rest: RestClient) -> None:
    answer = rest.get("/")
    policy = dict(
        one.split(" ", 1) for one in answer.headers["Content-Security-Policy"].split("; ")
    )

    assert f'<meta name="tickless-websocket" content="{SOCKETS}">' in answer.text
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src")} == {"'self'"}
    assert policy["connect-src"] == "'self' wss://sockets.example"
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=", answer.text)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "RateLimit-Limit" not in answer.headers


@pytest.mark.parametrize(
    ("origins", "ancestors", "frame_options"),
    [
        ((), "'none'", "DENY"),
        (
            ("https://school.example", "http://localhost:3000"),
            "https://school.example http://localhost:3000",
            None,
        ),
    ],
)
def test_page_may_be_framed_by_allowed_origins_only(
    origins: tuple[str, ...], ancestors: str, frame_options: str | None
) -> None:
    rest = rest_client(Container(Settings(websocket_url=SOCKETS, allowed_origins=origins)))
    answer = rest.get("/")

    assert f"; frame-ancestors {ancestors}" in answer.headers["Content-Security-Policy"]
    assert answer.headers.get("X-Frame-Options") == frame_options


def test_page_is_sent_again_once_other_sites_may_frame_it() -> None:
    tags = {
        rest_client(Container(Settings(allowed_origins=origins))).get("/").headers["ETag"]
        for origins in ((), ("https://school.example",))
    }

    assert len(tags) == 2


def test_policy_of_a_local_page_allows_any_host_name() -> None:
    # Another device names this machine otherwise than it names itself.
    assert "connect-src 'self' ws://*:8001;" in web_page_assets.policy("ws://127.0.0.1:8001/dev")
    assert "connect-src 'self' ws://*;" in web_page_assets.policy("ws://localhost/dev")
    assert "connect-src 'self';" in web_page_assets.policy("")


def test_url_is_escaped_in_the_page() -> None:
    assert '"wss://x/&quot;&gt;&lt;b&gt;"' in web_page_assets.html("", 'wss://x/"><b>')


def test_current_etag_of_the_page_is_304(rest: RestClient) -> None:
    first = rest.get("/")
    tag = first.headers["ETag"]

    # A proxy that compresses makes weak tags of strong ones.
    for held in (tag, f"W/{tag}", f'"another", W/{tag}', "*"):
        again = rest.get("/", headers={"If-None-Match": held})
        assert (again.status, again.text, again.headers["ETag"]) == (304, "", tag)
    for other in ('"another"', tag.strip('"'), "W/"):
        assert rest.get("/", headers={"If-None-Match": other}).status == 200
    assert first.headers["Cache-Control"] == "no-cache"


def test_types_are_not_sent() -> None:
    assert web_page_assets.asset("js", "types.js") is None


def test_page_and_assets_are_below_100_kb_compressed() -> None:
    parts = [found.text for one in ASSETS if (found := web_page_assets.asset(*one)) is not None]
    assert len(parts) == len(ASSETS)
    sent = [gzip.compress(text.encode(), 6) for text in (web_page_assets.html("", SOCKETS), *parts)]

    assert sum(map(len, sent)) < MOST_BYTES
