"""Pages in a real browser, and the errors they report.

Every page that is opened here is watched for errors and warnings on its console (which include
blocked resources, failed requests and violations of the content security policy) and for uncaught
exceptions.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_MS = 20_000


@contextmanager
def running_chromium(playwright: Playwright, *arguments: str) -> Iterator[Browser]:
    """The system's Chromium, headless, in its own processes."""
    found = [path for name in NAMES if (path := shutil.which(name))]
    if not found:
        pytest.fail("Chromium is not on the PATH; on Debian, run `apt-get install chromium`")
    # Chromium's sandbox does not work for root, the only user of many containers.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=found[0], args=[*sandbox, *arguments])
    try:
        yield browser
    finally:
        browser.close()


class Screens:
    """The pages of one test; they share no cookies and no storage, like separate devices."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._errors: list[str] = []
        self._expected: list[str] = []

    def open(self, url: str | None = None, *, script: str | None = None, **context: Any) -> Page:
        """Open ``url``; ``script`` runs before the page's own scripts.

        ``context`` are the options of Playwright's ``new_context``: ``viewport``,
        ``color_scheme``, ``locale``, ``has_touch``, ...
        """
        own = self._browser.new_context(**context)
        self._contexts.append(own)
        own.set_default_timeout(TIMEOUT_MS)
        if script is not None:
            own.add_init_script(script)
        page = own.new_page()
        page.on("console", self._on_console)
        page.on("pageerror", self._on_page_error)
        if url is not None:
            page.goto(url)
        return page

    def expect(self, *patterns: str) -> None:
        """Allow errors that match one of these regular expressions."""
        self._expected += patterns

    @property
    def unexpected_errors(self) -> list[str]:
        """The errors that were not expected."""
        return [
            error
            for error in self._errors
            if not any(re.search(pattern, error) for pattern in self._expected)
        ]

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            where = message.location["url"]
            self._errors.append(f"{message.type}: {message.text} ({where})")

    def _on_page_error(self, error: Error) -> None:
        self._errors.append(f"uncaught: {error}")


@contextmanager
def checked_screens(browser: Browser) -> Iterator[Screens]:
    """Screens whose pages must have no unexpected errors at the end of the block."""
    screens = Screens(browser)
    try:
        yield screens
        assert not screens.unexpected_errors, "\n".join(screens.unexpected_errors)
    finally:
        screens.close()
