"""What the documents say of a deployment is what the templates say, and their sums are right."""

from __future__ import annotations

import json
import re
from math import prod
from pathlib import Path
from typing import Any

import pytest

from infra.merging import merged
from infra.packaging import CONFIG

ROOT = Path(__file__).parents[2]
DEPLOYING = (ROOT / "docs" / "deploying.md").read_text()
OPERATING = (ROOT / "docs" / "operating.md").read_text()


def rows_below(heading: str) -> list[list[str]]:
    """The cells of a table's rows, by what its first row says."""
    _, _, table = DEPLOYING.partition(f"| {heading} |\n|---|---|---|\n")
    lines = table.partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def alarms() -> dict[str, Any]:
    return {
        name: resource["Properties"]
        for name, resource in merged()["Resources"].items()
        if resource.get("Type") == "AWS::CloudWatch::Alarm"
    }


def test_every_parameter_stands_there_with_its_default() -> None:
    documented = {name: default for name, default, _ in rows_below("parameter | default |")}

    assert documented == {
        f"`{name}`": f"`{parameter['Default']}`" if parameter["Default"] != "" else "empty"
        for name, parameter in merged()["Parameters"].items()
    }


def test_the_commands_name_a_stage_and_parameters_that_there_are() -> None:
    commands = "".join(re.findall(r"^    .*\n", DEPLOYING, re.MULTILINE))
    (stage,) = re.findall(r"make package STAGE=(\w+)", commands)
    given = re.findall(r"--parameter-overrides (\w+)=", commands)

    assert stage in json.loads((ROOT / CONFIG).read_bytes())["stages"]
    assert set(re.findall(r"build/package/(\w+)/", commands)) == {stage}
    assert len(given) > 1
    assert set(given) <= merged()["Parameters"].keys()


def test_what_to_do_about_every_alarm_stands_there() -> None:
    assert set(alarms()) == set(re.findall(r"^\| `(\w+Alarm)` \|", OPERATING, re.MULTILINE))


def product(arithmetic: str) -> float:
    """What ``0.20 / 1000000 x 43800`` comes to, and ``2 x 3`` as well."""
    return prod(
        float(number) if sign != "/" else 1 / float(number)
        for sign, number in re.findall(r"([x/]?) ?([\d.]+)", arithmetic)
    )


@pytest.mark.parametrize("heading", ["what | how much | a month", "what | how much | W = 2"])
def test_costs_are_added_up_correctly(heading: str) -> None:
    *items, (_, _, total) = rows_below(heading)

    assert len(items) >= 7
    for what, arithmetic, cost in items:
        assert product(arithmetic) == pytest.approx(float(cost), abs=0.005), what
    assert sum(float(cost) for _, _, cost in items) == pytest.approx(float(total), abs=0.005)


def test_the_formula_for_a_million_switches_gives_what_the_table_does() -> None:
    found = re.search(r"`([\d.]+) \+ ([\d.]+) t \+ ([\d.]+) e \+ ([\d.]+) W`", DEPLOYING)
    assert found
    fixed, for_time, for_store, for_watchers = map(float, found.groups())
    *_, (_, _, total) = rows_below("what | how much | W = 2")

    together = fixed + for_time * 30 + for_store * 10 + for_watchers * 2
    assert together == pytest.approx(float(total), abs=0.01)


def test_alarms_are_paid_for_by_the_metrics_they_watch() -> None:
    watched = sum(
        sum("MetricStat" in metric for metric in alarm.get("Metrics", [])) or 1
        for alarm in alarms().values()
    )

    assert f"0.10 x {watched} |" in DEPLOYING
