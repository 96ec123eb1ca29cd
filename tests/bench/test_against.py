"""The comparison of two versions, each a folder whose benchmarks report what the test says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.against import NoReport, measure
from bench.lab import Lab
from bench.plan import Plan

# Reports the next of its results with each run, and records that it ran.
BENCHMARKS = """
import json, sys
from pathlib import Path

with Path("../order").open("a") as order:
    order.write(Path.cwd().name + " ")
switch_ms, per_second, lost = json.loads(Path("reports.json").read_text())[
    Path("../order").read_text().split().count(Path.cwd().name) - 1
]
rows = {
    "engine": [{"what": "PING"}, {"what": "switch_cycle", "p50_ms": switch_ms}],
    "rest": [{"what": "switch", "p50_ms": switch_ms}],
    "crowd": [{"what": "switch", "per_second": per_second}],
    "correctness": [],
}
checks = [
    {"what": "lost", "measured": str(lost), "must": "0"},
    {"what": "how fast", "measured": "5 ms", "must": "< 1 ms"},
]
report = {"results": [{"name": one, "rows": rows[one], "checks": checks} for one in rows]}
Path(sys.argv[sys.argv.index("--json") + 1]).write_text(json.dumps(report))
sys.exit(lost)
"""


def version(folder: Path, *reports: tuple[float, float, int]) -> Path:
    (folder / "bench").mkdir(parents=True)
    (folder / "bench" / "__main__.py").write_text(BENCHMARKS)
    (folder / "reports.json").write_text(json.dumps(reports))
    return folder


def test_versions_take_turns_and_a_lost_switch_of_the_new_one_is_unsound(tmp_path: Path) -> None:
    # The machine is ten times as slow in the second round.
    before = version(tmp_path / "before", (1, 1000, 1), (10, 100, 0))
    after = version(tmp_path / "after", (1.15, 900, 0), (11.5, 90, 2))

    with Lab() as lab:
        result = measure(before, lab, Plan(version_rounds=2), lambda _: None, after)
        with pytest.raises(NoReport, match=r"(?s)before: .*IndexError"):
            measure(before, lab, Plan(version_rounds=1), lambda _: None, after)

    order = (tmp_path / "order").read_text().split()
    assert order == ["before", "after", "after", "before", "before"]
    ratios = [row["ratio"] for row in result.rows if "ratio" in row]
    assert ratios == pytest.approx([1.15, 1.15, 0.9])
    assert [(check.must_holds, check.aim_holds) for check in result.checks[:3]] == [
        (True, True),
        (True, False),
        (True, False),
    ]
    assert (result.rows[-1]["before"], result.rows[-1]["after"]) == (1, 2)
    assert not result.sound
