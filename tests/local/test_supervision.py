"""What dies is started again, and what keeps dying takes the stack with it, loudly."""

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
from .test_command_line import Run, no_server_is_left, started


def test_an_end_now_and_then_is_made_good_at_once() -> None:
    restarts = RestartBackoff()
    assert [restarts.delay_seconds(day * 86_400.0) for day in range(100)] == [0.0] * 100


def test_one_end_after_another_is_made_good_more_and_more_slowly_and_then_no_more() -> None:
    restarts = RestartBackoff()
    assert [restarts.delay_seconds(1.0) for _ in RESTART_DELAYS_SECONDS] == list(
        RESTART_DELAYS_SECONDS
    )
    assert restarts.delay_seconds(1.0) is None


def test_what_is_a_minute_ago_is_forgotten() -> None:
    restarts = RestartBackoff()
    for number in range(50):
        assert restarts.delay_seconds(number * RESTART_WINDOW_SECONDS / 5) is not None


@dataclass
class Frail:
    """Ends when it is told to."""

    name: str = "the part"
    starts: int = 1
    ends: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    refuses: deque[Exception] = field(default_factory=deque)

    async def wait_for_exit(self) -> str:
        return await self.ends.get()

    async def restart(self) -> None:
        for refusal in self.refuses:
            raise refusal
        self.starts += 1


def test_each_part_has_lives_of_its_own_and_every_end_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        one, other = Frail("one"), Frail("other")
        async with supervised([one, other]) as failure:
            for part in (one, other):
                part.ends.put_nowait("fell over")
            while (one.starts, other.starts) != (2, 2):
                await asyncio.sleep(0)
            assert not failure.done()
        assert failure.cancelled()

    asyncio.run(scenario())
    assert sorted(caplog.messages) == [
        "one fell over; restarting it in 0 s.",
        "other fell over; restarting it in 0 s.",
    ]


def test_what_can_not_even_be_started_is_a_failure_of_the_whole() -> None:
    async def scenario() -> None:
        part = Frail(refuses=deque([OSError("no more processes")]))
        part.ends.put_nowait("fell over")
        async with supervised([part]) as failure:
            with pytest.raises(OSError, match="no more processes"):
                await failure

    asyncio.run(scenario())


def test_where_there_is_nothing_to_keep_nothing_is_given_up() -> None:
    async def scenario() -> None:
        async with supervised([]) as failure:
            await asyncio.sleep(0)
            assert not failure.done()

    asyncio.run(scenario())


# With real processes


def test_a_process_says_how_it_ended_and_can_be_started_again(
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
    """kill -9, once there is a server that accepts connections."""

    def pid() -> int | None:
        try:
            with run.store() as store:
                return int(store.info("server")["process_id"])
        except redis.RedisError:
            return None

    eventually(pid, 10)
    found = pid()
    assert found is not None
    os.kill(found, signal.SIGKILL)


def said_on_the_side(run: Run) -> str:
    assert run.process.stderr is not None
    return run.process.stderr.readline()


def test_a_server_that_is_killed_is_back_with_its_data_on_its_port(folder: Path) -> None:
    with started(folder) as run, run.wire() as wire:
        assert json.loads(wire.get("/count", method="POST").body) == {"count": 1}
        kill_server(run)
        line = said_on_the_side(run)
        assert line.startswith("Valkey (process ")
        assert str(folder / ".data" / "valkey" / "valkey.log") in line
        assert line.endswith("exited; restarting it in 0 s.\n")
        eventually(lambda: wire.get("/count", method="POST").status == 200)
        with run.store() as store:
            assert int(str(store.get("count"))) >= 2
        run.process.terminate()
        assert run.ends() == 0
    assert no_server_is_left(folder)


def test_a_stack_that_adopted_a_server_keeps_it_running_too(folder: Path) -> None:
    with started(folder) as first:
        first.process.kill()
        first.process.wait()
        with started(folder) as run, run.wire() as wire:
            assert "still running" in run.said
            kill_server(run)
            assert "restarting it in" in said_on_the_side(run)
            eventually(lambda: wire.get("/count", method="POST").status == 200)
            run.process.terminate()
            assert run.ends() == 0
    assert no_server_is_left(folder)


@pytest.mark.failover
def test_a_server_that_is_killed_again_and_again_ends_the_stack(folder: Path) -> None:
    with started(folder) as run:
        for _ in RESTART_DELAYS_SECONDS:
            kill_server(run)
            assert "restarting it in" in said_on_the_side(run)
        kill_server(run)
        assert "for the 6th time within 60 s" in said_on_the_side(run)
        assert run.ends() == 1
    assert no_server_is_left(folder)
