"""Placement of labels."""

from __future__ import annotations

from pictures.labels import Box, Labels, around, beside

FRAME = Box(0, 0, 100, 100)
POINT_OF_TYPE = (0.5, 0.5)


def test_label_goes_to_the_upper_right_of_its_point() -> None:
    place = Labels([], FRAME, POINT_OF_TYPE).place("+5 s", around(50, 50))

    assert (place.ha, place.va) == ("left", "bottom")


def test_label_keeps_off_a_line() -> None:
    rising = [(50 + step / 4, 50 + step / 4) for step in range(80)]

    place = Labels(rising, FRAME, POINT_OF_TYPE).place("+5 s", around(50, 50))

    assert (place.ha, place.va) == ("left", "top")


def test_label_keeps_off_another() -> None:
    labels = Labels([], FRAME, POINT_OF_TYPE)

    first, second = (labels.place("+5 s", beside(50, 20, 80)) for _ in range(2))

    assert first != second


def test_label_stays_within_the_picture() -> None:
    place = Labels([], FRAME, POINT_OF_TYPE).place("A runs out", around(99, 99))

    assert (place.ha, place.va) == ("right", "top")
