"""The image as a relay: its health check and its documented variables."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import RedisProcess, free_port
from tests.waiting import HUNG_AFTER_S

from .test_deploying import DEPLOYING
from .test_docker import instructions

ROOT = Path(__file__).parents[2]
_, _, RELAY = DEPLOYING.partition("## A relay\n")

NOTE_WHAT_IS_READ = """
import sys
from chalicelib.settings import read_settings
from chalicelib.telemetry.logging import start_logging
from chalicelib.container import Container

class Noting:
    def __init__(self):
        self.__dict__.update(settings=read_settings(), noted=set())

    def __getattr__(self, name):
        self.noted.add(name.upper())
        return getattr(self.settings, name)

settings = Noting()
start_logging(settings)
services = Container(settings)
services.telemetry, services.tracing
part = services.relay(settings.websocket_endpoint) if sys.argv[1] == "relay" else services.sweeper()
assert part.start()
part.stop()
services.close(1.0)
print(*settings.noted)
"""


def variables(url: str, **more: str) -> dict[str, str]:
    """A container's environment, without the caller's variables."""
    return {
        "PATH": os.environ["PATH"],
        "REDIS_URL": url,
        "WEBSOCKET_ENDPOINT": "http://127.0.0.1:1/dev",
        "BROADCAST": "relay",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "LOG_FORMAT": "json",
        **more,
    }


def documented() -> set[str]:
    table = re.findall(r"^\| (`[^|]*) \|", RELAY, re.MULTILINE)
    return {name for names in table for name in re.findall(r"`([A-Z_]+)`", names)}


def test_every_variable_of_the_workers_is_documented(
    valkey: RedisProcess,
) -> None:
    read = set[str]()
    for part in ("relay", "sweeper"):
        done = subprocess.run(
            [sys.executable, "-c", NOTE_WHAT_IS_READ, part],
            cwd=ROOT,
            env=variables(valkey.url),
            capture_output=True,
            text=True,
            check=True,
        )
        read |= set(done.stdout.split())

    assert {"REDIS_URL", "SHARDS", "LOG_LEVEL"} <= read
    # The image sets one of them, and one is documented as not to be set.
    assert documented() == read | {"HEALTH_PORT", "AUTH"}


@contextmanager
def relay(environment: dict[str, str], port: int) -> Iterator[subprocess.Popen[str]]:
    (command,) = re.findall(r"^    python (-m chalicelib\.workers\.relay .*)$", RELAY, re.MULTILINE)
    (documented_port,) = re.findall(r"--metrics-port (\d+)", command)
    begun = subprocess.Popen(
        [sys.executable, *command.replace(documented_port, str(port)).split()],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    with begun:
        try:
            assert begun.stdout is not None
            assert begun.stdout.readline() == "listening\n"
            yield begun
        finally:
            begun.kill()


def health_check(environment: dict[str, str]) -> int:
    """The exit code of the image's health check."""
    (instruction,) = instructions("HEALTHCHECK")
    _, *arguments = json.loads(instruction.partition("CMD ")[2])
    asked = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        check=False,
        timeout=HUNG_AFTER_S,
    )
    return asked.returncode


def test_health_check_of_the_image_works_for_a_relay(valkey: RedisProcess) -> None:
    port = free_port()
    environment = variables(valkey.url, HEALTH_PORT=str(port))

    assert health_check(environment) != 0
    with relay(environment, port):
        assert health_check(environment) == 0


def test_health_check_defaults_to_the_stack() -> None:
    assert "HEALTH_PORT=8000" in instructions("ENV")
    assert instructions("EXPOSE")[0].split()[0] == "8000"
