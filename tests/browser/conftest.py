from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.e2e.instances import ROOT, Instance, instances
from tests.servers import RedisProcess

from .accessibility import Axe
from .measurements import Measurements
from .screens import TIMEOUT_MS, Screens, checked_screens, running_chromium
from .session_api import SessionApi

MEASUREMENTS = pytest.StashKey[Measurements]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MEASUREMENTS] = Measurements()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that measure: they run one at a time, with nothing next to them."""
    for item in items:
        if "measurements" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timing)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.stash[MEASUREMENTS].taken:
        terminalreporter.section("measurements")
        terminalreporter.write_line(config.stash[MEASUREMENTS].as_table())


@pytest.fixture(scope="session")
def measurements(pytestconfig: pytest.Config) -> Measurements:
    """The measurements of the run, which ends with a table of them."""
    return pytestconfig.stash[MEASUREMENTS]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """One browser for the whole run; open pages with `screens`."""
    with running_chromium(playwright) as browser:
        yield browser


@pytest.fixture
def screens(chromium: Browser) -> Iterator[Screens]:
    """Opens pages; the test fails on every unexpected error or warning of a page."""
    with checked_screens(chromium) as screens:
        yield screens


@pytest.fixture(scope="session")
def axe() -> Axe:
    """Finds accessibility violations."""
    return Axe.installed()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A shared local stack; create your own sessions, and don't stop it."""
    with instances(1, None, tmp_path_factory.mktemp("stack")) as [one]:
        yield one


@pytest.fixture(scope="session")
def session_api(stack: Instance) -> Iterator[SessionApi]:
    """Creates and changes sessions on the shared stack."""
    session_api = SessionApi(stack.rest_url)
    yield session_api
    session_api.close()


@pytest.fixture
def two_instances(valkey: RedisProcess, tmp_path: Path) -> Iterator[list[Instance]]:
    """Two instances with one store, for one test."""
    with instances(2, valkey.url, tmp_path) as both:
        yield both


@pytest.fixture(scope="session")
def files_url() -> Iterator[str]:
    """The project's folder, served by `python3 -m http.server` as the examples say."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            # Serving HTTP on 127.0.0.1 port 8000 (http://127.0.0.1:8000/) ...
            yield server.stdout.readline().partition("(")[2].partition("/)")[0]
        finally:
            server.terminate()
