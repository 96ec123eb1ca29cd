"""``python -m local`` as a process, and its parts within this one."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from local.__main__ import example_commands, fastest_loop, main, read_arguments, without_password
from local.embedded_valkey import embedded_valkey
from local.stack import (
    ApiDefinition,
    Options,
    StackError,
    http_url,
    load_app,
    read_api_definition,
    running_stack,
)

from .serving import Wire
from .stub import APP, make_stub

ROOT = Path(__file__).parents[2]
SET_BY_THE_STACK = (
    "REDIS_URL",
    "WEBSOCKET_ENDPOINT",
    "GREETER",
    "AWS_ENDPOINT_URL_LAMBDA",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
)
STOP_WITHIN_S = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_stub(tmp_path / "stub")


@dataclass
class Run:
    process: subprocess.Popen[str]
    port: int
    redis_url: str
    said: str

    def wire(self) -> Wire:
        return Wire(self.port)

    def store(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis_url, decode_responses=True)

    def ends(self) -> int:
        return self.process.wait(STOP_WITHIN_S)


def begin(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "REDIS_URL" and not name.startswith("AWS_")
    }
    return subprocess.Popen(
        [sys.executable, "-m", "local", "--port", "0", "--ws-port", "0", *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said_by(process: subprocess.Popen[str]) -> Run:
    """Where it is, which it says as soon as it serves."""
    assert process.stdout is not None
    said = ""
    while "Ctrl-C" not in said:
        line = process.stdout.readline()
        assert line, f"ended after {said!r}: {process.stderr and process.stderr.read()}"
        said += line
    facts = dict(line.split(maxsplit=1) for line in said.splitlines() if " " in line)
    return Run(process, int(facts["REST"].rpartition(":")[2]), facts["Store"], said)


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Run]:
    with begin(folder, *arguments) as process:
        run = said_by(process)
        try:
            yield run
        finally:
            if process.poll() is None:
                process.kill()
                with suppress(redis.RedisError), run.store() as store:
                    store.shutdown()


def no_server_is_left(folder: Path) -> bool:
    """A server that lived on would be adopted now."""
    with embedded_valkey(folder / ".data" / "valkey") as server:
        return not server.adopted


def test_it_says_where_it_is_and_serves_the_app_of_the_folder(folder: Path) -> None:
    with started(folder) as run, run.wire() as wire:
        assert run.said.startswith(f"Page  http://127.0.0.1:{run.port}/\n")
        assert f"REST  http://127.0.0.1:{run.port}\n" in run.said
        assert f"Data  {folder / '.data' / 'valkey'}\n" in run.said
        assert "Stage dev\n" in run.said
        assert json.loads(wire.get("/count", method="POST").body) == {"count": 1}
        assert json.loads(wire.get("/environment").body) == {
            "REDIS_URL": run.redis_url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        unknown = wire.get("/unknown")
        assert (unknown.status, unknown.body) == (404, b'{"nothing":"here"}')


def configure(folder: Path, text: str) -> None:
    (folder / ".chalice").mkdir()
    (folder / ".chalice" / "config.json").write_text(text)


def test_functions_have_the_time_and_the_variables_that_they_are_deployed_with(
    folder: Path,
) -> None:
    configure(
        folder, '{"lambda_timeout": 1, "environment_variables": {"AWS_REGION": "eu-central-1"}}'
    )
    with started(folder) as run, run.wire() as wire:
        assert json.loads(wire.get("/environment").body)["AWS_REGION"] == "eu-central-1"
        assert wire.get("/wait/ever").status == 502


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_in_flight_be_answered(folder: Path, number: signal.Signals) -> None:
    with (
        started(folder) as run,
        run.store() as store,
        run.wire() as wire,
        run.wire() as idle,
        ThreadPoolExecutor(1) as client,
    ):
        idle.get("/environment")
        answer = client.submit(wire.get, "/wait/me")
        assert store.blpop(["begun:me"], timeout=5)
        run.process.send_signal(number)
        assert idle.ends()
        store.rpush("go:me", "1")
        assert answer.result(5).body == b'{"waited":"me"}'
        store.close()
        assert run.ends() == 0
    assert no_server_is_left(folder)


def test_a_handler_that_hangs_does_not_hold_up_the_end(folder: Path) -> None:
    with started(folder) as run, run.store() as store, run.wire() as wire:
        wire.send(b"GET /wait/ever HTTP/1.1\r\nHost: t\r\n\r\n")
        assert store.blpop(["begun:ever"], timeout=5)
        begun_at = time.monotonic()
        run.process.terminate()
        assert run.ends() == 0
        assert time.monotonic() - begun_at < STOP_WITHIN_S
    assert no_server_is_left(folder)


def test_a_second_ctrl_c_ends_it_at_once(folder: Path) -> None:
    with started(folder) as run, run.store() as store, run.wire() as wire:
        wire.send(b"GET /wait/ever HTTP/1.1\r\nHost: t\r\n\r\n")
        assert store.blpop(["begun:ever"], timeout=5)
        run.process.send_signal(signal.SIGINT)
        assert run.process.stdout is not None
        assert "Stopping" in run.process.stdout.readline()
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(1.5) == 130
    assert no_server_is_left(folder)


NEVER_SAYS_THAT_IT_RUNS = """
import os, sys
print(os.getpid(), file=sys.stderr, flush=True)
sys.stdin.read()
"""


def test_a_signal_while_it_starts_ends_what_has_started_by_then(folder: Path) -> None:
    (folder / "chalicelib" / "workers").mkdir(parents=True)
    (folder / "chalicelib" / "__init__.py").touch()
    (folder / "chalicelib" / "workers" / "__init__.py").touch()
    (folder / "chalicelib" / "workers" / "sweeper.py").write_text(NEVER_SAYS_THAT_IT_RUNS)
    with begin(folder) as process:
        assert process.stderr is not None
        sweeper = int(process.stderr.readline())
        process.terminate()
        assert process.wait(STOP_WITHIN_S) == 0
    assert not Path("/proc", str(sweeper)).exists()
    assert no_server_is_left(folder)


def test_after_kill_9_the_next_start_goes_on_with_server_and_data(folder: Path) -> None:
    with started(folder) as run, run.wire() as wire:
        wire.get("/count", method="POST")
        run.process.kill()
        run.process.wait()
        with started(folder) as again, again.wire() as other:
            assert again.redis_url == run.redis_url
            assert "still running" in again.said
            assert json.loads(other.get("/count", method="POST").body) == {"count": 2}
            again.process.terminate()
            assert again.ends() == 0
    assert no_server_is_left(folder)


def test_a_port_that_is_taken_is_said_and_the_server_stopped_again(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with begin(folder, "--port", port) as process:
            _, error = process.communicate(timeout=10)
    assert process.returncode == 1
    assert f"port {port}" in error
    assert "--port 0" in error
    assert "Traceback" not in error
    assert no_server_is_left(folder)


def test_a_websocket_port_that_is_taken_is_said(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with begin(folder, "--ws-port", port) as process:
            _, error = process.communicate(timeout=10)
    assert process.returncode == 1
    assert f"port {port}" in error
    assert "--ws-port 0" in error
    assert no_server_is_left(folder)


def test_a_change_of_the_app_starts_it_anew_once_it_can_be_loaded(folder: Path) -> None:
    with started(folder, "--reload") as run:
        with run.wire() as wire:
            wire.get("/count", method="POST")
        (folder / "app.py").write_text("raise RuntimeError('half done')")
        assert run.process.stderr is not None
        while "the previous version still runs" not in (line := run.process.stderr.readline()):
            assert line
        (folder / "app.py").write_text(APP.replace('{"count": client', '{"new count": client'))
        again = said_by(run.process)

        assert again.said.startswith("The app has changed: restarting.\n")
        with again.wire() as wire:
            assert json.loads(wire.get("/count", method="POST").body) == {"new count": 2}
        run.process.terminate()
        assert run.ends() == 0
    assert no_server_is_left(folder)


def test_two_stacks_on_one_folder_the_second_is_told(folder: Path) -> None:
    with started(folder) as run:
        with begin(folder) as second:
            _, error = second.communicate(timeout=10)
        assert second.returncode == 1
        assert "Another local stack" in error
        run.process.terminate()
        assert run.ends() == 0


def test_an_existing_server_is_used_and_left_alone(folder: Path, tmp_path: Path) -> None:
    with embedded_valkey(tmp_path / "theirs") as theirs:
        with started(folder, "--redis-url", theirs.url, "--stage", "other") as run:
            assert run.redis_url == theirs.url
            assert "Stage other" in run.said
            with run.wire() as wire:
                assert json.loads(wire.get("/count", method="POST").body) == {"count": 1}
            run.process.terminate()
            assert run.ends() == 0
        assert not (folder / ".data").exists()
        with redis.Redis.from_url(theirs.url) as store:
            assert store.get("count") == b"1"


def test_an_existing_server_is_named_without_its_password(folder: Path) -> None:
    with started(folder, "--redis-url", "redis://user:secret@127.0.0.1:1/0") as run:
        assert "Store redis://user:***@127.0.0.1:1/0" in run.said
        assert "Data  in the store" in run.said
        run.process.terminate()
        assert run.process.stdout is not None
        assert "Stopping" in run.process.stdout.readline()
        assert run.ends() == 0


# Within this process, where it can be looked at more closely


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """This process in the stub's folder, with the modules and variables it had afterwards."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for name in SET_BY_THE_STACK:
        # Set first, or it would not be unset afterwards.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a developer's own")
    before = sys.modules.pop("app", None)
    yield folder
    sys.modules.pop("app", None)
    if before is not None:
        sys.modules["app"] = before


