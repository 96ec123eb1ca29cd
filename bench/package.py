"""The packaged REST function's cold start, beside a Chalice app's that only imports boto3.

Both are packaged by Chalice, for this machine, unpacked, and run by AWS's own
runtime client; from the start of its process to the first answer. Both come with
byte code. That needs Lambda's Python; where it is missing nothing is measured.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

from infra.environments import VERSION, NoInterpreter
from infra.packaging import THIS_ARCHITECTURE, Package, chalice_package, package, packager
from infra.runtime import PackagedFunction

from .http_client import HOST
from .lab import ROOT, STAGE, Lab
from .measure import Block, Contender, Progress, latency_ratio, take_turns
from .plan import Plan
from .report import Check, Result, Row

HEALTH = "Tickless, /health"
READ = "Tickless, a session that is not there, asked of the store"
BOTO3 = "a Chalice app that imports boto3, /health"

TITLE = "Cold start of the package"


class _ColdStart:
    """Each time a new process, which is asked once and ended."""

    def __init__(self, task_root: Path, resource: str, status: int, **parameters: str) -> None:
        self._task_root = task_root
        self._event = proxy_event(resource, parameters)
        self._status = status
        self.variables: Mapping[str, str] = {}

    def do(self, count: int) -> Block:
        latencies_ms = [self._start() for _ in range(count)]
        return Block(latencies_ms, sum(latencies_ms) / 1000)

    def _start(self) -> float:
        function = PackagedFunction(self._task_root, "app.app", self.variables)
        before_ns = time.perf_counter_ns()
        with function:
            answer = function.invoke(self._event)
            took_ms = (time.perf_counter_ns() - before_ns) / 1e6
        if answer["statusCode"] != self._status:
            raise OSError(f"answered {answer}")
        return took_ms


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    try:
        ours, least = _unpacked(lab, progress)
    except NoInterpreter as missing:
        return Result("package", TITLE, f"Not measured: {missing}.", [], [])
    session = "/v1/sessions/{session_id}"
    starts = {
        HEALTH: _ColdStart(ours, "/health", 200),
        READ: _ColdStart(ours, session, 404, session_id=str(uuid4())),
        BOTO3: _ColdStart(least, "/health", 200),
    }
    for start in starts.values():
        # Without tokens: whoever asks for one has its keys fetched besides, from elsewhere.
        start.variables = {"REDIS_URL": lab.valkey.url, "AUTH": "off"}
    samples = take_turns(
        {name: Contender(start.do) for name, start in starts.items()},
        rounds=plan.cold_runs,
        count=1,
        budget_seconds=plan.budget_seconds,
        progress=progress,
    )
    ratios = {name: latency_ratio(samples[name], samples[BOTO3]) for name in (HEALTH, READ)}
    rows: list[Row] = [
        {
            "what": name,
            "count": found.count,
            "p50_ms": found.p50_ms,
            "p95_ms": found.p95_ms,
            "floor": BOTO3 if name in ratios else None,
            "ratio": ratios.get(name),
        }
        for name, found in samples.items()
    ]
    checks = [
        Check(name, f"{ratio:.2f} x", "<= 1.3 x", ratio <= 1.3) for name, ratio in ratios.items()
    ]
    note = (
        f"The zip that is deployed, made for {THIS_ARCHITECTURE} and Python {VERSION}, run by"
        " awslambdaric; from the start of the process to the first answer, Python's own included."
        " Both bundles hold byte code; no tokens are asked for."
    )
    return Result("package", TITLE, note, rows, checks)


def _unpacked(lab: Lab, progress: Progress) -> tuple[Path, Path]:
    """Where both bundles have been unpacked.

    Raises:
        NoInterpreter: Lambda's Python is not here.
    """
    progress("packaging")
    ours = package(STAGE, lab.directory / "package", architecture=THIS_ARCHITECTURE)
    source = lab.directory / "boto3_app"
    shutil.copytree(ROOT / "bench" / "boto3_app", source, dirs_exist_ok=True)
    (pin,) = (
        line
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line.startswith("boto3==")
    )
    (source / "requirements.txt").write_text(pin)
    config = {
        "version": "2.0",
        "app_name": "boto3_app",
        "lambda_architecture": THIS_ARCHITECTURE,
        "stages": {STAGE: {}},
    }
    least = chalice_package(source, config, STAGE, lab.directory / "boto3-package", {})
    unpacked = _unpack(least)
    # All of it, as ours has of what it imports: what is compared is what is imported.
    compiling = (packager() / "python", "-m", "compileall", "-q", "--invalidation-mode")
    subprocess.run([*compiling, "unchecked-hash", unpacked], check=True)
    return _unpack(ours), unpacked


def _unpack(made: Package) -> Path:
    task_root = made.zip.parent / "task"
    with ZipFile(made.zip) as bundle:
        bundle.extractall(task_root)
    return task_root


def proxy_event(resource: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """What API Gateway would send for a GET."""
    path = resource.format(**parameters)
    return {
        "resource": resource,
        "path": path,
        "httpMethod": "GET",
        "headers": {"Host": HOST},
        "multiValueHeaders": {"Host": [HOST]},
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
