"""What measures the pages is itself held against pages whose figures are known."""

from __future__ import annotations

import pytest

from .digits import (
    RECORDER,
    Change,
    Record,
    State,
    apart_ms,
    backward_jumps,
    is_right,
    late_ms,
    percentile,
    read_ms,
    record_of,
    share_in_common,
)
from .figures import Figures
from .screens import Screens

WAYS = {
    "its text": "clock.textContent = '0:02'",
    "its node's data": "clock.firstChild.data = '0:02'",
    "an element in it": "clock.innerHTML = '<b>0:</b>02'",
    "another in its place": "clock.outerHTML = '<p data-participant=a>0:02</p>'",
    "all around it": "document.body.innerHTML = '<div><p data-participant=a>0:02</p></div>'",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_change_is_written_down_however_it_is_made(way: str, screens: Screens) -> None:
    page = screens.open("about:blank", script=RECORDER)
    page.evaluate("document.body.innerHTML = '<p>0:09</p><p id=clock data-participant=a>0:03</p>'")
    page.evaluate(f"() => {{ {WAYS[way]} }}")
    page.evaluate("document.body.append('0:01')")
    changes = record_of(page).changes

    assert [(one.participant, one.text) for one in changes] == [("a", "0:03"), ("a", "0:02")]
    assert changes[0].at_ms <= changes[1].at_ms


def test_an_element_that_is_marked_later_counts_from_then_on(screens: Screens) -> None:
    page = screens.open("about:blank", script=RECORDER)
    page.evaluate("document.body.innerHTML = '<p>0:09</p>'")
    page.evaluate("document.querySelector('p').dataset.participant = 'a'")

    assert [one.text for one in record_of(page).changes] == ["0:09"]


@pytest.mark.parametrize(
    ("text", "ms"),
    [("1:00:00", 3_600_000), ("0:42", 42_000), ("9.7", 9_700), ("0:00", 0), ("-", None)],
)
def test_digits_are_read(text: str, ms: int | None) -> None:
    assert read_ms(text) == ms


def a_record(*notes: tuple[float, str] | float) -> Record:
    """Of one clock; an instant alone is a state that came in."""
    return Record(
        0,
        tuple(
            Change(note[0], "a", note[1]) if isinstance(note, tuple) else State(note, 1)
            for note in notes
        ),
        1,
    )


def test_a_clock_that_goes_back_is_noticed_unless_a_state_says_so() -> None:
    assert backward_jumps(a_record((1, "0:10"), (2, "9.9"), (3, "9.8"))) == []
    assert len(backward_jumps(a_record((1, "9.8"), (2, "9.9")))) == 1
    assert backward_jumps(a_record((1, "9.8"), 2, (3, "9.9"))) == []


def test_two_pages_are_apart_by_when_they_show_the_same() -> None:
    one, other = a_record((0, "0:04"), (10, "0:03"), (20, "0:02")), a_record((17, "0:03"))
    assert apart_ms(one, other, since_ms=5) == [7]
    assert share_in_common(one, other, since_ms=5) == 0.5


def test_a_text_is_late_after_its_instant_and_right_until_the_next() -> None:
    record = a_record((7_005, "0:03"), (8_000, "0:02"))
    assert late_ms(record, "a", 10_000, since_ms=0) == [5, 0]
    rights = [is_right(Change(at_ms, "a", "0:03"), 10_000) for at_ms in (6_900, 7_500, 8_100)]
    assert rights == [False, True, False]


def test_a_percentile_is_a_sample_that_was_taken() -> None:
    assert percentile(range(1, 101), 0.95) == 95
    assert percentile([3, 1, 2], 0.5) == 2


def test_a_figure_is_measured_three_times_at_most_and_then_fails() -> None:
    figures, samples = Figures(), [9.0, 8.0, 7.0, 1.0, 9.0, 2.0]
    with pytest.raises(AssertionError, match=r"slow: \[9.0, 8.0, 7.0\] ms"):
        figures.take("slow", lambda: samples.pop(0), must=5)
    figures.take("quick", lambda: samples.pop(0), must=5, aim=0.5)
    figures.take("twice", lambda: samples.pop(0), must=5)
    assert figures.as_table().splitlines()[2:] == [
        "| slow | 7.0 ms (least of 3) | <= 5 |  |",
        "| quick | 1.0 ms | <= 5 | <= 0.5 |",
        "| twice | 2.0 ms (least of 2) | <= 5 |  |",
    ]
