"""The benchmarks run, and what they publish is computed right; no test asserts a time."""

from __future__ import annotations

import pytest

from bench import fan_out
from bench.__main__ import BENCHMARKS, DOCUMENT, TRACKED, run
from bench.auctions import DISAGREEING, LATE, SHORT, WRONG, Auction, Bid, faults
from bench.measure import Block, Samples, latency_ratio, percentile, throughput_ratio
from bench.plan import Plan, Rival
from bench.report import Check, Report, Result, as_text, into_document
from chalicelib.core.events import CycleSwitched, Event, SessionExpired, TimeExtended
from chalicelib.ports import LoggedEvent
from tests.waiting import HUNG_AFTER_S

TINY = Plan(
    budget_seconds=HUNG_AFTER_S,
    engine_rounds=2,
    engine_count=3,
    rest_rounds=2,
    rest_count=3,
    overhead_rounds=2,
    overhead_count=3,
    scrapes=5,
    contended_rounds=2,
    contenders=4,
    cycles=3,
    sizes=(2, 3),
    size_rounds=2,
    size_count=2,
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
    # Too many for one message, so that clients ask for pages.
    clocks=120,
    screens_of_all=3,
    given_rounds=1,
    run_out_rounds=1,
    auction_rounds=3,
    auction_seconds=HUNG_AFTER_S,
    bids=20,
)
TAKES_LONG = {"crowd", "cold", "package"}


def test_benchmarks_run_and_switches_are_neither_lost_nor_doubled_nor_mistimed() -> None:
    report = run(
        {name: one for name, one in BENCHMARKS.items() if name not in TAKES_LONG},
        TINY,
        lambda _: None,
    )

    rows = {
        result.name: {str(row["what"]): row for row in result.rows} for result in report.results
    }
    for found in rows.values():
        for row in found.values():
            if row.get("floor"):
                assert row["floor"] in found
                assert isinstance(row["ratio"], float)
    first, middle, last = (
        float(str(rows["fan_out"][name]["p50_ms"]))
        for name in (fan_out.FIRST, fan_out.MIDDLE, fan_out.LAST)
    )
    assert 0 < first <= middle <= last
    (emulators,) = (result for result in report.results if result.name == "emulators")
    assert "serverless-offline was not measured: it was not to be." in emulators.note
    # Rounds, switches in each, answered OK, refused, lost, doubled, disagreeing; cycles, mistimed.
    values = [row["value"] for row in rows["correctness"].values()]
    assert values[:9] == [2, 4, 8, 0, 0, 0, 0, 3, 0]
    held, bids, accepted, refused, *_ = (row["value"] for row in rows["auctions"].values())
    assert (held, bids) == (3, 20)
    assert isinstance(accepted, int)
    assert isinstance(refused, int)
    assert accepted + refused == 60
    assert [row["count"] for row in rows["simultaneous"].values()] == [1, 1, 120]
    pushed_bytes = rows["participants"]["engine, simultaneous, 3"]["pushed_bytes"]
    assert isinstance(pushed_bytes, int)
    assert 0 < pushed_bytes < 32_768
    assert all(result.sound for result in report.results)
    assert Report.from_json(report.to_json()) == report


AUCTION = Auction("x", deadline_ms=60_000, bid_at_ms=59_995)


@pytest.mark.parametrize(
    ("bids", "told", "wrong"),
    [
        ([Bid(3, 1_000)], [(3, CycleSwitched(59_995, "a", "b", 1, 0))], [SHORT, DISAGREEING]),
        (
            [Bid(3, 1_000)],
            [(3, CycleSwitched(60_000, "a", "b", 1, 0)), (3, TimeExtended(60_000, 1_000))],
            [LATE],
        ),
        ([], [(3, SessionExpired(60_001, None, None, None))], [DISAGREEING]),
        (
            [Bid(3, 1_000)],
            [
                (3, CycleSwitched(59_990, "a", "b", 1, 0)),
                (3, TimeExtended(59_990, 990)),
                (4, CycleSwitched(59_991, "b", "a", 1, 0)),
                (4, TimeExtended(59_991, 1)),
            ],
            [DISAGREEING],
        ),
        (
            [Bid(3, 1_000), Bid(4, 1_000)],
            [
                (3, CycleSwitched(59_990, "a", "b", 1, 0)),
                (3, TimeExtended(59_990, 990)),
                (4, CycleSwitched(60_005, "b", "a", 1, 0)),
                (4, TimeExtended(60_005, 15)),
                (5, SessionExpired(61_005, None, None, None)),
            ],
            [],
        ),
    ],
    ids=["short", "late", "expired late", "bid without an answer", "right"],
)
def test_faults_of_an_auction_are_found(
    bids: list[Bid], told: list[tuple[int, Event]], wrong: list[str]
) -> None:
    log = [LoggedEvent(f"0-{number}", *one) for number, one in enumerate(told)]

    found = faults(AUCTION, bids, log)

    assert [what for what in WRONG if found[what]] == wrong


def test_document_has_the_results_of_the_tracked_run() -> None:
    document = DOCUMENT.read_text()

    assert into_document(document, Report.from_json(TRACKED.read_text())) == document
    with pytest.raises(ValueError, match="There must be a line"):
        into_document("# Performance\n", Report({}))


def test_missed_target_is_marked() -> None:
    missed = Check("switch", "5 ms", "< 3 ms", must_holds=False)
    text = as_text(Report({}, [Result("x", "X", "", [{"what": "switch", "value": 5}], [missed])]))

    assert text.splitlines()[-1].split() == ["switch", "5", "ms", "<", "3", "ms", "✗"]


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([1.0], 95, 1.0), ([4.0, 1.0, 3.0, 2.0], 50, 2.0), ([*map(float, range(1, 101))], 95, 95.0)],
)
def test_percentile_is_one_of_the_values(
    values: list[float], percent: int, expected: float
) -> None:
    assert percentile(values, percent) == expected


def test_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    # The machine is ten times as slow in the second of three rounds.
    figure = Samples([Block([2.0], 0.002), Block([20.0], 0.02), Block([2.0], 0.002)])
    floor = Samples([Block([1.0], 0.001), Block([10.0], 0.01), Block([1.0], 0.001)])

    assert latency_ratio(figure, floor) == pytest.approx(2)
    assert throughput_ratio(figure, floor) == pytest.approx(0.5)
