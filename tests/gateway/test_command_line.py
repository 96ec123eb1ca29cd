"""``chalice-gateway run`` as a process, with the echo app and with reloads."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from chalice_gateway.app_runtime import enter_runtime
from chalice_gateway.command_line import main, read_arguments
from chalice_gateway.options import Options
from chalice_gateway.run import serve
from chalice_gateway.served_app import ServedApp
from chalice_gateway.sigv4 import Credentials, credentials_from
from chalice_gateway.websocket_limits import Faults, Limits, MessageOrder

from .websocket_serving import WITHIN_S

ROOT = Path(__file__).parents[2]
ECHO = Path(__file__).parent / "echo"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables that a served app gets, so that they are unset afterwards."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")


@dataclass
class Run:
    process: subprocess.Popen[str]
    rest: str
    sockets: str

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


def begin(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("AWS_")}
    return subprocess.Popen(
        [sys.executable, "-m", "chalice_gateway", "run", str(folder), "--port", "0",
         "--ws-port", "0", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Run]:
    with begin(folder, *arguments) as process:
        try:
            assert process.stdout is not None
            said = "".join(process.stdout.readline() for _ in range(4))
            found = re.search(r"REST +(\S+)\nWebSocket +(\S+)\n@connections \S+\nLambda ", said)
            assert found, process.stderr and process.stderr.read()
            yield Run(process, found[1], found[2])
        finally:
            process.kill()


def test_echo_app_echoes_and_closes_with_1001() -> None:
    with started(ECHO) as run:
        with connect(run.sockets) as client:
            for text in ("hello", "für dich"):
                client.send(text)
                assert client.recv(WITHIN_S) == text
            run.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as raised:
                client.recv(WITHIN_S)
        assert run.process.wait(WITHIN_S) == 0
        assert run.process.stderr is not None
        assert run.process.stderr.read() == ""

    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 1001


APP = """\
from chalice.app import Chalice
import boto3

app = Chalice("changing")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()

@app.route("/")
def index():
    return {ANSWER!r}

@app.on_ws_message()
def message(event):
    app.websocket_api.send(event.connection_id, {ANSWER!r})
