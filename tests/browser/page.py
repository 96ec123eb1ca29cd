"""The page at / as somebody uses it: presets are chosen, links handed out, buttons pressed.

Owns where things are on the page, so that tests can speak of what they do. It
finds them by what people are told they are: roles, names, words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Locator, Page, expect

from .screens import Screens

VIEWER = "Viewer: huge digits"
PHONE: Mapping[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}


def make_session(
    screens: Screens, rest_url: str, preset: str, *, context: Mapping[str, Any] = {}, **filled: str
) -> Page:
    """A host's page of a new session, made with the form."""
    page = screens.open(f"{rest_url}/", **context)
    # What is seen is the card around it.
    page.get_by_role("radio", name=preset).press("Space")
    for field, text in filled.items():
        page.locator(f"[name={field}]").fill(text)
    page.get_by_role("button", name="Make the session").click()
    is_live(page)
    return page


def is_live(page: Page) -> None:
    """Wait until the page is connected, and knows how far off its clocks may be."""
    expect(page.get_by_text("Live ±")).to_be_visible()


def link_for(host: Page, whose: str) -> str:
    """The link that the host's page hands out."""
    choice = host.get_by_label("Link for", exact=True)
    choice.select_option(label=whose)
    return host.get_by_label("Link", exact=True).input_value()


def clock(page: Page, name: str) -> Locator:
    """The digits of somebody's clock."""
    return page.get_by_role("timer", name=name, exact=True)


def card(page: Page, name: str) -> Locator:
    """Somebody's clock with all that belongs to it."""
    return page.locator(".clock").filter(has=clock(page, name))


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
