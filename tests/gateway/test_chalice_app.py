"""Loading a Chalice app, and its Lambda functions."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from chalice.app import Chalice

from chalice_gateway.chalice_app import (
    AppError,
    lambdas_of,
    load_app,
    set_websocket_api_endpoint,
)
from chalice_gateway.chalice_config import StageConfig
from chalice_gateway.lambdas import ExecutionEnvironments, LambdaFunction, make_thread_safe
from chalice_gateway.websocket_outputs import Invoke
from tests.waiting import HUNG_AFTER_S

from .api_harness import HANDSHAKE, T0, api_harness

ECHO = Path(__file__).parent / "echo"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "1")
    return tmp_path


def write(folder: Path, answer: str, extra: str = "") -> None:
    (folder / "chalicelib").mkdir(exist_ok=True)
    (folder / "chalicelib" / "__init__.py").write_text("")
    (folder / "chalicelib" / "answers.py").write_text(f"ANSWER = {answer!r}\n")
    (folder / "app.py").write_text(
        "from chalice.app import Chalice\n"
        "from chalicelib.answers import ANSWER\n"
        "app = Chalice('answers', configure_logs=False)\n"
        f"app.answer = ANSWER\n{extra}\n"
    )


def test_echo_app_has_one_route() -> None:
    app = load_app(ECHO)

    lambdas = lambdas_of(app, StageConfig("dev"))
    assert {key: function.name for key, function in lambdas.routes.items()} == {
        "$default": "echo-dev-websocket_message"
    }
    assert set(lambdas.functions) == {"echo-dev", "echo-dev-websocket_message"}
    assert lambdas.functions["echo-dev"] is lambdas.rest


def clock() -> Chalice:
    app = Chalice("clock", configure_logs=False)

    @app.on_ws_connect(name="came")
    def connect(event: Any) -> None: ...

    @app.on_ws_message()
    def message(event: Any) -> None: ...

    @app.on_ws_disconnect()
    def disconnect(event: Any) -> None: ...

    @app.lambda_function(name="greet")
    def greets(event: Any, context: Any) -> Any:
        return event

    @app.lambda_function()
    def plain(event: Any, context: Any) -> Any:
        return event

    @app.on_sns_message(topic="news")
    def news(event: Any) -> None: ...

    return make_thread_safe(app)


def test_functions_have_their_deployed_names() -> None:
    lambdas = lambdas_of(clock(), StageConfig("prod"))

    assert {key: function.name for key, function in lambdas.routes.items()} == {
        "$connect": "clock-prod-websocket_connect",
        "$default": "clock-prod-websocket_message",
        "$disconnect": "clock-prod-websocket_disconnect",
    }
    assert set(lambdas.functions) == {
        "clock-prod",
        "clock-prod-websocket_connect",
        "clock-prod-websocket_message",
        "clock-prod-websocket_disconnect",
        "clock-prod-greet",
        "clock-prod-plain",
        "clock-prod-news",
    }
    assert lambdas.functions["clock-prod-greet"].handler({"a": 1}, None) == {"a": 1}


def test_configured_app_name_takes_precedence() -> None:
    lambdas = lambdas_of(clock(), StageConfig("dev", {"app_name": "watch"}))

    assert lambdas.rest.name == "watch-dev"
    assert lambdas.routes["$default"].name == "watch-dev-websocket_message"


def test_functions_have_their_configured_timeout_and_memory() -> None:
    config = StageConfig(
        "dev",
        {
            "lambda_timeout": 10,
            "stages": {
                "dev": {
                    "lambda_memory_size": 512,
                    "lambda_functions": {
                        "websocket_connect": {"lambda_timeout": 3},
                        "greet": {"lambda_memory_size": 256},
                    },
                }
            },
        },
    )

    lambdas = lambdas_of(clock(), config)

    assert settings(lambdas.rest) == (10, 512)
    assert settings(lambdas.routes["$connect"]) == (3, 512)
    assert settings(lambdas.routes["$default"]) == (10, 512)
    assert settings(lambdas.functions["clock-dev-greet"]) == (10, 256)


def settings(function: LambdaFunction) -> tuple[float, int]:
    return function.timeout_seconds, function.memory_mb


def test_load_app_reloads_the_app_and_its_modules(folder: Path) -> None:
    before = load_app(folder)
    write(folder, "two")
    after = load_app(folder)

    assert [vars(app)["answer"] for app in (before, after)] == ["1", "two"]


def test_vendored_packages_can_be_imported(folder: Path) -> None:
    (folder / "vendor").mkdir()
    (folder / "vendor" / "a_vendored_module.py").write_text("VALUE = 'vendored'\n")
    (folder / "app.py").write_text(
        "from chalice.app import Chalice\n"
        "import a_vendored_module\n"
        "app = Chalice('vendored', configure_logs=False)\n"
        "app.answer = a_vendored_module.VALUE\n"
    )

    assert vars(load_app(folder))["answer"] == "vendored"
    path = list(sys.path)
    load_app(folder)
    assert sys.path == path


def test_failed_load_keeps_the_previous_modules(folder: Path) -> None:
    load_app(folder)
    loaded = sys.modules["app"]
    write(folder, "2", "raise RuntimeError('half written')")

    with pytest.raises(RuntimeError, match="half written"):
        load_app(folder)
    assert sys.modules["app"] is loaded
    assert sys.modules["chalicelib.answers"].ANSWER == "1"


def test_missing_app_is_an_error(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(AppError, match=r"There is no app\.py in"):
        load_app(empty)
    (folder / "app.py").write_text("application = None\n")
    with pytest.raises(AppError, match="must define a Chalice app named app"):
        load_app(folder)
    (folder / "app.py").write_text("app = None\n# longer\n")
    with pytest.raises(AppError, match="must be a Chalice app, not NoneType"):
        load_app(folder)


def test_error_in_the_app_is_raised_unchanged(folder: Path) -> None:
    (folder / "app.py").write_text("import sys\nsys.no_such_thing\n")

    with pytest.raises(AttributeError, match="no_such_thing"):
        load_app(folder)


HERE = "http://127.0.0.1:8001/dev"
CONFIGURE_FIRST = "WebsocketAPI.configure must be called"


def posting_app() -> Chalice:
    """An app whose functions tell which endpoint they would post to."""
    app = Chalice("clock", configure_logs=False)
    app.websocket_api.session = boto3.session.Session(
        aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )

    def endpoint() -> str:
        try:
            client: Any = app.websocket_api._get_client()
        except ValueError as error:
            return str(error)
        return str(client.meta.endpoint_url)

    @app.on_ws_message()
    def message(event: Any) -> Any:
        return {"body": endpoint()}

    @app.lambda_function(name="plain")
    def plain(event: Any, context: Any) -> Any:
        return endpoint()

    @app.lambda_function(name="configures")
    def configures(event: Any, context: Any) -> Any:
        app.websocket_api.configure("abc.execute-api.us-east-1.amazonaws.com", "prod")
        return endpoint()

    @app.lambda_function(name="spawns")
    def spawns(event: Any, context: Any) -> Any:
        with ThreadPoolExecutor() as threads:
            return threads.submit(endpoint).result()

    return make_thread_safe(app)


def results_of(app: Chalice, *names: str) -> list[Any]:
    """What the functions return, one after the other."""
    lambdas = lambdas_of(app, StageConfig("dev"))

    async def run() -> list[Any]:
        environments = ExecutionEnvironments(limit=1)
        functions = {**lambdas.functions, "message": lambdas.routes["$default"]}
        (invoke,) = api_harness().api.open(HANDSHAKE, T0)
        assert isinstance(invoke, Invoke)
        event = {**invoke.event, "body": ""}
        results = [await environments.invoke(functions[name], event) for name in names]
        await environments.stop(HUNG_AFTER_S)
        return results

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def test_websocket_api_posts_to_the_emulator_in_functions_that_configure_it() -> None:
    app = posting_app()
    set_websocket_api_endpoint(app, HERE)

    message, plain, configures, again = results_of(
        app, "message", "clock-dev-plain", "clock-dev-configures", "clock-dev-plain"
    )

    assert message["body"] == HERE
    assert configures == HERE
    assert plain.startswith(CONFIGURE_FIRST)
    assert again.startswith(CONFIGURE_FIRST)


def test_websocket_api_configured_at_import_posts_to_the_emulator() -> None:
    app = posting_app()
    app.websocket_api.configure_from_api_id("abc", "prod")
    set_websocket_api_endpoint(app, HERE)

    assert results_of(app, "clock-dev-plain") == [HERE]


def test_websocket_api_works_in_threads_of_a_handler() -> None:
    app = posting_app()
    set_websocket_api_endpoint(app, HERE)

    before, _, after = results_of(app, "clock-dev-spawns", "message", "clock-dev-spawns")
    assert before.startswith(CONFIGURE_FIRST)
    assert after == HERE


def test_websocket_api_without_a_session_gets_no_client() -> None:
    app = Chalice("clock", configure_logs=False)

    set_websocket_api_endpoint(app, HERE)

    assert app.websocket_api._endpoint is None
    assert app.websocket_api._client is None