"""


def test_connections_survive_a_reload(tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP.replace("{ANSWER!r}", "'before'"))
    with started(tmp_path, "--reload") as run, connect(run.sockets) as client:
        client.send("?")
        assert client.recv(WITHIN_S) == "before"

        app.write_text("an app that is not Python")
        while "invalid syntax" not in read_error(run):
            pass
        client.send("?")
        assert client.recv(WITHIN_S) == "before"

        app.write_text(APP.replace("{ANSWER!r}", "'after the change'"))
        assert run.line() == "Reloaded the app.\n"
        client.send("?")
        assert client.recv(WITHIN_S) == "after the change"
        with urllib.request.urlopen(f"{run.rest}/", timeout=WITHIN_S) as response:
            assert response.read() == b"after the change"


@pytest.mark.parametrize(
    "broken",
    ["import sys\nsys.exit('half done')", "raise SystemExit", "x = 1", "app = None"],
)
def test_app_that_fails_to_load_keeps_the_previous_version(
    broken: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP.replace("{ANSWER!r}", "'before'"))

    async def use() -> None:
        async with AsyncExitStack() as parts:
            served = await ServedApp.start(parts, Options(tmp_path, port=0, ws_port=0))
            app.write_text(broken)
            served.reload()
            async with connect_async(served.endpoint.replace("http", "ws")) as client:
                await client.send("?")
                assert await client.recv() == "before"

    asyncio.run(asyncio.wait_for(use(), WITHIN_S))
    assert "The app can't be loaded; the previous version still runs" in caplog.text


def test_invalid_configuration_keeps_the_previous_version(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "app.py").write_text(APP.replace("{ANSWER!r}", "'before'"))

    async def use() -> None:
        async with AsyncExitStack() as parts:
            served = await ServedApp.start(parts, Options(tmp_path, port=0, ws_port=0))
            (tmp_path / ".chalice").mkdir()
            (tmp_path / ".chalice" / "config.json").write_text("{")
            served.reload()

    asyncio.run(asyncio.wait_for(use(), WITHIN_S))
    assert "config.json" in caplog.text


def test_invalid_configuration_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text("{")

    assert main(["run", str(tmp_path)]) == 1
    assert "config.json: " in capsys.readouterr().err


@pytest.mark.parametrize(("verify_signatures", "status"), [(True, 403), (False, 410)])
def test_signatures_are_required_unless_disabled(verify_signatures: bool, status: int) -> None:
    async def use() -> None:
        async with AsyncExitStack() as parts:
            options = Options(ECHO, port=0, ws_port=0, verify_signatures=verify_signatures)
            served = await ServedApp.start(parts, options)
            with pytest.raises(urllib.error.HTTPError) as raised:
                await asyncio.to_thread(
                    urllib.request.urlopen, f"{served.endpoint}/@connections/PJqB0fHsqRcCHlw%3D"
                )
            assert raised.value.status == status
            raised.value.close()

    asyncio.run(asyncio.wait_for(use(), WITHIN_S))


def read_error(run: Run) -> str:
    assert run.process.stderr is not None
    return run.process.stderr.readline()


def test_missing_app_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(tmp_path)]) == 1
    assert "There is no app.py in" in capsys.readouterr().err


def test_arguments_become_options(tmp_path: Path) -> None:
    options = read_arguments(
        [
            "run", str(tmp_path), "--host", "0.0.0.0", "--port", "1", "--ws-port", "2",
            "--stage", "prod", "--environments", "3", "--no-signatures", "--reload",
            "--message-order", "shuffled", "--idle-seconds", "1.5", "--duration-seconds", "20",
            "--integration-seconds", "3", "--drop-posts", "0.1", "--delay-posts", "0.2",
            "--reorder", "0.3", "--lose-disconnects", "0.4", "--seed", "5",
            "--api-key", "k1", "--api-key", "k2", "--cognito-jwks", "keys.json",
            "--allow-unchecked-authorizers", "--tls-certificate", "c.pem", "--tls-key", "k.pem",
            "--no-schedules",
        ]
    )  # fmt: skip

    assert options == Options(
        folder=tmp_path,
        host="0.0.0.0",
        port=1,
        ws_port=2,
        stage="prod",
        environments=3,
        verify_signatures=False,
        api_keys=("k1", "k2"),
        cognito_jwks=(Path("keys.json"),),
        allow_unchecked_authorizers=True,
        tls=True,
        tls_certificate=Path("c.pem"),
        tls_key=Path("k.pem"),
        schedules=False,
        reload=True,
        order=MessageOrder.SHUFFLED,
        limits=Limits(idle_ms=1_500, duration_ms=20_000, integration_ms=3_000),
        faults=Faults(seed=5, drop_posts=0.1, delay_posts=0.2, reorder=0.3, lose_disconnects=0.4),
    )
    assert read_arguments(["run", "x"]) == Options(folder=Path("x"))


PROTECTED = """\
from chalice.app import Chalice
app = Chalice("protected", configure_logs=False)

@app.route("/", api_key_required=True)
def index():
    return app.current_request.context["identity"].get("apiKey")
"""


def test_app_with_an_unchecked_authorizer_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text(PROTECTED)

    assert main(["run", str(tmp_path), "--port", "0", "--ws-port", "0"]) == 1
    assert "GET /: it needs an API key" in capsys.readouterr().err


def test_unreadable_cognito_keys_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text(PROTECTED)

    missing = str(tmp_path / "jwks.json")
    assert main(["run", str(tmp_path), "--ws-port", "0", "--cognito-jwks", missing]) == 1
    assert "jwks.json: No such file" in capsys.readouterr().err


def test_api_key_of_the_command_line_is_valid(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROTECTED)
    with started(tmp_path, "--api-key", "one") as run:
        request = urllib.request.Request(f"{run.rest}/", headers={"x-api-key": "one"})
        with urllib.request.urlopen(request, timeout=WITHIN_S) as response:
            assert response.read() == b"one"
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"{run.rest}/", timeout=WITHIN_S)
        raised.value.close()
        assert raised.value.code == 403


UNDEPLOYABLE = """\
from chalice.app import Chalice
app = Chalice("undeployable", configure_logs=False)
{extra}
@app.on_ws_message()
def message(event):
    pass
