"""Draws a recording as an SVG, with matplotlib.

It computes no clock values. The background is white, so that pictures are readable on a
dark page; colours are Okabe and Ito's, which are distinct to the colour-blind, some
darker for white text on them, and every line has its name. Text stays text. The same
recording gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from chalicelib.core.setup import Setup, SyncMode

from .chart import Line, digest, guides, is_delayed, lines, note_annotations, timeouts
from .labels import FONT_PT, Box, Labels, Placement, Point, along, around
from .recording import Frame, Phase, Recording

COLOURS = ("#0072B2", "#D55E00", "#007A5A", "#9C4F86")
SESSION_COLOUR = "#333333"
QUIET = "#666666"

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tickless",
    # Verdana is as wide as DejaVu Sans, with which labels are placed.
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "hatch.linewidth": 0.6,
}

POINTS_AN_INCH = 72
SIZE_INCHES = (7.4, 3.1)
MARGINS = {"left": 0.065, "right": 0.91, "bottom": 0.15, "top": 0.98}
"""The same in every picture, so that pictures of the same scale can be compared."""

STROKES: dict[str, dict[str, Any]] = {
    "counts": {"linewidth": 2.6},
    "delayed": {"linewidth": 2.6, "linestyle": (0, (1, 1.2))},
    "waits": {"linewidth": 1.1},
    "jump": {"linewidth": 1.1, "linestyle": (0, (1, 1.5))},
}


class Span(NamedTuple):
    """An interval in which one participant, or none, is active."""

    since_ms: int
    until_ms: int
    phase: Phase
    text: str
    colour: str


def draw(recording: Recording, title: str, path: Path) -> None:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SIZE_INCHES, facecolor="white")
        clock, band = figure.subplots(
            2, 1, sharex=True, gridspec_kw={"height_ratios": (9, 1), "hspace": 0.1, **MARGINS}
        )
        _set_axes(clock, band, recording)
        spans = list(_spans(recording))
        _draw_band(band, spans)
        _shade(clock, spans)
        for line in lines(recording.setup):
            _draw_line(clock, recording, line)
        labels = _labels(clock, recording)
        _name_lines(clock, recording, labels)
        _write(clock, recording, labels)
        figure.savefig(
            path,
            format="svg",
            metadata={
                "Title": title,
                "Identifier": digest(recording),
                "Date": None,
                "Creator": None,
            },
        )


def _set_axes(clock: Any, band: Any, recording: Recording) -> None:
    counts_up = recording.setup.sync_mode is SyncMode.COUNT_UP
    highest, until = _highest(recording), recording.scenario.until_ms / 1000
    since = recording.scenario.since_ms / 1000
    clock.set_ylabel("seconds used" if counts_up else "seconds left")
    clock.set_ylim(0, highest * 1.14)
    clock.yaxis.set_major_locator(MultipleLocator(10 if highest > 15 else 5))
    clock.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    clock.set_axisbelow(True)
    clock.tick_params(axis="x", length=0, labelbottom=False)
    band.set_ylim(0, 1)
    band.set_yticks([])
    for side in ("left", "bottom"):
        band.spines[side].set_visible(False)
    band.set_xlim(since, until)
    band.xaxis.set_major_locator(MultipleLocator(10 if until > 40 else 5))
    band.set_xlabel("seconds since the start", labelpad=1)


def _highest(recording: Recording) -> float:
    shown = (
        line.value_ms(frame) or 0 for line in lines(recording.setup) for frame in recording.frames
    )
    return max(shown) / 1000


def _colour(owner: int | None) -> str:
    return SESSION_COLOUR if owner is None else COLOURS[owner]


def _spans(recording: Recording) -> Iterator[Span]:
    last: Span | None = None
    for frame, after in pairwise(recording.frames):
        if frame.at_ms == after.at_ms:
            continue
        span = _span(recording.setup, frame, after.at_ms)
        if last is not None and last[2:] == span[2:]:
            last = last._replace(until_ms=span.until_ms)
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last


def _span(setup: Setup, frame: Frame, until_ms: int) -> Span:
    active = frame.active
    if active is None:
        return Span(frame.at_ms, until_ms, frame.phase, frame.status.value, QUIET)
    if setup.sync_mode is SyncMode.SIMULTANEOUS:
        return Span(frame.at_ms, until_ms, frame.phase, frame.status.value, _colour(None))
    place = setup.position_of(active["participant_id"])
    if place is not None and setup.sync_mode is SyncMode.PER_GROUP:
        place = setup.participants[place].bank_index
    text = "paused" if frame.phase is Phase.PAUSED else active["participant_id"]
    return Span(frame.at_ms, until_ms, frame.phase, text, _colour(place))


def _draw_band(axes: Any, spans: list[Span]) -> None:
    """Below the clocks: the active participant."""
    for span in spans:
        since, lasts = span.since_ms / 1000, (span.until_ms - span.since_ms) / 1000
        face, edge, colour = span.colour, "white", "white"
        hatch, backing = None, None
        if span.phase in (Phase.ENDED, Phase.PENDING):
            face, colour = "#eeeeee", span.colour
        elif span.phase in (Phase.OVERTIME, Phase.PAUSED):
            face, edge, colour = "white", span.colour, span.colour
        if span.phase is Phase.OVERTIME:
            hatch = "////"
            backing = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
        axes.broken_barh(
            [(since, lasts)], (0, 1), linewidth=1, facecolor=face, edgecolor=edge, hatch=hatch
        )
        axes.text(
            since + lasts / 2,
            0.47,
            span.text,
            ha="center",
            va="center",
            color=colour,
            weight="bold",
            fontsize=FONT_PT,
            bbox=backing,
        )


def _shade(axes: Any, spans: list[Span]) -> None:
    for span in spans:
        if span.phase in (Phase.RUNNING, Phase.OVERTIME):
            since, until = span.since_ms / 1000, span.until_ms / 1000
            axes.axvspan(since, until, facecolor=span.colour, alpha=0.09, linewidth=0)


def _draw_line(axes: Any, recording: Recording, line: Line) -> None:
    """Thick while it runs, thin while it waits, dotted while it is delayed or jumps."""
    for kind, points in _strokes(recording, line):
        at, level = zip(*points, strict=True)
        axes.plot(at, level, color=_colour(line.owner), solid_capstyle="round", **STROKES[kind])


def _strokes(recording: Recording, line: Line) -> Iterator[tuple[str, list[Point]]]:
    """Segments of a line with the same style, without points on straight segments."""
    kind, points = "", list[Point]()
    for before, after in pairwise(recording.frames):
        start, end = _point(line, before), _point(line, after)
        if start is None or end is None or start == end:
            continue
        wanted = _kind(line, before, after)
        if points and (wanted != kind or points[-1] != start):
            yield kind, _corners(points)
            points = []
        kind, points = wanted, [*(points or [start]), end]
    if points:
        yield kind, _corners(points)


def _point(line: Line, frame: Frame) -> Point | None:
    value_ms = line.value_ms(frame)
    return None if value_ms is None else (frame.at_ms / 1000, value_ms / 1000)


def _kind(line: Line, before: Frame, after: Frame) -> str:
    if before.at_ms == after.at_ms:
        return "jump"
    if before.phase is not Phase.RUNNING or not line.counts(before):
        return "waits"
    return "delayed" if is_delayed(before) else "counts"


def _corners(points: list[Point]) -> list[Point]:
    inner = [
        here
        for last, here, following in zip(points, points[1:], points[2:], strict=False)
        if (here[1] - last[1]) * (following[0] - here[0])
        != (following[1] - here[1]) * (here[0] - last[0])
    ]
    return [points[0], *inner, points[-1]]


def _name_lines(axes: Any, recording: Recording, labels: Labels) -> None:
    """The name of each line at its right end, without overlaps."""
    ends = [(_point(line, recording.frames[-1]), line) for line in lines(recording.setup)]
    shown = sorted((end[1], line.name, line.owner) for end, line in ends if end is not None)
    free = float("-inf")
    for level, name, owner in shown:
        place = Placement(
            recording.scenario.until_ms / 1000, max(level, free), 5, 0, "left", "center"
        )
        free = place.y + _highest(recording) * 0.09
        _text(axes, name, labels.place(name, [place]), _colour(owner), weight="bold", fontsize=9)


def _labels(axes: Any, recording: Recording) -> Labels:
    points = list[Point]()
    for line in lines(recording.setup):
        for before, after in pairwise(recording.frames):
            start, end = _point(line, before), _point(line, after)
            if start is not None and end is not None:
                # In thirds, so that labels avoid steep lines too.
                points += [
                    (start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part)
                    for part in (0, 1 / 3, 2 / 3)
                ]
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    width_pt, height_pt = (side * POINTS_AN_INCH for side in SIZE_INCHES)
    inside = axes.get_position()
    a_pt = (right - left) / (inside.width * width_pt), (high - low) / (inside.height * height_pt)
    margin_pt = (1 - inside.x1) * width_pt
    return Labels(points, Box(left, low, right + margin_pt * a_pt[0], high), a_pt)


def _write(axes: Any, recording: Recording, labels: Labels) -> None:
    counts_up = recording.setup.sync_mode is SyncMode.COUNT_UP
    level = _highest(recording) if counts_up else 0.0
    for at_ms, said in timeouts(recording):
        at, text = at_ms / 1000, said.replace(", ", ",\n")
        axes.plot([at], [level], marker="X", markersize=8, color="black", zorder=5, clip_on=False)
        _text(axes, text, labels.place(text, around(at, level)), "black", zorder=6)
    for level, text in guides(recording.setup):
        axes.axhline(level, color=QUIET, linewidth=0.8, dashes=(2, 3), zorder=1)
        ends = [(0.0, "left"), (recording.scenario.until_ms / 1000, "right")]
        candidates = [
            Placement(at, level, 2 if at == 0 else 0, up, ha, "bottom" if up > 0 else "top")
            for up in (1, -2)
            for at, ha in ends
        ]
        _text(axes, text, labels.place(text, candidates), QUIET)
    for line in lines(recording.setup):
        for (at, low), (_, high), text in _jumps(recording, line):
            _text(axes, text, labels.place(text, along(at, low, high)), _colour(line.owner))
    for annotation in note_annotations(recording):
        candidates = around(annotation.at_ms / 1000, annotation.value_ms / 1000)
        _text(
            axes,
            annotation.text,
            labels.place(annotation.text, candidates),
            _colour(annotation.owner),
        )


def _text(axes: Any, text: str, place: Placement, colour: str, **style: Any) -> None:
    axes.annotate(
        text,
        (place.x, place.y),
        (place.right_pt, place.up_pt),
        textcoords="offset points",
        ha=place.ha,
        va=place.va,
        color=colour,
        annotation_clip=False,
        **{"fontsize": FONT_PT, **style},
    )


def _jumps(recording: Recording, line: Line) -> Iterator[tuple[Point, Point, str]]:
    """The jumps of a bank: from, to, and the difference."""
    if not recording.setup.has_banks:
        return
    for before, after in pairwise(recording.frames):
        start, end = _point(line, before), _point(line, after)
        if before.at_ms == after.at_ms and start and end and start != end:
            gain = f"{end[1] - start[1]:+g} s".replace("-", "\N{MINUS SIGN}")
            yield min(start, end), max(start, end), gain
