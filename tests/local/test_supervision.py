"""Supervision: restarts with backoff, and failure after too many exits."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from local.supervision import (
    RESTART_DELAYS_SECONDS,
    RESTART_WINDOW_SECONDS,
    RestartBackoff,
    supervised,
)
from local.worker_processes import WorkerProcess
from tests.servers import eventually

from .stub import make_stub
from .test_command_line import Run, server_has_stopped, started


def test_occasional_exit_is_restarted_at_once() -> None:
    backoff = RestartBackoff()
    assert [backoff.delay_seconds(day * 86_400.0) for day in range(100)] == [0.0] * 100


def test_repeated_exits_are_restarted_with_backoff_and_then_given_up() -> None:
    backoff = RestartBackoff()
    assert [backoff.delay_seconds(1.0) for _ in RESTART_DELAYS_SECONDS] == list(
        RESTART_DELAYS_SECONDS
    )
    assert backoff.delay_seconds(1.0) is None


def test_exits_before_the_window_do_not_count() -> None:
    backoff = RestartBackoff()
    for number in range(50):
        assert backoff.delay_seconds(number * RESTART_WINDOW_SECONDS / 5) is not None


@dataclass
class FakeService:
    """Exits when a test says so."""

    name: str = "the service"
    starts: int = 1
    exits: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    errors: deque[Exception] = field(default_factory=deque)

    async def wait_for_exit(self) -> str:
        return await self.exits.get()

    async def restart(self) -> None:
        for error in self.errors:
            raise error
        self.starts += 1


def test_each_service_is_restarted_and_every_exit_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        one, other = FakeService("one"), FakeService("other")
        async with supervised([one, other]) as failure:
            for service in (one, other):
                service.exits.put_nowait("fell over")
            while (one.starts, other.starts) != (2, 2):
                await asyncio.sleep(0)
            assert not failure.done()
        assert failure.cancelled()

    asyncio.run(scenario())
    assert sorted(caplog.messages) == [
        "one fell over; restarting it in 0 s.",
        "other fell over; restarting it in 0 s.",
    ]


def test_failed_restart_is_raised() -> None:
    async def scenario() -> None:
        service = FakeService(errors=deque([OSError("no more processes")]))
        service.exits.put_nowait("fell over")
        async with supervised([service]) as failure:
            with pytest.raises(OSError, match="no more processes"):
                await failure

    asyncio.run(scenario())


def test_supervision_of_nothing_never_fails() -> None:
    async def scenario() -> None:
        async with supervised([]) as failure:
            await asyncio.sleep(0)
            assert not failure.done()

    asyncio.run(scenario())


# With processes


def test_worker_reports_how_it_exited_and_can_be_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sleeper.py").write_text("import sys; print('up', flush=True); sys.stdin.read()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def scenario() -> None:
        sleeper = await WorkerProcess.start("sleeper")
        await sleeper.wait_until_started()
        os.kill(sleeper.pid, signal.SIGKILL)
        assert await sleeper.wait_for_exit() == f"(process {sleeper.pid}) was killed by SIGKILL"
        first = sleeper.pid
        await sleeper.restart()
        await sleeper.wait_until_started()
        assert sleeper.pid != first
        await sleeper.stop(5)
        assert await sleeper.wait_for_exit() == f"(process {sleeper.pid}) was killed by SIGTERM"

    asyncio.run(scenario())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_stub(tmp_path / "stub")


def kill_server(run: Run) -> None:
    """Kill the server with SIGKILL, once it accepts connections."""

    def pid() -> int | None:
        try:
            with run.store() as store:
                return int(store.info("server")["process_id"])
        except redis.RedisError:
            return None

    eventually(pid)
    found = pid()
    assert found is not None
    os.kill(found, signal.SIGKILL)


def stderr_line(run: Run) -> str:
    assert run.process.stderr is not None
    return run.process.stderr.readline()


def test_killed_server_is_restarted_with_its_data_on_its_port(folder: Path) -> None:
    with started(folder) as run, run.wire() as wire:
        assert json.loads(wire.get("/count", method="POST").body) == {"count": 1}
        kill_server(run)
        line = stderr_line(run)
        assert line.startswith("Valkey (process ")
        assert str(folder / ".data" / "valkey" / "valkey.log") in line
        assert line.endswith("exited; restarting it in 0 s.\n")
        eventually(lambda: wire.get("/count", method="POST").status == 200)
        with run.store() as store:
            assert int(str(store.get("count"))) >= 2
        run.process.terminate()
        assert run.exit_code() == 0
    assert server_has_stopped(folder)


def test_adopted_server_is_restarted_too(folder: Path) -> None:
    with started(folder) as first:
        first.process.kill()
        first.process.wait()
        with started(folder) as run, run.wire() as wire:
            assert "still running" in run.output
            kill_server(run)
            assert "restarting it in" in stderr_line(run)
            eventually(lambda: wire.get("/count", method="POST").status == 200)
            run.process.terminate()
            assert run.exit_code() == 0
    assert server_has_stopped(folder)


@pytest.mark.failover
def test_server_that_exits_too_often_stops_the_stack(folder: Path) -> None:
    with started(folder) as run:
        for _ in RESTART_DELAYS_SECONDS:
            kill_server(run)
            assert "restarting it in" in stderr_line(run)
        kill_server(run)
        assert "for the 6th time within 60 s" in stderr_line(run)
        assert run.exit_code() == 1
    assert server_has_stopped(folder)
