"""When EventBridge's rate and cron expressions are due."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel
from hypothesis import given
from hypothesis import strategies as st

from chalice_gateway.lambdas import ExecutionEnvironments, LambdaFunction
from chalice_gateway.scheduler import ScheduledFunction, Scheduler
from chalice_gateway.schedules import InvalidSchedule, parse_schedule, scheduled_event
from tests.waiting import HUNG_AFTER_S

START = datetime(2026, 11, 30, 10, 20, 30, tzinfo=UTC)  # a Monday


def upcoming(expression: str, count: int = 3, after: datetime = START) -> list[str]:
    schedule, times = parse_schedule(expression, START), []
    moment: datetime | None = after
    for _ in range(count):
        assert moment is not None
        moment = schedule.next_after(moment)
        times.append("none" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}")
        if moment is None:
            break
    return times


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("rate(1 minute)", ["2026-11-30 10:21:30", "2026-11-30 10:22:30"]),
        ("rate(2 hours)", ["2026-11-30 12:20:30", "2026-11-30 14:20:30"]),
        ("rate(1 day)", ["2026-12-01 10:20:30", "2026-12-02 10:20:30"]),
        ("cron(15 10 * * ? *)", ["2026-12-01 10:15:00", "2026-12-02 10:15:00"]),
        ("cron(0/15 * * * ? *)", ["2026-11-30 10:30:00", "2026-11-30 10:45:00"]),
        ("cron(20,21 10 * * ? *)", ["2026-11-30 10:21:00", "2026-12-01 10:20:00"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-11-30 18:00:00", "2026-12-01 18:00:00"]),
        ("cron(0 8 1 * ? *)", ["2026-12-01 08:00:00", "2027-01-01 08:00:00"]),
        ("cron(0 0 L * ? *)", ["2026-12-31 00:00:00", "2027-01-31 00:00:00"]),
        ("cron(0 0 L 2 ? 2028)", ["2028-02-29 00:00:00", "none"]),
        # The 1st of August 2027 is a Sunday, and so is the 31st of January 2027.
        ("cron(0 0 1W 8 ? 2027-2030)", ["2027-08-02 00:00:00", "2028-08-01 00:00:00"]),
        ("cron(0 0 31W 1,2 ? *)", ["2027-01-29 00:00:00", "2028-01-31 00:00:00"]),
        ("cron(0 0 15W * ? *)", ["2026-12-15 00:00:00", "2027-01-15 00:00:00"]),
        ("cron(0 0 ? * 3#2 *)", ["2026-12-08 00:00:00", "2027-01-12 00:00:00"]),
        ("cron(0 0 ? * 6L *)", ["2026-12-25 00:00:00", "2027-01-29 00:00:00"]),
        ("cron(0 0 ? * L *)", ["2026-12-05 00:00:00", "2026-12-12 00:00:00"]),
        ("cron(0 0 ? JAN-MAR/2 sun *)", ["2027-01-03 00:00:00", "2027-01-10 00:00:00"]),
        ("cron(0 0 1 1 ? 1970-2000)", ["none"]),
        ("cron(0 0 30 2 ? 2027)", ["none"]),
    ],
)
def test_schedule_is_due_at_its_instants(expression: str, times: list[str]) -> None:
    assert upcoming(expression, len(times)) == times


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("rate(1 minutes)", r"write rate\(1 minute\)"),
        ("rate(5 minute)", r"rate\(2 minutes\)"),
        ("rate(0 minutes)", "is neither"),
        ("rate(1 second)", "is neither"),
        ("every day", "is neither"),
        ("cron(0 0 * * *)", "is neither"),
        ("cron(0 0 * * * *)", "exactly one of day-of-month and day-of-week must be ?"),
        ("cron(0 0 ? * ? *)", "exactly one of"),
        ("cron(60 0 * * ? *)", "minutes must be from 0 to 59, got '60'"),
        ("cron(0 -1 * * ? *)", "hours must be from 0 to 23"),
        ("cron(0 0 * 13 ? *)", "month must be"),
        ("cron(0 0 ? * 0 *)", "day-of-week must be from 1 to 7, got '0'"),
        ("cron(0 0 ? * FRI-MON *)", "is not a range"),
        ("cron(0/0 0 * * ? *)", "is not a range or a step"),
        ("cron(0 0 32W * ? *)", "day-of-month must be"),
        ("cron(0 0 * * ? 2200)", "year must be"),
    ],
)
def test_expression_that_eventbridge_refuses_is_an_error(expression: str, message: str) -> None:
    with pytest.raises(InvalidSchedule, match=message):
        parse_schedule(expression, START)


FIELDS = st.tuples(
    st.sampled_from(["0", "*/7", "5,50", "10-20"]),
    st.sampled_from(["*", "3", "0-23/5"]),
    st.sampled_from(
        [("*", "?"), ("L", "?"), ("13W", "?"), ("?", "2-4"), ("?", "6#3"), ("?", "1L")]
    ),
    st.sampled_from(["*", "2", "JAN,JUL"]),
)


@given(FIELDS, st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)))  # noqa: DTZ001
def test_cron_is_the_same_from_any_moment_before_it_is_due(
    fields: tuple[str, str, tuple[str, str], str], moment: datetime
) -> None:
    minutes, hours, (month_day, week_day), month = fields
    expression = f"cron({minutes} {hours} {month_day} {month} {week_day} *)"
    schedule, moment = parse_schedule(expression, START), moment.replace(tzinfo=UTC)

    due = schedule.next_after(moment)

    assert due is not None
    assert due > moment
    assert schedule.next_after(moment + (due - moment) / 2) == due
    assert schedule.next_after(due - timedelta(microseconds=1)) == due


def test_event_is_the_one_of_a_rule() -> None:
    event = scheduled_event("clock-dev-sweep-event", START)
    EventBridgeModel.model_validate(event)
    assert event["time"] == "2026-11-30T10:20:30Z"
    assert event["resources"] == [
        "arn:aws:events:us-east-1:123456789012:rule/clock-dev-sweep-event"
    ]


class Clock:
    """A clock that only sleeping advances; it ends the test after some sleeps."""

    def __init__(self, sleeps: int) -> None:
        self.moment = START
        self.slept: deque[float] = deque()
        self.left = sleeps
        self.done = asyncio.Event()

    def now(self) -> datetime:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        if self.left == 0:
            self.done.set()
            await asyncio.Event().wait()
        self.left -= 1
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)
        await asyncio.sleep(0)


def run(clock: Clock, handler: Any, expression: str) -> None:
    async def use() -> None:
        environments = ExecutionEnvironments(limit=1)
        scheduler = Scheduler(environments, now=clock.now, sleep=clock.sleep)
        scheduled = ScheduledFunction(
            LambdaFunction("f", handler), expression, parse_schedule(expression, START)
        )
        scheduler.replace({"f": scheduled})
        await clock.done.wait()
        scheduler.stop()
        assert await environments.stop(HUNG_AFTER_S)
        await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(use(), HUNG_AFTER_S))


def test_function_runs_each_time_that_it_is_due() -> None:
    times: list[str] = []
    clock = Clock(sleeps=5)
    run(clock, lambda event, _: times.append(event["time"]), "cron(* * * * ? *)")

    # It starts at half past a minute, and no wait is longer than half a minute.
    assert list(clock.slept) == [30, 30, 30, 30, 30]
    assert times == [f"2026-11-30T10:{minute}:00Z" for minute in (21, 22, 23)]


def test_function_that_fails_runs_again(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[Any] = []

    def fail(event: Any, _context: Any) -> None:
        calls.append(event)
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR):
        run(Clock(sleeps=3), fail, "cron(* * * * ? *)")
    assert len(calls) == 2
    assert "f, on schedule, failed" in caplog.text
