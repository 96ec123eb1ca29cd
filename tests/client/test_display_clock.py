"""What stands on a screen, and when it changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from math import inf, nan
from typing import Any

import pytest

from tickless import Face, Look, look_at, looks

from .states import RUNNING, a_participant, a_state, held_now
from .virtual_time import TIME, Told, answer_pings, now, passes, timeless, update


def look(at_ms: float, state: Any, tenths_below_ms: float = 10_000) -> Look:
    return look_at(held_now(state), at_ms, tenths_below_ms)


def face(at_ms: float, *, state: dict[str, Any] | None = None, **figures: Any) -> Face:
    """Of somebody, whose clock runs unless they say otherwise."""
    one = a_participant("a", **{**RUNNING, **figures})
    return look(at_ms, a_state(one, **(state or {}))).faces[0]


def told(one: Face, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(one, name) for name in names)


def test_without_a_session_there_is_nothing_to_show() -> None:
    assert look_at(None, nan) == Look((), inf)


def test_without_an_idea_of_the_time_a_state_is_shown_as_it_was_made() -> None:
    assert face(nan, time_remaining_ms=62_500).text == "1:03"


@pytest.mark.parametrize(
    ("figures", "state", "expected"),
    [
        ({"time_remaining_ms": 5_000}, {}, ("4.0", "plain", 0)),
        ({"time_remaining_ms": 5_000}, {"warn_at_ms": [9_000, 4_000]}, ("4.0", "warning", 2)),
        ({"time_remaining_ms": 1_000}, {}, ("0:00", "expired", 0)),
        ({"time_remaining_ms": 5_000, "is_running": False}, {}, ("5.0", "plain", 0)),
        ({"time_remaining_ms": 5_000}, {"status": "paused"}, ("5.0", "plain", 0)),
    ],
)
def test_a_clock_after_a_second(
    figures: dict[str, Any], state: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert told(face(1_000, state=state, **figures), "text", "phase", "warning") == expected


def test_overtime_is_counted_on() -> None:
    late: dict[str, Any] = {
        "time_remaining_ms": 0,
        "has_expired": True,
        "is_running": False,
        "overtime_ms": 1_500,
    }
    shown = face(1_000, **late)
    assert told(shown, "text", "phase", "overtime") == ("0:00", "overtime", "0:02")
    state = a_state(a_participant("a", is_active=True, **late))
    assert look(1_000, state).changes_in_ms == 500


def test_a_delay_passes_before_the_clock_falls() -> None:
    figures: dict[str, Any] = {"time_remaining_ms": 60_000, "delay_remaining_ms": 3_000}
    assert told(face(1_000, **figures), "text", "delay") == ("1:00", "0:02")
    assert told(face(4_000, **figures), "text", "delay") == ("0:59", "")
    state = a_state(a_participant("a", **RUNNING, **figures))
    assert look(2_500, state).changes_in_ms == 500


def test_byoyomi_shows_the_main_time_and_then_the_period() -> None:
    control = {"type": "byoyomi", "period_ms": 30_000, "periods": 3}
    figures: dict[str, Any] = {
        "time_remaining_ms": 95_000,
        "main_remaining_ms": 5_000,
        "period_remaining_ms": 30_000,
        "periods_left": 3,
        "time_control": control,
    }
    assert told(face(1_000, **figures), "text", "periods_left") == ("4.0", 3)
    assert told(face(6_000, **figures), "text", "periods_left") == ("0:29", 3)
    assert told(face(36_000, **figures), "text", "periods_left") == ("0:29", 2)


def test_count_up_shows_what_has_been_used_up_to_where_it_stops() -> None:
    state: dict[str, Any] = {"sync_mode": "count_up", "max_time_ms": 90_000}
    assert face(1_500, state=state, time_used_ms=60_000).text == "1:01"
    assert face(99_000, state=state, time_used_ms=60_000).text == "1:30"
    endless = {"sync_mode": "count_up"}
    shown = face(1_500, state=endless, time_used_ms=60_000, time_remaining_ms=0)
    assert told(shown, "text", "phase") == ("1:01", "plain")


def test_the_session_clock_of_global_comes_last() -> None:
    state = a_state(a_participant("a"), sync_mode="global", session_remaining_ms=61_000)
    shown = look(2_000, {**state, "warn_at_ms": [59_500]})
    assert shown.faces[-1] == replace(
        Face("session", "0:59", "warning", 1), is_active=True, is_running=True
    )
    assert shown.changes_in_ms == 1_000
    ended = look(2_000, {**state, "status": "expired", "session_remaining_ms": 0})
    assert told(ended.faces[-1], "text", "phase", "is_running") == ("0:00", "expired", False)
    assert ended.changes_in_ms == inf


def test_a_mark_is_noticed_when_it_is_reached() -> None:
    state = a_state(a_participant("a", **RUNNING, time_remaining_ms=60_300), warn_at_ms=[60_200])
    assert look(0, state).changes_in_ms == 100


@timeless
async def test_a_display_wakes_once_for_each_change_of_its_digits_and_just_after_it() -> None:
    made = Told()
    await made.live()
    answer_pings(made.socket)
    await passes(2_000)
    running = a_participant("a", **RUNNING, time_remaining_ms=62_500)
    news = update(4, {"timestamp": TIME + int(now()), "state": a_state(running, version=4)})
    made.socket.hears(news)
    await passes(0)

    shown = await until_shown("1:00", looks(made.client))
    texts = [text for text, _ in shown]
    assert texts == ["1:03", "1:02", "1:01", "1:00"]
    waits = [after - before for (_, before), (_, after) in pairwise(shown)]
    assert all(
        abs(wait_ms - expected) < 5
        for wait_ms, expected in zip(waits, (500, 1_000, 1_000), strict=True)
    )
    await made.client.close()
    assert [one async for one in looks(made.client)] == []


async def until_shown(text: str, all_looks: AsyncIterator[Look]) -> list[tuple[str, float]]:
    """The texts of the first face, each once, and when it came."""
    shown: list[tuple[str, float]] = []
    async for one in all_looks:
        if not shown or shown[-1][0] != one.faces[0].text:
            shown.append((one.faces[0].text, now()))
        if one.faces[0].text == text:
            return shown
    raise AssertionError("It never came to that")
