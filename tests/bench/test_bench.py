"""The benchmarks work: shapes and arithmetic, never times."""

from __future__ import annotations

import pytest

from bench import access, delivery, emulators, fan_out, signing, telemetry, upkeep
from bench.__main__ import BENCHMARKS, DOCUMENT, TRACKED, run
from bench.measure import Block, Samples, latency_ratio, percentile, throughput_ratio
from bench.plan import Plan, Rival
from bench.poster import CREDENTIALS, REGION
from bench.report import Check, Report, Result, as_text, into_document
from chalicelib.broadcast.connections_api import fixed
from chalicelib.broadcast.connections_api.sigv4 import SignedEndpoint

TINY = Plan(
    budget_seconds=5.0,
    engine_rounds=2,
    engine_count=3,
    rest_rounds=2,
    rest_count=3,
    told_rounds=2,
    told_count=3,
    scrapes=5,
    contended_rounds=2,
    contenders=4,
    cycles=3,
    delivery_rounds=2,
    delivery_count=3,
    watched_sessions=100,
    upkeep_rounds=2,
    upkeep_count=3,
    fan_out_clients=20,
    fan_out_rounds=2,
    fan_out_count=1,
    broadcaster_rounds=1,
    broadcaster_posts=20,
    broadcaster_count=1,
    signing_rounds=1,
    signing_count=1,
    opening_rounds=1,
    opening_count=10,
    idle_clients=10,
    echo_rounds=2,
    echo_count=3,
    post_back_clients=10,
    post_back_rounds=2,
    post_back_count=1,
    rival=Rival.NEVER,
    screens=3,
    pending=(0, 100),
    look_rounds=2,
    look_count=2,
    crowd_sessions=50,
    crowd_seconds=1.0,
    crowd_warm_up_seconds=0.2,
    sweepers=(1,),
)
TRIED = [
    "engine",
    "rest",
    "delivery",
    "upkeep",
    "fan_out",
    "broadcaster",
    "signing",
    "emulators",
    "telemetry",
    "access",
    "sweep",
    "correctness",
]


@pytest.fixture(scope="module")
def report() -> Report:
    return run({name: BENCHMARKS[name] for name in TRIED}, TINY, lambda _: None)


def rows_of(report: Report, name: str) -> dict[str, dict[str, str | int | float | None]]:
    (result,) = (result for result in report.results if result.name == name)
    return {str(row["what"]): row for row in result.rows}


def test_every_figure_stands_beside_a_floor_of_the_same_run(report: Report) -> None:
    for name, figures in (
        ("engine", ("switch_cycle",)),
        ("rest", ("switch", "GET")),
        ("delivery", (delivery.SAME, delivery.OTHER)),
        ("upkeep", (upkeep.BESIDE,)),
        ("telemetry", (telemetry.TELLING,)),
        ("access", (access.HS256, access.EDDSA)),
    ):
        rows = rows_of(report, name)
        for figure in figures:
            assert str(rows[figure]["floor"]) in rows
            assert isinstance(rows[figure]["ratio"], float)
            assert rows[figure]["count"] == 6


def test_a_client_has_an_update_no_later_than_half_of_them_and_those_before_the_last(
    report: Report,
) -> None:
    rows = rows_of(report, "fan_out")

    first, middle, last = (
        float(str(rows[name]["p50_ms"])) for name in (fan_out.FIRST, fan_out.MIDDLE, fan_out.LAST)
    )
    assert 0 < first <= middle <= last
    assert rows[fan_out.LAST]["count"] == rows[fan_out.FIRST]["count"] == 2
    assert rows[fan_out.LAST]["floor"] in rows


def test_our_client_stands_beside_boto3(report: Report) -> None:
    rows = rows_of(report, "broadcaster")

    assert list(rows) == [fan_out.FAST, fan_out.REFERENCE, fan_out.BOTO3]
    assert rows[fan_out.FAST]["floor"] == fan_out.BOTO3
    assert isinstance(rows[fan_out.FAST]["ratio"], float)


