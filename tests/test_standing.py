"""Relays and sweepers as processes: how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import RedisProcess

ROOT = Path(__file__).parents[1]
STOP_WITHIN_S = 5

STUCK = """
import sys, threading
from chalicelib.standing import stand

class Stuck:
    def start(self):
        return True

    def is_ready(self):
        return True

    def stop(self):
        print("stopping", flush=True)
        threading.Event().wait()

sys.exit(stand("stuck", lambda services: Stuck(), []))
"""


@contextmanager
def process(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    begun = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with begun:
        try:
            assert says(begun) == "listening\n"
            yield begun
        finally:
            begun.kill()


def says(begun: subprocess.Popen[str]) -> str:
    assert begun.stdout is not None
    return begun.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("part", ["relay", "sweeper"])
def test_a_part_ends_in_good_time_when_it_is_told_to(
    valkey: RedisProcess, part: str, number: signal.Signals
) -> None:
    environment = {
        "REDIS_URL": valkey.url,
        "WEBSOCKET_ENDPOINT": "http://127.0.0.1:1/dev",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }
    with process("-m", f"chalicelib.run_{part}", **environment) as begun:
        begun.send_signal(number)
        assert begun.wait(STOP_WITHIN_S) == 0


def test_a_part_that_takes_its_time_is_ended_by_a_second_signal() -> None:
    with process("-c", STUCK) as begun:
        begun.terminate()
        assert says(begun) == "stopping\n"
        begun.terminate()
        assert begun.wait(STOP_WITHIN_S) == 128 + signal.SIGTERM
