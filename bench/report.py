"""What a run found: tables and targets, as text, as Markdown and as JSON.

Owns the shape of the results. Must never measure or judge.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

Cell = str | int | float | None
Row = dict[str, Cell]

BEGIN = "<!-- figures: `python -m bench --update-docs` writes from here -->"
END = "<!-- figures: to here -->"

# How a column is headed, and how a number in it is written.
_COLUMNS = {
    "what": ("", ""),
    "count": ("count", ",d"),
    "value": ("", ",d"),
    "bytes": ("bytes", ",d"),
    "pushed_bytes": ("bytes pushed", ",d"),
    "before": ("before", ",.3f"),
    "after": ("after", ",.3f"),
    "p50_ms": ("p50 ms", ".3f"),
    "p95_ms": ("p95 ms", ".3f"),
    "per_second": ("per second", ",.0f"),
    "cpu_ms": ("CPU ms", ".3f"),
    "relay_cpu_ms": ("relay's CPU ms", ".3f"),
    "valkey_cpu_ms": ("Valkey's CPU ms", ".3f"),
    "client_cpu_ms": ("client's CPU ms", ".3f"),
    "server_us_per_post": ("server's CPU us per post", ".1f"),
    "us_per_signature": ("us per signature", ".1f"),
    "us_per_post": ("CPU us per post", ".1f"),
    "kilobytes": ("KB per connection", ".1f"),
    "floor": ("baseline", ""),
    "ratio": ("ratio", ".2f"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """A target compared with what was measured. ``must`` is promised, ``aim`` is wished for."""

    what: str
    measured: str
    must: str | None = None
    must_holds: bool | None = None
    aim: str | None = None
    aim_holds: bool | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What one benchmark found; ``sound`` is false where no noise could excuse it."""

    name: str
    title: str
    note: str
    rows: list[Row]
    checks: list[Check]
    sound: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    machine: dict[str, str]
    results: list[Result] = field(default_factory=list)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def rounded(self) -> Report:
        """With no more digits than have meaning."""
        return Report(
            self.machine,
            [
                replace(result, rows=[_rounded(row) for row in result.rows])
                for result in self.results
            ],
        )

    @classmethod
    def from_json(cls, text: str) -> Report:
        stored: dict[str, Any] = json.loads(text)
        results = [
            Result(**{**result, "checks": [Check(**check) for check in result["checks"]]})
            for result in stored["results"]
        ]
        return cls(stored["machine"], results)


def _rounded(row: Row) -> Row:
    return {
        name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()
    }


def as_text(report: Report) -> str:
    """For a terminal."""
    parts = ["\n".join(f"{name:>10}  {value}" for name, value in report.machine.items())]
    for result in report.results:
        parts.append(f"{result.name}: {result.title}\n{result.note}")
        parts.append(_aligned(_table(result.rows)))
        if result.checks:
            parts.append(_aligned(_targets(result.checks)))
    return "\n\n".join(parts)


def as_markdown(report: Report) -> str:
    """For the documents."""
    parts = ["\n".join(f"- {name}: {value}" for name, value in report.machine.items())]
    for result in report.results:
        parts += [f"### {result.title}", result.note, _piped(_table(result.rows))]
        if result.checks:
            parts.append(_piped(_targets(result.checks)))
    return "\n\n".join(parts)


def into_document(document: str, report: Report) -> str:
    """The document with its figures replaced.

    Raises:
        ValueError: It has no place for them.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"There must be a line {BEGIN} and, below it, a line {END}")
    return f"{before}{begin}\n\n{as_markdown(report)}\n\n{end}{after}"


def update_document(path: Path, report: Report) -> None:
    path.write_text(into_document(path.read_text(), report))


def _table(rows: Sequence[Row]) -> list[list[str]]:
    # A column that no row fills is left out.
    names = [name for name in _COLUMNS if any(row.get(name) is not None for row in rows)]
    lines = [[_COLUMNS[name][0] for name in names]]
    for row in rows:
        lines.append([_cell(name, row.get(name)) for name in names])  # noqa: PERF401
    return lines


def _cell(name: str, value: Cell) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else format(value, _COLUMNS[name][1])


def _targets(checks: Sequence[Check]) -> list[list[str]]:
    lines = [["target", "measured", "must", "", "aim", ""]]
    for check in checks:
        must, aim = _mark(check.must_holds), _mark(check.aim_holds)
        lines.append([check.what, check.measured, check.must or "", must, check.aim or "", aim])
    return lines


def _mark(holds: bool | None) -> str:
    return "" if holds is None else "✓" if holds else "✗"


def _is_figure(text: str) -> bool:
    return not text or text.replace(",", "").replace(".", "").isdecimal()


def _aligned(lines: list[list[str]]) -> str:
    lines = [line for line in lines if any(line)]
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(map(_is_figure, column[1:])) for column in columns]
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_the_right else text.ljust(width)
            for text, width, to_the_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _piped(lines: list[list[str]]) -> str:
    columns = list(zip(*lines, strict=True))
    rule = ["--:" if all(map(_is_figure, column[1:])) else "---" for column in columns]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))
