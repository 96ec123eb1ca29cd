"""Pages that show a great many clocks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, CDPSession, Page, Playwright

from tests.e2e.instances import Instance

from .arbiter import Arbiter, epoch_ms
from .clocks import clocks_url, wait_until_settled
from .digits import RECORDER, State, backward_jumps, read_ms, record_of
from .figures import Figures
from .screens import Screens, chromium_running, watched

HOUR_MS = 3_600_000
WATCH_MS = 5_000


@pytest.fixture
def own_browser(playwright: Playwright) -> Iterator[Browser]:
    """One that shows nothing else: processes are counted as a whole."""
    with chromium_running(playwright) as browser:
        yield browser


def cpu_seconds(browser: CDPSession) -> float:
    """What all processes in which pages run have used so far."""
    found = browser.send("SystemInfo.getProcessInfo")["processInfo"]
    used: float = sum(one["cpuTime"] for one in found if one["type"] == "renderer")
    return used


@contextmanager
def showing(browser: Browser, url: str, clocks: int) -> Iterator[Page]:
    with watched(browser) as screens:
        page = screens.open(url)
        page.wait_for_selector(f"[data-participant]:nth-child({clocks})")
        wait_until_settled(page)
        yield page


def share_of_a_core(browser: Browser, page: Page) -> float:
    """In per cent, over some seconds."""
    whole = browser.new_browser_cdp_session()
    before, began_at = cpu_seconds(whole), time.monotonic()
    page.wait_for_timeout(WATCH_MS)
    used, passed = cpu_seconds(whole) - before, time.monotonic() - began_at
    whole.detach()
    return 100 * used / passed


def test_a_hundred_clocks_in_seconds_cost_little(
    own_browser: Browser, stack: Instance, arbiter: Arbiter, files_url: str, figures: Figures
) -> None:
    session_id = arbiter.make(HOUR_MS, 100, "global")
    arbiter.command(session_id, "start")
    url = clocks_url(files_url, [stack.websocket_url], session_id)
    with showing(own_browser, url, 100) as page:
        figures.take(
            "CPU of a page of 100 running clocks, in seconds",
            lambda: share_of_a_core(own_browser, page),
            unit="% of a core",
            must=5,
        )


def test_a_hundred_clocks_in_tenths_are_counted_too(
    own_browser: Browser, stack: Instance, arbiter: Arbiter, files_url: str, figures: Figures
) -> None:
    def share() -> float:
        session_id = arbiter.make(9_900, 100, "global")
        url = clocks_url(files_url, [stack.websocket_url], session_id)
        with showing(own_browser, url, 100) as page:
            arbiter.command(session_id, "start")
            return share_of_a_core(own_browser, page)

    name = "CPU of a page of 100 running clocks, in tenths"
    figures.take(name, share, unit="% of a core")


def test_a_hundred_sessions_fit_on_one_page(
    own_browser: Browser, stack: Instance, arbiter: Arbiter, files_url: str, figures: Figures
) -> None:
    sessions = [arbiter.make(HOUR_MS + 37 * number, 1) for number in range(100)]
    for session_id in sessions:
        arbiter.command(session_id, "start")
    url = clocks_url(files_url, [stack.websocket_url], *sessions)
    with showing(own_browser, url, 100) as page:
        figures.take(
            "CPU of a page of 100 sessions, a clock and a socket each, no two in step",
            lambda: share_of_a_core(own_browser, page),
            unit="% of a core",
        )


def test_a_thousand_participants_are_shown_and_right(
    screens: Screens, stack: Instance, arbiter: Arbiter, files_url: str, figures: Figures
) -> None:
    session_id = arbiter.make(HOUR_MS, 1_000)
    url = clocks_url(files_url, [stack.websocket_url], session_id)
    page = screens.open(url, script=RECORDER)
    page.wait_for_selector("[data-participant]:nth-child(1000)")
    record = record_of(page)
    last_ms = max(change.at_ms for change in record.changes) - record.opened_at_ms
    figures.take("from opening the page to the last of 1,000 clocks", lambda: last_ms)

    arbiter.command(session_id, "start")
    switched_at_ms = []
    for _ in range(10):
        page.wait_for_timeout(200)
        arbiter.command(session_id, "switch")
        switched_at_ms.append(epoch_ms(arbiter.state(session_id)["cycle_started_at"]))
    arbiter.command(session_id, "complete")
    state = arbiter.state(session_id)
    page.wait_for_function(
        "(version) => recorder.notes.some((note) => note.version === version)",
        arg=state["version"],
    )

    record = record_of(page)
    assert backward_jumps(record) == []
    shown = record.shown_at(time.time() * 1000)
    assert len(shown) == 1_000
    for one in state["participants"]:
        digits_ms = read_ms(shown[one["participant_id"]])
        assert digits_ms is not None
        assert digits_ms - 1_000 < one["time_remaining_ms"] <= digits_ms
    heard_at_ms = {note.version: note.at_ms for note in record.notes if isinstance(note, State)}
    # The start made version 2, the first switch 3.
    took = [heard_at_ms[3 + number] - at_ms for number, at_ms in enumerate(switched_at_ms)]
    figures.take("from a switch of one of 1,000 to the page, longest of 10", lambda: max(took))
