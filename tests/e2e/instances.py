"""Instances of the whole service, as processes, and a REST client for them.

Each is ``python -m local`` on ports of its own, over a store that the test has
started. Only what was started here is ended, by its process id.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.waiting import HUNG_AFTER_S

ROOT = Path(__file__).parents[2]
UNLIMITED = {
    "RATE_LIMIT_GENERAL": "off",
    "RATE_LIMIT_SWITCH": "off",
    "RATE_LIMIT_MESSAGE": "off",
}


@dataclass
class Instance:
    """One running instance."""

    process: subprocess.Popen[str]
    rest_url: str
    websocket_url: str
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def relay_pid(self) -> int | None:
        """The one it has now: one that dies is replaced. None where it broadcasts inline."""
        return self._child("chalicelib.workers.relay")

    @property
    def sweeper_pid(self) -> int | None:
        """The one it has now."""
        return self._child("chalicelib.workers.sweeper")

    @property
    def pids(self) -> list[int]:
        """The instance and its relay."""
        relay_pid = self.relay_pid
        return [self.pid, *([relay_pid] if relay_pid else [])]

    def _child(self, module: str) -> int | None:
        found = [child for child in children_of(self.pid) if module in command_of(child)]
        return found[0] if found else None

    def where(self) -> str:
        return self.websocket_url

    def kill(self) -> None:
        """``kill -9``, of the instance alone."""
        self.process.kill()
        self.process.wait(HUNG_AFTER_S)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(HUNG_AFTER_S)


@contextmanager
def instances(
    number: int,
    redis_url: str | None,
    directory: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
) -> Iterator[list[Instance]]:
    """So many instances over one store, or each over its own, for as long as the block runs."""
    with ExitStack() as stack:
        begun = []
        for at in range(number):
            # Fresh for each: nothing of one may lie in the other's way.
            place = directory / f"instance-{at}-{os.urandom(3).hex()}"
            place.mkdir(parents=True)
            begun.append((_begin(stack, place, redis_url, arguments, environment or {}), place))
        yield [_ready(process, place) for process, place in begun]


def _begin(
    stack: ExitStack,
    place: Path,
    redis_url: str | None,
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
) -> subprocess.Popen[str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "REDIS_"))
    }
    log = stack.enter_context((place / "log").open("w"))
    process = stack.enter_context(
        subprocess.Popen(
            [
                *(sys.executable, "-m", "local", "--port", "0", "--ws-port", "0"),
                *("--data-dir", str(place)),
                *(() if redis_url is None else ("--redis-url", redis_url)),
                *arguments,
            ],
            cwd=ROOT,
            env={**inherited, **UNLIMITED, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    )
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(HUNG_AFTER_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _ready(process: subprocess.Popen[str], place: Path) -> Instance:
    said: dict[str, str] = {}
    assert process.stdout is not None
    while "Ctrl-C" not in said:
        line = process.stdout.readline()
        assert line, f"An instance ended at once; it said {(place / 'log').read_text()}"
        name, _, value = line.strip().partition(" ")
        said[name] = value.strip()
    return Instance(process, said["REST"], said["WS"], place / "log")


# Processes, as the kernel sees them


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def is_running(pid: int) -> bool:
    """Whether a process is there and is more than an entry that was never collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def descriptors_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"Process {pid} has no memory")


async def awaited(
    condition: Callable[[], object], within_s: float = HUNG_AFTER_S, every_s: float = 0.02
) -> None:
    """Wait for what can only be looked at: a file of the kernel, a key of the store."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + within_s
    while not condition():
        assert loop.time() < give_up_at, f"Not within {within_s} s"
        await asyncio.sleep(every_s)


# REST


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any

    @property
    def data(self) -> Any:
        assert self.status < 300, (self.status, self.body)
        return self.body["data"]


class Rest:
    """REST over one connection that is kept; requests take turns on it."""

    def __init__(self, url: str) -> None:
        self._host, _, port = url.removeprefix("http://").rpartition(":")
        self._port = int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._hang_up()

    async def call(self, method: str, path: str, body: object = None) -> Answer:
        """The answer, whatever its status."""
        payload = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} /v1/{path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
        )
        async with self._turn, asyncio.timeout(HUNG_AFTER_S):
            try:
                return await self._exchange(head.encode() + payload)
            except BaseException:
                # What comes now would be the answer to this, and not to the next.
                await self._hang_up()
                raise

    async def create(self, session: Mapping[str, Any]) -> Answer:
        return await self.call("POST", "sessions", session)

    async def command(self, session_id: str, name: str, **body: object) -> Answer:
        return await self.call("POST", f"sessions/{session_id}/{name}", body or None)

    async def get(self, session_id: str) -> Answer:
        return await self.call("GET", f"sessions/{session_id}")

    async def delete(self, session_id: str) -> Answer:
        return await self.call("DELETE", f"sessions/{session_id}")

    async def _exchange(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=2**22)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(first.split()[1]), json.loads(content) if content else None)

    async def _hang_up(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with suppress(OSError):
                await streams[1].wait_closed()