def test_the_whole_stack_starts_and_stops(inside: Path) -> None:
    async def scenario() -> None:
        async with running_stack(Options(port=0, ws_port=0)) as stack:
            assert stack.embedded is not None
            port = int(stack.rest_url.rpartition(":")[2])

            def ask() -> bytes:
                with Wire(port) as wire:
                    return wire.get("/environment").body

            environment = json.loads(await asyncio.to_thread(ask))
            assert environment["AWS_SECRET_ACCESS_KEY"] == "a developer's own"
            assert environment["REDIS_URL"] == stack.redis_url
            too_large = await asyncio.to_thread(announce_a_body, port, 1024 * 1024 + 1)
            assert too_large == 413

    asyncio.run(scenario())
    assert no_server_is_left(inside)


def announce_a_body(port: int, length: int) -> int:
    with Wire(port) as wire:
        wire.send(f"POST /count HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n".encode())
        return wire.answer().status


def test_main_returns_0_when_it_was_told_to_stop_before_it_ran(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (inside / "app.py").write_text(
        f"import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n{APP}"
    )
    assert main(["--port", "0", "--ws-port", "0"]) == 0
    assert capsys.readouterr().out == ""
    assert no_server_is_left(inside)


def test_main_returns_1_and_says_why_it_can_not_start(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (inside / "app.py").unlink()
    assert main(["--port", "0", "--ws-port", "0", "--redis-url", "redis://127.0.0.1:1"]) == 1
    assert "There is no app.py" in capsys.readouterr().err


def test_a_configuration_that_cannot_be_understood_is_said(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(inside, "{")
    assert main(["--port", "0", "--ws-port", "0", "--redis-url", "redis://127.0.0.1:1"]) == 1
    assert "config.json: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "source",
    ["x = 1", "app = object()"],
)
def test_an_app_py_without_an_app_is_said(inside: Path, source: str) -> None:
    (inside / "app.py").write_text(source)
    with pytest.raises(StackError, match="must define a Chalice app named app"):
        load_app()


def test_an_app_py_that_misses_a_module_fails_with_its_own_error(inside: Path) -> None:
    (inside / "app.py").write_text("import no_such_module_anywhere")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        load_app()


def test_gateway_responses_come_from_the_template_if_there_is_one(tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    assert read_api_definition(template) == ApiDefinition()
    template.write_text('{"Resources": {}}')
    assert read_api_definition(template) == ApiDefinition()
    template.write_text("{")
    with pytest.raises(StackError, match=r"template\.json"):
        read_api_definition(template)


def test_the_project_s_own_template_can_be_carried_out() -> None:
    customised = read_api_definition(ROOT / Options().gateway_template)
    assert customised.responses
    assert customised.minimum_compression_bytes == 4096


def test_arguments_have_defaults_and_the_environment_may_name_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    assert read_arguments([]) == Options()
    monkeypatch.setenv("REDIS_URL", "redis://there:1")
    assert read_arguments(["--stage", "x"]) == Options(redis_url="redis://there:1", stage="x")
    assert read_arguments(["--redis-url", "redis://b"]).redis_url == "redis://b"


def test_what_is_printed_to_try_can_be_pasted() -> None:
    create, *commands, watch, listen = example_commands(
        "http://127.0.0.1:8000", "ws://127.0.0.1:8001/dev"
    )
    words = shlex.split(create)
    session = json.loads(words[words.index("-d") + 1])
    assert session["sync_mode"] == "per_participant"
    assert len({person["participant_id"] for person in session["participants"]}) == 2
    path = f"http://127.0.0.1:8000/v1/sessions/{session['session_id']}"
    assert [shlex.split(command)[-1] for command in commands] == [
        f"{path}/start",
        f"{path}/switch",
        path,
    ]
    assert shlex.split(watch)[1:] == [
        *("-m", "local", "watch", session["session_id"]),
        *("--ws-url", "ws://127.0.0.1:8001/dev"),
    ]
    assert shlex.split(listen)[1:] == [
        "-m",
        "websockets",
        f"ws://127.0.0.1:8001/dev?sessionId={session['session_id']}",
    ]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("box.local", "http://box.local:1"),
    ],
)
def test_the_url_is_one_that_this_machine_can_reach(host: str, url: str) -> None:
    assert http_url(host, 1) == url


def test_a_password_is_not_shown() -> None:
    assert without_password("rediss://u:p%40ss@h:1/0") == "rediss://u:***@h:1/0"
    assert without_password("redis://h:1/0") == "redis://h:1/0"


def test_without_uvloop_the_standard_loop_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fastest_loop() is not None
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert fastest_loop() is None
