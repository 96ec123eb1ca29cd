"""The minimal page with clocks, `clock_page.html`: its URL, and when it is ready to be measured."""

from __future__ import annotations

from urllib.parse import urlencode

from playwright.sync_api import Page

BURST_MS = 1_200
"""Ten PINGs take a second; after that, the page's clock does not get any better."""


def clock_page_url(files_url: str, sockets: list[str], *session_ids: str) -> str:
    """The URL of a page with all clocks of these sessions, which uses the sockets in turn."""
    query = [("socket", one) for one in sockets] + [("session", one) for one in session_ids]
    return f"{files_url}/tests/browser/clock_page.html?{urlencode(query)}"


def wait_until_live(page: Page) -> None:
    page.wait_for_selector("[data-connection=live]")


def wait_until_synchronized(page: Page) -> None:
    wait_until_live(page)
    page.wait_for_selector("[data-participant]")
    page.wait_for_timeout(BURST_MS)
