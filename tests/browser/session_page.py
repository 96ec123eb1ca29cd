"""The page at /: creates sessions, and finds elements by their roles, names and text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Locator, Page, expect

from .screens import Screens

PRESS_MS = 350
"""A press that follows another of the same button sooner than 300 ms is no press of its own."""

VIEWER = "Viewer (large clocks)"
HOST = "Host (all controls)"
OVERLAY = "Overlay (digits only)"
PHONE: Mapping[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}


def create_session(
    screens: Screens, rest_url: str, preset: str, *, context: Mapping[str, Any] = {}, **fields: str
) -> Page:
    """The host's page of a new session, created with the form."""
    page = screens.open(f"{rest_url}/", **context)
    choose_preset(page, preset)
    for field, text in fields.items():
        page.locator(f"[name={field}]").fill(text)
    page.get_by_role("button", name="Create session").click()
    wait_until_live(page)
    return page


def wait_until_live(page: Page) -> None:
    """Wait until the page is connected and shows its maximum clock error."""
    expect(page.get_by_text("Live ±")).to_be_visible()


def link_for(host: Page, recipient: str) -> str:
    """The link that the host's page shows for a recipient."""
    host.get_by_label("Link for", exact=True).select_option(label=recipient)
    return host.get_by_label("Link", exact=True).input_value()


def choose_preset(page: Page, name: str) -> None:
    # The radio button itself is invisible; its card is what users see.
    cards = page.locator(".preset").filter(has=page.get_by_text(name, exact=True))
    cards.get_by_role("radio").press("Space")


def clock(page: Page, name: str) -> Locator:
    """The digits of a participant's clock."""
    return page.get_by_role("timer", name=name, exact=True)


def card(page: Page, name: str) -> Locator:
    """A participant's clock with its buttons."""
    return page.locator(".clock").filter(has=clock(page, name))


def press(page: Page, name: str) -> None:
    """Press a button as people do, who are slower than scripts."""
    page.wait_for_timeout(PRESS_MS)
    page.get_by_role("button", name=name, exact=True).click()
