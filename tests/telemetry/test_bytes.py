"""The bytes that a switch logs agree with the documented cost."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import RedisProcess

ROOT = Path(__file__).parents[2]
DEPLOYING = (ROOT / "docs" / "deploying.md").read_text()
BEFORE = "from here on\n"

SWITCH = f"""
import sys
from tests.fakes import FakeConnectionsApi
from tests.rest.client import SESSION, RestClient, creation
import app
import app

app.container.__dict__["connections_api"] = FakeConnectionsApi()
rest, path = RestClient(app.app), f"/v1/sessions/{{SESSION}}"
assert rest.call("POST", "/v1/sessions", creation()).status == 201
for number in range(2):
    connections = app.container.connections
    connections.register(SESSION, f"PJqB0fHsqRcCHl{{number}}=", "https://api/prod")
assert rest.call("POST", path + "/start").status == 200
for stream in (sys.stdout, sys.stderr):
    stream.write({BEFORE!r})
    stream.flush()
assert rest.call("POST", path + "/switch").status == 200
"""


def said(what: str) -> float:
    """The KB that the table of costs gives for something."""
    found = re.search(rf"^\| {what}, ([\d.]+) KB each ", DEPLOYING, re.MULTILINE)
    assert found
    return float(found[1]) * 1000


def test_bytes_of_a_switch_match_the_documented_cost(own_valkey: RedisProcess) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SWITCH],
        cwd=ROOT,
        env={
            "PATH": "",
            "AWS_LAMBDA_FUNCTION_NAME": "tickless-prod-APIHandler-1A2B3C4D5E6F",
            "REDIS_URL": own_valkey.url,
            "SERVICE": "tickless-prod",
            "AUTH": "off",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    metrics = done.stdout.partition(BEFORE)[2]
    lines = done.stderr.partition(BEFORE)[2]

    assert [json.loads(line)["message"] for line in lines.splitlines()] == ["fan-out", "request"]
    posts = [line.get("tickless_posts_total") for line in map(json.loads, metrics.splitlines())]
    assert [values for values in posts if values] == [[2.0]]
    assert len(metrics) == pytest.approx(said("metrics"), rel=0.1)
    assert len(lines) == pytest.approx(said("log lines"), rel=0.1)
