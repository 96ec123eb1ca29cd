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
from .screens import PATIENCE_MS, Screens, chromium_running, watched


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """One browser for the whole run; pages come from `screens`."""
    with chromium_running(playwright) as browser:
        yield browser


@pytest.fixture
def screens(chromium: Browser) -> Iterator[Screens]:
    """Opens pages; the test fails on whatever they complain about and it has not expected."""
    with watched(chromium) as screens:
        yield screens


@pytest.fixture(scope="session")
def axe() -> Axe:
    """Finds what keeps people from using a page."""
    return Axe.installed()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """The local stack, shared: use sessions of your own, and leave it running."""
    with instances(1, None, tmp_path_factory.mktemp("stack")) as [one]:
        yield one


@pytest.fixture
def two_instances(valkey: RedisProcess, tmp_path: Path) -> Iterator[list[Instance]]:
    """Two instances over one store, for one test to do with as it likes."""
    with instances(2, valkey.url, tmp_path) as both:
        yield both


@pytest.fixture(scope="session")
def files_url() -> Iterator[str]:
    """This folder as a newcomer would serve it: `python3 -m http.server`."""
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
