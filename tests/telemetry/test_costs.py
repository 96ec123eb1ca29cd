"""Unused telemetry is not imported, and each invocation flushes its metrics."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ASK = """
import sys
from tests.rest.client import RestClient
import app
{ask}
print([name for name in ("prometheus_client", "aws_lambda_powertools", "aws_xray_sdk", "boto3")
       if name in sys.modules], file=sys.stderr)
"""
HEALTH = "assert RestClient(app.app).get('/health').status == 200"
METRICS = "assert RestClient(app.app).get('/metrics').status == 200"


def asked(ask: str, **environment: str) -> tuple[str, list[str]]:
    """What a process prints that imports the app and asks it, and what it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(ask=ask)],
        cwd=ROOT,
        env={"PATH": "", "REDIS_URL": "redis://127.0.0.1:1/0", "AUTH": "off", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    imported: list[str] = json.loads(done.stderr.splitlines()[-1].replace("'", '"'))
    return done.stdout, imported


@pytest.mark.parametrize(
    ("ask", "environment", "imported"),
    [
        ("", {}, []),
        ("", {"AWS_LAMBDA_FUNCTION_NAME": "tickless-dev"}, []),
        (HEALTH, {"METRICS": "off"}, []),
        (HEALTH, {}, ["prometheus_client"]),
        (HEALTH, {"METRICS": "off", "LOG_FORMAT": "json"}, ["aws_lambda_powertools"]),
        (HEALTH, {"AWS_LAMBDA_FUNCTION_NAME": "tickless-dev"}, ["aws_lambda_powertools"]),
        (METRICS, {"METRICS": "off"}, ["prometheus_client"]),
    ],
)
def test_only_used_modules_are_imported(
    ask: str, environment: dict[str, str], imported: list[str]
) -> None:
    assert asked(ask, **environment)[1] == imported


def test_lambda_writes_its_metrics_before_it_sleeps() -> None:
    written, _ = asked(HEALTH, AWS_LAMBDA_FUNCTION_NAME="tickless-dev")

    lines = [json.loads(line) for line in written.splitlines()]
    assert {(line["method"], line["route"]) for line in lines} == {("GET", "/health")}
    counted, timed = lines
    assert (counted["status"], counted["tickless_http_requests_total"]) == ("200", [1.0])
    assert len(timed["tickless_http_request_duration_seconds"]) == 1


def test_process_writes_remaining_metrics_at_its_end() -> None:
    written, _ = asked(
        "import app; app.container.telemetry.record_lost_race()",
        METRICS="emf",
    )

    (line,) = map(json.loads, written.splitlines())
    assert line["tickless_lost_races_total"] == [1.0]


def test_scrape_of_a_lambda_has_only_the_store_metrics() -> None:
    written, _ = asked(
        "print(RestClient(app.app).get('/metrics').text)", AWS_LAMBDA_FUNCTION_NAME="tickless-dev"
    )

    names = {line.split("{")[0].split(" ")[0] for line in written.splitlines() if line[:1] == "t"}
    assert names == {"tickless_build_info", "tickless_store_up"}
