"""Worker processes: startup, errors and output."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from local.worker_processes import WorkerError, worker_processes
from tests.waiting import HUNG_AFTER_S

SILENT = """
import os, pathlib, sys
pathlib.Path(__file__).with_suffix(".pid").write_text(str(os.getpid()))
sys.stdin.read()
"""

VERBOSE = """
import sys
print("listening", flush=True)
for number in range(20_000):
    print(f"{number} of a great many lines, which together no pipe can hold")
print("all is written", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory from which modules can be run."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_worker_that_exits_during_startup_is_an_error_and_stops_the_others(modules: Path) -> None:
    (modules / "silent.py").write_text(SILENT)
    (modules / "broken.py").write_text("raise SystemExit(3)")

    async def use() -> None:
        async with worker_processes(["silent", "broken"], stop_seconds=5):
            raise AssertionError("The block ran although a worker failed")

    with pytest.raises(WorkerError, match="did not start"):
        asyncio.run(asyncio.wait_for(use(), HUNG_AFTER_S))

    pid = modules / "silent.pid"
    # It may have been stopped before it wrote its pid.
    assert not pid.exists() or not Path("/proc", pid.read_text()).exists()


def test_output_of_a_worker_is_forwarded_without_blocking_it(
    modules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (modules / "verbose.py").write_text(VERBOSE)
    output = ""

    async def use() -> None:
        nonlocal output
        async with worker_processes(["verbose"], stop_seconds=5):
            while "all is written" not in output:
                output += capsys.readouterr().out
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(use(), HUNG_AFTER_S))

    assert output.startswith("0 of a great many")
    assert len(output.splitlines()) == 20_001
