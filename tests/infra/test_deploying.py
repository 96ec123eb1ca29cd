"""docs/deploying.md agrees with the templates, and its costs add up."""

from __future__ import annotations

import json
import re
from math import prod
from pathlib import Path
from typing import Any

import pytest

from infra.merge_templates import merge_templates
from infra.packaging import CONFIG

from . import costs

ROOT = Path(__file__).parents[2]
DEPLOYING = (ROOT / "docs" / "deploying.md").read_text()
OPERATING = (ROOT / "docs" / "operating.md").read_text()


def rows_below(heading: str) -> list[list[str]]:
    """The cells of the rows of the table with this header."""
    _, _, table = DEPLOYING.partition(f"| {heading} |\n|---|---|---|\n")
    lines = table.partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def alarms() -> dict[str, Any]:
    return {
        name: resource["Properties"]
        for name, resource in merge_templates()["Resources"].items()
        if resource.get("Type") == "AWS::CloudWatch::Alarm"
    }


def test_every_parameter_is_documented_with_its_default() -> None:
    documented = {name: default for name, default, _ in rows_below("parameter | default |")}

    assert documented == {
        f"`{name}`": f"`{parameter['Default']}`" if parameter["Default"] != "" else "empty"
        for name, parameter in merge_templates()["Parameters"].items()
    }


def test_commands_use_an_existing_stage_and_existing_parameters() -> None:
    commands = "".join(re.findall(r"^    .*\n", DEPLOYING, re.MULTILINE))
    (stage,) = re.findall(r"make package STAGE=(\w+)", commands)
    given = re.findall(r"--parameter-overrides (\w+)=", commands)

    assert stage in json.loads((ROOT / CONFIG).read_bytes())["stages"]
    assert set(re.findall(r"build/package/(\w+)/", commands)) == {stage}
    assert len(given) > 1
    assert set(given) <= merge_templates()["Parameters"].keys()


def test_every_alarm_is_documented() -> None:
    assert set(alarms()) == set(re.findall(r"^\| `(\w+Alarm)` \|", OPERATING, re.MULTILINE))


def product(arithmetic: str) -> float:
    """The value of a product such as ``0.20 / 1000000 x 43800`` or ``2 x 3``."""
    return prod(
        float(number) if sign != "/" else 1 / float(number)
        for sign, number in re.findall(r"([x/]?) ?([\d.]+)", arithmetic)
    )


AT_REST = "what | how much | at rest, a month"
ADDED = "what | how much | added, a month"
SWITCHES = "what | how much | W = 2"


@pytest.mark.parametrize("heading", [AT_REST, ADDED, SWITCHES])
def test_costs_add_up(heading: str) -> None:
    *items, (_, _, total) = rows_below(heading)

    assert len(items) >= 6
    for what, arithmetic, cost in items:
        assert product(arithmetic) == pytest.approx(float(cost), abs=0.005), what
    assert sum(float(cost) for _, _, cost in items) == pytest.approx(float(total), abs=0.005)


@pytest.mark.parametrize(
    ("heading", "items"),
    [(AT_REST, costs.with_own_store()), (ADDED, costs.added_by_network_and_store())],
)
def test_costs_at_rest_are_those_of_the_templates(heading: str, items: list[costs.Item]) -> None:
    *documented, _ = rows_below(heading)

    assert [(what, arithmetic) for what, arithmetic, _ in documented] == items


def test_stage_with_its_own_store_costs_less_than_six_dollars_at_rest() -> None:
    *_, (_, _, total) = rows_below(AT_REST)

    assert float(total) < 6


def test_switches_are_charged_at_list_prices() -> None:
    *items, _ = rows_below(SWITCHES)
    prices = [arithmetic.split(" ")[0] for _, arithmetic, _ in items]

    assert prices == [
        costs.REST_CALLS_MILLION,
        costs.INVOCATIONS_MILLION,
        f"{float(costs.LAMBDA_GB_SECOND) * 1000:.7f}",
        costs.MESSAGES_MILLION,
        costs.STORE_UNITS_MILLION,
        costs.NAT_GB,
        costs.DATA_OUT_GB,
        costs.DATA_OUT_GB,
        *[costs.LOG_GB] * 3,
    ]


def test_formula_for_a_million_switches_agrees_with_its_table() -> None:
    found = re.search(r"`([\d.]+) \+ ([\d.]+) t \+ ([\d.]+) e \+ ([\d.]+) W`", DEPLOYING)
    assert found
    fixed, for_time, for_store, for_watchers = map(float, found.groups())
    *_, (_, _, total) = rows_below(SWITCHES)

    together = fixed + for_time * 30 + for_store * 10 + for_watchers * 2
    assert together == pytest.approx(float(total), abs=0.01)
