"""The page at /docs loads all it needs from its own origin."""

from __future__ import annotations

import json
import re
from urllib.parse import urljoin

import pytest

from chalicelib.api_docs.docs_page import SOURCES
from tests.rest.client import RestClient

LAMBDA_ANSWER_BYTES = 6 * 1024 * 1024


def loaded(html: str) -> list[str]:
    return re.findall(r'(?:src|href)="([^"#]+)"', html)


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
@pytest.mark.parametrize("stage", ["", "/dev"])
def test_page_links_resolve_on_any_stage(rest: RestClient, path: str, stage: str) -> None:
    html = rest.get(path).text
    addresses = [one for one in loaded(html) if not one.startswith("data:")]

    assert len(addresses) == len(SOURCES) + 2
    for address in addresses:
        target = urljoin(f"https://example.com{stage}{path}", address)
        assert target.startswith(f"https://example.com{stage}/"), address
        answer = rest.get(target.removeprefix(f"https://example.com{stage}"))
        assert answer.status == 200, address


def test_policy_blocks_other_origins_and_inline_scripts(rest: RestClient) -> None:
    answer = rest.get("/docs")
    policy = dict(
        one.split(" ", 1) for one in answer.headers["Content-Security-Policy"].split("; ")
    )

    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert "://" not in answer.text
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=", answer.text)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize("name", SOURCES)
def test_asset_has_a_media_type_and_fits_into_a_response(rest: RestClient, name: str) -> None:
    answer = rest.get(f"/docs/{name}")

    media_type = {"css": "text/css", "js": "text/javascript"}[name.rpartition(".")[2]]
    assert answer.headers["Content-Type"] == f"{media_type}; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(json.dumps(answer.text)) < LAMBDA_ANSWER_BYTES


def test_asset_url_contains_its_digest_and_is_cached_forever(rest: RestClient) -> None:
    named = re.findall(r'"docs/([^"]+)\?v=([0-9a-f]{16})"', rest.get("/docs").text)

    assert {name for name, _ in named} == SOURCES.keys()
    assert len({digest for _, digest in named}) == len(SOURCES)
    for name, digest in named:
        for query, kept in (
            (f"?v={digest}", "public, max-age=31536000, immutable"),
            ("?v=0123456789abcdef", "public, max-age=300"),
            ("", "public, max-age=300"),
        ):
            assert rest.get(f"/docs/{name}{query}").headers["Cache-Control"] == kept


@pytest.mark.parametrize("name", ["nothing.js", "page.html", "__init__.py", "..%2F__init__.py"])
def test_unknown_asset_is_not_found(rest: RestClient, name: str) -> None:
    answer = rest.get(f"/docs/{name}")

    assert (answer.status, answer.error["code"]) == (404, "NOT_FOUND")
