"""One press, one command: held keys, double clicks and impatience."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.instances import Instance

from .screens import Screens
from .session_api import SessionApi
from .session_page import PRESS_MS, card, clock, create_session, press

REPEAT_MS = 30


def commands_of(session_api: SessionApi, page: Page) -> list[str]:
    """The types of the events after the creation."""
    session_id = re.search("s=([0-9a-f-]{36})", page.url)
    assert session_id is not None
    return [one["type"] for one in session_api.events(session_id[1])[1:]]


def hold(page: Page, key: str, ms: int = 1_000) -> None:
    """Press a key as the keyboard does that repeats it."""
    for _ in range(ms // REPEAT_MS):
        page.keyboard.down(key)
        page.wait_for_timeout(REPEAT_MS)
    page.keyboard.up(key)


def started(screens: Screens, stack: Instance, preset: str = "Blitz", **fields: Any) -> Page:
    host = create_session(screens, stack.rest_url, preset, **fields)
    press(host, "Start")
    expect(host.locator(".header .status")).to_have_text("Running")
    host.wait_for_timeout(PRESS_MS)
    return host


def pass_turn(page: Page) -> Locator:
    return page.get_by_role("button", name="Pass turn", exact=True)


@pytest.mark.parametrize(("key", "has_focus"), [("Enter", True), ("Space", True), ("Space", False)])
def test_a_held_key_switches_once(
    screens: Screens, stack: Instance, session_api: SessionApi, key: str, has_focus: bool
) -> None:
    host = started(screens, stack)
    if has_focus:
        pass_turn(host).focus()
    hold(host, key)
    expect(card(host, "Black")).to_have_attribute("data-active", "true")
    assert commands_of(session_api, host) == ["session_started", "cycle_switched"]


def test_a_double_click_and_a_triple_click_switch_once(
    screens: Screens, stack: Instance, session_api: SessionApi
) -> None:
    host = started(screens, stack)
    pass_turn(host).click(click_count=2, delay=20)
    host.wait_for_timeout(500)
    pass_turn(host).click(click_count=3, delay=20)
    expect(card(host, "White")).to_have_attribute("data-active", "true")
    assert commands_of(session_api, host) == ["session_started"] + ["cycle_switched"] * 2


def test_a_held_stopwatch_button_toggles_once(
    screens: Screens, stack: Instance, session_api: SessionApi
) -> None:
    host = started(screens, stack, "Stopwatch")
    host.get_by_role("button", name="Pause", exact=True).focus()
    hold(host, "Enter")
    expect(host.locator(".header .status")).to_have_text("Paused")
    assert commands_of(session_api, host) == ["session_started", "session_paused"]


def test_time_is_added_by_every_click(screens: Screens, stack: Instance) -> None:
    host = create_session(screens, stack.rest_url, "Debate")
    more = host.get_by_role("button", name="Add time to For", exact=True)
    for clicks in (1, 2, 3):
        more.click(click_count=clicks)
        host.wait_for_timeout(350)
    expect(clock(host, "For")).to_have_text("4:30")


def type_key(page: Page, key: str, code: str) -> None:
    page.evaluate(
        """(which) => document.body.dispatchEvent(
            new KeyboardEvent('keydown', { ...which, bubbles: true, cancelable: true }))""",
        {"key": key, "code": code},
    )
    page.wait_for_timeout(PRESS_MS)


def test_shortcuts_work_on_a_keyboard_of_another_script(screens: Screens, stack: Instance) -> None:
    host = started(screens, stack)
    for is_running in ("false", "true"):
        type_key(host, "з", "KeyP")
        expect(card(host, "White")).to_have_attribute("data-running", is_running)
    # On a Latin keyboard the letter counts, wherever it is.
    type_key(host, "l", "KeyP")
    expect(card(host, "White")).to_have_attribute("data-running", "true")
