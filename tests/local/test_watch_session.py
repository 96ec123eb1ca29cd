"""The terminal view of a session, as recorded by a console."""

from __future__ import annotations

import asyncio
from io import StringIO
from math import inf
from typing import Any

import pytest
from rich.console import Console

from local.terminal_view import MAX_ROWS, Screen, big_digits, render
from local.watch_session import AccessDenied, draw, raise_if_denied
from tests.client.factories import (
    RUNNING,
    SERVER_START_MS,
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


def rendered(state: Any = None, *, at_ms: float = 0, bound_ms: float = 3.4) -> str:
    held = None if state is None else make_snapshot(state)
    console = a_console()
    console.print(render(Screen("s", "live", bound_ms, held, display_frame(held, at_ms))))
    return console.export_text()


def row_of(name: str, text: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if name in line.split())
    return line.split()


def test_active_clock_is_in_big_digits_above_the_table() -> None:
    anne = make_participant("anne", **RUNNING, time_remaining_ms=62_500)
    text = rendered(make_state(anne, make_participant("ben")), at_ms=1_000)

    assert "s  per_participant  running  version 1" in text
    assert "live  clock ±3 ms" in text
    for line in big_digits("1:02"):
        assert line.rstrip() in text
    assert row_of("anne", text) == ["▶", "anne", "1:02"]
    assert row_of("ben", text) == ["ben", "1:00"]


def test_big_digits_are_distinct() -> None:
    assert [line.rstrip() for line in big_digits("1:07.5")] == [
        " █        ███  ███       ███",
        "██    █   █ █    █       █",
        " █        █ █    █       ███",
        " █    █   █ █    █         █",
        "███       ███    █   █   ███",
    ]
    assert len({tuple(big_digits(digit)) for digit in "0123456789"}) == 10


def test_missing_session_and_unknown_clock_are_shown() -> None:
    text = rendered(bound_ms=inf)
    assert "There is no such session yet." in text
    assert "clock not known yet" in text


def test_overtime_delay_and_periods_have_their_own_columns() -> None:
    late = {"has_expired": True, "time_remaining_ms": 0, "overtime_ms": 61_000, "is_active": True}
    assert row_of("anne", rendered(make_state(make_participant("anne", **late)))) == [
        *("▶", "anne", "0:00", "1:01", "overtime"),
    ]
    slow = make_participant("anne", **RUNNING, delay_remaining_ms=3_000)
    assert row_of("anne", rendered(make_state(slow))) == ["▶", "anne", "1:00", "0:03"]
    byoyomi = {"type": "byoyomi", "period_ms": 30_000, "periods": 5}
    periods = {"main_remaining_ms": 5_000, "period_remaining_ms": 30_000, "periods_left": 5}
    one = make_participant("anne", time_control=byoyomi, **periods)
    assert "then 5 x 0:30" in rendered(make_state(one))


def test_participants_around_the_active_one_are_shown() -> None:
    participants = [
        make_participant(f"p{number}", is_active=number == 500) for number in range(1_000)
    ]
    text = rendered(make_state(*participants))
    names = [f"p{number}" for number in range(1_000) if f"p{number}" in text.split()]
    assert (len(names), names[0]) == (MAX_ROWS, f"p{500 - MAX_ROWS // 2}")
    assert "980 more" in text


def test_session_clock_of_global_is_in_big_digits() -> None:
    state = make_state(make_participant("anne"), sync_mode="global", session_remaining_ms=754_000)
    text = rendered(state)
    assert row_of("session", text) == ["▶", "session", "12:34"]
    assert big_digits("12:34")[0].rstrip() in text


END: list[tuple[dict[str, Any], str]] = [
    (update(4, status="completed"), "completed"),
    (update(4, status="expired"), "expired"),
    ({"type": "SESSION_DELETED", "timestamp": SERVER_START_MS}, "deleted"),
]


@pytest.mark.parametrize(("message", "end_status"), END)
async def test_draws_until_the_session_ends(message: dict[str, Any], end_status: str) -> None:
    recorded, console = RecordedClient(), a_console()
    await recorded.open()
    drawn = asyncio.create_task(draw(recorded.client, "s", console))
    await advance(100)
    await recorded.go_live()
    answer_pings(recorded.socket)
    await advance(5_000)
    recorded.socket.deliver(message)
    await drawn
    text = console.export_text()
    assert text.rstrip().endswith(f"The session is {end_status}.")
    assert "There is no such session yet." in text
    assert "clock ±1 ms" in text
    for digits in ("1:00", "0:59", "0:55"):
        assert digits in text
    await recorded.client.close()


async def test_denied_access_ends_the_view_and_other_errors_do_not() -> None:
    recorded = RecordedClient(on_error=raise_if_denied)
    await recorded.go_live()
    drawn = asyncio.create_task(draw(recorded.client, "s", a_console()))
    error = {
        "type": "ERROR",
        "timestamp": SERVER_START_MS,
        "code": "INTERNAL_ERROR",
        "message": "No",
    }
    recorded.socket.deliver(error)
    await advance(100)
    assert not drawn.done()
    recorded.socket.deliver({**error, "code": "SESSION_FORBIDDEN"})
    with pytest.raises(AccessDenied):
        await drawn


async def test_ends_when_its_client_is_closed() -> None:
    recorded = RecordedClient()
    await recorded.go_live()
    drawn = asyncio.create_task(draw(recorded.client, "s", a_console()))
    await advance(100)
    await recorded.client.close()
    await drawn
