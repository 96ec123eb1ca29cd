"""``python -m local`` as a process, and its functions within this process."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
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
from tests.gateway.http_serving import Wire
from tests.waiting import HUNG_AFTER_S, Bound

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
    output: str

    def wire(self) -> Wire:
        return Wire(self.port)

    def store(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis_url, decode_responses=True)

    def exit_code(self) -> int:
        return self.process.wait(HUNG_AFTER_S)


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


def wait_for_output(process: subprocess.Popen[str]) -> Run:
    """The URLs that it prints once it serves."""
    assert process.stdout is not None
    output = ""
    while "Ctrl-C" not in output:
        line = process.stdout.readline()
        assert line, f"ended after {output!r}: {process.stderr and process.stderr.read()}"
        output += line
    facts = dict(line.split(maxsplit=1) for line in output.splitlines() if " " in line)
    return Run(process, int(facts["REST"].rpartition(":")[2]), facts["Store"], output)


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Run]:
    with begin(folder, *arguments) as process:
        run = wait_for_output(process)
        try:
            yield run
        finally:
            if process.poll() is None:
                process.kill()
                with suppress(redis.RedisError), run.store() as store:
                    store.shutdown()


def server_has_stopped(folder: Path) -> bool:
    """Whether no server still runs, which would be adopted now."""
    with embedded_valkey(folder / ".data" / "valkey") as server:
        return not server.adopted


def test_prints_its_urls_and_serves_the_app(folder: Path) -> None:
    with started(folder) as run, run.wire() as wire:
        assert run.output.startswith(f"Page  http://127.0.0.1:{run.port}/\n")
        assert f"REST  http://127.0.0.1:{run.port}\n" in run.output
        assert f"Data  {folder / '.data' / 'valkey'}\n" in run.output
        assert "Stage dev\n" in run.output
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


def test_functions_have_their_configured_timeout_and_variables(
    folder: Path,
) -> None:
    configure(
        folder, '{"lambda_timeout": 1, "environment_variables": {"AWS_REGION": "eu-central-1"}}'
    )
    with started(folder) as run, run.wire() as wire:
        assert json.loads(wire.get("/environment").body)["AWS_REGION"] == "eu-central-1"
        assert wire.get("/wait/ever").status == 502


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_lets_requests_in_flight_finish(folder: Path, number: signal.Signals) -> None:
    with (
        started(folder) as run,
        run.store() as store,
        run.wire() as wire,
        run.wire() as idle,
        ThreadPoolExecutor(1) as client,
    ):
        idle.get("/environment")
        answer = client.submit(wire.get, "/wait/me")
        assert store.blpop(["begun:me"], timeout=HUNG_AFTER_S)
        run.process.send_signal(number)
        assert idle.ends()
        store.rpush("go:me", "1")
        assert answer.result(HUNG_AFTER_S).body == b'{"waited":"me"}'
        store.close()
        assert run.exit_code() == 0
    assert server_has_stopped(folder)


def test_hanging_handler_does_not_delay_shutdown(folder: Path, bound: Bound) -> None:
    with started(folder) as run, run.store() as store, run.wire() as wire:
        wire.send(b"GET /wait/ever HTTP/1.1\r\nHost: t\r\n\r\n")
        assert store.blpop(["begun:ever"], timeout=HUNG_AFTER_S)
        run.process.terminate()
        assert run.process.wait(bound(STOP_WITHIN_S)) == 0
    assert server_has_stopped(folder)


def test_second_ctrl_c_exits_at_once(folder: Path) -> None:
    with started(folder) as run, run.store() as store, run.wire() as wire:
        wire.send(b"GET /wait/ever HTTP/1.1\r\nHost: t\r\n\r\n")
        assert store.blpop(["begun:ever"], timeout=HUNG_AFTER_S)
        run.process.send_signal(signal.SIGINT)
        assert run.process.stdout is not None
        assert "Stopping" in run.process.stdout.readline()
        run.process.send_signal(signal.SIGINT)
        assert run.exit_code() == 130
    assert server_has_stopped(folder)


NEVER_READY = """
import os, sys
print(os.getpid(), file=sys.stderr, flush=True)
sys.stdin.read()
"""


def test_signal_during_startup_stops_what_has_started(folder: Path) -> None:
    (folder / "chalicelib" / "workers").mkdir(parents=True)
    (folder / "chalicelib" / "__init__.py").touch()
    (folder / "chalicelib" / "workers" / "__init__.py").touch()
    (folder / "chalicelib" / "workers" / "sweeper.py").write_text(NEVER_READY)
    with begin(folder) as process:
        assert process.stderr is not None
        sweeper = int(process.stderr.readline())
        process.terminate()
        assert process.wait(HUNG_AFTER_S) == 0
    assert not Path("/proc", str(sweeper)).exists()
    assert server_has_stopped(folder)


def test_start_after_kill_9_adopts_the_server_with_its_data(folder: Path) -> None:
    with started(folder) as run, run.wire() as wire:
        wire.get("/count", method="POST")
        run.process.kill()
        run.process.wait()
        with started(folder) as again, again.wire() as other:
            assert again.redis_url == run.redis_url
            assert "still running" in again.output
            assert json.loads(other.get("/count", method="POST").body) == {"count": 2}
            again.process.terminate()
            assert again.exit_code() == 0
    assert server_has_stopped(folder)


def test_taken_port_is_reported_and_the_server_is_stopped(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with begin(folder, "--port", port) as process:
            _, error = process.communicate(timeout=HUNG_AFTER_S)
    assert process.returncode == 1
    assert f"port {port}" in error
    assert "--port 0" in error
    assert "Traceback" not in error
    assert server_has_stopped(folder)


def test_taken_websocket_port_is_reported(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with begin(folder, "--ws-port", port) as process:
            _, error = process.communicate(timeout=HUNG_AFTER_S)
    assert process.returncode == 1
    assert f"port {port}" in error
    assert "--ws-port 0" in error
    assert server_has_stopped(folder)


def test_changed_app_restarts_the_stack_once_it_can_be_loaded(folder: Path) -> None:
    with started(folder, "--reload") as run:
        with run.wire() as wire:
            wire.get("/count", method="POST")
        (folder / "app.py").write_text("raise RuntimeError('half done')")
        assert run.process.stderr is not None
        while "the previous version still runs" not in (line := run.process.stderr.readline()):
            assert line
        (folder / "app.py").write_text(APP.replace('{"count": client', '{"new count": client'))
        again = wait_for_output(run.process)

        assert again.output.startswith("The app has changed: restarting.\n")
        with again.wire() as wire:
            assert json.loads(wire.get("/count", method="POST").body) == {"new count": 2}
        run.process.terminate()
        assert run.exit_code() == 0
    assert server_has_stopped(folder)


def test_second_stack_on_one_data_directory_is_an_error(folder: Path) -> None:
    with started(folder) as run:
        with begin(folder) as second:
            _, error = second.communicate(timeout=HUNG_AFTER_S)
        assert second.returncode == 1
        assert "Another local stack" in error
        run.process.terminate()
        assert run.exit_code() == 0


def test_existing_server_is_used_and_not_stopped(folder: Path, tmp_path: Path) -> None:
    with embedded_valkey(tmp_path / "existing") as existing:
        with started(folder, "--redis-url", existing.url, "--stage", "other") as run:
            assert run.redis_url == existing.url
            assert "Stage other" in run.output
            with run.wire() as wire:
                assert json.loads(wire.get("/count", method="POST").body) == {"count": 1}
            run.process.terminate()
            assert run.exit_code() == 0
        assert not (folder / ".data").exists()
        with redis.Redis.from_url(existing.url) as store:
            assert store.get("count") == b"1"


def test_existing_server_is_printed_without_its_password(folder: Path) -> None:
    with started(folder, "--redis-url", "redis://user:secret@127.0.0.1:1/0") as run:
        assert "Store redis://user:***@127.0.0.1:1/0" in run.output
        assert "Data  in the store" in run.output
        run.process.terminate()
        assert run.process.stdout is not None
        assert "Stopping" in run.process.stdout.readline()
        assert run.exit_code() == 0


# Within this process


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """This process in the stub's directory; modules and variables are restored afterwards."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for name in SET_BY_THE_STACK:
        # Set first, so that it is unset again after the test.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a developer's own")
    before = sys.modules.pop("app", None)
    yield folder
    sys.modules.pop("app", None)
    if before is not None:
        sys.modules["app"] = before


