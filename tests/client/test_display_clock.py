"""What a display shows of the clocks, and when it changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickless import ClockFace, DisplayFrame, display_frame, display_frames
from tickless.clock_math import state_at
from tickless.state_merge import merge_partial

from .factories import (
    RUNNING,
    SERVER_START_MS,
    make_participant,
    make_snapshot,
    make_state,
    update,
)
from .fakes import RecordedClient, answer_pings
from .virtual_time import advance, now


def frame(at_ms: float, state: Any, tenths_below_ms: float = 10_000) -> DisplayFrame:
    return display_frame(make_snapshot(state), at_ms, tenths_below_ms)


def face(at_ms: float, *, state: dict[str, Any] | None = None, **fields: Any) -> ClockFace:
    """The face of a participant whose clock is running unless ``fields`` say otherwise."""
    one = make_participant("a", **{**RUNNING, **fields})
    return frame(at_ms, make_state(one, **(state or {}))).faces[0]


def select(one: ClockFace, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(one, name) for name in names)


def test_frame_without_a_session_is_empty() -> None:
    assert display_frame(None, nan) == DisplayFrame((), inf)


def test_state_is_shown_as_of_its_timestamp_while_the_server_time_is_unknown() -> None:
    assert face(nan, time_remaining_ms=62_500).text == "1:03"


@pytest.mark.parametrize(
    ("fields", "state", "expected"),
    [
        ({"time_remaining_ms": 5_000}, {}, ("4.0", "plain", 0)),
        ({"time_remaining_ms": 5_000}, {"warn_at_ms": [9_000, 4_000]}, ("4.0", "warning", 2)),
        ({"time_remaining_ms": 1_000}, {}, ("0:00", "unconfirmed", 0)),
        ({"time_remaining_ms": 5_000, "is_running": False}, {}, ("5.0", "plain", 0)),
        ({"time_remaining_ms": 5_000}, {"status": "paused"}, ("5.0", "plain", 0)),
    ],
)
def test_face_after_a_second(
    fields: dict[str, Any], state: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert select(face(1_000, state=state, **fields), "text", "phase", "warning") == expected


GLOBAL = {"sync_mode": "global", "session_remaining_ms": 0}


@pytest.mark.parametrize(
    ("fields", "state", "phase"),
    [
        ({}, {}, "unconfirmed"),
        ({"has_expired": True}, {}, "expired"),
        ({}, GLOBAL, "unconfirmed"),
        ({"is_running": False}, {**GLOBAL, "status": "expired"}, "expired"),
        ({}, {"sync_mode": "count_up", "max_time_ms": 60_000}, "unconfirmed"),
        ({}, {"sync_mode": "count_up"}, "plain"),
    ],
)
def test_clock_at_zero_has_expired_only_once_the_server_says_so(
    fields: dict[str, Any], state: dict[str, Any], phase: str
) -> None:
    one = make_participant("a", **{**RUNNING, "time_remaining_ms": 0, **fields})
    faces = frame(0, make_state(one, **state)).faces

    assert {each.phase for each in faces} == {phase}


def test_overtime_keeps_counting() -> None:
    late: dict[str, Any] = {
        "time_remaining_ms": 0,
        "has_expired": True,
        "is_running": False,
        "overtime_ms": 1_500,
    }
    shown = face(1_000, **late)
    assert select(shown, "text", "phase", "overtime") == ("0:00", "overtime", "0:02")
    state = make_state(make_participant("a", is_active=True, **late))
    assert frame(1_000, state).changes_in_ms == 500


def test_delay_runs_before_the_clock() -> None:
    fields: dict[str, Any] = {"time_remaining_ms": 60_000, "delay_remaining_ms": 3_000}
    assert select(face(1_000, **fields), "text", "delay") == ("1:00", "0:02")
    assert select(face(4_000, **fields), "text", "delay") == ("0:59", "")
    state = make_state(make_participant("a", **RUNNING, **fields))
    assert frame(2_500, state).changes_in_ms == 500


def test_delay_is_shown_while_paused() -> None:
    fields: dict[str, Any] = {
        "time_remaining_ms": 60_000,
        "delay_remaining_ms": 4_989,
        "is_running": False,
    }
    paused = {"status": "paused"}
    assert select(face(9_000, state=paused, **fields), "text", "delay") == ("1:00", "0:05")
    spent = {**fields, "delay_remaining_ms": 0}
    assert select(face(9_000, state=paused, **spent), "text", "delay") == ("1:00", "")
    # It is another participant's turn.
    assert face(0, state=paused, **{**fields, "is_active": False}).delay == ""
    state = make_state(make_participant("a", is_active=True, **fields), **paused)
    assert frame(0, state).changes_in_ms == inf


def test_byoyomi_shows_the_main_time_and_then_the_period() -> None:
    control = {"type": "byoyomi", "period_ms": 30_000, "periods": 3}
    fields: dict[str, Any] = {
        "time_remaining_ms": 95_000,
        "main_remaining_ms": 5_000,
        "period_remaining_ms": 30_000,
        "periods_left": 3,
        "time_control": control,
    }
    names = ("text", "periods_left", "periods")
    assert select(face(1_000, **fields), *names) == ("4.0", 3, "then 3 x 0:30")
    assert select(face(6_000, **fields), *names) == ("0:29", 3, "period 1 of 3, then 2 x 0:30")
    assert select(face(36_000, **fields), *names) == ("0:29", 2, "period 2 of 3, then 1 x 0:30")
    assert select(face(66_000, **fields), *names) == ("0:29", 1, "period 3 of 3")


def test_count_up_shows_the_time_used_up_to_its_maximum() -> None:
    state: dict[str, Any] = {"sync_mode": "count_up", "max_time_ms": 90_000}
    assert face(1_500, state=state, time_used_ms=60_000).text == "1:01"
    assert face(99_000, state=state, time_used_ms=60_000).text == "1:30"
    endless = {"sync_mode": "count_up"}
    shown = face(1_500, state=endless, time_used_ms=60_000, time_remaining_ms=0)
    assert select(shown, "text", "phase") == ("1:01", "plain")


def test_canadian_overtime_shows_the_block_after_main_time_and_then_its_turns() -> None:
    control = {"type": "canadian", "period_ms": 900_000, "cycles_per_period": 20}
    fields: dict[str, Any] = {
        "time_control": control,
        "period_remaining_ms": 900_000,
        "cycles_left": 20,
    }
    main = face(0, main_remaining_ms=5_000, time_remaining_ms=905_000, **fields)
    assert select(main, "text", "periods") == ("5.0", "then 20 turns in 15:00")
    fields = {**fields, "period_remaining_ms": 5_000, "cycles_left": 1}
    block = face(0, main_remaining_ms=0, time_remaining_ms=5_000, **fields)
    assert select(block, "text", "periods") == ("5.0", "1 turn to go")


def test_clock_with_only_a_delay_left_has_not_run_out() -> None:
    fields: dict[str, Any] = {"time_remaining_ms": 0, "delay_remaining_ms": 500}
    assert select(face(0, **fields), "text", "phase") == ("0:00", "plain")
    assert face(499, **fields).phase == "plain"
    assert face(500, **fields).phase == "unconfirmed"
    assert face(0, is_running=False, **fields).phase == "plain"


def test_stage_shows_how_many_of_its_moves_are_to_go() -> None:
    stages = [
        {"time_ms": 5_400_000, "cycles": 40},
        {"time_ms": 60_000, "cycles": 1},
        {"time_ms": 1},
    ]
    fields: dict[str, Any] = {"time_control": {"type": "stages", "stages": stages}}
    names = ("text", "periods", "stage", "cycles_left")
    first = face(0, time_remaining_ms=5_000, stage=1, cycles_left=12, **fields)
    assert select(first, *names) == ("5.0", "40 moves: 12 to go", 1, 12)
    second = face(0, time_remaining_ms=5_000, stage=2, cycles_left=1, **fields)
    assert select(second, *names) == ("5.0", "1 move: 1 to go", 2, 1)
    last = face(0, time_remaining_ms=5_000, stage=3, **fields)
    assert select(last, *names) == ("5.0", "", 3, None)
    expired = face(0, time_remaining_ms=0, has_expired=True, stage=1, cycles_left=0, **fields)
    assert select(expired, *names) == ("0:00", "", 1, 0)


@st.composite
def overtimes(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """A participant in any stage of byo-yomi or Canadian, and how long until they lose."""
    period_ms, count = 1_000 * draw(st.integers(1, 3)), draw(st.integers(1, 3))
    is_byoyomi, in_main = draw(st.booleans()), draw(st.booleans())
    main_ms = draw(st.integers(1, 3_000)) if in_main else 0
    period_left_ms = period_ms if in_main else draw(st.integers(1, period_ms))
    left = count if in_main else draw(st.integers(1, count))
    until_loss_ms = main_ms + period_left_ms + (period_ms * (left - 1) if is_byoyomi else 0)
    kind, counted = ("byoyomi", "periods") if is_byoyomi else ("canadian", "cycles_per_period")
    fields = {
        "time_control": {"type": kind, "period_ms": period_ms, counted: count},
        "time_remaining_ms": until_loss_ms,
        "main_remaining_ms": main_ms,
        "period_remaining_ms": period_left_ms,
        "periods_left" if is_byoyomi else "cycles_left": left,
    }
    return fields, until_loss_ms


@st.composite
def delays(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """A participant with some of their delay left, or none, and how long until they lose."""
    left_ms, delay_ms = draw(st.integers(1, 3_000)), draw(st.integers(0, 5_000))
    control = {"type": "delay", "delay_ms": 5_000}
    fields = {
        "time_control": control,
        "time_remaining_ms": left_ms,
        "delay_remaining_ms": delay_ms,
    }
    return fields, left_ms + delay_ms


@given(st.lists(st.one_of(overtimes(), delays()), min_size=2, max_size=60), st.booleans())
def test_faces_of_states_that_lose_at_different_times_differ(
    states: list[tuple[dict[str, Any], int]], is_paused: bool
) -> None:
    losses_ms: dict[tuple[Any, ...], list[int]] = {}
    paused: dict[str, Any] = {"status": "paused"} if is_paused else {}
    for fields, until_loss_ms in states:
        one = face(0, state=paused, **fields, is_running=not is_paused)
        seen = select(one, "text", "periods", "delay")
        losses_ms.setdefault(seen, []).append(until_loss_ms)
    # The digits are rounded to tenths, and those of a delay to seconds.
    for (_, _, delay), each in losses_ms.items():
        assert max(each) - min(each) <= (1_100 if delay else 100), losses_ms


def test_session_clock_of_global_comes_last() -> None:
    state = make_state(make_participant("a"), sync_mode="global", session_remaining_ms=61_000)
    shown = frame(2_000, {**state, "warn_at_ms": [59_500]})
    assert shown.faces[-1] == replace(
        ClockFace("session", "0:59", "warning", 1), is_active=True, is_running=True
    )
    assert shown.changes_in_ms == 1_000
    ended = frame(2_000, {**state, "status": "expired", "session_remaining_ms": 0})
    assert select(ended.faces[-1], "text", "phase", "is_running") == ("0:00", "expired", False)
    assert ended.changes_in_ms == inf


def test_face_changes_when_a_warning_is_reached() -> None:
    state = make_state(
        make_participant("a", **RUNNING, time_remaining_ms=60_300), warn_at_ms=[60_200]
    )
    assert frame(0, state).changes_in_ms == 100


async def test_display_wakes_just_after_each_change_of_its_digits() -> None:
    recorded = RecordedClient()
    await recorded.go_live()
    answer_pings(recorded.socket)
    await advance(2_000)
    running = make_participant("a", **RUNNING, time_remaining_ms=62_500)
    news = update(
        4, {"timestamp": SERVER_START_MS + int(now()), "state": make_state(running, version=4)}
    )
    recorded.socket.deliver(news)
    await advance(0)

    shown = await until_shown("1:00", display_frames(recorded.client))
    texts = [text for text, _ in shown]
    assert texts == ["1:03", "1:02", "1:01", "1:00"]
    waits = [after - before for (_, before), (_, after) in pairwise(shown)]
    assert all(
        abs(wait_ms - expected) < 5
        for wait_ms, expected in zip(waits, (500, 1_000, 1_000), strict=True)
    )
    await recorded.client.close()
    assert [one async for one in display_frames(recorded.client)] == []


async def until_shown(text: str, frames: AsyncIterator[DisplayFrame]) -> list[tuple[str, float]]:
    """The texts of the first face, each once, and when it appeared."""
    shown: list[tuple[str, float]] = []
    async for one in frames:
        if not shown or shown[-1][0] != one.faces[0].text:
            shown.append((one.faces[0].text, now()))
        if one.faces[0].text == text:
            return shown
    raise AssertionError(f"{text} was never shown")


@pytest.mark.parametrize("mode", ["per_participant", "count_up", "per_cycle"])
@pytest.mark.parametrize("is_null", [True, False])
def test_optional_fields_may_be_null_or_left_out(mode: str, is_null: bool) -> None:
    one = make_participant("a", **RUNNING, time_remaining_ms=5_000)
    state = make_state(one, sync_mode=mode)
    for name in ("group_id", "time_per_cycle_ms", "max_time_ms", "time_control", "warn_at_ms"):
        for each in (one, state):
            each.pop(name, None)
            each.update({name: None} if is_null else {})

    assert frame(1_000, state).faces[0].phase == "plain"
    assert state_at(state, 0, 1_000)["participants"][0]["time_remaining_ms"] == 4_000
    assert merge_partial(state, state)["participants"] == [one]
