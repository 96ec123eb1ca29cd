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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import redis

from local.embedded_valkey import EmbeddedValkey, embedded_valkey
from local.worker_processes import RELAY as RELAY_MODULE

from .floors import Exchange, Switch, bare_server_on, emptied, record_switch, to_json
from .http_client import HOST, Connection, request
from .machine import children, command_line, cpu_seconds
from .sessions import creation

ROOT = Path(__file__).resolve().parent.parent
STAGE = "dev"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    # Empty is none; with one it would cost more.
    "AWS_SESSION_TOKEN": "",
}
UNLIMITED = {
    "RATE_LIMIT_GENERAL": "off",
    "RATE_LIMIT_SWITCH": "off",
    "RATE_LIMIT_MESSAGE": "off",
}
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


@dataclass(frozen=True, slots=True)
class Stack(Served):
    """``python -m local`` that runs; its relay is a process of its own."""

    websocket_port: int
    relay_pid: int | None

    @property
    def management_url(self) -> str:
        return f"http://{HOST}:{self.websocket_port}/{STAGE}"

    def watching(self, session_id: str) -> str:
        """Where a client connects that watches this session."""
        return f"ws://{HOST}:{self.websocket_port}/{STAGE}?sessionId={session_id}"

    def relay_cpu_seconds(self) -> float | None:
        return None if self.relay_pid is None else cpu_seconds(self.relay_pid)


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
    def valkey(self) -> EmbeddedValkey:
        return self._parts.enter_context(embedded_valkey(self.directory / "valkey"))

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
    def app(self) -> Stack:
        """``python -m local``, with the store elsewhere, so that its CPU time is the app's."""
        return self._parts.enter_context(self._stack("app", {}))

    @contextmanager
    def another_app(
        self, name: str = "another-app", settings: Mapping[str, str] | None = None
    ) -> Iterator[Stack]:
        """A second instance on the same store, with settings of its own, while the block lasts."""
        with self._stack(name, settings or {}) as stack:
            yield stack

    @contextmanager
    def _stack(self, name: str, settings: Mapping[str, str]) -> Iterator[Stack]:
        port, websocket_port = free_port(), free_port()
        ports = ("--port", str(port), "--ws-port", str(websocket_port), "--stage", STAGE)
        data = ("--data-dir", str(self.directory / name))
        command = (sys.executable, "-m", "local", *ports, "--redis-url", self.valkey.url, *data)
        variables = {**CREDENTIALS, **UNLIMITED, "BROADCAST": "relay", **settings}
        with self.serving(name, command, port, "/health", variables) as served:
            yield Stack(port, served.pid, websocket_port, _relay_of(served.pid))

    @cached_property
    def floor(self) -> Served:
        port = free_port()
        with bare_server_on(self.valkey.url) as server:
            exchanges: list[Exchange] = [
                emptied(server, exchange) for exchange in (self.switch.load, self.switch.commit)
            ]
        variables = {"REDIS_URL": self.valkey.url, "FLOOR_EXCHANGES": to_json(exchanges)}
        command = (sys.executable, "-m", "bench.floor_app", str(port))
        return self._parts.enter_context(
            self.serving("floor", command, port, "/v1/floor/x", variables)
        )

    @contextmanager
    def serving(
        self,
        name: str,
        command: Sequence[str],
        port: int,
        path: str | None,
        variables: Mapping[str, str] | None = None,
        directory: Path = ROOT,
    ) -> Iterator[Served]:
        """A server that answers at ``path``, or, without one, listens; while the block lasts.

        Raises:
            DidNotStart: It ended, or was silent for too long.
        """
        log = self.directory / f"{name}.log"
        with _running(command, log, variables or {}, directory) as process:
            give_up_at = time.monotonic() + START_SECONDS
            while not _answers(port, path):
                if process.poll() is not None or time.monotonic() > give_up_at:
                    raise DidNotStart(f"{name}:\n{log.read_text(errors='replace')[-2000:]}")
                time.sleep(0.02)
            yield Served(port, process.pid)


@contextmanager
def _running(
    command: Sequence[str], log: Path, variables: Mapping[str, str], directory: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
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


def _answers(port: int, path: str | None) -> bool:
    with suppress(OSError):
        connection = Connection(port)
        try:
            if path is not None:
                connection.exchange(request("GET", path))
        finally:
            connection.close()
        return True
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _relay_of(pid: int) -> int | None:
    found = [child for child in children(pid) if RELAY_MODULE in command_line(child)]
    return found[0] if found else None