def test_stack_starts_and_stops(inside: Path) -> None:
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
    assert server_has_stopped(inside)


def announce_a_body(port: int, length: int) -> int:
    with Wire(port) as wire:
        wire.send(f"POST /count HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n".encode())
        return wire.answer().status


def test_main_returns_0_if_stopped_during_startup(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (inside / "app.py").write_text(
        f"import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n{APP}"
    )
    assert main(["--port", "0", "--ws-port", "0"]) == 0
    assert capsys.readouterr().out == ""
    assert server_has_stopped(inside)


def test_main_returns_1_and_prints_why_it_can_not_start(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (inside / "app.py").unlink()
    assert main(["--port", "0", "--ws-port", "0", "--redis-url", "redis://127.0.0.1:1"]) == 1
    assert "There is no app.py" in capsys.readouterr().err


def test_invalid_configuration_is_reported(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(inside, "{")
    assert main(["--port", "0", "--ws-port", "0", "--redis-url", "redis://127.0.0.1:1"]) == 1
    assert "config.json: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "source",
    ["x = 1", "app = object()"],
)
def test_app_py_without_an_app_is_an_error(inside: Path, source: str) -> None:
    (inside / "app.py").write_text(source)
    with pytest.raises(StackError, match="must define a Chalice app named app"):
        load_app()


def test_missing_module_of_app_py_raises_its_own_error(inside: Path) -> None:
    (inside / "app.py").write_text("import no_such_module_anywhere")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        load_app()


def test_gateway_responses_come_from_the_template(tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    assert read_api_definition(template) == ApiDefinition()
    template.write_text('{"Resources": {}}')
    assert read_api_definition(template) == ApiDefinition()
    template.write_text("{")
    with pytest.raises(StackError, match=r"template\.json"):
        read_api_definition(template)


def test_project_template_is_supported() -> None:
    definition = read_api_definition(ROOT / Options().gateway_template)
    assert definition.responses
    assert definition.minimum_compression_bytes == 4096


def test_options_have_defaults_and_redis_url_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    assert read_arguments([]) == Options()
    monkeypatch.setenv("REDIS_URL", "redis://there:1")
    assert read_arguments(["--stage", "x"]) == Options(redis_url="redis://there:1", stage="x")
    assert read_arguments(["--redis-url", "redis://b"]).redis_url == "redis://b"


def test_example_commands_can_be_pasted() -> None:
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
def test_url_is_reachable_from_this_machine(host: str, url: str) -> None:
    assert http_url(host, 1) == url


def test_password_is_hidden() -> None:
    assert without_password("rediss://u:p%40ss@h:1/0") == "rediss://u:***@h:1/0"
    assert without_password("redis://h:1/0") == "redis://h:1/0"


def test_standard_loop_is_used_without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fastest_loop() is not None
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert fastest_loop() is None
