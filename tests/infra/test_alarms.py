"""Alarms on several metrics fire even if some of them have no data."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .test_deploying import alarms


def expressions(alarm: dict[str, Any]) -> str:
    return json.dumps([one["Expression"] for one in alarm["Metrics"] if "Expression" in one])


def metric_ids(alarm: dict[str, Any]) -> set[str]:
    return {one["Id"] for one in alarm.get("Metrics", []) if "MetricStat" in one}


SEVERAL = {name: alarm for name, alarm in alarms().items() if len(metric_ids(alarm)) > 1}


# If one operand has no data, CloudWatch's arithmetic has no result, and the alarm doesn't fire
# whatever the others are. Lambda emits no data for a function without calls.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
@pytest.mark.parametrize("name", SEVERAL)
def test_missing_metric_does_not_silence_an_alarm(name: str) -> None:
    alarm = SEVERAL[name]
    filled = set(re.findall(r"FILL\((\w+), 0\)", expressions(alarm)))
    bare = re.sub(r"FILL\(\w+, 0\)", "", expressions(alarm))

    assert filled == metric_ids(alarm)
    assert not metric_ids(alarm) & set(re.findall(r"\w+", bare))


def test_errors_of_every_function_are_in_the_sum() -> None:
    watched = {
        name: {
            dimension["Value"]["Ref"]
            for one in alarms()[name]["Metrics"]
            if "MetricStat" in one
            for dimension in one["MetricStat"]["Metric"]["Dimensions"]
        }
        for name in ("FunctionErrorsAlarm", "FunctionThrottlesAlarm")
    }
    every = {
        "APIHandler",
        "WebsocketConnect",
        "WebsocketMessage",
        "WebsocketDisconnect",
        "Greet",
        "Sweep",
    }

    assert watched["FunctionThrottlesAlarm"] == every
    # The sweeper has its own alarm.
    assert watched["FunctionErrorsAlarm"] == every - {"Sweep"}
