"""Two versions in turns: each is a folder whose benchmarks report what the test says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.against import NoReport, measure
from bench.lab import Lab
from bench.plan import Plan
from bench.report import Result

ROUNDS = 2

# Reports the next of its figures with each run, and notes that it has run.
BENCHMARKS = """
import json, sys
from pathlib import Path

with Path("../order").open("a") as order:
    order.write(Path.cwd().name + " ")
switch_ms, per_second, lost = json.loads(Path("figures.json").read_text())[
    Path("../order").read_text().split().count(Path.cwd().name) - 1
]
arguments = sys.argv[1:]
only = arguments[arguments.index("--only") + 1:]
results = {
    "engine": {"rows": [{"what": "PING"}, {"what": "switch_cycle", "p50_ms": switch_ms}]},
    "rest": {"rows": [{"what": "switch", "p50_ms": switch_ms}]},
    "crowd": {"rows": [{"what": "switch", "per_second": per_second}]},
    "correctness": {
        "rows": [],
        "checks": [
            {"what": "lost", "measured": str(lost), "must": "0"},
            {"what": "how fast", "measured": "5 ms", "must": "< 1 ms"},
        ],
    },
}
report = {"results": [{"name": name, **results[name]} for name in only]}
Path(arguments[arguments.index("--json") + 1]).write_text(json.dumps(report))
sys.exit(lost)
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


def version(folder: Path, *figures: tuple[float, float, int], benchmarks: str = BENCHMARKS) -> Path:
    (folder / "bench").mkdir(parents=True)
    (folder / "bench" / "__main__.py").write_text(benchmarks)
    (folder / "figures.json").write_text(json.dumps(figures))
    return folder


def compared(before: Path, after: Path, lab: Lab) -> Result:
    return measure(before, lab, Plan(version_rounds=ROUNDS), lambda _: None, after)


def test_versions_take_turns_and_ratios_are_of_one_round(tmp_path: Path, lab: Lab) -> None:
    # The machine is ten times as slow in the second round.
    before = version(tmp_path / "before", (1, 1000, 0), (10, 100, 0))
    after = version(tmp_path / "after", (1.15, 900, 0), (11.5, 90, 0))

    result = compared(before, after, lab)

    assert (tmp_path / "order").read_text().split() == ["before", "after", "after", "before"]
    ratios = [row["ratio"] for row in result.rows if "ratio" in row]
    assert ratios == pytest.approx([1.15, 1.15, 0.9])
    assert [(check.must_holds, check.aim_holds) for check in result.checks[:3]] == [
        (True, True),
        (True, False),
        (True, False),
    ]
    assert result.sound


def test_a_switch_that_the_new_version_loses_is_no_noise(tmp_path: Path, lab: Lab) -> None:
    before = version(tmp_path / "before", (1, 1000, 1), (1, 1000, 0))
    after = version(tmp_path / "after", (1, 1000, 0), (1, 1000, 2))

    result = compared(before, after, lab)

    assert (result.rows[-1]["before"], result.rows[-1]["after"]) == (1, 2)
    assert not result.sound


def test_a_version_that_fails_says_why(tmp_path: Path, lab: Lab) -> None:
    before = version(tmp_path / "before", benchmarks="raise SystemExit('no Valkey here')")

    with pytest.raises(NoReport, match="before: no Valkey here"):
        compared(before, version(tmp_path / "after"), lab)
