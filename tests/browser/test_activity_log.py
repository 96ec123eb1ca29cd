"""The host's activity log shows each event once, however slow its reads and many its pages."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route, expect

from tests.e2e.instances import Instance

from .screens import Screens
from .session_page import create_session, press

EVENTS = "**/v1/sessions/*/events?*"


def lines(page: Page) -> list[str]:
    """The log, newest first, without the times."""
    texts: list[str] = page.locator(".activity li span").all_inner_texts()
    return texts


def test_slow_reads_show_each_event_once(screens: Screens, stack: Instance) -> None:
    host = create_session(screens, stack.rest_url, "Blitz")
    expect(host.locator(".activity li")).to_have_count(1)
    # In the page, because a handler here would keep the test from pressing buttons.
    host.evaluate(
        """() => {
            const read = window.fetch;
            window.fetch = async (...request) => {
                const slow = String(request[0]).includes('/events');
                if (slow) await new Promise((resolve) => setTimeout(resolve, 2_500));
                return read(...request);
            };
        }"""
    )
    press(host, "Start")
    for active in ("Black", "White", "Black"):
        press(host, "Pass turn")
        expect(host.locator(".clock[data-active=true] .name")).to_have_text(active)

    expect(host.locator(".activity li")).to_have_count(5)
    host.wait_for_timeout(4_000)
    # In each commit the newest line is on top.
    assert [one[:5] for one in lines(host)] == ["Black", "White", "Black", "Sessi", "Sessi"]


def test_the_newest_of_more_than_a_thousand_events_are_shown(
    screens: Screens, stack: Instance
) -> None:
    host = create_session(screens, stack.rest_url, "Blitz")
    expect(host.locator(".activity li")).to_have_count(1)
    reads: list[str] = []

    def serve(route: Route) -> None:
        """Two thousand five hundred warnings, a thousand in a page; the last page overlaps."""
        after = parse_qs(urlsplit(route.request.url).query).get("after", ["0"])[0]
        reads.append(after)
        first = {"1000": 1_001, "2000": 1_901}.get(after, 1)
        last = min(2_500, first + 999)
        events = [
            {
                "id": str(number),
                "type": "time_warning",
                "at": "2026-01-01T00:00:00.000Z",
                "remaining_ms": number * 60_000,
            }
            for number in range(first, last + 1)
        ]
        page = {"events": events, "next": None if last == 2_500 else str(last)}
        route.fulfill(json={"data": page, "timestamp": 0}, headers={"ETag": '"1"'})

    host.route(EVENTS, serve)
    press(host, "Start")
    expect(host.locator(".activity li").first).to_contain_text("1 day 17 hours 40 minutes left")
    assert host.locator(".activity li").count() == 200
    assert len(set(lines(host))) == 200
    assert reads[1:3] == ["1000", "2000"], json.dumps(reads)
