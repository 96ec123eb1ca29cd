"""The packaged REST function's cold start, compared with an app that imports boto3 and redis.

Both are packaged by Chalice, for this machine, unpacked, and run by AWS's own
runtime client; from the start of its process to the first answer. Both come with
byte code. That needs Lambda's Python; where it is missing nothing is measured.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

from chalicelib.auth.jwks import new_key, read_keys
from chalicelib.auth.jwt import sign
from chalicelib.auth.policy import EVERY_SESSION, Bearer, Role
from infra.lambda_runtime import PackagedFunction
from infra.packaging import THIS_ARCHITECTURE, Package, chalice_package, package, packager_bin
from infra.virtualenvs import VERSION, PythonNotFound

from .http_client import HOST
from .lab import ROOT, STAGE, Lab
from .measure import Block, Contender, Progress, latency_ratio, take_turns
from .plan import Plan
from .report import Check, Result, Row
from .secrets_manager import keeping, secrets_manager

READ = "Tickless, a read: a session that is not in the store"
GIVEN = "the same with a token, its key in AUTH_KEYS"
FETCHED = "the same with a token, its key fetched from a secret"
REFERENCE = "a Chalice app that imports boto3 and redis, /health"

TITLE = "Cold start of the package"

SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:bench-AbCdEf"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
HOUR_S = 3600
TARGETS = {READ: (1.2, 1.1), FETCHED: (1.8, 1.6)}
"""What the ratio to the reference must be at most, and what it is meant to be."""

REFERENCE_IMPORTS = ("boto3", "redis")
NOTHING: Mapping[str, str] = {}


class _ColdStart:
    """Each time a new process, which is asked once and ended."""

    def __init__(
        self, task_root: Path, event: Mapping[str, Any], status: int, variables: Mapping[str, str]
    ) -> None:
        self._task_root = task_root
        # The function logs each request; a terminal shows progress alone.
        self._log = task_root.parent / "function.log"
        self._event = event
        self._status = status
        self._variables = variables

    def do(self, count: int) -> Block:
        latencies_ms = [self._start() for _ in range(count)]
        return Block(latencies_ms, sum(latencies_ms) / 1000)

    def _start(self) -> float:
        function = PackagedFunction(self._task_root, "app.app", self._variables, self._log)
        before_ns = time.perf_counter_ns()
        with function:
            answer = function.invoke(self._event)
            took_ms = (time.perf_counter_ns() - before_ns) / 1e6
        if answer["statusCode"] != self._status:
            raise OSError(f"answered {answer}")
        return took_ms


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    try:
        ours, reference = _unpacked(lab, progress)
    except PythonNotFound as missing:
        return Result("package", TITLE, f"Not measured: {missing}.", [], [])
    key = json.dumps(new_key("bench"))
    with secrets_manager(keeping(SECRET_ARN, key)) as endpoint:
        off = {"REDIS_URL": lab.valkey.url, "AUTH": "off"}
        given = {**off, "AUTH": "on", "AUTH_KEYS": key}
        fetched = {
            **given,
            "AUTH_KEYS": "",
            "AUTH_KEYS_SECRET": SECRET_ARN,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoint,
            **CREDENTIALS,
        }
        with_token = _read(_server_token(key))
        starts = {
            READ: _ColdStart(ours, _read(None), 404, off),
            GIVEN: _ColdStart(ours, with_token, 404, given),
            FETCHED: _ColdStart(ours, with_token, 404, fetched),
            REFERENCE: _ColdStart(reference, proxy_event("/health"), 200, {}),
        }
        samples = take_turns(
            {name: Contender(start.do) for name, start in starts.items()},
            rounds=plan.cold_runs,
            count=1,
            budget_seconds=plan.budget_seconds,
            progress=progress,
        )
    ratios = {
        name: latency_ratio(samples[name], samples[REFERENCE])
        for name in starts
        if name != REFERENCE
    }
    rows: list[Row] = [
        {
            "what": name,
            "count": found.count,
            "p50_ms": found.p50_ms,
            "p95_ms": found.p95_ms,
            "floor": REFERENCE if name in ratios else None,
            "ratio": ratios.get(name),
        }
        for name, found in samples.items()
    ]
    checks = [
        Check(
            name,
            f"{ratios[name]:.2f} x",
            f"<= {must} x",
            ratios[name] <= must,
            f"<= {aim} x",
            ratios[name] <= aim,
        )
        for name, (must, aim) in TARGETS.items()
    ]
    note = (
        f"The zip that is deployed, made for {THIS_ARCHITECTURE} and Python {VERSION}, run by"
        " awslambdaric; from the start of the process to the first answer, Python's own included."
        " The other app imports chalice, boto3 and redis, in the versions of ours, and asks no"
        " store. Both bundles hold byte code. The secret is fetched from a stand-in for Secrets"
        " Manager on this machine, without TLS and without AWS's own time for an answer."
    )
    return Result("package", TITLE, note, rows, checks)


def _unpacked(lab: Lab, progress: Progress) -> tuple[Path, Path]:
    """Where both bundles have been unpacked.

    Raises:
        PythonNotFound: Lambda's Python is not here.
    """
    progress("packaging")
    ours = package(STAGE, lab.directory / "package", architecture=THIS_ARCHITECTURE)
    source = lab.directory / "reference_app"
    shutil.copytree(ROOT / "bench" / "reference_app", source, dirs_exist_ok=True)
    pins = [
        line
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line.partition("==")[0] in REFERENCE_IMPORTS
    ]
    (source / "requirements.txt").write_text("\n".join(pins))
    config = {
        "version": "2.0",
        "app_name": "reference_app",
        "lambda_architecture": THIS_ARCHITECTURE,
        "stages": {STAGE: {}},
    }
    reference = chalice_package(source, config, STAGE, lab.directory / "reference-package", {})
    unpacked = _unpack(reference)
    # All of it, as ours has of what it imports: what is compared is what is imported.
    compiling = (packager_bin() / "python", "-m", "compileall", "-q", "--invalidation-mode")
    subprocess.run([*compiling, "unchecked-hash", unpacked], check=True)
    return _unpack(ours), unpacked


def _unpack(made: Package) -> Path:
    task_root = made.zip.parent / "task"
    with ZipFile(made.zip) as bundle:
        bundle.extractall(task_root)
    return task_root


def _read(token: str | None) -> dict[str, Any]:
    """A session that is not there, asked for with or without a token."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return proxy_event("/v1/sessions/{session_id}", {"session_id": str(uuid4())}, headers)


def _server_token(key: str) -> str:
    now_s = int(time.time())
    server = Bearer(Role.SERVER, EVERY_SESSION, "bench", now_s - HOUR_S, now_s + HOUR_S)
    return sign(server, read_keys(key))


def proxy_event(
    resource: str, parameters: Mapping[str, str] = NOTHING, headers: Mapping[str, str] = NOTHING
) -> dict[str, Any]:
    """What API Gateway would send for a GET."""
    path = resource.format(**parameters)
    sent_headers = {"Host": HOST, **headers}
    return {
        "resource": resource,
        "path": path,
        "httpMethod": "GET",
        "headers": sent_headers,
        "multiValueHeaders": {name: [value] for name, value in sent_headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": dict(parameters) or None,
        "stageVariables": None,
        "requestContext": {
            "httpMethod": "GET",
            "identity": {"sourceIp": HOST},
            "path": f"/{STAGE}{path}",
            "requestId": str(uuid4()),
            "resourcePath": resource,
            "stage": STAGE,
        },
        "body": None,
        "isBase64Encoded": False,
    }
