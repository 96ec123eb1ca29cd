"""Pages in a real browser, and everything they complain about.

Owns how a page is opened so that nothing that goes wrong in it is missed: what
it logs as an error or a warning (where a browser also tells of blocked
resources, failed requests and violations of a content security policy), and
what it throws and nobody catches.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 20_000


@contextmanager
def chromium_running(playwright: Playwright, *arguments: str) -> Iterator[Browser]:
    """The system's Chromium, without a window, in processes of its own."""
    found = [path for name in NAMES if (path := shutil.which(name))]
    if not found:
        pytest.fail("There is no Chromium on the PATH; on Debian: apt-get install chromium")
    # Chromium's sandbox refuses to be root's, as a container's only user often is.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=found[0], args=[*sandbox, *arguments])
    try:
        yield browser
    finally:
        browser.close()


class Screens:
    """Pages of one test, each as on a machine of its own: no cookies, no storage in common."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._complaints: list[str] = []
        self._expected: list[str] = []

    def open(self, url: str | None = None, *, script: str | None = None, **context: Any) -> Page:
        """A page at ``url``, in which ``script`` ran before anything of its own did.

        ``context`` is what Playwright's ``new_context`` takes: ``viewport``,
        ``color_scheme``, ``locale``, ``has_touch``, ...
        """
        own = self._browser.new_context(**context)
        own.set_default_timeout(PATIENCE_MS)
        if script is not None:
            own.add_init_script(script)
        page = own.new_page()
        page.on("console", self._hear)
        page.on("pageerror", self._catch)
        if url is not None:
            page.goto(url)
        return page

    def expect(self, *patterns: str) -> None:
        """Complaints in which one of these regular expressions is found are all right."""
        self._expected += patterns

    @property
    def complaints(self) -> list[str]:
        """What was complained about and not expected."""
        return [
            complaint
            for complaint in self._complaints
            if not any(re.search(pattern, complaint) for pattern in self._expected)
        ]

    def close(self) -> None:
        for context in self._browser.contexts:
            context.close()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            where = message.location["url"]
            self._complaints.append(f"{message.type}: {message.text} ({where})")

    def _catch(self, error: Error) -> None:
        self._complaints.append(f"uncaught: {error}")


@contextmanager
def watched(browser: Browser) -> Iterator[Screens]:
    """Pages that must have nothing to complain about when the block ends."""
    screens = Screens(browser)
    try:
        yield screens
        assert not screens.complaints, "\n".join(screens.complaints)
    finally:
        screens.close()
