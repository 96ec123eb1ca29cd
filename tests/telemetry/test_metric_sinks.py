"""Contract of every metric sink: values arrive, added up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.telemetry import definitions
from chalicelib.telemetry.definitions import GAUGES, METRICS, Metric
from chalicelib.telemetry.emf import CloudWatchSink
from chalicelib.telemetry.metrics import NoSink, Sink, Telemetry
from chalicelib.telemetry.prometheus import PrometheusSink
from tests.fakes import RecordingSink
from tests.servers import all_at_once

from .sample_events import record_every_metric

Key = tuple[str, tuple[str, ...]]

FULL = 100
"""Values of a metric that CloudWatch takes from one line."""


@dataclass
class Recorded:
    """What arrived: counts, of histograms how many observations and their sum, and facts."""

    counts: dict[Key, float]
    observed: dict[Key, tuple[int, float]]
    found: dict[str, float] = field(default_factory=dict)


@dataclass
class Place:
    sink: Sink
    read: Callable[[], Recorded]


def of_fake(sink: RecordingSink) -> Recorded:
    return Recorded(
        dict(sink.counts),
        {key: (len(values), sum(values)) for key, values in sink.observed.items()},
        dict(sink.found),
    )


def of_prometheus(sink: PrometheusSink) -> Recorded:
    recorded = Recorded({}, {})
    for metric in METRICS:
        for _, name, labels, value in samples_of(sink, metric):
            key = metric.name, labels
            if name.endswith("_count"):
                recorded.observed[key] = (int(value), recorded.observed.get(key, (0, 0.0))[1])
            elif name.endswith("_sum"):
                recorded.observed[key] = (recorded.observed.get(key, (0, 0.0))[0], value)
            elif name.endswith("_total"):
                recorded.counts[key] = value
    # Without labels a series is there from the beginning.
    return Recorded(
        {key: value for key, value in recorded.counts.items() if value},
        {key: value for key, value in recorded.observed.items() if value[0]},
    )


def samples_of(
    sink: PrometheusSink, metric: Metric
) -> list[tuple[Metric, str, tuple[str, ...], float]]:
    return [
        (metric, sample.name, tuple(sample.labels[label] for label in metric.labels), sample.value)
        for family in sink.registry.collect()
        if family.name == metric.name.removesuffix("_total")
        for sample in family.samples
    ]


def of_cloudwatch(lines: list[Any]) -> Recorded:
    by_name = {metric.name: metric for metric in METRICS}
    counts: Counter[Key] = Counter()
    observed: dict[Key, list[float]] = {}
    found: dict[str, float] = {}
    for line, directive, one in entries(lines):
        assert directive["Namespace"] == "Tickless"
        if one["Name"] in {gauge.name for gauge in GAUGES}:
            assert directive["Dimensions"] == [["service"]]
            (found[one["Name"]],) = line[one["Name"]]
        else:
            metric = by_name[one["Name"]]
            assert set(directive["Dimensions"][0]) == {"service", *metric.labels}
            key = metric.name, tuple(line[label] for label in metric.labels)
            if metric.buckets:
                assert one["Unit"] == "Seconds"
                observed.setdefault(key, []).extend(line[metric.name])
            else:
                assert one["Unit"] == "Count"
                counts[key] += int(sum(line[metric.name]))
    seen = {key: (len(values), sum(values)) for key, values in observed.items()}
    return Recorded(dict(counts), seen, found)


def entries(lines: list[Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Each metric that CloudWatch would take from the lines, with its line and directive."""
    for line in lines:
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for one in directive["Metrics"]:
                yield line, directive, one


