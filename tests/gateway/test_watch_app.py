"""Watching an app's files. Each test changes files and waits for the watcher's call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from watchfiles import Change

from chalice_gateway.watch_app import AppFilter, watch_app
from tests.waiting import HUNG_AFTER_S

WITHIN_S = HUNG_AFTER_S

Changed = Callable[[], Awaitable[None]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("")
    (tmp_path / "chalicelib").mkdir()
    return tmp_path


@contextmanager
def watching(folder: Path) -> Iterator[Changed]:
    """Watch ``folder`` on the running loop; yields a function that waits for the next change."""
    seen = asyncio.Event()

    async def changed() -> None:
        await asyncio.wait_for(seen.wait(), WITHIN_S)
        seen.clear()

    watcher = asyncio.create_task(watch_app(folder, seen.set))
    try:
        yield changed
    finally:
        watcher.cancel()


async def wait_until_watching() -> None:
    # The first iteration starts the watcher's tasks, the second opens their watches.
    for _ in range(2):
        await asyncio.sleep(0)


def replace(path: Path, text: str) -> None:
    """Replace a file as editors do: write a new file, then rename it over the old one."""
    aside = path.with_name(f"{path.name}~")
    aside.write_text(text)
    aside.rename(path)


def create_subfolder(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def test_replaced_file_stays_watched(folder: Path) -> None:
    async def scenario() -> None:
        with watching(folder) as changed:
            await wait_until_watching()
            for text in ("1", "2", "3"):
                replace(folder / "app.py", text)
                await changed()

    asyncio.run(scenario())


def test_new_subpackage_is_watched(folder: Path) -> None:
    async def scenario() -> None:
        with watching(folder) as changed:
            await wait_until_watching()
            script = create_subfolder(folder / "chalicelib", "scripts") / "commit.lua"
            await changed()
            script.write_text("return 1")
            await changed()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "file"), [("chalicelib", "engine.py"), (".chalice", "config.json")]
)
def test_directory_created_later_is_watched(tmp_path: Path, name: str, file: str) -> None:
    async def scenario() -> None:
        with watching(tmp_path) as changed:
            await wait_until_watching()
            path = create_subfolder(tmp_path, name) / file
            await changed()
            path.write_text("{}")
            await changed()

    asyncio.run(scenario())


def test_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(watch_app(tmp_path / "gone", lambda: None))

    assert "gone" in str(raised.value.exceptions[0])


@pytest.mark.parametrize(
    ("path", "is_part"),
    [
        ("app.py", True),
        ("chalicelib/engine/sync_engine.py", True),
        ("chalicelib/store/scripts/commit.lua", True),
        (".chalice/config.json", True),
        (".chalice/deployed/dev.json", False),
        (".data/valkey/appendonlydir/appendonly.aof.1.incr.aof", False),
        (".venv/lib/python3.11/site-packages/redis/client.py", False),
        ("app.py~", False),
        ("chalicelib/__pycache__/engine.cpython-311.pyc", False),
        ("chalicelib/.engine.py.swp", False),
        ("tests/test_engine.py", False),
    ],
)
def test_filter_accepts_only_files_of_the_app(path: str, is_part: bool) -> None:
    # Below a directory that would be ignored inside the app.
    folder = Path("/home/you/.venv/app")

    assert AppFilter(folder)(Change.modified, str(folder / path)) is is_part
