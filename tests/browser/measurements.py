"""Measurements with their limits, and the table of them that a test run prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class Measurement:
    """One row of the table; ``value`` is the lowest of ``attempts``."""

    name: str
    value: float
    unit: str
    must: float | None
    aim: float | None
    attempts: int


@dataclass
class Measurements:
    """The measurements of one run, in order."""

    taken: list[Measurement] = field(default_factory=list)

    def take(
        self,
        name: str,
        measure: Callable[[], float],
        *,
        unit: str = "ms",
        must: float | None = None,
        aim: float | None = None,
    ) -> None:
        """Measure up to three times, until the value is at most ``must``.

        Other load on the machine only ever increases a measurement, so the lowest of three is the
        most accurate.

        Raises:
            AssertionError: All values exceed ``must``.
        """
        values = [measure()]
        while must is not None and min(values) > must and len(values) < MAX_ATTEMPTS:
            values.append(measure())
        self.taken.append(Measurement(name, min(values), unit, must, aim, len(values)))
        assert must is None or min(values) <= must, f"{name}: {values} {unit}, limit {must} {unit}"

    def as_table(self) -> str:
        lines = ["| | measured | must | aim |", "|---|--:|--:|--:|"]
        for one in self.taken:
            again = f" (least of {one.attempts})" if one.attempts > 1 else ""
            limits = ("" if one is None else f"<= {one:g}" for one in (one.must, one.aim))
            must, aim = limits
            lines.append(f"| {one.name} | {one.value:.1f} {one.unit}{again} | {must} | {aim} |")
        return "\n".join(lines)
