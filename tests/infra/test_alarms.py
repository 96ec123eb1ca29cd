"""Alarms on several metrics fire on any one of them, even if the others are missing."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .test_deploying import alarms


def expressions(alarm: dict[str, Any]) -> str:
    return json.dumps([one["Expression"] for one in alarm["Metrics"] if "Expression" in one])


def figures(alarm: dict[str, Any]) -> set[str]:
    return {one["Id"] for one in alarm.get("Metrics", []) if "MetricStat" in one}


SEVERAL = {name: alarm for name, alarm in alarms().items() if len(figures(alarm)) > 1}


# At an instant at which one operand has no figure, CloudWatch's arithmetic has no result, and the
# alarm stays silent whatever the others are. Lambda has none of a function that was not called.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
@pytest.mark.parametrize("name", SEVERAL)
def test_missing_metric_silences_no_other(name: str) -> None:
    alarm = SEVERAL[name]
    filled = set(re.findall(r"FILL\((\w+), 0\)", expressions(alarm)))
    bare = re.sub(r"FILL\(\w+, 0\)", "", expressions(alarm))

    assert filled == figures(alarm)
    assert not figures(alarm) & set(re.findall(r"\w+", bare))


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
    # The sweeper's own alarm has more to say.
    assert watched["FunctionErrorsAlarm"] == every - {"Sweep"}
