"""Pages with many clocks: CPU usage and correctness."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, CDPSession, Page, Playwright

from tests.e2e.instances import Instance

from .clock_page import clock_page_url, wait_until_synchronized
from .digit_record import RECORDER, State, backward_jumps, parse_clock_ms, record_of
from .measurements import Measurements
from .screens import Screens, checked_screens, running_chromium
from .session_api import SessionApi, epoch_ms

HOUR_MS = 3_600_000
MEASURED_MS = 5_000


@pytest.fixture
def own_browser(playwright: Playwright) -> Iterator[Browser]:
    """A browser without other pages: CPU time is measured for whole processes."""
    with running_chromium(playwright) as browser:
        yield browser


def cpu_seconds(browser: CDPSession) -> float:
    """The CPU time of all renderer processes so far."""
    found = browser.send("SystemInfo.getProcessInfo")["processInfo"]
    total: float = sum(one["cpuTime"] for one in found if one["type"] == "renderer")
    return total


@contextmanager
def open_page(browser: Browser, url: str, clocks: int) -> Iterator[Page]:
    with checked_screens(browser) as screens:
        page = screens.open(url)
        page.wait_for_selector(f"[data-participant]:nth-child({clocks})")
        wait_until_synchronized(page)
        yield page


def cpu_percent(browser: Browser, page: Page) -> float:
    """CPU usage as a percentage of one core, over some seconds."""
    whole = browser.new_browser_cdp_session()
    before, began_at = cpu_seconds(whole), time.monotonic()
    page.wait_for_timeout(MEASURED_MS)
    used_s, passed_s = cpu_seconds(whole) - before, time.monotonic() - began_at
    whole.detach()
    return 100 * used_s / passed_s


def test_cpu_usage_of_a_hundred_clocks_in_seconds(
    own_browser: Browser,
    stack: Instance,
    session_api: SessionApi,
    files_url: str,
    measurements: Measurements,
) -> None:
    session_id = session_api.create(HOUR_MS, 100, "global")
    session_api.command(session_id, "start")
    url = clock_page_url(files_url, [stack.websocket_url], session_id)
    with open_page(own_browser, url, 100) as page:
        measurements.take(
            "CPU of a page of 100 running clocks, in seconds",
            lambda: cpu_percent(own_browser, page),
            unit="% of a core",
            must=5,
        )


def test_cpu_usage_of_a_hundred_clocks_in_tenths(
    own_browser: Browser,
    stack: Instance,
    session_api: SessionApi,
    files_url: str,
    measurements: Measurements,
) -> None:
    def measure() -> float:
        session_id = session_api.create(9_900, 100, "global")
        url = clock_page_url(files_url, [stack.websocket_url], session_id)
        with open_page(own_browser, url, 100) as page:
            session_api.command(session_id, "start")
            return cpu_percent(own_browser, page)

    name = "CPU of a page of 100 running clocks, in tenths"
    measurements.take(name, measure, unit="% of a core")


def test_cpu_usage_of_a_hundred_sessions(
    own_browser: Browser,
    stack: Instance,
    session_api: SessionApi,
    files_url: str,
    measurements: Measurements,
) -> None:
    sessions = [session_api.create(HOUR_MS + 37 * number, 1) for number in range(100)]
    for session_id in sessions:
        session_api.command(session_id, "start")
    url = clock_page_url(files_url, [stack.websocket_url], *sessions)
    with open_page(own_browser, url, 100) as page:
        measurements.take(
            "CPU of a page of 100 sessions, a clock and a socket each, no two in step",
            lambda: cpu_percent(own_browser, page),
            unit="% of a core",
        )


def test_thousand_clocks_are_shown_and_right(
    screens: Screens,
    stack: Instance,
    session_api: SessionApi,
    files_url: str,
    measurements: Measurements,
) -> None:
    session_id = session_api.create(HOUR_MS, 1_000)
    url = clock_page_url(files_url, [stack.websocket_url], session_id)
    page = screens.open(url, script=RECORDER)
    page.wait_for_selector("[data-participant]:nth-child(1000)")
    record = record_of(page)
    last_ms = max(change.at_ms for change in record.changes) - record.opened_at_ms
    measurements.take("from opening the page to the last of 1,000 clocks", lambda: last_ms)

    session_api.command(session_id, "start")
    switched_at_ms = []
    for _ in range(10):
        page.wait_for_timeout(200)
        session_api.command(session_id, "switch")
        switched_at_ms.append(epoch_ms(session_api.state(session_id)["cycle_started_at"]))
    session_api.command(session_id, "complete")
    state = session_api.state(session_id)
    page.wait_for_function(
        "(version) => recorder.entries.some((entry) => entry.version === version)",
        arg=state["version"],
    )

    record = record_of(page)
    assert backward_jumps(record) == []
    shown = record.shown_at(time.time() * 1000)
    assert len(shown) == 1_000
    for one in state["participants"]:
        digits_ms = parse_clock_ms(shown[one["participant_id"]])
        assert digits_ms is not None
        assert digits_ms - 1_000 < one["time_remaining_ms"] <= digits_ms
    received_at_ms = {one.version: one.at_ms for one in record.entries if isinstance(one, State)}
    # The start made version 2, the first switch version 3.
    delays_ms = [received_at_ms[3 + number] - at_ms for number, at_ms in enumerate(switched_at_ms)]
    measurements.take(
        "from a switch of one of 1,000 to the page, longest of 10", lambda: max(delays_ms)
    )
