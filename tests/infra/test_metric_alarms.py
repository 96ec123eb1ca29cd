"""Alarms on the app's own metrics watch metrics that it emits."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from chalicelib.telemetry.definitions import METRICS
from chalicelib.telemetry.emf import NAMESPACE, CloudWatchSink
from chalicelib.telemetry.metrics import Telemetry
from infra.merge_templates import TEMPLATES, merge_templates
from tests.telemetry.sample_events import record_every_metric
from tests.test_monitoring import VALUES, rules

SERVICE = {"Ref": "AWS::StackName"}
ALARMS: dict[str, Any] = {
    name: resource["Properties"]
    for name, resource in yaml.safe_load((TEMPLATES / "metric_alarms.yaml").read_text())[
        "Resources"
    ].items()
}


def watched(alarm: dict[str, Any]) -> list[tuple[str, dict[str, Any], str]]:
    """The metrics of an alarm: name, dimensions and statistic."""
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
    """The dimensions of each metric that the app emits."""
    record_every_metric(Telemetry(CloudWatchSink()))
    return {
        metric["Name"]: set(directive["Dimensions"][0])
        for line in map(json.loads, capsys.readouterr().out.splitlines())
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }


@pytest.mark.parametrize("name", ALARMS)
def test_alarms_use_emitted_metrics_and_dimensions(name: str, emitted: dict[str, set[str]]) -> None:
    for metric, dimensions, _ in watched(ALARMS[name]):
        assert dimensions.keys() == emitted[metric]
        assert dimensions.pop("service") == SERVICE
        for label, value in dimensions.items():
            assert value in VALUES[label]


def test_functions_emit_the_service_that_alarms_watch() -> None:
    variables = merge_templates()["Globals"]["Function"]["Environment"]["Variables"]

    assert variables["SERVICE"] == SERVICE


@pytest.mark.parametrize("name", ALARMS)
def test_statistic_fits_the_kind_of_metric(name: str) -> None:
    histograms = {metric.name for metric in METRICS if metric.buckets}
    counters = {metric.name for metric in METRICS} - histograms
    for metric, _, statistic in watched(ALARMS[name]):
        if metric in histograms:
            assert statistic in {"p95", "SampleCount"}
        else:
            assert statistic == ("Sum" if metric in counters else "Maximum")


@pytest.mark.parametrize("name", ALARMS)
def test_expressions_use_the_alarm_s_own_metrics(name: str) -> None:
    metrics = ALARMS[name].get("Metrics", [])
    asked = {
        word for one in metrics for word in re.findall(r"\b[a-z_]+\b", one.get("Expression", ""))
    }

    # All metrics but the returned one are operands of it.
    assert asked == {one["Id"] for one in metrics if one.get("ReturnData") is False}
    assert len(metrics) - len(asked) == bool(metrics)


def test_every_post_outcome_is_in_the_failure_rate() -> None:
    outcomes = {dimensions["outcome"] for _, dimensions, _ in watched(ALARMS["PostsFailAlarm"])}

    assert outcomes == VALUES["outcome"]


def test_every_prometheus_alert_has_an_alarm() -> None:
    alerts = {rule["alert"].removeprefix("Tickless") for rule in rules()}

    # API Gateway's and Lambda's own metrics cover these two: RestErrorsAlarm.
    assert {f"{alert}Alarm" for alert in alerts - {"StoreAway", "ServerErrors"}} == set(ALARMS)
