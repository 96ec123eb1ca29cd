"""What was measured, beside what it must be, for whoever runs the tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

TRIES = 3


@dataclass(frozen=True)
class Figure:
    """One line of the table. ``tries`` is how many measurements the figure is the least of."""

    name: str
    measured: float
    unit: str
    must: float | None
    aim: float | None
    tries: int


@dataclass
class Figures:
    """Those of one run, in the order in which they were measured."""

    taken: list[Figure] = field(default_factory=list)

    def take(
        self,
        name: str,
        measure: Callable[[], float],
        *,
        unit: str = "ms",
        must: float | None = None,
        aim: float | None = None,
    ) -> None:
        """Measure, anew if it is more than it must be: three times at most.

        What else a machine does adds to such a figure and never takes from it,
        so the least of three says most about what was measured.
        """
        tries = [measure()]
        while must is not None and min(tries) > must and len(tries) < TRIES:
            tries.append(measure())
        self.taken.append(Figure(name, min(tries), unit, must, aim, len(tries)))
        assert must is None or min(tries) <= must, f"{name}: {tries} {unit}, and not {must}"

    def as_table(self) -> str:
        lines = ["| | measured | must | aim |", "|---|--:|--:|--:|"]
        for one in self.taken:
            again = f" (least of {one.tries})" if one.tries > 1 else ""
            limits = ("" if one is None else f"<= {one:g}" for one in (one.must, one.aim))
            must, aim = limits
            lines.append(f"| {one.name} | {one.measured:.1f} {one.unit}{again} | {must} | {aim} |")
        return "\n".join(lines)
