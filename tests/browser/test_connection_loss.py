"""Digits stay right when connections are cut, instances die and machines sleep."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright

from tests.e2e.instances import Instance, instances
from tests.servers import RedisProcess, eventually, free_port

from .clock_page import clock_page_url, wait_until_live, wait_until_synchronized
from .digit_record import RECORDER, Change, backward_jumps, is_right, late_ms, percentile, record_of
from .measurements import Measurements
from .screens import TIMEOUT_MS, Screens, checked_screens, running_chromium
from .session_api import SessionApi, active_participant, epoch_ms

HOUR_MS = 3_600_000
SOCKET_LIFETIME_S = 2.0
SLEEP_MS = 3_000

# Chromium logs each failed connection.
REFUSED = "WebSocket connection to .* failed"

# Stops the page's monotonic clock for a while, as on a machine that sleeps; the time of day keeps
# running. The test suspends the browser's processes for the same time.
SLEEP_SIMULATION = """
(() => {
  const now = performance.now.bind(performance);
  let from = Infinity;
  let ms = 0;
  performance.now = () => (now() < from ? now() : Math.max(from, now() - ms));
  window.sleepFor = (forMs) => { from = now(); ms = forMs; };
})();
"""


@pytest.fixture(scope="module")
def short_lived_sockets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A stack that closes sockets after two seconds, as API Gateway does after two hours."""
    directory = tmp_path_factory.mktemp("short-lived")
    with instances(1, None, directory, "--duration-seconds", str(SOCKET_LIFETIME_S)) as [one]:
        yield one


def wait_until_right(page: Page, session_api: SessionApi, session_id: str) -> float:
    """When the page first showed the right digits of the active participant."""
    state = session_api.state(session_id)
    participant, deadline_ms = (
        active_participant(state)["participant_id"],
        epoch_ms(state["deadline_at"]),
    )
    started_ms = epoch_ms(state["cycle_started_at"])

    def right_changes() -> list[Change]:
        return [
            change
            for change in record_of(page).changes
            if change.participant == participant
            and change.at_ms > started_ms
            and is_right(change, deadline_ms)
        ]

    eventually(right_changes, within_s=TIMEOUT_MS / 1000)
    return right_changes()[0].at_ms


def test_closed_sockets_do_not_affect_the_digits(
    screens: Screens, short_lived_sockets: Instance, files_url: str, measurements: Measurements
) -> None:
    session_api = SessionApi(short_lived_sockets.rest_url)

    def error_p95_ms() -> float:
        session_id = session_api.create(9_900)
        url = clock_page_url(files_url, [short_lived_sockets.websocket_url], session_id)
        page = screens.open(url, script=RECORDER)
        wait_until_synchronized(page)
        session_api.command(session_id, "start")
        state = session_api.state(session_id)
        page.wait_for_timeout(3 * SOCKET_LIFETIME_S * 1000)
        record = record_of(page)
        assert record.sockets >= 3
        assert backward_jumps(record) == []
        deadline_ms = epoch_ms(state["deadline_at"])
        # Leaves out the change from the stopped clock.
        since_ms = epoch_ms(state["cycle_started_at"]) + 500
        late = late_ms(record, active_participant(state)["participant_id"], deadline_ms, since_ms)
        assert len(late) > 40

        session_api.command(session_id, "switch")
        wait_until_right(page, session_api, session_id)
        page.context.close()
        return percentile(map(abs, late), 0.95)

    name = "digits, off the server's time, while sockets are cut every 2 s, p95"
    measurements.take(name, error_p95_ms, must=30)
    session_api.close()


def test_pages_reconnect_to_another_instance(
    screens: Screens, two_instances: list[Instance], files_url: str
) -> None:
    dying, other = two_instances
    session_api = SessionApi(other.rest_url)
    session_id = session_api.create(HOUR_MS)
    sockets = [dying.websocket_url, other.websocket_url]
    page = screens.open(clock_page_url(files_url, sockets, session_id), script=RECORDER)
    wait_until_live(page)
    session_api.command(session_id, "start")
    wait_until_right(page, session_api, session_id)

    screens.expect(REFUSED)
    dying.kill()
    session_api.command(session_id, "switch")
    eventually(lambda: record_of(page).sockets > 1, within_s=TIMEOUT_MS / 1000)
    wait_until_live(page)
    wait_until_right(page, session_api, session_id)
    assert backward_jumps(record_of(page)) == []
    session_api.close()


def test_pages_reconnect_to_a_restarted_instance(
    screens: Screens, valkey: RedisProcess, tmp_path: Path, files_url: str
) -> None:
    ports = ("--port", str(free_port()), "--ws-port", str(free_port()))
    with instances(1, valkey.url, tmp_path, *ports) as [instance]:
        session_api = SessionApi(instance.rest_url)
        session_id = session_api.create(HOUR_MS)
        url = clock_page_url(files_url, [instance.websocket_url], session_id)
        page = screens.open(url, script=RECORDER)
        wait_until_live(page)
        session_api.command(session_id, "start")
        wait_until_right(page, session_api, session_id)
        screens.expect(REFUSED)
        instance.kill()
        session_api.close()
    page.wait_for_selector("[data-connection=reconnecting]")

    with instances(1, valkey.url, tmp_path, *ports) as [instance]:
        session_api = SessionApi(instance.rest_url)
        session_api.command(session_id, "switch")
        wait_until_live(page)
        wait_until_right(page, session_api, session_id)
        assert backward_jumps(record_of(page)) == []
        session_api.close()


# Reconnecting starts with a backoff of up to a second.
@pytest.mark.parametrize(
    ("socket", "must"), [("is still there", 500), ("has been cut meanwhile", 2_000)]
)
def test_page_is_right_soon_after_waking(
    socket: str,
    must: float,
    request: pytest.FixtureRequest,
    playwright: Playwright,
    files_url: str,
    measurements: Measurements,
) -> None:
    stack = "stack" if socket == "is still there" else "short_lived_sockets"
    instance: Instance = request.getfixturevalue(stack)
    session_api = SessionApi(instance.rest_url)

    def recovery_ms() -> float:
        session_id = session_api.create(HOUR_MS)
        with running_chromium(playwright) as browser, checked_screens(browser) as screens:
            url = clock_page_url(files_url, [instance.websocket_url], session_id)
            page = screens.open(url, script=RECORDER + SLEEP_SIMULATION)
            wait_until_synchronized(page)
            session_api.command(session_id, "start")
            wait_until_right(page, session_api, session_id)
            page.evaluate("(ms) => sleepFor(ms)", SLEEP_MS)
            with suspended(renderer_pids(browser)):
                # The session goes on meanwhile.
                session_api.command(session_id, "switch")
                wakes_at = time.monotonic() + SLEEP_MS / 1000
                eventually(lambda: time.monotonic() > wakes_at, within_s=2 * SLEEP_MS / 1000)
                woke_at_ms = time.time() * 1000
            right_at_ms = wait_until_right(page, session_api, session_id)
            assert backward_jumps(record_of(page)) == []
            return right_at_ms - woke_at_ms

    name = f"from waking to the right digits, when the socket {socket}"
    measurements.take(name, recovery_ms, must=must)
    session_api.close()


@contextmanager
def suspended(pids: list[int]) -> Iterator[None]:
    """Suspend processes during the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def renderer_pids(browser: Browser) -> list[int]:
    """The processes that run the pages."""
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    return [one["id"] for one in found["processInfo"] if one["type"] == "renderer"]
