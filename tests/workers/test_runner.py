"""Relays and sweepers as processes: how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chalicelib.container import Container
from chalicelib.settings import Settings
from tests.engine.sweeper.scenarios import start_session
from tests.servers import RedisProcess
from tests.waiting import HUNG_AFTER_S, Bound

ROOT = Path(__file__).parents[2]
STOP_WITHIN_S = 5
AT_ONCE_S = 2
UNREACHABLE = "http://127.0.0.1:1/dev"

STUCK = """
import sys, threading
from chalicelib.workers.runner import run

class Stuck:
    def start(self, within_seconds):
        return True

    def is_ready(self):
        return True

    def stop(self):
        print("stopping", flush=True)
        threading.Event().wait()

sys.exit(run("stuck", lambda container: Stuck(), []))
"""

LOSER = """
import sys
from chalicelib.workers import runner

class Loser:
    def __init__(self, container):
        self.telemetry = container.telemetry

    def start(self, within_seconds):
        self.telemetry.record_lost_race()
        return True

    def is_ready(self):
        return True

    def stop(self):
        pass

runner.FLUSH_EVERY_SECONDS = 0.05
sys.exit(runner.run("loser", Loser, []))
"""


@contextmanager
def process(
    *arguments: str, until: str = "listening\n", **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """A process that has said ``until``, which is nothing if that is nothing."""
    begun = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with begun:
        try:
            if until:
                assert says(begun) == until
            yield begun
        finally:
            begun.kill()


def says(begun: subprocess.Popen[str]) -> str:
    assert begun.stdout is not None
    return begun.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("part", ["relay", "sweeper"])
def test_worker_ends_soon_after_a_signal(
    valkey: RedisProcess, part: str, number: signal.Signals, bound: Bound
) -> None:
    environment = {
        "REDIS_URL": valkey.url,
        "WEBSOCKET_ENDPOINT": "http://127.0.0.1:1/dev",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }
    with process("-m", f"chalicelib.workers.{part}", **environment) as begun:
        begun.send_signal(number)
        assert begun.wait(bound(STOP_WITHIN_S)) == 0


def test_stopped_relay_writes_its_metrics(valkey: RedisProcess) -> None:
    container = Container(Settings(redis_url=valkey.url, broadcast="relay"))
    session_id, _ = start_session(container.engine)
    environment = {
        "REDIS_URL": valkey.url,
        "WEBSOCKET_ENDPOINT": UNREACHABLE,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "METRICS": "emf",
        "BROADCAST": "relay",
    }
    with process("-m", "chalicelib.workers.relay", **environment) as begun:
        container.connections.register(session_id, "c1", UNREACHABLE)
        container.engine.complete_session(session_id)
        # No client was reachable, and the metrics say so.
        assert begun.stderr is not None
        next(line for line in begun.stderr if "fan-out" in line)

        begun.terminate()
        written, _ = begun.communicate(timeout=HUNG_AFTER_S)
    container.close(0)

    metrics = [json.loads(line) for line in written.splitlines()]
    assert [line["tickless_posts_total"] for line in metrics if line.get("outcome") == "failed"]


def test_running_worker_writes_its_metrics() -> None:
    with process("-c", LOSER, METRICS="emf") as begun:
        assert json.loads(says(begun))["tickless_lost_races_total"] == [1.0]


@pytest.mark.parametrize("how", ["a signal", "its parent's end"])
@pytest.mark.parametrize("part", ["relay", "sweeper"])
def test_worker_waiting_for_the_store_ends_at_once_on_a_signal(
    part: str, how: str, bound: Bound
) -> None:
    environment = {
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "WEBSOCKET_ENDPOINT": UNREACHABLE,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }
    arguments = ("-m", f"chalicelib.workers.{part}", "--while-parent")
    with process(*arguments, until="", **environment) as begun:
        assert begun.stderr is not None
        next(line for line in begun.stderr if "No subscription" in line)
        if how == "a signal":
            begun.terminate()
        else:
            assert begun.stdin is not None
            begun.stdin.close()
        assert begun.wait(bound(AT_ONCE_S)) == 0
        assert says(begun) == ""


def test_worker_without_its_metrics_folder_ends_with_an_error() -> None:
    folder = {"PROMETHEUS_MULTIPROC_DIR": "/nowhere"}
    with process("-m", "chalicelib.workers.sweeper", until="", **folder) as begun:
        _, said = begun.communicate(timeout=HUNG_AFTER_S)
    assert begun.returncode == 1
    assert said == "sweeper: PROMETHEUS_MULTIPROC_DIR is '/nowhere', which is no folder\n"


def test_second_signal_ends_a_slow_worker() -> None:
    with process("-c", STUCK) as begun:
        begun.terminate()
        assert says(begun) == "stopping\n"
        begun.terminate()
        assert begun.wait(HUNG_AFTER_S) == 128 + signal.SIGTERM
