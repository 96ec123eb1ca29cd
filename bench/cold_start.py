"""What a fresh process waits for: ``import app``, compared with importing chalice, boto3 and redis.

Every sample is a process of its own; Python's own start is not counted. Each
statement is measured with its byte code at hand, and again without, because a
Lambda can't write next to what it was deployed with. Byte code goes into a
folder of the run, so that no old files decide.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from .lab import ROOT, Lab
from .machine import running_python
from .measure import Block, Contender, Progress, Samples, latency_ratio, take_turns
from .plan import Plan
from .report import Check, Result, Row

APP, REFERENCE = "import app", "import chalice.app, boto3, redis"
STORE = "import app, and build the store"
CHALICE = "import chalice.app"
BARE = ", without byte code"

STATEMENTS = {
    APP: "import app",
    REFERENCE: REFERENCE,
    STORE: "import app; app.container.store",
    CHALICE: "import chalice.app",
}

_TIMED = """
import sys, time
wall, cpu = time.perf_counter_ns(), time.process_time_ns()
{statement}
print(time.perf_counter_ns() - wall, time.process_time_ns() - cpu, 'boto3' in sys.modules)
"""
RUN_SECONDS = 60.0


class _FreshProcess:
    """One statement, in a new process each time; remembers what it saw there."""

    def __init__(self, statement: str, byte_code: Path, *options: str) -> None:
        code = _TIMED.format(statement=statement)
        folder = f"pycache_prefix={byte_code}"
        self._command = [sys.executable, *options, "-X", folder, "-c", code]
        self._environment = {**os.environ, "REDIS_URL": "redis://127.0.0.1:1/0"}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.cpu_seconds = 0.0
        self.imported_boto3 = False

    def do(self, count: int) -> Block:
        latencies_ms = [self._run() for _ in range(count)]
        return Block(latencies_ms, sum(latencies_ms) / 1000)

    def _run(self) -> float:
        done = subprocess.run(
            self._command,
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=True,
        )
        wall_ns, cpu_ns, imported_boto3 = done.stdout.split()
        self.cpu_seconds += int(cpu_ns) / 1e9
        self.imported_boto3 = self.imported_boto3 or imported_boto3 == "True"
        return int(wall_ns) / 1e6


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    compiled, bare = lab.directory / "compiled", lab.directory / "bare"
    processes = {name: _FreshProcess(code, compiled) for name, code in STATEMENTS.items()}
    # -B: and writes none.
    bare_processes = {
        name + BARE: _FreshProcess(STATEMENTS[name], bare, "-B") for name in (APP, REFERENCE)
    }
    samples = _measure(processes, plan.cold_runs, plan, progress)
    _keep_only_the_standard_library(compiled, bare)
    samples |= _measure(bare_processes, max(1, plan.cold_runs // 3), plan, progress)
    to_reference = latency_ratio(samples[APP], samples[REFERENCE])
    imports_boto3 = processes[APP].imported_boto3
    checks = [
        Check(
            "boto3 imported by `import app`",
            "yes" if imports_boto3 else "no",
            "no",
            not imports_boto3,
        ),
        Check(
            f"`{APP}` compared with `{REFERENCE}`",
            f"{to_reference:.2f} x",
            "<= 1.25 x",
            to_reference <= 1.25,
            "<= 1 x",
            to_reference <= 1,
        ),
    ]
    return Result(
        "cold",
        "Cold start",
        f"Fresh processes of {running_python()}; what the statement takes, Python's start left"
        " out.",
        [_row(name, samples) for name in samples],
        checks,
        sound=not imports_boto3,
    )


def _measure(
    processes: dict[str, _FreshProcess], runs: int, plan: Plan, progress: Progress
) -> dict[str, Samples]:
    def clock(process: _FreshProcess) -> Callable[[], float]:
        return lambda: process.cpu_seconds

    contenders = {
        name: Contender(process.do, {"own": clock(process)}) for name, process in processes.items()
    }
    budget_seconds = plan.budget_seconds / 2
    return take_turns(
        contenders, rounds=runs, count=1, budget_seconds=budget_seconds, progress=progress
    )


def _keep_only_the_standard_library(compiled: Path, bare: Path) -> None:
    shutil.copytree(compiled, bare)
    for deployed in (ROOT, Path(sysconfig.get_path("purelib"))):
        shutil.rmtree(bare / deployed.relative_to("/"), ignore_errors=True)


def _row(name: str, samples: dict[str, Samples]) -> Row:
    found = samples[name]
    floor = REFERENCE + BARE if name.endswith(BARE) else REFERENCE
    return {
        "what": name,
        "count": found.count,
        "p50_ms": found.p50_ms,
        "p95_ms": found.p95_ms,
        "cpu_ms": found.cpu_ms("own"),
        "floor": None if name == floor else floor,
        "ratio": None if name == floor else latency_ratio(found, samples[floor]),
    }
