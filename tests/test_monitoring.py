"""The dashboard and the alert rules use existing series, in valid PromQL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from chalicelib.broadcast.connections_api.ports import DeliveryStatus
from chalicelib.core.session import Status
from chalicelib.schemas.errors import STATUS
from chalicelib.telemetry.definitions import GAUGES, METRICS

ROOT = Path(__file__).parent.parent
ALERTS = yaml.safe_load((ROOT / "infra/prometheus/alerts.yml").read_text())
DASHBOARD = json.loads((ROOT / "infra/grafana/dashboard.json").read_text())
OPERATING = (ROOT / "docs/operating.md").read_text()

PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
OF_EVERY_TARGET = {"job", "instance"}
VALUES: dict[str, set[str]] = {
    "status": {*Status},
    "outcome": {*DeliveryStatus},
    "transport": {"rest", "websocket"},
}


def series() -> dict[str, set[str]]:
    """Every series by name, and the labels it has."""
    found = {name: set[str]() for name in PROCESS}
    for gauge in GAUGES:
        found[gauge.name] = set(gauge.labels)
    for metric in METRICS:
        if metric.buckets:
            found[f"{metric.name}_bucket"] = {*metric.labels, "le"}
            found[f"{metric.name}_sum"] = found[f"{metric.name}_count"] = set(metric.labels)
        else:
            found[metric.name] = set(metric.labels)
    return found


def rules() -> list[dict[str, Any]]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def alerts() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]


def panels() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            # Grafana's own, which it replaces by a duration.
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


@dataclass
class Questions:
    """What an expression asks for: series, and the labels it keeps of them."""

    expression: str
    selectors: list[promql_parser.VectorSelector] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        promql_parser.walk(promql_parser.parse(self.expression), self._visit)

    def _visit(self, node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            self.selectors.append(node)
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            self.kept.update(node.modifier.labels)


every_expression = pytest.mark.parametrize(
    ("title", "expression"), [pytest.param(*one, id=one[0]) for one in (*alerts(), *panels())]
)


@every_expression
def test_every_expression_parses_and_uses_existing_series(title: str, expression: str) -> None:
    known, asked = series(), Questions(expression)

    assert asked.selectors, title
    for selector in asked.selectors:
        assert selector.name in known
        for matcher in selector.matchers.matchers:
            assert matcher.name in known[selector.name] | OF_EVERY_TARGET
            if matcher.op == promql_parser.MatchOp.Equal and matcher.name in VALUES:
                assert matcher.value in VALUES[matcher.name]


@every_expression
def test_every_kept_label_exists(title: str, expression: str) -> None:
    known, asked = series(), Questions(expression)

    assert asked.kept <= set().union(*(known[str(one.name)] for one in asked.selectors)), title
    if "histogram_quantile" in expression:
        assert "le" in asked.kept


def test_unknown_series_is_detected() -> None:
    (selector,) = Questions("sum by (colour) (rate(tickless_dreams_total[5m]))").selectors

    assert selector.name not in series()
    with pytest.raises(ValueError, match="parenthesis"):
        promql_parser.parse("sum by (le rate(")


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        re.sub(r"_(bucket|sum|count)$", "", str(selector.name))
        for _, expression in panels()
        for selector in Questions(expression).selectors
    }

    assert {one.name for one in (*METRICS, *GAUGES)} <= shown


def test_server_errors_include_requests_and_messages() -> None:
    expression = dict(alerts())["TicklessServerErrors"]
    failing = {
        str(one.name): re.compile(one.matchers.matchers[0].value)
        for one in Questions(expression).selectors
        if one.matchers.matchers
    }
    codes = [*STATUS, *map(str, STATUS.values()), "OK", "INVALID_JSON", "SWEPT"]
    ours = [code for code in codes if failing["tickless_socket_messages_total"].fullmatch(code)]
    assert ours == [
        *(code for code, status in STATUS.items() if status >= 500),
        *(str(status) for status in STATUS.values() if status >= 500),
    ]
    assert failing["tickless_http_requests_total"].fullmatch("503")


def test_panels_do_not_overlap() -> None:
    places: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & places, panel["title"]
        places |= cells


def test_docs_explain_every_metric_and_alert() -> None:
    named = [one.name for one in (*METRICS, *GAUGES)] + [rule["alert"] for rule in rules()]

    assert [name for name in named if f"`{name}`" not in OPERATING] == []


def test_every_alert_has_a_severity_and_summary() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert promql_parser.parse_duration(rule["for"])
