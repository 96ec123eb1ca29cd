"""Alarms on the application's metrics watch what it emits, as it emits it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from chalicelib.telemetry.emf import NAMESPACE, CloudWatchSink
from chalicelib.telemetry.metrics import METRICS
from chalicelib.telemetry.ports import Telemetry
from infra.merging import TEMPLATES, merged
from tests.telemetry.sample_events import tell_of_everything
from tests.test_monitoring import VALUES, rules

SERVICE = {"Ref": "AWS::StackName"}
ALARMS: dict[str, Any] = {
    name: resource["Properties"]
    for name, resource in yaml.safe_load((TEMPLATES / "figures.yaml").read_text())[
        "Resources"
    ].items()
}


def watched(alarm: dict[str, Any]) -> list[tuple[str, dict[str, Any], str]]:
    """The metrics of an alarm: name, dimensions, and what is asked of it."""
    one_of_many = [one["MetricStat"] for one in alarm.get("Metrics", []) if "MetricStat" in one]
    if not one_of_many:
        statistic = alarm.get("Statistic") or alarm["ExtendedStatistic"]
        one_of_many = [{"Metric": alarm, "Stat": statistic}]
    for one in one_of_many:
        assert one["Metric"]["Namespace"] == NAMESPACE
    return [
        (
            one["Metric"]["MetricName"],
            {dimension["Name"]: dimension["Value"] for dimension in one["Metric"]["Dimensions"]},
            one["Stat"],
        )
        for one in one_of_many
    ]


@pytest.fixture
def emitted(capsys: pytest.CaptureFixture[str]) -> dict[str, set[str]]:
    """The dimensions of each metric that the application emits."""
    tell_of_everything(Telemetry(CloudWatchSink()))
    return {
        metric["Name"]: set(directive["Dimensions"][0])
        for line in map(json.loads, capsys.readouterr().out.splitlines())
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }


@pytest.mark.parametrize("name", ALARMS)
def test_every_metric_and_dimension_is_one_that_is_emitted(
    name: str, emitted: dict[str, set[str]]
) -> None:
    for metric, dimensions, _ in watched(ALARMS[name]):
        assert dimensions.keys() == emitted[metric]
        assert dimensions.pop("service") == SERVICE
        for label, value in dimensions.items():
            assert value in VALUES[label]


def test_functions_emit_the_service_that_alarms_watch() -> None:
    variables = merged()["Globals"]["Function"]["Environment"]["Variables"]

    assert variables["SERVICE"] == SERVICE


@pytest.mark.parametrize("name", ALARMS)
def test_statistic_of_an_alarm_fits_its_metric(name: str) -> None:
    histograms = {metric.name for metric in METRICS if metric.buckets}
    counters = {metric.name for metric in METRICS} - histograms
    for metric, _, statistic in watched(ALARMS[name]):
        if metric in histograms:
            assert statistic in {"p95", "SampleCount"}
        else:
            assert statistic == ("Sum" if metric in counters else "Maximum")


@pytest.mark.parametrize("name", ALARMS)
def test_expression_uses_the_metrics_of_its_alarm(name: str) -> None:
    metrics = ALARMS[name].get("Metrics", [])
    asked = {
        word for one in metrics for word in re.findall(r"\b[a-z_]+\b", one.get("Expression", ""))
    }

    # All but the one that is returned is part of another.
    assert asked == {one["Id"] for one in metrics if one.get("ReturnData") is False}
    assert len(metrics) - len(asked) == bool(metrics)


def test_every_outcome_of_a_post_is_in_the_share_that_fails() -> None:
    outcomes = {dimensions["outcome"] for _, dimensions, _ in watched(ALARMS["PostsFailAlarm"])}

    assert outcomes == VALUES["outcome"]


def test_every_prometheus_alert_has_an_alarm() -> None:
    alerts = {rule["alert"].removeprefix("Tickless") for rule in rules()}

    # Those two API Gateway and Lambda tell of by themselves: RestErrorsAlarm.
    assert {f"{alert}Alarm" for alert in alerts - {"StoreAway", "ServerErrors"}} == set(ALARMS)
