"""Whether digits are right, and change when they should, on every screen at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median

import pytest
from playwright.sync_api import Browser, Page, Playwright

from tests.e2e.instances import Instance

from .arbiter import Arbiter, active, epoch_ms
from .clocks import clocks_url, wait_until_settled
from .digits import (
    RECORDER,
    Record,
    apart_ms,
    backward_jumps,
    is_right,
    late_ms,
    percentile,
    record_of,
    share_in_common,
)
from .figures import Figures
from .screens import PATIENCE_MS, Screens, chromium_running, watched

FRAME_MS = 16.7
TURNS = 6
TURN_MS = 900


@pytest.fixture
def two_browsers(playwright: Playwright) -> Iterator[list[Screens]]:
    with ExitStack() as stack:
        browsers = [stack.enter_context(chromium_running(playwright)) for _ in range(2)]
        yield [stack.enter_context(watched(browser)) for browser in browsers]


def game(arbiter: Arbiter, session_id: str, pages: list[Page]) -> tuple[list[Record], float]:
    """What pages showed of a game of nine seconds a side, and when it began."""
    for page in pages:
        wait_until_settled(page)
    began_at_ms = time.time() * 1000
    arbiter.command(session_id, "start")
    for _ in range(TURNS):
        pages[0].wait_for_timeout(TURN_MS)
        arbiter.command(session_id, "switch")
    records = [record_of(page) for page in pages]
    for record in records:
        assert backward_jumps(record) == []
    return records, began_at_ms


def apart_in_a_game(arbiter: Arbiter, opened: list[tuple[Screens, str]], files_url: str) -> float:
    """How far two screens of one game were apart, at the 95th percentile."""
    session_id = arbiter.make(9_000)
    pages = [
        screens.open(clocks_url(files_url, [socket], session_id), script=RECORDER)
        for screens, socket in opened
    ]
    (one, other), began_at_ms = game(arbiter, session_id, pages)
    for page in pages:
        page.context.close()
    assert share_in_common(one, other, began_at_ms) > 0.9
    moments = apart_ms(one, other, began_at_ms)
    assert len(moments) > TURNS * TURN_MS / 100 / 2
    return percentile(moments, 0.95)


def test_two_pages_of_a_browser_change_digits_together(
    screens: Screens, stack: Instance, arbiter: Arbiter, files_url: str, figures: Figures
) -> None:
    opened = [(screens, stack.websocket_url)] * 2
    figures.take(
        "moment of change, two pages of one browser, apart, p95",
        lambda: apart_in_a_game(arbiter, opened, files_url),
        must=30,
        aim=FRAME_MS,
    )


def test_two_browsers_on_two_instances_change_digits_together(
    two_browsers: list[Screens], two_instances: list[Instance], files_url: str, figures: Figures
) -> None:
    arbiter = Arbiter(two_instances[0].rest_url)
    opened = [
        (screens, instance.websocket_url)
        for screens, instance in zip(two_browsers, two_instances, strict=True)
    ]
    figures.take(
        "moment of change, two browsers on two instances, apart, p95",
        lambda: apart_in_a_game(arbiter, opened, files_url),
        must=30,
        aim=FRAME_MS,
    )
    arbiter.close()


def test_digits_change_when_the_servers_time_says_so(
    screens: Screens, stack: Instance, arbiter: Arbiter, files_url: str, figures: Figures
) -> None:
    def late_at_most_ms() -> float:
        session_id = arbiter.make(6_000)
        url = clocks_url(files_url, [stack.websocket_url], session_id)
        page = screens.open(url, script=RECORDER)
        wait_until_settled(page)
        arbiter.command(session_id, "start")
        state = arbiter.state(session_id)
        # The store's clock is this machine's.
        deadline_ms = epoch_ms(state["deadline_at"])
        page.wait_for_timeout(deadline_ms - time.time() * 1000 + 100)
        record = record_of(page)
        page.context.close()
        assert backward_jumps(record) == []
        late = late_ms(record, active(state)["participant_id"], deadline_ms, deadline_ms - 5_500)
        assert len(late) > 40
        return percentile(map(abs, late), 0.95)

    figures.take("digits, off the server's time, p95", late_at_most_ms, must=30, aim=FRAME_MS)


def test_the_first_digit_a_page_shows_is_right_and_there_at_once(
    chromium: Browser, stack: Instance, arbiter: Arbiter, files_url: str, figures: Figures
) -> None:
    session_id = arbiter.make(3_600_000)
    arbiter.command(session_id, "start")
    state = arbiter.state(session_id)
    deadline_ms, participant = epoch_ms(state["deadline_at"]), active(state)["participant_id"]

    def first_right_ms() -> float:
        # Each time a browser that has never seen the page.
        with watched(chromium) as screens:
            url = clocks_url(files_url, [stack.websocket_url], session_id)
            page = screens.open(url, script=RECORDER)
            while True:
                record = record_of(page)
                for change in record.changes:
                    if change.participant == participant and is_right(change, deadline_ms):
                        return change.at_ms - record.opened_at_ms
                assert time.time() * 1000 < record.opened_at_ms + PATIENCE_MS
                page.wait_for_timeout(20)

    figures.take(
        "from opening the page to the first right digit, median of 9",
        lambda: median(first_right_ms() for _ in range(9)),
        must=500,
        aim=200,
    )
