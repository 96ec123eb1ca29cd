"""The folder of a stack's figures goes with the stack, also with one that was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from local.metrics_dir import MULTIPROC_DIR, delete_stale_dirs, shared_metrics_dir

ROOT = Path(__file__).parents[2]

STAY = """
import os, sys
from local.metrics_dir import shared_metrics_dir
with shared_metrics_dir():
    print(os.environ["PROMETHEUS_MULTIPROC_DIR"], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(MULTIPROC_DIR, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def another(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that has a folder, and where that is."""
    with subprocess.Popen(
        [sys.executable, "-c", STAY],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().rstrip())
        process.kill()


def test_it_goes_when_the_stack_stops(temporary: Path) -> None:
    with shared_metrics_dir():
        (folder,) = temporary.iterdir()
        assert os.environ[MULTIPROC_DIR] == str(folder)

    assert list(temporary.iterdir()) == []
    assert MULTIPROC_DIR not in os.environ


def test_one_that_a_kill_left_behind_goes_at_the_next_start(temporary: Path) -> None:
    with another(temporary) as (process, folder):
        (folder / "counter_1.db").touch()
        process.kill()
        process.wait()
        assert folder.exists()

        with shared_metrics_dir():
            assert not folder.exists()


def test_one_of_a_stack_that_runs_stays(temporary: Path) -> None:
    with another(temporary) as (_, folder), shared_metrics_dir():
        assert folder.exists()
        assert os.environ[MULTIPROC_DIR] != str(folder)


def test_one_that_is_just_being_made_is_its_own_stack_s_however_many_start(
    temporary: Path,
) -> None:
    enough = Event()

    def start_again_and_again() -> None:
        while not enough.is_set():
            delete_stale_dirs(temporary)

    with ThreadPoolExecutor(2) as others:
        for _ in range(2):
            others.submit(start_again_and_again)
        try:
            for _ in range(300):
                with shared_metrics_dir():
                    Path(os.environ[MULTIPROC_DIR], "counter_1.db").touch()
        finally:
            enough.set()

    assert list(temporary.iterdir()) == []


def test_what_is_no_stack_s_stays(temporary: Path) -> None:
    (temporary / "stack-metrics-of-mine").mkdir()

    with shared_metrics_dir():
        assert (temporary / "stack-metrics-of-mine").exists()


def test_a_folder_that_is_named_is_taken_as_it_is(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MULTIPROC_DIR, "/named")

    with shared_metrics_dir():
        assert os.environ[MULTIPROC_DIR] == "/named"
        assert list(temporary.iterdir()) == []
    assert os.environ[MULTIPROC_DIR] == "/named"
