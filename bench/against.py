"""Two versions of the project, measured in turns: this checkout and another one.

Each version runs its own benchmarks, in its own checkout and environment, and is
read from the JSON that they write. So the versions may differ in everything but
the names of the rows that are compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from .lab import ROOT, Lab
from .measure import Progress
from .plan import Plan
from .report import Check, Result, Row


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure that both versions have, and bounds for the ratio of the new one to the old one."""

    what: str
    benchmark: str
    row: str
    column: str
    must: float
    aim: float
    more_is_better: bool = False

    def of(self, report: Mapping[str, Any]) -> float:
        (found,) = (
            row[self.column]
            for row in _result(report, self.benchmark)["rows"]
            if row["what"] == self.row
        )
        return float(found)

    def check(self, ratio: float) -> Check:
        sign = ">=" if self.more_is_better else "<="
        holds = [
            ratio >= bound if self.more_is_better else ratio <= bound
            for bound in (self.must, self.aim)
        ]
        must, aim = f"{sign} {self.must} x", f"{sign} {self.aim} x"
        return Check(self.what, f"{ratio:.2f} x", must, holds[0], aim, holds[1])


COMPARED = (
    Compared("engine: switch, p50 ms", "engine", "switch_cycle", "p50_ms", 1.35, 1.2),
    Compared("REST: switch, p50 ms", "rest", "switch", "p50_ms", 1.2, 1.1),
    Compared(
        "32 clients at once: switches per second",
        "crowd",
        "switch",
        "per_second",
        0.85,
        0.95,
        more_is_better=True,
    ),
)
CORRECTNESS = "correctness"


class NoReport(Exception):
    """A version could not be measured; the message is what it printed last."""


def measure(before: Path, lab: Lab, plan: Plan, progress: Progress, after: Path = ROOT) -> Result:
    """The figures of ``after`` compared with those of ``before``, a checkout of another version.

    Raises:
        NoReport: One of them could not be measured.
    """
    reports: dict[Path, list[Mapping[str, Any]]] = {before: [], after: []}
    for number in range(plan.version_rounds):
        # Which one goes first changes with each round.
        for checkout in (before, after)[:: -1 if number % 2 else 1]:
            progress(f"round {number + 1} of {plan.version_rounds}: {checkout}")
            reports[checkout].append(_report_of(checkout, lab.directory / "version.json"))
    rows: list[Row] = []
    checks = []
    for one in COMPARED:
        old, new = ([one.of(report) for report in reports[each]] for each in (before, after))
        ratio = median(after / before for before, after in zip(old, new, strict=True))
        rows.append(
            {
                "what": one.what,
                "count": len(new),
                "before": median(old),
                "after": median(new),
                "ratio": ratio,
            }
        )
        checks.append(one.check(ratio))
    wrong = {name: _wrong(reports[each]) for name, each in (("before", before), ("after", after))}
    rows.append({"what": "lost, doubled, mistimed", "count": len(reports[after]), **wrong})
    checks.append(
        Check("lost, doubled, mistimed", f"{wrong['after']:.0f}", "0", not wrong["after"])
    )
    return Result(
        "against",
        "Two versions",
        f"This version compared with the one in {before.resolve()}, each measured by its own"
        " `--quick` benchmarks, in turns. Medians of the rounds; a ratio is the median of theirs.",
        rows,
        checks,
        sound=not wrong["after"],
    )


def _report_of(checkout: Path, written_to: Path) -> Mapping[str, Any]:
    own = checkout.absolute() / ".venv" / "bin" / "python"
    benchmarks = [*(one.benchmark for one in COMPARED), CORRECTNESS]
    command = (own if own.exists() else sys.executable, "-m", "bench", "--quick")
    written_to.unlink(missing_ok=True)
    with subprocess.Popen(
        [*command, "--json", written_to, "--only", *benchmarks],
        cwd=checkout,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _, said = process.communicate()
        except BaseException:
            # It ends its own servers then.
            process.terminate()
            raise
    # One that lost a switch exits with 1, too, and reports it.
    if not written_to.exists():
        raise NoReport(f"{checkout}: {said[-2000:]}")
    report: Mapping[str, Any] = json.loads(written_to.read_text())
    return report


def _wrong(reports: Sequence[Mapping[str, Any]]) -> float:
    """The sum of all counters that must be 0."""
    return float(
        sum(
            int(check["measured"])
            for report in reports
            for check in _result(report, CORRECTNESS)["checks"]
            if check["must"] == "0"
        )
    )


def _result(report: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    (found,) = (result for result in report["results"] if result["name"] == name)
    return dict(found)
