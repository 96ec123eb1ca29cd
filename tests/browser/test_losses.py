"""What a page shows while connections are cut, instances die and laptops sleep."""

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

from .arbiter import Arbiter, active, epoch_ms
from .clocks import clocks_url, wait_until_live, wait_until_settled
from .digits import RECORDER, Change, backward_jumps, is_right, late_ms, percentile, record_of
from .figures import Figures
from .screens import PATIENCE_MS, Screens, chromium_running, watched

HOUR_MS = 3_600_000
SOCKET_LIVES_S = 2.0
SLEEP_MS = 3_000

# Chromium logs each connection that nobody takes.
REFUSED = "WebSocket connection to .* failed"

# From a moment on the page's own clock stands still for a while, and the time of day goes on, as
# they do on a machine that sleeps. What really stands still meanwhile are the browser's processes.
SLEEPY = """
(() => {
  const now = performance.now.bind(performance);
  let from = Infinity;
  let ms = 0;
  performance.now = () => (now() < from ? now() : Math.max(from, now() - ms));
  window.sleepFor = (forMs) => { from = now(); ms = forMs; };
})();
"""


@pytest.fixture(scope="module")
def short_lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A stack whose sockets are cut after two seconds, as API Gateway's are after two hours."""
    directory = tmp_path_factory.mktemp("short-lived")
    with instances(1, None, directory, "--duration-seconds", str(SOCKET_LIVES_S)) as [one]:
        yield one


def catches_up(page: Page, arbiter: Arbiter, session_id: str) -> float:
    """When the page came to show the right digits of whose turn it is now; fails if never."""
    state = arbiter.state(session_id)
    participant, deadline_ms = active(state)["participant_id"], epoch_ms(state["deadline_at"])
    began_ms = epoch_ms(state["cycle_started_at"])

    def right() -> list[Change]:
        return [
            change
            for change in record_of(page).changes
            if change.participant == participant
            and change.at_ms > began_ms
            and is_right(change, deadline_ms)
        ]

    eventually(right, within_s=PATIENCE_MS / 1000)
    return right()[0].at_ms


def test_a_socket_that_is_cut_again_and_again_is_not_seen_on_the_digits(
    screens: Screens, short_lived: Instance, files_url: str, figures: Figures
) -> None:
    arbiter = Arbiter(short_lived.rest_url)

    def late_at_most_ms() -> float:
        session_id = arbiter.make(9_900)
        url = clocks_url(files_url, [short_lived.websocket_url], session_id)
        page = screens.open(url, script=RECORDER)
        wait_until_settled(page)
        arbiter.command(session_id, "start")
        state = arbiter.state(session_id)
        page.wait_for_timeout(3 * SOCKET_LIVES_S * 1000)
        record = record_of(page)
        assert record.sockets >= 3
        assert backward_jumps(record) == []
        deadline_ms = epoch_ms(state["deadline_at"])
        # Without the change from a clock that stands.
        since_ms = epoch_ms(state["cycle_started_at"]) + 500
        late = late_ms(record, active(state)["participant_id"], deadline_ms, since_ms)
        assert len(late) > 40

        arbiter.command(session_id, "switch")
        catches_up(page, arbiter, session_id)
        page.context.close()
        return percentile(map(abs, late), 0.95)

    name = "digits, off the server's time, while sockets are cut every 2 s, p95"
    figures.take(name, late_at_most_ms, must=30)
    arbiter.close()


def test_when_an_instance_dies_its_pages_go_to_another(
    screens: Screens, two_instances: list[Instance], files_url: str
) -> None:
    dying, other = two_instances
    arbiter = Arbiter(other.rest_url)
    session_id = arbiter.make(HOUR_MS)
    sockets = [dying.websocket_url, other.websocket_url]
    page = screens.open(clocks_url(files_url, sockets, session_id), script=RECORDER)
    wait_until_live(page)
    arbiter.command(session_id, "start")
    catches_up(page, arbiter, session_id)

    screens.expect(REFUSED)
    dying.kill()
    arbiter.command(session_id, "switch")
    eventually(lambda: record_of(page).sockets > 1, within_s=PATIENCE_MS / 1000)
    wait_until_live(page)
    catches_up(page, arbiter, session_id)
    assert backward_jumps(record_of(page)) == []
    arbiter.close()


def test_when_its_instance_dies_and_comes_back_a_page_is_there_again(
    screens: Screens, valkey: RedisProcess, tmp_path: Path, files_url: str
) -> None:
    ports = ("--port", str(free_port()), "--ws-port", str(free_port()))
    with instances(1, valkey.url, tmp_path, *ports) as [instance]:
        arbiter = Arbiter(instance.rest_url)
        session_id = arbiter.make(HOUR_MS)
        url = clocks_url(files_url, [instance.websocket_url], session_id)
        page = screens.open(url, script=RECORDER)
        wait_until_live(page)
        arbiter.command(session_id, "start")
        catches_up(page, arbiter, session_id)
        screens.expect(REFUSED)
        instance.kill()
        arbiter.close()
    page.wait_for_selector("[data-connection=reconnecting]")

    with instances(1, valkey.url, tmp_path, *ports) as [instance]:
        arbiter = Arbiter(instance.rest_url)
        arbiter.command(session_id, "switch")
        wait_until_live(page)
        catches_up(page, arbiter, session_id)
        assert backward_jumps(record_of(page)) == []
        arbiter.close()


# Who has to connect again waits for a random part of a second first.
@pytest.mark.parametrize(
    ("its_socket", "must"), [("is still there", 500), ("has been cut meanwhile", 2_000)]
)
def test_a_laptop_that_wakes_shows_what_is_right(
    its_socket: str,
    must: float,
    request: pytest.FixtureRequest,
    playwright: Playwright,
    files_url: str,
    figures: Figures,
) -> None:
    stack = "stack" if its_socket == "is still there" else "short_lived"
    instance: Instance = request.getfixturevalue(stack)
    arbiter = Arbiter(instance.rest_url)

    def wrong_for_ms() -> float:
        session_id = arbiter.make(HOUR_MS)
        with chromium_running(playwright) as browser, watched(browser) as screens:
            url = clocks_url(files_url, [instance.websocket_url], session_id)
            page = screens.open(url, script=RECORDER + SLEEPY)
            wait_until_settled(page)
            arbiter.command(session_id, "start")
            catches_up(page, arbiter, session_id)
            page.evaluate("(ms) => sleepFor(ms)", SLEEP_MS)
            with standing_still(renderers_of(browser)):
                # The others play on.
                arbiter.command(session_id, "switch")
                wakes_at = time.monotonic() + SLEEP_MS / 1000
                eventually(lambda: time.monotonic() > wakes_at, within_s=2 * SLEEP_MS / 1000)
                woke_at_ms = time.time() * 1000
            right_at_ms = catches_up(page, arbiter, session_id)
            assert backward_jumps(record_of(page)) == []
            return right_at_ms - woke_at_ms

    name = f"from waking to the right digits, when the socket {its_socket}"
    figures.take(name, wrong_for_ms, must=must)
    arbiter.close()


@contextmanager
def standing_still(pids: list[int]) -> Iterator[None]:
    """Nothing these processes do gets on while the block runs."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def renderers_of(browser: Browser) -> list[int]:
    """The processes in which pages run."""
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    return [one["id"] for one in found["processInfo"] if one["type"] == "renderer"]
