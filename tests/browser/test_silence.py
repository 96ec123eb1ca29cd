"""The connection stays open and nothing passes: no screen takes silence for health."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.instances import Instance
from tests.servers import Proxy, proxy_to

from .screens import Screens
from .session_api import SessionApi, active_participant
from .session_page import card, press, wait_until_live

ANSWER_MS = 1_500
PROBE_TIMEOUT_MS = 5_000


@pytest.fixture
def network(stack: Instance) -> Iterator[Proxy]:
    """The network between a page and the stack's WebSocket."""
    port = urlsplit(stack.websocket_url).port
    assert port is not None
    with proxy_to(port) as between:
        yield between


def open_through(
    screens: Screens, stack: Instance, network: Proxy, session_id: str, role: str = "viewer"
) -> Page:
    socket = f"ws://127.0.0.1:{network.port}{urlsplit(stack.websocket_url).path}"
    # Chromium reports each attempt that gets no answer.
    screens.expect("WebSocket connection to .* failed")
    # The page may only connect to the stack itself.
    page = screens.open(f"{stack.rest_url}/?ws={socket}#s={session_id}&as={role}", bypass_csp=True)
    wait_until_live(page)
    return page


def indicator(page: Page) -> str:
    return page.locator(".connection").inner_text()


def test_a_clock_that_was_paused_in_silence_does_not_run_out_of_time(
    screens: Screens, stack: Instance, session_api: SessionApi, network: Proxy
) -> None:
    session_id = session_api.create(4_000, metadata={"names": ["White", "Black"]})
    page = open_through(screens, stack, network, session_id)
    session_api.command(session_id, "start")
    expect(card(page, "White")).to_have_attribute("data-running", "true")

    network.blackhole()
    session_api.command(session_id, "pause")
    left_ms = active_participant(session_api.state(session_id))["time_remaining_ms"]
    white = card(page, "White")
    expect(white).to_have_attribute("data-phase", "unconfirmed")
    expect(white.get_by_role("timer")).to_have_text("0:00")
    expect(white.locator(".note")).to_have_text("□ At zero, not confirmed")
    expect(page.locator(".connection")).to_have_text(re.compile(r"^Not confirmed ±\d+ s$"))
    assert page.get_by_text("Out of time").count() == 0
    expect(page.locator(".connection")).to_have_text(re.compile(r"^Reconnecting ±\d+ s$"))

    network.allow()
    expect(page.locator(".header .status")).to_have_text("Paused")
    expect(white.get_by_role("timer")).to_have_text(f"{-(-left_ms // 100) / 10:.1f}")
    wait_until_live(page)


@pytest.mark.timing
def test_a_command_without_an_answer_ends_live_and_the_buttons_wait(
    screens: Screens, stack: Instance, session_api: SessionApi, network: Proxy
) -> None:
    session_id = session_api.create(600_000)
    page = open_through(screens, stack, network, session_id, "host")
    # The burst of PINGs is over.
    page.wait_for_timeout(1_500)
    network.blackhole()
    pressed_at = time.monotonic()
    press(page, "Start")

    expect(page.locator(".connection")).to_have_text(re.compile("^Not confirmed"))
    assert time.monotonic() - pressed_at < ANSWER_MS / 1_000 + 2
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    expect(page.locator(".connection")).to_have_text(re.compile("^Reconnecting"))
    assert time.monotonic() - pressed_at < (ANSWER_MS + PROBE_TIMEOUT_MS) / 1_000 + 2
    expect(page.get_by_role("alert")).to_have_text(
        "Connection lost. The clock will show whether it worked."
    )
    network.allow()
    wait_until_live(page)
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled()


@pytest.mark.timing
def test_offline_is_believed_at_once_and_online_ends_the_wait(
    screens: Screens, stack: Instance, session_api: SessionApi, network: Proxy
) -> None:
    session_id = session_api.create(600_000)
    page = open_through(screens, stack, network, session_id)
    network.blackhole()
    page.evaluate("dispatchEvent(new Event('offline'))")
    assert indicator(page).startswith("Not confirmed")
    network.refuse()
    expect(page.locator(".connection")).to_have_text(re.compile("^Reconnecting"))
    # By now the next attempt is some time away.
    page.wait_for_timeout(6_000)

    network.allow()
    page.evaluate("dispatchEvent(new Event('online'))")
    online_at = time.monotonic()
    wait_until_live(page)
    assert time.monotonic() - online_at < 1.5
