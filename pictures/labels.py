"""Placement of labels: next to their point or line, without covering lines.

Of the candidates for a label, the first that covers the fewest points of lines and other
labels is chosen. Text widths are estimated, because a reader's fonts are unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

FONT_PT = 8
CHARACTER_PT = 0.56 * FONT_PT
LINE_PT = 1.25 * FONT_PT

Point = tuple[float, float]


class Placement(NamedTuple):
    """A text's alignment, in matplotlib's terms, and its offset from a point."""

    x: float
    y: float
    right_pt: float
    up_pt: float
    ha: str
    va: str


_SHARES = {"left": 0.0, "center": 0.5, "right": 1.0, "bottom": 0.0, "top": 1.0}
"""The share of a text to the left of its alignment point, or below it."""


class Box(NamedTuple):
    left: float
    bottom: float
    right: float
    top: float

    def covers(self, point: Point) -> bool:
        return self.left <= point[0] <= self.right and self.bottom <= point[1] <= self.top


def around(x: float, y: float) -> list[Placement]:
    """The placements next to a point, the best first."""
    return [
        Placement(x, y, 5, 5, "left", "bottom"),
        Placement(x, y, 5, -5, "left", "top"),
        Placement(x, y, -5, 5, "right", "bottom"),
        Placement(x, y, -5, -5, "right", "top"),
    ]


def along(x: float, low: float, high: float) -> list[Placement]:
    """The placements along a vertical line, the best first."""
    heights = [low + (high - low) * share for share in (0.5, 0.75, 0.25)]
    return [
        *(Placement(x, y, 3, 0, "left", "center") for y in heights),
        *(Placement(x, y, -3, 0, "right", "center") for y in heights),
        Placement(x, low, 3, -1, "left", "top"),
        Placement(x, high, 3, 1, "left", "bottom"),
    ]


class Labels:
    """The labels of one picture; ``scale`` is the size of a typographic point on each axis."""

    def __init__(self, lines: Iterable[Point], frame: Box, scale: Point) -> None:
        self._lines = list(lines)
        self._frame = frame
        self._scale = scale
        self._taken: list[Box] = []

    def place(self, text: str, candidates: Iterable[Placement]) -> Placement:
        """Choose the best candidate, which later labels avoid."""
        best = min(candidates, key=lambda candidate: self._covered(self._box(text, candidate)))
        self._taken.append(self._box(text, best))
        return best

    def _box(self, text: str, place: Placement) -> Box:
        rows = text.split("\n")
        width = max(map(len, rows)) * CHARACTER_PT * self._scale[0]
        height = len(rows) * LINE_PT * self._scale[1]
        left = place.x + place.right_pt * self._scale[0] - _SHARES[place.ha] * width
        bottom = place.y + place.up_pt * self._scale[1] - _SHARES[place.va] * height
        return Box(left, bottom, left + width, bottom + height)

    def _covered(self, box: Box) -> int:
        points = sum(map(box.covers, self._lines))
        others = sum(
            box.left < other.right
            and other.left < box.right
            and box.bottom < other.top
            and other.bottom < box.top
            for other in self._taken
        )
        corners = ((box.left, box.bottom), (box.right, box.top))
        outside = sum(not self._frame.covers(corner) for corner in corners)
        # A label that is cut off or covered by another can't be read.
        return points + 100 * (others + outside)