"""


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("", "app.experimental_feature_flags.update"),
        ("app.route('/x/')(lambda: 1)", "Route cannot end with a trailing slash: /x/"),
    ],
)
def test_app_that_chalice_would_not_deploy_is_refused(
    extra: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text(UNDEPLOYABLE.format(extra=extra))

    assert main(["run", str(tmp_path), "--port", "0", "--ws-port", "0"]) == 1
    assert message in capsys.readouterr().err


SLOW = """\
import time
from chalice.app import Chalice
app = Chalice("slow", configure_logs=False)

@app.route("/slow")
def slow():
    time.sleep(10)

@app.route("/large")
def large():
    return "x" * 2000
"""


def test_rest_has_the_configured_timeout_and_compression(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SLOW)
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text('{"minimum_compression_size": 1000}')
    with started(tmp_path, "--integration-seconds", "0.1") as run:
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"{run.rest}/slow", timeout=WITHIN_S)
        raised.value.close()
        assert raised.value.code == 504
        request = urllib.request.Request(f"{run.rest}/large", headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request, timeout=WITHIN_S) as response:
            assert response.headers["Content-Encoding"] == "gzip"


AT_HOME = """\
import os
from pathlib import Path
from chalice.app import Chalice
app = Chalice("at-home", configure_logs=False)
at_import = {name: os.environ[name] for name in (
    "LAMBDA_TASK_ROOT", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "_HANDLER", "AWS_REGION", "TZ",
)}
text = Path("chalicelib/data.txt").read_text()

@app.route("/")
def index():
    return {**at_import, "text": text, "cwd": os.getcwd()}
"""


def test_app_runs_in_its_directory_with_lambda_s_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TZ", raising=False)
    (tmp_path / "app.py").write_text(AT_HOME)
    (tmp_path / "chalicelib").mkdir()
    (tmp_path / "chalicelib" / "data.txt").write_text("data")
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(
        '{"app_name": "home", "lambda_memory_size": 512}'
    )
    with (
        started(tmp_path) as run,
        urllib.request.urlopen(f"{run.rest}/", timeout=WITHIN_S) as response,
    ):
        assert json.loads(response.read()) == {
            "LAMBDA_TASK_ROOT": str(tmp_path.resolve()),
            "AWS_LAMBDA_FUNCTION_NAME": "home-dev",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/home-dev",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "_HANDLER": "app.app",
            "AWS_REGION": "us-east-1",
            "TZ": ":UTC",
            "text": "data",
            "cwd": str(tmp_path.resolve()),
        }


@pytest.mark.parametrize("runtime", [None, "AWS_Lambda"])
def test_environment_and_directory_are_restored(
    runtime: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_EXECUTION_ENV", raising=False)
    if runtime is not None:
        monkeypatch.setenv("AWS_EXECUTION_ENV", runtime)

    async def use() -> None:
        async with AsyncExitStack() as parts:
            await ServedApp.start(parts, Options(ECHO, port=0, ws_port=0))
            assert Path.cwd() == ECHO
            assert os.environ["LAMBDA_TASK_ROOT"] == str(ECHO)

    environment, directory = set(os.environ.items()), Path.cwd()
    asyncio.run(asyncio.wait_for(use(), WITHIN_S))
    assert set(os.environ.items()) ^ environment == set()
    assert Path.cwd() == directory


@pytest.fixture
def _in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process whose local time is New York's by the system's setting, not by a variable."""
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "America/New_York")
        time.tzset()
        del os.environ["TZ"]
        yield
    time.tzset()


@pytest.mark.usefixtures("_in_new_york")
def test_local_time_of_an_app_is_utc() -> None:
    assert time.localtime(0).tm_gmtoff == -5 * 3600

    with ExitStack() as parts:
        enter_runtime(parts, ECHO, "dev")
        assert time.localtime(0).tm_gmtoff == 0


SCHEDULED = """\
from chalice.app import Chalice
app = Chalice("scheduled", configure_logs=False)

@app.schedule("{expression}", name="sweep")
def sweep(event):
    pass
"""


def test_schedules_are_listed_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SCHEDULED.format(expression="cron(0 0 1 1 ? 2199)"))
    with started(tmp_path) as run:
        assert run.line() == (
            "Schedule     scheduled-dev-sweep: cron(0 0 1 1 ? 2199),"
            " next at 2199-01-01 00:00:00 UTC\n"
        )


