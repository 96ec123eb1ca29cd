"""The screen stays on while a clock runs, on every screen and whatever the system did before."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.e2e.instances import Instance
from tests.servers import eventually

from .screens import Screens
from .session_api import SessionApi
from .session_page import wait_until_live

# A system that refuses until `refuses` is false, and that can take a lock away.
SYSTEM = """
(() => {
  const system = (window.system = { refuses: false, requests: 0, held: 0 });
  let taken = () => {};
  system.take = () => taken();
  Object.defineProperty(navigator, 'wakeLock', { value: {
    async request() {
      system.requests += 1;
      if (system.refuses) throw new DOMException('Low battery', 'NotAllowedError');
      const lock = { released: false };
      system.held += 1;
      taken = () => { system.held -= lock.released ? 0 : 1; lock.released = true; };
      return Object.assign(lock, { release: async () => taken() });
    },
  } });
})();
"""


def held(page: Page) -> int:
    number: int = page.evaluate("system.held")
    return number


def open_screen(
    screens: Screens, stack: Instance, session_api: SessionApi, role: str
) -> tuple[Page, str]:
    session_id = session_api.create(600_000)
    one = session_api.state(session_id)["participants"][0]["participant_id"]
    page = screens.open(f"{stack.rest_url}/#s={session_id}&as={role}&p={one}", script=SYSTEM)
    wait_until_live(page)
    assert held(page) == 0
    return page, session_id


@pytest.mark.parametrize("role", ["host", "participant", "viewer"])
def test_screen_is_kept_on_while_a_clock_runs(
    screens: Screens, stack: Instance, session_api: SessionApi, role: str
) -> None:
    page, session_id = open_screen(screens, stack, session_api, role)
    session_api.command(session_id, "start")
    eventually(lambda: held(page) == 1)
    # Taken by the system: it is noticed at the next gesture, and again when the page is visible.
    page.evaluate("system.take()")
    page.locator(".title").click()
    eventually(lambda: held(page) == 1)
    page.evaluate("system.take()")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    eventually(lambda: held(page) == 1)
    session_api.command(session_id, "pause")
    eventually(lambda: held(page) == 0)


def test_a_refusal_is_not_kept_for_ever(
    screens: Screens, stack: Instance, session_api: SessionApi
) -> None:
    page, session_id = open_screen(screens, stack, session_api, "viewer")
    page.evaluate("system.refuses = true")
    session_api.command(session_id, "start")
    eventually(lambda: page.evaluate("system.requests") == 1)
    page.keyboard.press("Shift")
    eventually(lambda: page.evaluate("system.requests") == 2)
    page.evaluate("system.refuses = false")
    page.keyboard.press("Shift")
    eventually(lambda: held(page) == 1)
