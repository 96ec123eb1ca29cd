"""Processes beside a stack: all of them start, or none is left."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from local.worker_processes import WorkerError, worker_processes

SAYS_NOTHING = """
import os, pathlib, sys
pathlib.Path(__file__).with_suffix(".pid").write_text(str(os.getpid()))
sys.stdin.read()
"""

SAYS_MUCH = """
import sys
print("listening", flush=True)
for number in range(20_000):
    print(f"{number} of a great many lines, which together no pipe can hold")
print("all is said", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which modules can be run."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_one_that_ends_at_once_is_said_and_the_others_are_stopped(modules: Path) -> None:
    (modules / "silent.py").write_text(SAYS_NOTHING)
    (modules / "broken.py").write_text("raise SystemExit(3)")

    async def use() -> None:
        async with worker_processes(["silent", "broken"], stop_seconds=5):
            raise AssertionError("Not all of them have started")

    with pytest.raises(WorkerError, match="did not start"):
        asyncio.run(asyncio.wait_for(use(), 30))

    pid = modules / "silent.pid"
    # It may have been stopped before it came to that.
    assert not pid.exists() or not Path("/proc", pid.read_text()).exists()


def test_what_one_writes_while_it_runs_is_passed_on_and_keeps_it_waiting_for_nobody(
    modules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (modules / "talkative.py").write_text(SAYS_MUCH)
    said = ""

    async def use() -> None:
        nonlocal said
        async with worker_processes(["talkative"], stop_seconds=5):
            while "all is said" not in said:
                said += capsys.readouterr().out
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(use(), 30))

    assert said.startswith("0 of a great many")
    assert len(said.splitlines()) == 20_001
