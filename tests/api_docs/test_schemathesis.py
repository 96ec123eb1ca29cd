"""Schemathesis finds no undocumented response of a running stack.

It tries each operation with valid and invalid requests, on existing and unknown sessions, and
chains that begin with the creation of a session; on a stack without AUTH and on one with it. By
default a few fixed examples, and without AUTH, which changes nothing but what is refused, only the
examples of the document and the bounds of every field; with TICKLESS_FULL, many random ones.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chalicelib.auth.jwt import sign
from chalicelib.auth.policy import Role
from tests.auth.bearers import KEYS, SECRET, a_bearer
from tests.e2e.instances import instances
from tests.servers import RedisProcess

from .conformance import openapi_document

ROOT = Path(__file__).parents[2]
FULL = os.environ.get("TICKLESS_FULL", "") not in ("", "0")
WITHIN_S = 600
ALL_PHASES = "examples,coverage,fuzzing,stateful"
PHASES = {"off": ALL_PHASES if FULL else "examples,coverage", "on": ALL_PHASES}

# Rules between fields reject some requests that match the schema; see
# tests/api_docs/test_openapi.py. On AWS, uncommon HTTP methods never reach the application.
LEFT_OUT = "positive_data_acceptance,unsupported_method"


def strict(folder: Path, auth: str) -> Path:
    """The document without the ranges that stand for the gateway's own answers.

    Where AUTH is on, tokens are needed that otherwise may be left out.
    """
    document = copy.deepcopy(openapi_document())
    del document["servers"]
    for operations in document["paths"].values():
        for operation in operations.values():
            del operation["responses"]["4XX"], operation["responses"]["5XX"]
            if auth == "on" and "security" in operation:
                operation["security"].remove({})
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("auth", ["off", "on"])
def test_every_response_is_documented(own_valkey: RedisProcess, tmp_path: Path, auth: str) -> None:
    now_s = int(time.time())
    token = sign(a_bearer(Role.SERVER, valid_from_s=now_s - 60, valid_until_s=now_s + 3600), KEYS)
    environment = {"AUTH": auth, "AUTH_KEYS": json.dumps(SECRET)}
    with instances(1, own_valkey.url, tmp_path, environment=environment) as (instance,):
        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", str(strict(tmp_path, auth))),
                *("--url", instance.rest_url, "--no-color", "--warnings", "off"),
                *("--header", f"Authorization: Bearer {token}"),
                *("--exclude-checks", LEFT_OUT),
                *("--phases", PHASES[auth]),
                *("--max-examples", "300" if FULL else "25"),
                *(() if FULL else ("--generation-deterministic", "--no-shrink")),
            ],
            # It leaves notes where it runs.
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "SCHEMATHESIS_HOOKS": "tests.api_docs.schemathesis_hooks",
                "STACK": instance.rest_url,
                "TOKEN": token,
            },
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    assert run.returncode == 0, run.stdout[-8_000:] + run.stderr[-2_000:]
    operations = sum(map(len, openapi_document()["paths"].values()))
    assert f"Tested: {operations}" in run.stdout
