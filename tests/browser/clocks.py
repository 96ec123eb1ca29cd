"""The least page there can be, `clocks.html`: where it is, and when it is ready to be measured."""

from __future__ import annotations

from urllib.parse import urlencode

from playwright.sync_api import Page

ROUND_MS = 1_200
"""Ten PINGs take a second: from then on a page knows the time as well as it ever will."""


def clocks_url(files_url: str, sockets: list[str], *session_ids: str) -> str:
    """Of the page that shows all clocks of these sessions, and connects to each socket in turn."""
    query = [("socket", one) for one in sockets] + [("session", one) for one in session_ids]
    return f"{files_url}/tests/browser/clocks.html?{urlencode(query)}"


def wait_until_live(page: Page) -> None:
    page.wait_for_selector("[data-connection=live]")


def wait_until_settled(page: Page) -> None:
    wait_until_live(page)
    page.wait_for_selector("[data-participant]")
    page.wait_for_timeout(ROUND_MS)
