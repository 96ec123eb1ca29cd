"""Where labels go: beside what they are about, and off the lines.

Of the places that are offered for a label the first is taken that covers least
of the lines and of the labels that are there already. Texts are measured by
rule of thumb, which is all that can be known of a reader's fonts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

FONT_PT = 8
CHARACTER_PT = 0.56 * FONT_PT
LINE_PT = 1.25 * FONT_PT

Point = tuple[float, float]


class Place(NamedTuple):
    """A text's alignment, as matplotlib calls it, and its distance from a point."""

    x: float
    y: float
    right_pt: float
    up_pt: float
    ha: str
    va: str


_SHARES = {"left": 0.0, "center": 0.5, "right": 1.0, "bottom": 0.0, "top": 1.0}
"""How much of a text lies left of the point it is aligned to, or below it."""


class Box(NamedTuple):
    left: float
    bottom: float
    right: float
    top: float

    def covers(self, point: Point) -> bool:
        return self.left <= point[0] <= self.right and self.bottom <= point[1] <= self.top


def around(x: float, y: float) -> list[Place]:
    """The places next to a point, the best one first."""
    return [
        Place(x, y, 5, 5, "left", "bottom"),
        Place(x, y, 5, -5, "left", "top"),
        Place(x, y, -5, 5, "right", "bottom"),
        Place(x, y, -5, -5, "right", "top"),
    ]


def beside(x: float, low: float, high: float) -> list[Place]:
    """The places next to a vertical line, the best one first."""
    heights = [low + (high - low) * share for share in (0.5, 0.75, 0.25)]
    return [
        *(Place(x, y, 3, 0, "left", "center") for y in heights),
        *(Place(x, y, -3, 0, "right", "center") for y in heights),
        Place(x, low, 3, -1, "left", "top"),
        Place(x, high, 3, 1, "left", "bottom"),
    ]


class Labels:
    """The labels of one picture; ``scale`` is what a point of type is on each axis."""

    def __init__(self, lines: Iterable[Point], frame: Box, scale: Point) -> None:
        self._lines = list(lines)
        self._frame = frame
        self._scale = scale
        self._taken: list[Box] = []

    def place(self, text: str, offers: Iterable[Place]) -> Place:
        """The best of the places offered, which is taken from then on."""
        best = min(offers, key=lambda offer: self._covered(self._box(text, offer)))
        self._taken.append(self._box(text, best))
        return best

    def _box(self, text: str, place: Place) -> Box:
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
        # A label that is cut off, or on another one, can't be read at all.
        return points + 100 * (others + outside)
