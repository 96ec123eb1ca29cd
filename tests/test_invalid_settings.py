"""With an invalid setting every function fails in the same way, and the log says why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

EVERY_FUNCTION = """
import json
import app
from tests.websocket.test_observability import A_MINUTE, an_event, invoke
from tests.rest.client import RestClient

rest = RestClient(app.app)
outcomes = {"app": [rest.call("GET", path).json for path in ("/health", "/ready", "/docs")]}
for name, event in {
    "connect": an_event("connect"),
    "message": an_event("message", body='{"type":"PING"}'),
    "disconnect": an_event("disconnect"),
    "greet": {"sessionId": "s", "connectionId": "c", "endpoint": "e"},
    "sweep": A_MINUTE,
}.items():
    try:
        invoke(name, event)
    except Exception as error:
        outcomes[name] = type(error).__name__
print(json.dumps(outcomes))
"""

REQUESTS, OTHERS = 3, ("connect", "message", "disconnect", "greet", "sweep")


@pytest.fixture(scope="module")
def ran() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", EVERY_FUNCTION],
        cwd=ROOT,
        env={
            "PATH": "",
            "AWS_LAMBDA_FUNCTION_NAME": "tickless-dev",
            "AWS_REGION": "eu-west-1",
            "REDIS_URL": "http://user:Passw0rd@nowhere",
        },
        capture_output=True,
        text=True,
        check=True,
    )


def test_rest_is_500_and_other_functions_raise(ran: subprocess.CompletedProcess[str]) -> None:
    outcomes = json.loads(ran.stdout)
    answers = [answer["error"] for answer in outcomes.pop("app")]

    assert [(one["code"], one["request_id"]) for one in answers] == [
        ("INTERNAL_ERROR", "request-1")
    ] * REQUESTS
    assert outcomes == dict.fromkeys(OTHERS, "InvalidSetting")
    # Which variable it is, the response does not say.
    assert "REDIS_URL" not in ran.stdout


def test_each_call_logs_one_line_with_the_variable_and_no_password(
    ran: subprocess.CompletedProcess[str],
) -> None:
    lines = [json.loads(line) for line in ran.stderr.splitlines()]

    assert [(line["level"], line["message"]) for line in lines] == [
        ("ERROR", "settings: REDIS_URL must be redis://HOST:PORT or rediss://HOST:PORT")
    ] * (REQUESTS + len(OTHERS))
    assert all(line["request_id"] for line in lines)
    assert "Passw0rd" not in ran.stderr
