"""The page at / loads what it needs from here, talks to no other host, and may be cached."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest

from chalicelib.container import Container
from chalicelib.rest import web_page as web
from chalicelib.settings import Settings

from .client import RestClient, rest_client

MOST_BYTES = 65_000
SOCKETS = "wss://sockets.example/prod"
ASSETS = [
    (package, path.name)
    for package in web.PACKAGES
    for path in sorted((web.CLIENT / package / "src").iterdir())
]


@pytest.fixture
def rest() -> RestClient:
    # Neither a store nor a limit: the page must ask for none.
    return rest_client(Container(Settings(websocket_url=SOCKETS, redis_url="redis://nowhere:1")))


def loaded(html: str) -> list[str]:
    return [one for one in re.findall(r'(?:src|href)="([^"#]+)"', html) if "data:" not in one]


@pytest.mark.parametrize("root", ["", "prod/"])
def test_everything_the_page_names_is_there_on_any_stage(rest: RestClient, root: str) -> None:
    page = "https://api.example/prod" if root else "https://api.example/prod/"
    addresses = loaded(web.html(root, SOCKETS))

    assert len(addresses) > 20
    for address in addresses:
        target = urljoin(page, address)
        assert target.startswith("https://api.example/prod/page/"), address
        assert rest.get(target.removeprefix("https://api.example/prod")).status == 200, address


@pytest.mark.parametrize("asset", ASSETS, ids="/".join)
def test_what_a_module_loads_is_where_it_looks_for_it(
    rest: RestClient, asset: tuple[str, str]
) -> None:
    package, name = asset
    here = f"/page/{web.version()}/{package}/src/{name}"
    answer = rest.get(here)

    assert answer.headers["Content-Type"] == web.MEDIA_TYPES[Path(name).suffix]
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    imports = re.findall(r"^(?:import|export) [^;]*?from '(.+?)';", answer.text, re.MULTILINE)
    for one in imports + re.findall(r"await import\('(.+?)'\)", answer.text):
        assert rest.get(urljoin(here, one)).status == 200, one


def test_a_page_from_before_a_deployment_is_given_what_there_is_but_not_to_keep(
    rest: RestClient,
) -> None:
    answer = rest.get("/page/0123456789abcdef/web/src/main.js")

    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "path", ["web/src/nothing.js", "web/src/..%2Findex.html", "up/src/main.js"]
)
def test_what_the_page_does_not_load_is_not_there(rest: RestClient, path: str) -> None:
    answer = rest.get(f"/page/{web.version()}/{path}")

    assert (answer.status, answer.error["code"]) == (404, "NOT_FOUND")


def test_the_page_knows_where_the_sockets_are_and_may_talk_to_nobody_else(
    rest: RestClient,
) -> None:
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


def test_sockets_of_this_machine_may_be_looked_for_wherever_the_page_comes_from() -> None:
    # Another device names this machine otherwise than it names itself.
    assert "connect-src 'self' ws://*:8001;" in web.policy("ws://127.0.0.1:8001/dev")
    assert "connect-src 'self' ws://*;" in web.policy("ws://localhost/dev")
    assert "connect-src 'self';" in web.policy("")


def test_an_address_can_not_become_markup() -> None:
    assert '"wss://x/&quot;&gt;&lt;b&gt;"' in web.html("", 'wss://x/"><b>')


def test_who_holds_the_page_is_told_that_it_is_still_the_same(rest: RestClient) -> None:
    first = rest.get("/")
    tag = first.headers["ETag"]

    # Who compresses on the way makes weak tags of strong ones.
    for held in (tag, f"W/{tag}", f'"another", W/{tag}', "*"):
        again = rest.get("/", headers={"If-None-Match": held})
        assert (again.status, again.text, again.headers["ETag"]) == (304, "", tag)
    for other in ('"another"', tag.strip('"'), "W/"):
        assert rest.get("/", headers={"If-None-Match": other}).status == 200
    assert first.headers["Cache-Control"] == "no-cache"


def test_all_of_it_is_below_65_kb_as_it_is_sent() -> None:
    parts = [found.text for one in ASSETS if (found := web.asset(*one)) is not None]
    assert len(parts) == len(ASSETS)
    sent = [gzip.compress(text.encode(), 6) for text in (web.html("", SOCKETS), *parts)]

    assert sum(map(len, sent)) < MOST_BYTES
