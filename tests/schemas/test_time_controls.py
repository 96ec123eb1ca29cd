"""Time controls as text: valid notation, and rejection of anything else."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core import time_controls as tc
from chalicelib.core.errors import InvalidSetup
from chalicelib.core.setup import Setup
from chalicelib.schemas.creation import CreateSession
from chalicelib.schemas.errors import InvalidRequest
from chalicelib.schemas.requests import read
from chalicelib.schemas.time_controls import NOTATION_PATTERN
from tests.api_docs.conformance import openapi_document, validator
from tests.strategies import controls, uuid

SECOND_MS, MINUTE_MS, HOUR_MS = 1_000, 60_000, 3_600_000


def asked(text: str, mode: str = "per_participant", **fields: Any) -> Setup:
    """The setup of a two-participant session whose only time is in ``text``."""
    body = {
        "session_id": uuid(0),
        "sync_mode": mode,
        "participants": [{"participant_id": uuid(1)}, {"participant_id": uuid(2)}],
        "time_control": text,
        **fields,
    }
    return read(CreateSession, json.dumps(body).encode()).setup()


def staged(*stages: tuple[Any, ...]) -> tc.Stages:
    return tc.Stages(tuple(tc.Stage(*stage) for stage in stages))


def problems(text: str, **fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as refused:
        asked(text, **fields)
    return [(detail["field"], detail["code"]) for detail in refused.value.details]


@pytest.mark.parametrize(
    ("text", "main_ms", "control"),
    [
        ("300", 300_000, tc.Fischer(0)),
        ("300+3", 300_000, tc.Fischer(3_000)),
        ("3m+2", 180_000, tc.Fischer(2_000)),
        ("1h30m+30s", 5_400_000, tc.Fischer(30_000)),
        ("24h", 86_400_000, tc.Fischer(0)),
        ("744h", 2_678_400_000, tc.Fischer(0)),
        ("44640m+30", 2_678_400_000, tc.Fischer(30_000)),
        ("2678400", 2_678_400_000, tc.Fischer(0)),
        ("743h59m60s", 2_678_400_000, tc.Fischer(0)),
        ("25m+5x30s", 1_500_000, tc.Byoyomi(30_000, 5)),
        ("1+100x1h", 1_000, tc.Byoyomi(3_600_000, 100)),
        ("10m+20/15m", 600_000, tc.Canadian(900_000, 20)),
        ("60m d5", 3_600_000, tc.Delay(5_000)),
        ("1h b10", 3_600_000, tc.Bronstein(10_000)),
        ("*3m", 180_000, tc.Hourglass()),
        ("300+3!", 300_000, tc.Fischer(3_000, first_increment=True)),
        ("90m+10m", 5_400_000, tc.Fischer(600_000)),
        # Chess sites, in minutes and seconds.
        ("15 | 10", 900_000, tc.Fischer(10_000)),
        ("3|2", 180_000, tc.Fischer(2_000)),
        ("0.5 | 0", 30_000, tc.Fischer(0)),
        ("90 | 30!", 5_400_000, tc.Fischer(30_000, first_increment=True)),
        # US Chess.
        ("G/60", 3_600_000, tc.Fischer(0)),
        ("G/60;d5", 3_600_000, tc.Delay(5_000)),
        ("G/60 d5", 3_600_000, tc.Delay(5_000)),
        ("G/5;d0", 300_000, tc.Fischer(0)),
        ("G/90;+30", 5_400_000, tc.Fischer(30_000)),
        # Fractions, of the last unit.
        ("2.5m", 150_000, tc.Fischer(0)),
        ("1.5h+0.5", 5_400_000, tc.Fischer(500)),
        ("1h0.5m", 3_630_000, tc.Fischer(0)),
        ("60m d2.25", 3_600_000, tc.Delay(2_250)),
        ("1.001", 1_001, tc.Fischer(0)),
        # No main time, only periods.
        ("0+5x30s", 0, tc.Byoyomi(30_000, 5)),
        ("0+20/15m", 0, tc.Canadian(900_000, 20)),
        # Stages.
        (
            "40/90m+30:30m+30",
            5_400_000,
            staged((5_400_000, 40, tc.Fischer(30_000)), (1_800_000, None, tc.Fischer(30_000))),
        ),
        ("40/7200:3600", 7_200_000, staged((7_200_000, 40), (3_600_000,))),
        ("40/7200", 7_200_000, staged((7_200_000, 40))),
        ("1/744h", 2_678_400_000, staged((2_678_400_000, 1))),
        (
            "40/90m d5:20/60m b2.5:15m",
            5_400_000,
            staged(
                (5_400_000, 40, tc.Delay(5_000)),
                (3_600_000, 20, tc.Bronstein(2_500)),
                (900_000,),
            ),
        ),
        (
            "040/90m+30!:500/1+0",
            5_400_000,
            staged(
                (5_400_000, 40, tc.Fischer(30_000, first_increment=True)),
                (1_000, 500, tc.Fischer(0)),
            ),
        ),
    ],
)
def test_text_sets_main_time_and_control(text: str, main_ms: int, control: tc.TimeControl) -> None:
    setup = asked(text)

    assert setup.control == control
    assert [who.total_time_ms for who in setup.participants] == [main_ms, main_ms]
    assert setup.total_time_ms == main_ms


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            " ",
            "m",
            "5 m",
            "5M",
            "1,5m",
            "1.5m30s",
            "1.0005",
            ".5m",
            "5.m",
            "30m1h",
            "1m1m",
            "-300",
            "٣٠٠",
            "300\n",
            "10000000",
        ],
        *["+3", "5m+", "300 +3", "300+ 3", "300+3 ", "300+-3", "300+3+3", "1" * 1_000],
        *["5x30s", "25m+5x", "25m+x30s", "25m+5x30s+1", "10m+20/", "10m/20", "40/"],
        *["40/90m:", ":40/90m", "40/90m::30m", "90m:30m", "40/90m:30m:30m", "40/*3m", "40 /90m"],
        *[
            "40/90m!:30m",
            "40/90m:30m+30!",
            "40/90m: 30m",
            "40/10m+20/15m",
            "40/90m+5x30s",
            "4x/90m",
        ],
        *["0040/90m", "40/15 | 10", "40/90m  d5", "40/90md5", "1/5:" * 10 + "5"],
        *["60md5", "60m  d5", "60m D5", "60m d", "*", "**3m", "*3m+1", "blitz"],
        *[
            "15 |10",
            "15  |  10",
            "15m | 10",
            "15 |",
            "| 10",
            "15 | 10 | 5",
            "300!",
            "*3m!",
            "60m d5!",
        ],
        *[
            "g/60",
            "G60",
            "G/",
            "G/60m",
            "G/60;5",
            "G/60 +30",
            "G/60;+30!",
            "G/60;d5;d5",
            "40/90;d5",
        ],
    ],
)
def test_other_text_is_rejected(text: str) -> None:
    assert problems(text) == [("time_control", "time_control_text")]


@pytest.mark.parametrize(
    "text",
    [
        *["0", "0+3", "0 d5", "*0", "0 | 10", "G/0;d5", "0.999", "0.5+5x30s", "745h", "2678401"],
        *["300+601", "15 | 601", "G/44641", "G/60;+601", "300 d601", "300 d0", "300 b0"],
        *[
            "25m+0x0",
            "10m+999/9h",
            "25m+0x30s",
            "25m+101x30s",
            "25m+5x0",
            "25m+5x2h",
            "10m+0/15m",
            "10m+501/15m",
        ],
        *["0/90m", "501/90m", "40/0:30m", "40/90m:0.9", "40/745h", "40/90m+601", "40/90m d601"],
        *["40/90m:30m b0", "40/90m:0/30m"],
    ],
)
def test_text_has_the_limits_of_the_object(text: str) -> None:
    assert problems(text) == [("time_control", "time_control_range")]


def test_message_names_the_value_out_of_range() -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked("25m+101x30s")
    assert refused.value.details[0]["message"].startswith("periods: ")
    with pytest.raises(InvalidRequest) as refused:
        asked("40/90m:501/30m")
    assert refused.value.details[0]["message"] == (
        "cycles: Input should be less than or equal to 500, got 501"
    )


def test_text_is_equivalent_to_its_object() -> None:
    people = [
        {"participant_id": uuid(1), "total_time_ms": 1_500_000},
        {"participant_id": uuid(2), "total_time_ms": 1_500_000},
    ]
    control = {"type": "byoyomi", "period_ms": 30_000, "periods": 5}
    body = {
        "session_id": uuid(0),
        "sync_mode": "per_participant",
        "participants": people,
        "total_time_ms": 1_500_000,
        "time_control": control,
    }

    assert asked("25m+5x30s") == read(CreateSession, json.dumps(body).encode()).setup()


def test_participant_can_have_their_own_time_or_control() -> None:
    setup = asked(
        "5m+3",
        participants=[
            {"participant_id": uuid(1), "total_time_ms": 120_000},
            {"participant_id": uuid(2), "time_control": "9m d2"},
        ],
    )

    assert [who.total_time_ms for who in setup.participants] == [120_000, 540_000]
    assert setup.own_controls == (None, tc.Delay(2_000))


def test_contradicting_totals_are_rejected() -> None:
    written = {"participant_id": uuid(1), "time_control": "9m d2"}

    assert asked("5m", participants=[{**written, "total_time_ms": 540_000}])
    assert problems("5m", participants=[{**written, "total_time_ms": 540_001}]) == [
        ("participants.0.total_time_ms", "contradiction")
    ]


def test_missing_totals_are_reported_by_field() -> None:
    body = {
        "session_id": uuid(0),
        "sync_mode": "per_participant",
        "participants": [
            {"participant_id": uuid(1), "time_control": "9m d2"},
            {"participant_id": uuid(2)},
        ],
    }
    with pytest.raises(InvalidRequest) as refused:
        read(CreateSession, json.dumps(body).encode()).setup()
    assert [(one["field"], one["code"]) for one in refused.value.details] == [
        ("participants.1.total_time_ms", "missing"),
        ("total_time_ms", "missing"),
    ]


def members(*totals_ms: int | None) -> list[dict[str, Any]]:
    """Participants alternating between two groups, with optional totals."""
    return [
        {
            "participant_id": uuid(position),
            "group_id": uuid(0xA00 + position % 2),
            **({} if total_ms is None else {"total_time_ms": total_ms}),
        }
        for position, total_ms in enumerate(totals_ms)
    ]


def test_per_group_text_sets_each_groups_clock() -> None:
    setup = asked("5m+3", "per_group", participants=members(None, None, None))

    assert [group.total_time_ms for group in setup.groups] == [300_000, 300_000]


def test_per_group_groups_override_text() -> None:
    groups = [{"group_id": uuid(0xA00 + at), "total_time_ms": 7_000 + at} for at in (0, 1)]
    setup = asked("5m+3", "per_group", participants=members(None, None), groups=groups)

    assert [group.total_time_ms for group in setup.groups] == [7_000, 7_001]


def test_per_group_member_total_with_text_is_rejected() -> None:
    with_total = members(None, 20_000, None)

    assert problems("5m+3", mode="per_group", participants=with_total) == [
        ("participants.1.total_time_ms", "contradiction")
    ]


def stages_body(**fields: Any) -> bytes:
    stages = [{"time_ms": 9_000, "cycles": 2}, {"time_ms": 5_000}]
    body = {
        "session_id": uuid(0),
        "sync_mode": "per_participant",
        "participants": [{"participant_id": uuid(1)}, {"participant_id": uuid(2)}],
        "time_control": {"type": "stages", "stages": stages},
        **fields,
    }
    return json.dumps(body).encode()


def test_object_of_stages_gives_the_totals() -> None:
    setup = read(CreateSession, stages_body()).setup()
    assert setup.control == staged((9_000, 2), (5_000,))
    assert setup.total_time_ms == 9_000
    assert [who.total_time_ms for who in setup.participants] == [9_000, 9_000]

    grouped = read(
        CreateSession, stages_body(sync_mode="per_group", participants=members(None, None, None))
    )
    assert [group.total_time_ms for group in grouped.setup().groups] == [9_000, 9_000]
    shares = members(4_000, 6_000, 5_000, 3_000)
    shared = read(CreateSession, stages_body(sync_mode="per_group", participants=shares))
    assert [group.total_time_ms for group in shared.setup().groups] == [9_000, 9_000]


def test_object_of_stages_is_checked_by_field() -> None:
    stage = {"time_ms": 9_000, "cycles": 2}
    capped = {**stage, "control": {"type": "fischer", "increment_ms": 0, "max_bank_ms": 10_000}}
    byoyomi = {**stage, "control": {"type": "byoyomi", "period_ms": 10_000, "periods": 2}}
    for stages, field, code in (
        (None, "time_control.stages", "missing"),
        ([], "time_control.stages", "too_short"),
        ([stage] * 11, "time_control.stages", "too_long"),
        ([{**stage, "cycles": 501}], "time_control.stages.0.cycles", "less_than_equal"),
        ([stage, {"time_ms": 999}], "time_control.stages.1.time_ms", "greater_than_equal"),
        ([stage, {}], "time_control.stages.1.time_ms", "missing"),
        ([capped], "time_control.stages.0.control.max_bank_ms", "none_required"),
        ([byoyomi], "time_control.stages.0.control", "union_tag_invalid"),
    ):
        control = {"type": "stages", **({} if stages is None else {"stages": stages})}
        with pytest.raises(InvalidRequest) as refused:
            read(CreateSession, stages_body(time_control=control))
        assert [(one["field"], one["code"]) for one in refused.value.details] == [(field, code)]
    with pytest.raises(InvalidRequest) as refused:
        read(CreateSession, stages_body(total_time_ms=9_001)).setup()
    assert [one["field"] for one in refused.value.details] == ["total_time_ms"]


def test_session_total_must_match_the_text() -> None:
    assert asked("300", total_time_ms=300_000)
    assert problems("300", total_time_ms=300_001) == [("total_time_ms", "contradiction")]


def is_refused_as_text(text: str) -> bool:
    try:
        asked(text)
    except InvalidRequest as error:
        return [one["code"] for one in error.details] == ["time_control_text"]
    except InvalidSetup:
        # Stages that are too long together.
        return False
    return False


NEARLY = st.text("0123456789hmsbdx+/*.|!;:G ", max_size=12)
PUBLISHED = openapi_document()["components"]["schemas"]["CreateSession"]["properties"]
(AS_TEXT,) = [
    one for one in PUBLISHED["time_control"]["anyOf"][0]["oneOf"] if one.get("type") == "string"
]
TEXT_VALIDATOR = validator(AS_TEXT, {})


@settings(max_examples=500)
@given(st.text() | NEARLY | st.from_regex(rf"\A{NOTATION_PATTERN}\Z"))
def test_published_pattern_accepts_exactly_valid_notation(text: str) -> None:
    assert TEXT_VALIDATOR.is_valid(text) is not is_refused_as_text(text)


@pytest.mark.parametrize("text", AS_TEXT["examples"])
def test_every_published_example_is_accepted(text: str) -> None:
    assert asked(text)


WRITTEN = st.from_regex(r"\A(\*|G/)?[0-9]{1,6}[hms]?(\+| [db]|/|x|[|]|;d)?[0-9]{0,6}[hms]?!?\Z")


@given(st.text() | WRITTEN)
def test_arbitrary_text_is_accepted_or_rejected_as_one_field(text: str) -> None:
    with suppress(InvalidRequest):
        setup = asked(text)
        assert setup.total_time_ms >= (SECOND_MS if setup.control.needs_main_time else 0)
        assert re.fullmatch(r"(\*|G/)?[0-9.hms]+([+ |;][0-9.hmsxdb/+| ]+!?)?", text)
        return
    assert [field for field, _ in problems(text)] == ["time_control"]


@given(
    st.integers(0, 743),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 600),
)
def test_times_with_units_are_the_sum_of_their_parts(h: int, m: int, s: int, add: int) -> None:
    total_ms = h * HOUR_MS + m * MINUTE_MS + s * SECOND_MS
    if total_ms == 0:
        return
    setup = asked(f"{h}h{m}m{s}s+{add}")

    assert setup.total_time_ms == total_ms
    assert setup.control == tc.Fischer(add * SECOND_MS)


def seconds(ms: int) -> str:
    """A number of seconds, with the decimals that it needs."""
    return f"{ms // 1_000}.{ms % 1_000:03}".rstrip("0").rstrip(".")


def times(ms: int) -> st.SearchStrategy[str]:
    """The ways to write a time."""
    minutes, rest_ms = divmod(ms, MINUTE_MS)
    hours, of_hour = divmod(minutes, 60)
    ways = [seconds(ms), f"{seconds(ms)}s", f"{minutes}m{seconds(rest_ms)}s"]
    ways += [f"{hours}h{of_hour}m{seconds(rest_ms)}s"]
    ways += [f"{seconds(ms // 60)}m"] if ms % 60 == 0 else []
    ways += [f"{seconds(ms // 3_600)}h"] if ms % 3_600 == 0 else []
    return st.sampled_from(ways)


@st.composite
def written(draw: st.DrawFn, main_ms: int, control: tc.TimeControl) -> str:
    """A text that means this control."""
    main = draw(times(main_ms))
    match control:
        case tc.Stages(stages):
            return ":".join(map(draw, map(written_stage, stages)))
        case tc.Fischer(increment_ms, None, first):
            mark = "!" if first else ""
            ways = [f"{main}+{draw(times(increment_ms))}{mark}"]
            if main_ms % 60 == 0:
                minutes = seconds(main_ms // 60)
                ways.append(f"{minutes} | {seconds(increment_ms)}{mark}")
                ways += [] if first else [f"G/{minutes};+{seconds(increment_ms)}"]
            return draw(st.sampled_from(ways))
        case tc.Delay(delay_ms):
            ways = [f"{main} d{draw(times(delay_ms))}"]
            if main_ms % 60 == 0:
                ways += [f"G/{seconds(main_ms // 60)};d{seconds(delay_ms)}"]
            return draw(st.sampled_from(ways))
        case tc.Bronstein(delay_ms):
            return f"{main} b{draw(times(delay_ms))}"
        case tc.Byoyomi(period_ms, periods):
            return f"{main}+{periods}x{draw(times(period_ms))}"
        case tc.Canadian(period_ms, cycles):
            return f"{main}+{cycles}/{draw(times(period_ms))}"
    return f"*{main}"


@st.composite
def written_stage(draw: st.DrawFn, stage: tc.Stage) -> str:
    cycles = "" if stage.cycles is None else f"{stage.cycles}/"
    main = draw(times(stage.time_ms))
    match stage.control:
        case tc.Fischer(increment_ms, _, first):
            return f"{cycles}{main}+{draw(times(increment_ms))}{'!' if first else ''}"
        case tc.Delay(delay_ms):
            return f"{cycles}{main} d{draw(times(delay_ms))}"
        case tc.Bronstein(delay_ms):
            return f"{cycles}{main} b{draw(times(delay_ms))}"
    return f"{cycles}{main}"


WRITABLE = controls().filter(lambda one: getattr(one, "max_bank_ms", None) is None)
MAIN_MS = st.integers(SECOND_MS, 744 * HOUR_MS) | st.integers(1, 44_640).map(
    lambda m: m * MINUTE_MS
)


@settings(max_examples=300)
@given(st.data(), WRITABLE, MAIN_MS, st.booleans())
def test_control_that_is_written_is_read_as_the_same(
    data: st.DataObject, control: tc.TimeControl, main_ms: int, without_main: bool
) -> None:
    main_ms = 0 if without_main and not control.needs_main_time else main_ms
    if isinstance(control, tc.Stages):
        main_ms = control.stages[0].time_ms
    text = data.draw(written(main_ms, control))
    setup = asked(text)

    assert (setup.total_time_ms, setup.control) == (main_ms, control), text
    assert TEXT_VALIDATOR.is_valid(text)