@pytest.fixture(params=["fake", "prometheus", "cloudwatch"])
def place(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Place:
    if request.param == "fake":
        fake = RecordingSink()
        return Place(fake, lambda: of_fake(fake))
    if request.param == "prometheus":
        prometheus = PrometheusSink()
        return Place(prometheus, lambda: of_prometheus(prometheus))
    cloudwatch = CloudWatchSink()
    written: list[Any] = []

    def read() -> Recorded:
        cloudwatch.flush()
        written.extend(map(json.loads, capsys.readouterr().out.splitlines()))
        return of_cloudwatch(written)

    return Place(cloudwatch, read)


def test_counts_add_up_per_labels(place: Place) -> None:
    place.sink.count(definitions.POSTS, ("delivered",), 3)
    place.sink.count(definitions.POSTS, ("gone",), 1)
    place.sink.count(definitions.POSTS, ("delivered",), 4)
    place.sink.count(definitions.LOST_RACES, (), 1)

    assert place.read().counts == {
        (definitions.POSTS.name, ("delivered",)): 7,
        (definitions.POSTS.name, ("gone",)): 1,
        (definitions.LOST_RACES.name, ()): 1,
    }


def test_observations_are_counted_and_summed(place: Place) -> None:
    place.sink.observe(definitions.SWITCH_SECONDS, ("rest",), 0.002)
    place.sink.observe(definitions.SWITCH_SECONDS, ("rest",), 0.003)
    place.sink.observe(definitions.FAN_OUT_SECONDS, (), 20.0)

    assert place.read().observed == {
        (definitions.SWITCH_SECONDS.name, ("rest",)): (2, pytest.approx(0.005)),
        (definitions.FAN_OUT_SECONDS.name, ()): (1, 20.0),
    }


def test_each_value_is_written_once(place: Place) -> None:
    place.sink.flush()
    assert place.read() == Recorded({}, {})

    place.sink.count(definitions.LOST_RACES, (), 1)
    place.sink.flush()
    place.sink.flush()

    assert place.read().counts == {(definitions.LOST_RACES.name, ()): 1}


def test_concurrent_counts_are_not_lost(place: Place) -> None:
    def record(number: int) -> None:
        for _ in range(50):
            place.sink.count(definitions.RATE_LIMITED, (f"{number % 2}",), 1)
            place.sink.observe(definitions.FAN_OUT_SECONDS, (), 1.0)

    all_at_once(record, 8)

    recorded = place.read()
    assert recorded.counts == {(definitions.RATE_LIMITED.name, (half,)): 200 for half in "01"}
    assert recorded.observed == {(definitions.FAN_OUT_SECONDS.name, ()): (400, 400.0)}


def test_every_metric_is_emitted(place: Place) -> None:
    record_every_metric(Telemetry(place.sink))

    recorded = place.read()
    assert {name for name, _ in [*recorded.counts, *recorded.observed]} == {
        metric.name for metric in METRICS
    }
    assert recorded.counts[definitions.POSTS.name, ("delivered",)] == 2
    assert recorded.observed[definitions.SWEEPER_LAG_SECONDS.name, ()] == (1, 1.5)


def test_null_sink_accepts_every_metric() -> None:
    record_every_metric(Telemetry(NoSink()))


def test_process_without_invocations_keeps_few_values_before_it_writes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sink = CloudWatchSink()
    for _ in range(FULL):
        sink.observe(definitions.FAN_OUT_SECONDS, (), 0.5)

    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)[definitions.FAN_OUT_SECONDS.name] == [0.5] * FULL
    sink.flush()
    assert capsys.readouterr().out == ""


def test_overdue_metrics_are_emitted_without_a_scrape(place: Place) -> None:
    record_every_metric(Telemetry(place.sink))

    scraped = isinstance(place.sink, PrometheusSink)
    found = {"tickless_overdue_deadlines": 3, "tickless_overdue_seconds": 4.5}
    assert place.read().found == ({} if scraped else found)


def test_each_set_of_dimensions_has_a_line_with_the_service(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = Telemetry(CloudWatchSink("tickless-prod"))
    telemetry.record_request("POST", "/v1/sessions", 201, 0.0012)
    telemetry.record_posts({"delivered": 2, "gone": 1})
    telemetry.flush()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(directive["Dimensions"], one["Name"]) for _, directive, one in entries(lines)] == [
        ([["method", "route", "status", "service"]], definitions.REQUESTS.name),
        ([["method", "route", "service"]], definitions.REQUEST_SECONDS.name),
        ([["outcome", "service"]], definitions.POSTS.name),
        ([["outcome", "service"]], definitions.POSTS.name),
    ]
    assert {line["service"] for line in lines} == {"tickless-prod"}


def test_metric_names_follow_prometheus_conventions() -> None:
    for metric in METRICS:
        assert metric.name.startswith("tickless_")
        assert metric.name.endswith("_seconds" if metric.buckets else "_total")
        assert list(metric.buckets) == sorted(set(metric.buckets))
