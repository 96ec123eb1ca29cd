"""The metrics directory is deleted with its stack, even if the stack was killed."""

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

OTHER_STACK = """
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
def other_stack(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process with a metrics directory, and its path."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_STACK],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().rstrip())
        process.kill()


def test_directory_is_deleted_when_the_stack_stops(temporary: Path) -> None:
    with shared_metrics_dir():
        (directory,) = temporary.iterdir()
        assert os.environ[MULTIPROC_DIR] == str(directory)

    assert list(temporary.iterdir()) == []
    assert MULTIPROC_DIR not in os.environ


def test_directory_of_a_killed_stack_is_deleted_on_the_next_start(temporary: Path) -> None:
    with other_stack(temporary) as (process, directory):
        (directory / "counter_1.db").touch()
        process.kill()
        process.wait()
        assert directory.exists()

        with shared_metrics_dir():
            assert not directory.exists()


def test_directory_of_a_running_stack_is_kept(temporary: Path) -> None:
    with other_stack(temporary) as (_, directory), shared_metrics_dir():
        assert directory.exists()
        assert os.environ[MULTIPROC_DIR] != str(directory)


def test_new_directory_survives_concurrent_starts(
    temporary: Path,
) -> None:
    done = Event()

    def start_repeatedly() -> None:
        while not done.is_set():
            delete_stale_dirs(temporary)

    with ThreadPoolExecutor(2) as others:
        for _ in range(2):
            others.submit(start_repeatedly)
        try:
            for _ in range(300):
                with shared_metrics_dir():
                    Path(os.environ[MULTIPROC_DIR], "counter_1.db").touch()
        finally:
            done.set()

    assert list(temporary.iterdir()) == []


def test_directory_without_a_lock_is_kept(temporary: Path) -> None:
    (temporary / "stack-metrics-of-mine").mkdir()

    with shared_metrics_dir():
        assert (temporary / "stack-metrics-of-mine").exists()


def test_configured_directory_is_left_alone(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MULTIPROC_DIR, "/named")

    with shared_metrics_dir():
        assert os.environ[MULTIPROC_DIR] == "/named"
        assert list(temporary.iterdir()) == []
    assert os.environ[MULTIPROC_DIR] == "/named"
