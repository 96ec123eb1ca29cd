"""Changes of an app's files, real ones: each test waits for the watcher's own call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from watchfiles import Change

from local.gateway.watch_app import AppFilter, watch_app

WITHIN_S = 5

Changed = Callable[[], Awaitable[None]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("")
    (tmp_path / "chalicelib").mkdir()
    return tmp_path


@contextmanager
def watching(folder: Path) -> Iterator[Changed]:
    """Within the block's loop; gives what returns after the next change."""
    seen = asyncio.Event()

    async def changed() -> None:
        await asyncio.wait_for(seen.wait(), WITHIN_S)
        seen.clear()

    watcher = asyncio.create_task(watch_app(folder, seen.set))
    try:
        yield changed
    finally:
        watcher.cancel()


async def has_begun() -> None:
    # The first turn starts the watcher's tasks, the second has each of them open its watch.
    for _ in range(2):
        await asyncio.sleep(0)


def replace(path: Path, text: str) -> None:
    """As editors do it: written beside the file, then renamed over it."""
    aside = path.with_name(f"{path.name}~")
    aside.write_text(text)
    aside.rename(path)


def create_subfolder(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def test_a_file_is_watched_through_every_replacement(folder: Path) -> None:
    async def scenario() -> None:
        with watching(folder) as changed:
            await has_begun()
            for text in ("1", "2", "3"):
                replace(folder / "app.py", text)
                await changed()

    asyncio.run(scenario())


def test_a_new_subpackage_is_watched(folder: Path) -> None:
    async def scenario() -> None:
        with watching(folder) as changed:
            await has_begun()
            script = create_subfolder(folder / "chalicelib", "scripts") / "commit.lua"
            await changed()
            script.write_text("return 1")
            await changed()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "file"), [("chalicelib", "engine.py"), (".chalice", "config.json")]
)
def test_a_folder_that_appears_later_is_watched(tmp_path: Path, name: str, file: str) -> None:
    async def scenario() -> None:
        with watching(tmp_path) as changed:
            await has_begun()
            path = create_subfolder(tmp_path, name) / file
            await changed()
            path.write_text("{}")
            await changed()

    asyncio.run(scenario())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
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
def test_only_what_is_deployed_is_part_of_the_app(path: str, is_part: bool) -> None:
    # Below a folder that would be left out, were it in the app.
    folder = Path("/home/you/.venv/app")

    assert AppFilter(folder)(Change.modified, str(folder / path)) is is_part
