"""``chalice-gateway invoke``: one function, one event."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from chalice_gateway.command_line import main, read_arguments
from chalice_gateway.options import InvokeOptions, Options
from chalice_gateway.served_app import ServedApp

APP = """
import os
from chalice.app import Chalice
app = Chalice("shop")
app.experimental_feature_flags.add("WEBSOCKETS")
runs = []

@app.lambda_function()
def plain(event, context):
    runs.append(event)
    print("printed")
    app.log.error("logged")
    return {"event": event, "runs": len(runs), "folder": os.getcwd(),
            "name": context.function_name, "stage": os.environ.get("STAGE")}

@app.on_sqs_message("orders")
def order(event):
    return [record.body for record in event]

@app.lambda_function(name="broken")
def fails(event, context):
    raise ValueError(f"no {event['what']}")

@app.lambda_function()
def slow(event, context):
    import time
    time.sleep(event["seconds"])

@app.lambda_function()
def unserializable(event, context):
    return {1, 2}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / ".chalice").mkdir(parents=True)
    (folder / "app.py").write_text(APP)
    config = {
        "app_name": "shop",
        "stages": {
            "prod": {
                "environment_variables": {"STAGE": "prod"},
                "lambda_functions": {"slow": {"lambda_timeout": 1}},
            }
        },
    }
    (folder / ".chalice" / "config.json").write_text(json.dumps(config))
    return folder


def event_file(folder: Path, text: str) -> str:
    path = folder / "event.json"
    path.write_text(text)
    return str(path)


def test_answer_is_all_that_is_written_to_stdout(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event = event_file(tmp_path, '{"é": 1}')

    assert main(["invoke", "plain", event, "--app", str(shop), "--stage", "prod"]) == 0

    written = capsys.readouterr()
    assert json.loads(written.out) == {
        "event": {"é": 1},
        "runs": 1,
        "folder": str(shop),
        "name": "shop-prod-plain",
        "stage": "prod",
    }
    assert "é" in written.out
    assert "printed" in written.err


def test_event_is_a_sample_of_the_functions_kind_by_default(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["invoke", "order", "--app", str(shop)]) == 0
    assert json.loads(capsys.readouterr().out) == ["Hello"]


def test_deployed_name_is_a_name_too(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["invoke", "shop-dev-order", "--app", str(shop)]) == 0
    assert json.loads(capsys.readouterr().out) == ["Hello"]


def test_event_may_come_from_stdin_and_the_app_from_the_working_directory(shop: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chalice_gateway", "invoke", "plain", "-"],
        cwd=shop,
        input="[1]",
        env={name: os.environ[name] for name in os.environ if not name.startswith("AWS_")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout)["event"] == [1]
    assert done.stderr == "printed\nshop - ERROR - logged\n"


def test_function_that_raises_prints_awss_error_and_exits_with_1(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event = event_file(tmp_path, '{"what": "bread"}')

    assert main(["invoke", "broken", event, "--app", str(shop)]) == 1

    written = capsys.readouterr()
    error = json.loads(written.out)
    assert set(error) == {"errorMessage", "errorType", "requestId", "stackTrace"}
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no bread")
    assert "raise ValueError" in error["stackTrace"][-1]


def test_failure_is_logged_with_its_traceback(
    shop: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    event = event_file(tmp_path, '{"what": "bread"}')

    assert main(["invoke", "broken", event, "--app", str(shop)]) == 1

    (logged,) = (record.getMessage() for record in caplog.records)
    assert logged.startswith("shop-dev-broken failed\n")
    assert f'File "{shop}/app.py"' in logged
    assert logged.endswith("ValueError: no bread")


@pytest.mark.parametrize(
    ("name", "event", "message"),
    [
        ("slow", '{"seconds": 5}', "Task timed out after 1.00 seconds"),
        ("unserializable", "{}", "Object of type set is not JSON serializable"),
    ],
)
def test_other_failures_are_awss_too(
    shop: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    event: str,
    message: str,
) -> None:
    file = event_file(tmp_path, event)

    assert main(["invoke", name, file, "--app", str(shop), "--stage", "prod"]) == 1
    assert message in json.loads(capsys.readouterr().out)["errorMessage"]


def test_unknown_function_lists_all_with_their_kinds(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["invoke", "ordre", "--app", str(shop)]) == 2

    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.splitlines() == [
        "chalice-gateway: There is no function ordre. The app's functions:",
        "  api_handler     REST API",
        "  plain           plain function",
        "  broken          plain function",
        "  slow            plain function",
        "  unserializable  plain function",
        "  order           SQS",
    ]


def test_event_that_is_no_json_is_refused(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["invoke", "plain", event_file(tmp_path, "{"), "--app", str(shop)]) == 2
    assert "event.json is not JSON: Expecting property name" in capsys.readouterr().err
    assert main(["invoke", "plain", str(tmp_path / "none.json"), "--app", str(shop)]) == 2
    assert "none.json: No such file or directory" in capsys.readouterr().err


def test_folder_without_an_app_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["invoke", "plain", "--app", str(tmp_path)]) == 2
    assert f"There is no app.py in {tmp_path}" in capsys.readouterr().err


def test_running_gateway_runs_the_function_if_its_url_is_given(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fine, broken = event_file(tmp_path, '{"what": "bread"}'), str(tmp_path / "event.json")

    async def run() -> list[int]:
        async with AsyncExitStack() as parts:
            served = await ServedApp.start(parts, Options(shop, port=0, ws_port=0))
            url = served.endpoint.rpartition("/")[0]
            there = ["--app", str(shop), "--endpoint-url", url]
            return [
                await asyncio.to_thread(main, ["invoke", *invoked, *there])
                for invoked in (["plain", fine], ["plain", fine], ["broken", broken])
            ]

    assert asyncio.run(run()) == [0, 0, 1]
    decoder, text, answers = json.JSONDecoder(), capsys.readouterr().out, []
    while "{" in text:
        answer, end = decoder.raw_decode(text, text.index("{"))
        answers.append(answer)
        text = text[end:]
    # It is the served app that has run twice.
    assert [answer.get("runs") for answer in answers] == [1, 2, None]
    assert answers[2]["errorType"] == "ValueError"


def test_gateway_that_does_not_run_is_reported(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ["--app", str(shop), "--endpoint-url", "http://127.0.0.1:1"]

    assert main(["invoke", "plain", *there]) == 2
    assert "http://127.0.0.1:1: Could not connect to the endpoint URL" in capsys.readouterr().err


def test_arguments_become_options() -> None:
    assert read_arguments(["invoke", "f"]) == InvokeOptions("f")
    assert read_arguments(
        ["invoke", "f", "e.json", "--app", "a", "--stage", "s", "--endpoint-url", "u"]
    ) == InvokeOptions("f", Path("e.json"), Path("a"), "s", "u")
