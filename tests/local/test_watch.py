"""A session's clocks in the terminal, as a console has recorded them."""

from __future__ import annotations

import asyncio
from io import StringIO
from math import inf
from typing import Any

import pytest
from rich.console import Console

from local.dials import MOST_ROWS, Screen, big_digits, drawing
from local.watch import ShutOut, draw, leave
from tests.client.factories import (
    RUNNING,
    SESSION_DELETED,
    error,
    make_participant,
    make_snapshot,
    make_state,
    update,
)
from tests.client.fakes import RecordedClient, answer_pings
from tests.client.virtual_time import advance
from tickless import display_frame


def a_console() -> Console:
    return Console(record=True, force_terminal=True, width=100, height=60, file=StringIO())


def shown(state: Any = None, *, at_ms: float = 0, bound_ms: float = 3.4) -> str:
    held = None if state is None else make_snapshot(state)
    console = a_console()
    console.print(drawing(Screen("s", "live", bound_ms, held, display_frame(held, at_ms))))
    return console.export_text()


def row_of(name: str, text: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if name in line.split())
    return line.split()


def test_whose_turn_it_is_stands_in_big_digits_above_everybody() -> None:
    anne = make_participant("anne", **RUNNING, time_remaining_ms=62_500)
    text = shown(make_state(anne, make_participant("ben")), at_ms=1_000)

    assert "s  per_participant  running  version 1" in text
    assert "live  clock ±3 ms" in text
    for line in big_digits("1:02"):
        assert line.rstrip() in text
    assert row_of("anne", text) == ["▶", "anne", "1:02"]
    assert row_of("ben", text) == ["ben", "1:00"]


def test_big_digits_can_be_told_apart() -> None:
    assert [line.rstrip() for line in big_digits("1:07.5")] == [
        " █        ███  ███       ███",
        "██    █   █ █    █       █",
        " █        █ █    █       ███",
        " █    █   █ █    █         █",
        "███       ███    █   █   ███",
    ]
    assert len({tuple(big_digits(digit)) for digit in "0123456789"}) == 10


def test_without_a_session_and_without_an_idea_of_the_time_that_is_said() -> None:
    text = shown(bound_ms=inf)
    assert "There is no such session yet." in text
    assert "clock not known yet" in text


def test_overtime_delay_and_periods_have_columns_of_their_own() -> None:
    late = {"has_expired": True, "time_remaining_ms": 0, "overtime_ms": 61_000, "is_active": True}
    assert row_of("anne", shown(make_state(make_participant("anne", **late)))) == [
        *("▶", "anne", "0:00", "1:01", "overtime"),
    ]
    slow = make_participant("anne", **RUNNING, delay_remaining_ms=3_000)
    assert row_of("anne", shown(make_state(slow))) == ["▶", "anne", "1:00", "0:03"]
    for figure, words in (("periods_left", "3 periods"), ("cycles_left", "3 cycles")):
        one = make_participant("anne", **{figure: 3})
        assert words in shown(make_state(one))


def test_of_many_those_around_the_active_one_are_shown() -> None:
    people = [make_participant(f"p{number}", is_active=number == 500) for number in range(1_000)]
    text = shown(make_state(*people))
    names = [f"p{number}" for number in range(1_000) if f"p{number}" in text.split()]
    assert (len(names), names[0]) == (MOST_ROWS, f"p{500 - MOST_ROWS // 2}")
    assert "980 more" in text


def test_the_session_clock_of_global_is_big_beside_the_others() -> None:
    state = make_state(make_participant("anne"), sync_mode="global", session_remaining_ms=754_000)
    text = shown(state)
    assert row_of("session", text) == ["▶", "session", "12:34"]
    assert big_digits("12:34")[0].rstrip() in text


END: list[tuple[dict[str, Any], str]] = [
    (update(4, status="completed"), "completed"),
    (update(4, status="expired"), "expired"),
    (SESSION_DELETED, "deleted"),
]


@pytest.mark.parametrize(("message", "ending"), END)
async def test_it_draws_until_the_session_has_ended(message: dict[str, Any], ending: str) -> None:
    told, console = RecordedClient(), a_console()
    await told.open()
    drawn = asyncio.create_task(draw(told.client, "s", console))
    await advance(100)
    await told.go_live()
    answer_pings(told.socket)
    await advance(5_000)
    told.socket.deliver(message)
    await drawn
    text = console.export_text()
    assert text.rstrip().endswith(f"The session is {ending}.")
    assert "There is no such session yet." in text
    assert "clock ±1 ms" in text
    for digits in ("1:00", "0:59", "0:55"):
        assert digits in text
    await told.client.close()


async def test_it_ends_where_it_may_not_look_and_goes_on_after_any_other_refusal() -> None:
    told = RecordedClient(on_error=leave)
    await told.go_live()
    drawn = asyncio.create_task(draw(told.client, "s", a_console()))
    told.socket.deliver(error("INTERNAL_ERROR"))
    await advance(100)
    assert not drawn.done()
    told.socket.deliver(error("SESSION_FORBIDDEN"))
    with pytest.raises(ShutOut):
        await drawn


async def test_it_ends_with_its_client() -> None:
    told = RecordedClient()
    await told.go_live()
    drawn = asyncio.create_task(draw(told.client, "s", a_console()))
    await advance(100)
    await told.client.close()
    await drawn
