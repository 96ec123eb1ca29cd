"""The helpers that measure pages, tested with known values."""

from __future__ import annotations

import pytest

from .digit_record import (
    RECORDER,
    Change,
    Record,
    State,
    backward_jumps,
    differences_ms,
    is_right,
    late_ms,
    parse_clock_ms,
    percentile,
    record_of,
    shared_fraction,
)
from .measurements import Measurements
from .screens import Screens

MUTATIONS = {
    "text content": "clock.textContent = '0:02'",
    "data of the text node": "clock.firstChild.data = '0:02'",
    "inner HTML": "clock.innerHTML = '<b>0:</b>02'",
    "replaced element": "clock.outerHTML = '<p data-participant=a>0:02</p>'",
    "replaced ancestor": "document.body.innerHTML = '<div><p data-participant=a>0:02</p></div>'",
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_recorder_records_every_kind_of_change(mutation: str, screens: Screens) -> None:
    page = screens.open("about:blank", script=RECORDER)
    page.evaluate("document.body.innerHTML = '<p>0:09</p><p id=clock data-participant=a>0:03</p>'")
    page.evaluate(f"() => {{ {MUTATIONS[mutation]} }}")
    page.evaluate("document.body.append('0:01')")
    changes = record_of(page).changes

    assert [(one.participant, one.text) for one in changes] == [("a", "0:03"), ("a", "0:02")]
    assert changes[0].at_ms <= changes[1].at_ms


def test_recorder_records_elements_marked_later(screens: Screens) -> None:
    page = screens.open("about:blank", script=RECORDER)
    page.evaluate("document.body.innerHTML = '<p>0:09</p>'")
    page.evaluate("document.querySelector('p').dataset.participant = 'a'")

    assert [one.text for one in record_of(page).changes] == ["0:09"]


@pytest.mark.parametrize(
    ("text", "ms"),
    [("1:00:00", 3_600_000), ("0:42", 42_000), ("9.7", 9_700), ("0:00", 0), ("-", None)],
)
def test_clock_text_is_parsed(text: str, ms: int | None) -> None:
    assert parse_clock_ms(text) == ms


def make_record(*entries: tuple[float, str] | float) -> Record:
    """A record of one clock; an instant without a text is a state that arrived."""
    return Record(
        0,
        tuple(
            Change(one[0], "a", one[1]) if isinstance(one, tuple) else State(one, 1)
            for one in entries
        ),
        1,
    )


def test_backward_jump_is_found_unless_a_state_arrived() -> None:
    assert backward_jumps(make_record((1, "0:10"), (2, "9.9"), (3, "9.8"))) == []
    assert len(backward_jumps(make_record((1, "9.8"), (2, "9.9")))) == 1
    assert backward_jumps(make_record((1, "9.8"), 2, (3, "9.9"))) == []


def test_difference_is_the_time_between_equal_texts() -> None:
    one, other = make_record((0, "0:04"), (10, "0:03"), (20, "0:02")), make_record((17, "0:03"))
    assert differences_ms(one, other, since_ms=5) == [7]
    assert shared_fraction(one, other, since_ms=5) == 0.5


def test_text_is_right_between_its_instant_and_the_next() -> None:
    record = make_record((7_005, "0:03"), (8_000, "0:02"))
    assert late_ms(record, "a", 10_000, since_ms=0) == [5, 0]
    right = [is_right(Change(at_ms, "a", "0:03"), 10_000) for at_ms in (6_900, 7_500, 8_100)]
    assert right == [False, True, False]


def test_percentile_is_one_of_the_samples() -> None:
    assert percentile(range(1, 101), 0.95) == 95
    assert percentile([3, 1, 2], 0.5) == 2


def test_measurement_fails_after_three_attempts() -> None:
    measurements, samples = Measurements(), [9.0, 8.0, 7.0, 1.0, 9.0, 2.0]
    with pytest.raises(AssertionError, match=r"slow: \[9.0, 8.0, 7.0\] ms"):
        measurements.take("slow", lambda: samples.pop(0), must=5)
    measurements.take("quick", lambda: samples.pop(0), must=5, aim=0.5)
    measurements.take("twice", lambda: samples.pop(0), must=5)
    assert measurements.as_table().splitlines()[2:] == [
        "| slow | 7.0 ms (least of 3) | <= 5 |  |",
        "| quick | 1.0 ms | <= 5 | <= 0.5 |",
        "| twice | 2.0 ms (least of 2) | <= 5 |  |",
    ]
