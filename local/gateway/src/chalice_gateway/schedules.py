"""Schedules of EventBridge: ``rate(...)`` and ``cron(...)``, and the events of their rules.

Pure: no clock, no timer. All times are UTC.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Protocol

from . import ids
from .errors import StartupError
from .lambdas import ACCOUNT_ID, REGION, Event

LAST_YEAR: Final = 2199

_RATE: Final = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)(s?)\)")
_CRON: Final = re.compile(r"cron\(([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+)\)")
_MONTHS: Final = [
    "JAN",
    "FEB",
    "MAR",
    "APR",
    "MAY",
    "JUN",
    "JUL",
    "AUG",
    "SEP",
    "OCT",
    "NOV",
    "DEC",
]
_WEEKDAYS: Final = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]

_IsDue = Callable[[date], bool]


class InvalidSchedule(StartupError):
    """EventBridge would refuse the expression; the message says what is wrong."""


class Schedule(Protocol):
    def next_after(self, moment: datetime) -> datetime | None:
        """The first time after ``moment``; None if there is none."""


def parse_schedule(expression: str, starts_at: datetime) -> Schedule:
    """The schedule of an expression. A rate counts from ``starts_at``.

    Raises:
        InvalidSchedule: EventBridge would refuse it.
    """
    if match := _RATE.fullmatch(expression):
        count, unit, plural = int(match[1]), match[2], match[3]
        if (count == 1) == bool(plural):
            raise InvalidSchedule(f"{expression}: write rate(1 {unit}) or rate(2 {unit}s)")
        return Rate(starts_at, timedelta(**{f"{unit}s": count}))
    if match := _CRON.fullmatch(expression):
        try:
            return _cron(*match.groups())
        except InvalidSchedule as error:
            raise InvalidSchedule(f"{expression}: {error}") from None
    raise InvalidSchedule(f"{expression} is neither rate(value unit) nor cron(six fields)")


@dataclass(frozen=True, slots=True)
class Rate:
    starts_at: datetime
    period: timedelta

    def next_after(self, moment: datetime) -> datetime:
        return self.starts_at + ((moment - self.starts_at) // self.period + 1) * self.period


@dataclass(frozen=True, slots=True)
class Cron:
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    is_due_on: _IsDue
    months: frozenset[int]
    years: frozenset[int]

    def next_after(self, moment: datetime) -> datetime | None:
        moment = moment.astimezone(UTC)
        day = moment.date()
        while day.year <= LAST_YEAR:
            if day.year not in self.years:
                day = date(day.year + 1, 1, 1)
                continue
            if day.month in self.months and self.is_due_on(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        due = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                        if due > moment:
                            return due
            day += timedelta(days=1)
        return None


def scheduled_event(rule: str, due: datetime) -> Event:
    """The event of a rule whose schedule was due."""
    return {
        "version": "0",
        "id": ids.uuid(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT_ID,
        "time": f"{due:%Y-%m-%dT%H:%M:%SZ}",
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{rule}"],
        "detail": {},
    }


def _cron(
    minutes: str, hours: str, day_of_month: str, months: str, day_of_week: str, years: str
) -> Cron:
    if (day_of_month == "?") == (day_of_week == "?"):
        raise InvalidSchedule("exactly one of day-of-month and day-of-week must be ?")
    is_due_on = _month_days(day_of_month) if day_of_week == "?" else _week_days(day_of_week)
    return Cron(
        tuple(sorted(_values("minutes", minutes, 0, 59))),
        tuple(sorted(_values("hours", hours, 0, 23))),
        is_due_on,
        _values("month", months, 1, 12, _MONTHS),
        _values("year", years, 1970, LAST_YEAR),
    )


def _month_days(text: str) -> _IsDue:
    if text == "L":
        return lambda day: day.day == monthrange(day.year, day.month)[1]
    if match := re.fullmatch(r"(\d+)W", text):
        (wanted,) = _values("day-of-month", match[1], 1, 31)
        return lambda day: day == _nearest_weekday(day, wanted)
    days = _values("day-of-month", text, 1, 31)
    return lambda day: day.day in days


def _nearest_weekday(month: date, wanted: int) -> date | None:
    """The weekday nearest to a day of the month, within the month."""
    last = monthrange(month.year, month.month)[1]
    if wanted > last:
        return None
    day = month.replace(day=wanted)
    if day.weekday() == 5:
        return day - timedelta(days=1) if wanted > 1 else day + timedelta(days=2)
    if day.weekday() == 6:
        return day + timedelta(days=1) if wanted < last else day - timedelta(days=2)
    return day


def _week_days(text: str) -> _IsDue:
    if match := re.fullmatch(r"([^#]+)#([1-5])", text):
        (wanted,) = _values("day-of-week", match[1], 1, 7, _WEEKDAYS)
        nth = int(match[2])
        return lambda day: _day_of_week(day) == wanted and (day.day + 6) // 7 == nth
    if match := re.fullmatch(r"([1-7]|[A-Z]{3})L", text):
        (wanted,) = _values("day-of-week", match[1], 1, 7, _WEEKDAYS)
        return lambda day: (
            _day_of_week(day) == wanted and day.day + 7 > monthrange(day.year, day.month)[1]
        )
    days = _values("day-of-week", "7" if text == "L" else text, 1, 7, _WEEKDAYS)
    return lambda day: _day_of_week(day) in days


def _day_of_week(day: date) -> int:
    return day.isoweekday() % 7 + 1  # Sunday is 1


def _values(
    field: str, text: str, lowest: int, highest: int, names: list[str] | None = None
) -> frozenset[int]:
    """The values that a field lists, such as ``1,5-7,10/20``."""

    def number(value: str) -> int:
        if names and value.upper() in names:
            return names.index(value.upper()) + 1
        if not value.isdecimal() or not lowest <= int(value) <= highest:
            raise InvalidSchedule(f"{field} must be from {lowest} to {highest}, got {value!r}")
        return int(value)

    values: set[int] = set()
    for part in text.split(","):
        base, slash, step = part.partition("/")
        first, dash, last = base.partition("-")
        if base == "*":
            low, high = lowest, highest
        else:
            low = number(first)
            high = number(last) if dash else (highest if slash else low)
        if high < low or (slash and (not step.isdecimal() or int(step) < 1)):
            raise InvalidSchedule(f"{field}: {part!r} is not a range or a step")
        values.update(range(low, high + 1, int(step) if slash else 1))
    return frozenset(values)


def expression_of(config: Any) -> str:
    """The expression of Chalice's ``ScheduledEventConfig``."""
    expression = config.schedule_expression
    return expression if isinstance(expression, str) else str(expression.to_string())