def test_our_signature_stands_beside_botocore_s_and_libcurl_s(report: Report) -> None:
    rows = rows_of(report, "signing")

    assert list(rows) == [signing.OURS, signing.BOTOCORE, signing.LIBCURL]
    signed = [row["us_per_signature"] for row in rows.values()]
    assert [isinstance(each_us, float) for each_us in signed] == [True, True, False]
    assert rows[signing.BOTOCORE]["floor"] == rows[signing.LIBCURL]["floor"] == signing.OURS
    assert isinstance(rows[signing.LIBCURL]["ratio"], float)


def test_what_signatures_are_compared_by_is_the_same_request() -> None:
    endpoint, posted = "http://127.0.0.1:1/dev", ("POST", "PJqB0fHsqRcCHlw=", b"x")
    made = [
        kind(endpoint, REGION, fixed(CREDENTIALS))
        for kind in (SignedEndpoint, signing.BotocoreEndpoint)
    ]
    # Not on both sides of a second's end.
    for _ in range(3):
        ours, botocores = (one.sign(*posted) for one in made)
        if sorted(map(str.lower, ours[1])) == sorted(map(str.lower, botocores[1])):
            break

    assert ours[0] == botocores[0]
    assert sorted(map(str.lower, ours[1])) == sorted(map(str.lower, botocores[1]))


def test_an_emulator_that_is_not_here_is_left_out_with_a_reason(report: Report) -> None:
    (found,) = (result for result in report.results if result.name == "emulators")

    assert [row["what"] for row in found.rows] == [
        f"{emulators.OURS}, {what}"
        for what in (emulators.ECHO, emulators.OPENING, emulators.POST_BACK, emulators.IDLE)
    ]
    assert "serverless-offline was not measured: it was not to be." in found.note


def test_switches_at_the_same_instant_are_neither_lost_nor_doubled(report: Report) -> None:
    values = [row["value"] for row in rows_of(report, "correctness").values()]

    # Rounds, switches in each, answered OK, refused, lost, doubled, disagreeing.
    assert values[:7] == [2, 4, 8, 0, 0, 0, 0]
    assert all(result.sound for result in report.results)


def test_a_report_survives_being_stored(report: Report) -> None:
    assert Report.from_json(report.to_json()) == report


def test_a_document_holds_the_figures_of_the_tracked_run() -> None:
    document = DOCUMENT.read_text()

    assert into_document(document, Report.from_json(TRACKED.read_text())) == document


def test_a_document_without_a_place_for_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="There must be a line"):
        into_document("# Performance\n", Report({}))


def test_a_target_that_is_missed_says_so() -> None:
    missed = Check("switch", "5 ms", "< 3 ms", must_holds=False)
    text = as_text(Report({}, [Result("x", "X", "", [{"what": "switch", "value": 5}], [missed])]))

    assert text.splitlines()[-1].split() == ["switch", "5", "ms", "<", "3", "ms", "✗"]


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([1.0], 95, 1.0), ([4.0, 1.0, 3.0, 2.0], 50, 2.0), ([*map(float, range(1, 101))], 95, 95.0)],
)
def test_a_percentile_is_a_value_that_occurred(
    values: list[float], percent: int, expected: float
) -> None:
    assert percentile(values, percent) == expected


def test_ratios_compare_what_was_measured_in_the_same_round() -> None:
    # The machine is ten times as slow in the second of three rounds.
    figure = Samples([Block([2.0], 0.002), Block([20.0], 0.02), Block([2.0], 0.002)])
    floor = Samples([Block([1.0], 0.001), Block([10.0], 0.01), Block([1.0], 0.001)])

    assert latency_ratio(figure, floor) == pytest.approx(2)
    assert throughput_ratio(figure, floor) == pytest.approx(0.5)