def test_invalid_schedule_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.py").write_text(SCHEDULED.format(expression="rate(1 minutes)"))

    arguments = ["run", str(tmp_path), "--port", "0", "--ws-port", "0", "--no-schedules"]
    assert main(arguments) == 1
    assert "rate(1 minutes): write rate(1 minute)" in capsys.readouterr().err


def test_disabled_schedules_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SCHEDULED.format(expression="rate(1 minute)"))

    async def describe(*, schedules: bool) -> str:
        async with AsyncExitStack() as parts:
            options = Options(tmp_path, port=0, ws_port=0, schedules=schedules)
            served = await ServedApp.start(parts, options)
            served.reload()
            return served.startup_message()

    assert "scheduled-dev-sweep" in asyncio.run(describe(schedules=True))
    assert "scheduled-dev-sweep" not in asyncio.run(describe(schedules=False))


STAGED = """\
import os
from chalice.app import Chalice
app = Chalice("staged", configure_logs=False)

@app.route("/")
def index():
    context = app.current_request.context
    return [context["stage"], context["path"], os.environ["TABLE"]]
"""


def test_api_stage_is_not_chalice_s_stage(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(STAGED)
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(
        '{"stages": {"prod": {"api_gateway_stage": "v1",'
        ' "environment_variables": {"TABLE": "prod-table"}}}}'
    )
    with started(tmp_path, "--stage", "prod") as run:
        assert run.sockets.endswith("/v1")
        with urllib.request.urlopen(f"{run.rest}/", timeout=WITHIN_S) as response:
            assert json.loads(response.read()) == ["v1", "/v1/", "prod-table"]


def test_credentials_are_those_of_the_sdks_or_local() -> None:
    assert credentials_from({}) == Credentials("local", "local", None)
    assert credentials_from(
        {
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_SESSION_TOKEN": "c",
        }
    ) == Credentials("a", "b", "c")


def test_reload_replaces_the_app(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP.replace("{ANSWER!r}", "'before'"))

    async def use() -> None:
        async with AsyncExitStack() as parts:
            options = Options(tmp_path, host="0.0.0.0", port=0, ws_port=0)
            served = await ServedApp.start(parts, options)
            url = served.endpoint.replace("http", "ws")
            async with connect_async(url) as client:
                await client.send("?")
                assert await client.recv() == "before"
                app.write_text("raise RuntimeError")
                served.reload()
                app.write_text(APP.replace("{ANSWER!r}", "'after the change'"))
                served.reload()
                await client.send("?")
                assert await client.recv() == "after the change"
            taken = Options(tmp_path, host="0.0.0.0", ws_port=int(url.split(":")[2][:-4]))
            with pytest.raises(OSError, match="in use"):
                await ServedApp.start(parts, taken)

    asyncio.run(asyncio.wait_for(use(), WITHIN_S))
    assert capsys.readouterr().out == "Reloaded the app.\n"


def test_serve_reloads_and_stops_on_a_signal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP.replace("{ANSWER!r}", "'before'"))

    async def until_it_says(what: str) -> None:
        said = ""
        while what not in said:
            await asyncio.sleep(0.01)
            said += capsys.readouterr().out

    async def use() -> None:
        serving = asyncio.create_task(serve(Options(tmp_path, port=0, ws_port=0, reload=True)))
        await until_it_says("Lambda ")
        app.write_text(APP.replace("{ANSWER!r}", "'after the change'"))
        await until_it_says("Reloaded the app.")
        os.kill(os.getpid(), signal.SIGTERM)
        await serving

    asyncio.run(asyncio.wait_for(use(), WITHIN_S))


@pytest.mark.parametrize(
    ("host", "authority"), [("0.0.0.0", "127.0.0.1:"), ("::", "[::1]:"), ("::1", "[::1]:")]
)
def test_startup_message_has_reachable_urls(host: str, authority: str) -> None:

    async def describe() -> str:
        async with AsyncExitStack() as parts:
            served = await ServedApp.start(parts, Options(ECHO, host=host, port=0, ws_port=0))
            return served.startup_message()

    try:
        described = asyncio.run(describe())
    except OSError:
        pytest.skip("There is no IPv6 here")
    assert f"ws://{authority}" in described
