"""The processes of a run: a Valkey, the application, the floor; each started when needed.

Whatever is started here is ended here, and nothing else is.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import redis

from local.embedded import EmbeddedServer, embedded_server

from .floors import Exchange, Switch, emptied, raw_client, record_switch, to_json
from .http_client import HOST, Connection, request
from .machine import cpu_seconds
from .sessions import creation

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 20.0
STOP_SECONDS = 6.0


class DidNotStart(Exception):
    """A server ended, or stayed silent, before the first measurement."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server of ours that runs."""

    port: int
    pid: int

    def cpu_seconds(self) -> float | None:
        return cpu_seconds(self.pid)


class Lab:
    """Everything a benchmark may measure on; a context manager that tidies up."""

    def __init__(self) -> None:
        self._parts = ExitStack()

    def __enter__(self) -> Self:
        self.directory = Path(
            self._parts.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        )
        return self

    def __exit__(self, *raised: object) -> None:
        self._parts.close()

    @cached_property
    def valkey(self) -> EmbeddedServer:
        return self._parts.enter_context(embedded_server(self.directory / "valkey"))

    def valkey_cpu_seconds(self) -> float | None:
        return cpu_seconds(self.valkey.pid)

    @cached_property
    def valkey_version(self) -> str:
        with redis.Redis.from_url(self.valkey.url, decode_responses=True) as client:
            information = client.info("server")
        return str(information.get("valkey_version") or information["redis_version"])

    @cached_property
    def switch(self) -> Switch:
        """A switch between two participants, as bytes."""
        return record_switch(self.valkey.url, creation(2))

    @cached_property
    def app(self) -> Served:
        """``python -m local``, with the store elsewhere, so that its CPU time is the app's."""
        port = _free_port()
        command = ("local", "--port", str(port), "--ws-port", "0", "--redis-url", self.valkey.url)
        data = ("--data-dir", str(self.directory / "data"))
        return self._serve("app", (*command, *data), port, "/health", {})

    @cached_property
    def floor(self) -> Served:
        port = _free_port()
        with raw_client(self.valkey.url) as client:
            exchanges: list[Exchange] = [
                emptied(client, exchange) for exchange in (self.switch.load, self.switch.commit)
            ]
        variables = {"REDIS_URL": self.valkey.url, "FLOOR_EXCHANGES": to_json(exchanges)}
        return self._serve("floor", ("bench.floor_app", str(port)), port, "/v1/floor/x", variables)

    def _serve(
        self,
        name: str,
        module_and_arguments: tuple[str, ...],
        port: int,
        path: str,
        variables: Mapping[str, str],
    ) -> Served:
        log = self.directory / f"{name}.log"
        process = self._parts.enter_context(_running(module_and_arguments, log, variables))
        give_up_at = time.monotonic() + START_SECONDS
        while not _answers(port, path):
            if process.poll() is not None or time.monotonic() > give_up_at:
                raise DidNotStart(f"{name}:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        return Served(port, process.pid)


@contextmanager
def _running(
    module_and_arguments: tuple[str, ...], log: Path, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *module_and_arguments],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int, path: str) -> bool:
    with suppress(OSError):
        connection = Connection(port)
        try:
            connection.exchange(request("GET", path))
        finally:
            connection.close()
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
