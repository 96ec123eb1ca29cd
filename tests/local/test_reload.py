"""``--reload``: the stack restarts after a change, once the app can be imported."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.reload import LOG, wait_for_app_change
from tests.waiting import HUNG_AFTER_S

WITHIN_S = HUNG_AFTER_S


class Reported(logging.Handler):
    """Lets a test wait for the next warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.put_nowait(record.getMessage())


@pytest.fixture
def reported() -> Iterator[Reported]:
    handler = Reported()
    LOG.addHandler(handler)
    yield handler
    LOG.removeHandler(handler)


def test_broken_app_is_reported_and_watched_until_it_is_fixed(
    tmp_path: Path, reported: Reported
) -> None:
    app = tmp_path / "app.py"
    app.write_text("app = 1")

    async def scenario() -> None:
        async with asyncio.timeout(WITHIN_S):
            changed = asyncio.create_task(wait_for_app_change(tmp_path, ["app"]))
            # The watcher starts within a few iterations of the loop.
            for _ in range(5):
                await asyncio.sleep(0)
            app.write_text("raise RuntimeError('half done')")
            assert "can't be loaded" in await reported.messages.get()
            assert not changed.done()
            app.write_text("app = 22")
            await changed

    asyncio.run(scenario())


def test_error_of_the_watcher_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup, match="unhandled"):
        asyncio.run(wait_for_app_change(tmp_path / "gone", ["app"]))
