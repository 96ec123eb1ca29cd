"""Time warnings: when a running clock reaches a mark, and when it does not."""

from __future__ import annotations

import pytest

from chalicelib.core import time_controls as tc
from chalicelib.core.commands import Adjust
from chalicelib.core.errors import InvalidSetup
from chalicelib.core.events import TimeoutsSkipped, TimeWarning
from chalicelib.core.rules import due_ms
from tests.core.build import (
    COUNT_UP,
    END,
    GLOBAL,
    NOTIFY,
    PER_CYCLE,
    PER_GROUP,
    PER_PARTICIPANT,
    SKIP,
    Game,
    game,
    setup,
    started,
)

DAY_MS = 86_400_000


def warned(game: Game) -> list[tuple[int, str | None, int]]:
    """Instant, participant and remaining time of the last step's warnings."""
    return [
        (event.at_ms, event.participant_id, event.remaining_ms)
        for event in game.events
        if isinstance(event, TimeWarning)
    ]


def test_clock_warns_once_at_the_exact_mark() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[2_000, 5_000])

    assert due_ms(match.session) == 5_000
    assert warned(match.read(4_999)) == []
    assert warned(match.read(5_000)) == [(5_000, "a", 5_000)]
    assert warned(match.read(5_000)) == []
    assert match.session.version == 3
    assert warned(match.read(5_701)) == []
    assert match.session.version == 3
    assert due_ms(match.session) == 8_000
    assert match.deadline_ms == 10_000


def test_cycle_gives_no_warning_for_a_mark_longer_than_itself() -> None:
    quiz = game(PER_CYCLE, time_per_cycle_ms=5_000, warn_at_ms=[6_000, 5_000, 2_000])
    quiz.start(1_000)

    assert warned(quiz.read(5_900)) == [(4_000, "a", 2_000)]


def test_warning_changes_no_fact() -> None:
    warned_of = started(PER_PARTICIPANT, warn_at_ms=[5_000]).read(6_000)
    plain = started(PER_PARTICIPANT).read(6_000)

    assert warned_of.clocks(6_000) == plain.clocks(6_000)
    assert warned_of.rotation.cycle == plain.rotation.cycle


def test_missed_warnings_are_ordered_with_the_timeout_last() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[5_000, 2_000], action_on_timeout=END)
    match.read(60_000)

    assert [(event.at_ms, event.type) for event in match.events] == [
        (5_000, "time_warning"),
        (8_000, "time_warning"),
        (10_000, "participant_expired"),
        (10_000, "session_expired"),
    ]


def test_command_and_due_warning_make_one_version() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[5_000]).switch(6_000)

    assert [event.type for event in match.events] == ["time_warning", "cycle_switched"]
    assert match.session.version == 3


def test_each_clock_warns_separately() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[5_000]).switch(6_000)

    assert due_ms(match.session) == 11_000
    assert warned(match.read(12_000)) == [(11_000, "b", 5_000)]


@pytest.mark.parametrize("total_ms", [5_000, 4_000])
def test_clock_starting_at_or_below_a_mark_does_not_warn(total_ms: int) -> None:
    match = started(PER_PARTICIPANT, each_ms=total_ms, warn_at_ms=[5_000])

    assert due_ms(match.session) == total_ms
    assert warned(match.read(total_ms)) == []


def test_clock_lifted_over_a_mark_warns_again() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[5_000], increment_ms=3_000)
    match.switch(6_000).switch(6_500)

    assert match.remaining(6_500)["a"] == 7_000
    assert warned(match.read(8_500)) == [(8_500, "a", 5_000)]


def test_pause_delays_a_warning_and_does_not_repeat_one() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[5_000]).pause(4_000)

    assert due_ms(match.session) is None
    match.resume(100_000)
    assert due_ms(match.session) == 101_000
    assert warned(match.read(101_000)) == [(101_000, "a", 5_000)]
    match.pause(101_500).resume(200_000)
    assert warned(match.read(202_000)) == []


def test_clock_paused_at_the_mark_has_warned() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[5_000])

    assert warned(match.pause(5_000)) == [(5_000, "a", 5_000)]
    assert warned(match.resume(9_000).read(9_500)) == []


def test_clock_does_not_warn_during_a_delay() -> None:
    match = started(PER_PARTICIPANT, time_control=tc.Delay(3_000), warn_at_ms=[12_000, 5_000])

    # 10 s and the delay are left, but 10 s are shown.
    assert due_ms(match.session) == 8_000
    assert warned(match.read(12_999)) == [(8_000, "a", 5_000)]


def test_clock_standing_at_a_mark_during_a_delay_does_not_warn() -> None:
    match = started(PER_PARTICIPANT, time_control=tc.Delay(3_000), warn_at_ms=[10_000])

    assert due_ms(match.session) == 13_000
    assert warned(match.read(12_999)) == []


def test_delay_continues_after_a_pause() -> None:
    match = started(PER_PARTICIPANT, time_control=tc.Delay(3_000), warn_at_ms=[9_000])
    match.pause(1_000).resume(20_000)

    assert due_ms(match.session) == 23_000
    match.pause(24_500).resume(30_000)
    assert due_ms(match.session) == 37_500


def test_remaining_time_includes_periods() -> None:
    match = started(PER_PARTICIPANT, time_control=tc.Byoyomi(4_000, 2), warn_at_ms=[4_000])

    assert due_ms(match.session) == 14_000


def test_group_warning_names_participant_and_group() -> None:
    match = started(PER_GROUP, ["x.a", "x.b", "y.c"], warn_at_ms=[5_000])
    match.switch(4_000).read(16_000)

    (event,) = match.events
    assert event == TimeWarning(15_000, "b", "x", 5_000)


def test_each_cycle_of_a_quiz_warns() -> None:
    quiz = started(PER_CYCLE, warn_at_ms=[5_000], action_on_timeout=SKIP)

    assert warned(quiz.read(5_500)) == [(5_000, "a", 5_000)]
    assert warned(quiz.read(16_000)) == [(15_000, "b", 5_000)]


def test_cycle_that_began_and_expired_unsettled_does_not_warn() -> None:
    quiz = started(PER_CYCLE, warn_at_ms=[5_000], action_on_timeout=SKIP)

    assert warned(quiz.read(25_000)) == [(5_000, "a", 5_000), (25_000, "a", 5_000)]


def test_session_clock_warning_names_no_participant() -> None:
    auction = started(GLOBAL, time_per_cycle_ms=20_000, warn_at_ms=[10_000, 30_000])
    auction.switch(15_000)

    assert warned(auction) == [(10_000, "a", 10_000)]
    assert warned(auction.read(30_000)) == [(25_000, "b", 10_000), (30_000, None, 30_000)]
    auction.switch(31_000)
    assert warned(auction.read(50_000)) == [(41_000, "a", 10_000), (50_000, None, 10_000)]


@pytest.mark.parametrize("cycle_ms", [60_000, 70_000])
def test_only_the_smaller_of_two_clocks_warns(cycle_ms: int) -> None:
    auction = started(GLOBAL, time_per_cycle_ms=cycle_ms, warn_at_ms=[10_000])

    assert warned(auction.read(59_999)) == [(50_000, None, 10_000)]


def test_stopwatch_warns_before_its_limit_or_of_its_allocation() -> None:
    limited = started(COUNT_UP, max_time_ms=30_000, warn_at_ms=[5_000])
    assert warned(limited.read(26_000)) == [(25_000, "a", 5_000)]

    unlimited = started(COUNT_UP, warn_at_ms=[5_000]).switch(2_000).switch(3_000)
    assert unlimited.deadline_ms is None
    assert due_ms(unlimited.session) == 6_000
    assert warned(unlimited.read(60_000)) == [(6_000, "a", 5_000)]
    assert due_ms(unlimited.session) is None


def test_stopwatch_that_was_stopped_counts_what_it_had() -> None:
    talk = started(COUNT_UP, warn_at_ms=[5_000]).pause(2_000).resume(20_000)

    assert due_ms(talk.session) == 23_000


def test_no_warning_before_the_start_in_overtime_or_after_the_end() -> None:
    match = game(PER_PARTICIPANT, warn_at_ms=[5_000])
    assert due_ms(match.session) is None
    match.start(0).read(12_000)
    assert due_ms(match.session) is None
    assert warned(match.read(20_000)) == []
    match.complete(30_000)
    assert due_ms(match.session) is None


def test_cycle_in_overtime_does_not_warn_of_its_owners_allocation() -> None:
    quiz = started(PER_CYCLE, each_ms=60_000, time_per_cycle_ms=10_000, warn_at_ms=[5_000])
    quiz.read(10_000)

    assert due_ms(quiz.session) is None
    assert warned(quiz.read(60_000)) == []


def test_added_time_repeats_a_warning_and_removed_time_skips_it() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[5_000]).read(6_000)

    match.adjust(6_000, 2_000, "a")
    assert warned(match.read(7_000)) == [(7_000, "a", 5_000)]
    match.switch(7_000).adjust(8_000, -6_000, "b")
    assert match.remaining(8_000)["b"] == 3_000
    assert due_ms(match.session) == 11_000
    assert warned(match.read(10_000)) == []


def test_clock_adjusted_past_a_mark_does_not_warn() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[5_000]).adjust(4_000, -3_000, "a")

    assert [event.type for event in match.events] == ["time_adjusted"]
    assert warned(match.read(6_000)) == []


def test_adjustment_does_not_repeat_earlier_warnings() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[5_000])
    decision = match.apply_command(6_000, Adjust(-1_000, "a"))

    assert [event.type for event in decision.events] == ["time_warning", "time_adjusted"]


def test_revived_clock_warns_again() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[5_000]).read(11_000)
    match.adjust(12_000, 6_000, "a")

    assert warned(match.read(14_000)) == [(13_000, "a", 5_000)]


def test_undo_emits_the_warning_the_switch_prevented() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[5_000]).switch(4_000).undo(7_000)

    assert [(event.at_ms, event.type) for event in match.events] == [
        (7_000, "switch_undone"),
        (5_000, "time_warning"),
    ]
    assert warned(match.read(8_000)) == []


def test_undo_emits_its_warning_despite_another_in_between() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[9_000, 5_000]).switch(4_000).read(5_500)

    assert warned(match) == [(5_000, "b", 9_000)]
    assert warned(match.undo(7_000)) == [(5_000, "a", 5_000)]


def test_mark_just_below_the_start_warns_at_once() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[9_999])

    assert due_ms(match.session) == 1
    assert warned(match.read(1)) == [(1, "a", 9_999)]


def test_warning_does_not_prevent_undo() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[9_000]).switch(4_000).read(6_000)

    assert warned(match) == [(5_000, "b", 9_000)]
    assert match.undo(7_000).active == "a"


def test_undo_does_not_repeat_session_clock_warnings() -> None:
    auction = started(GLOBAL, warn_at_ms=[55_000]).switch(4_000).read(5_000)

    assert warned(auction) == [(5_000, None, 55_000)]
    assert warned(auction.undo(6_000)) == []


def test_first_and_last_cycle_warn_after_a_long_gap() -> None:
    quiz = started(PER_CYCLE, each_ms=1_000, warn_at_ms=[400], action_on_timeout=SKIP)
    quiz.read(DAY_MS + 700)

    assert warned(quiz) == [(600, "a", 400), (DAY_MS + 600, "a", 400)]
    assert [type(event) for event in quiz.events[-2:]] == [TimeoutsSkipped, TimeWarning]


def test_session_clock_warns_among_unlisted_timeouts() -> None:
    quiz = started(
        GLOBAL,
        total_time_ms=1_000_000,
        time_per_cycle_ms=1_000,
        warn_at_ms=[500_000],
        action_on_timeout=SKIP,
    )
    quiz.read(900_000)

    assert (500_000, None, 500_000) in warned(quiz)
    assert [event.at_ms for event in quiz.events] == sorted(event.at_ms for event in quiz.events)


def test_store_clock_stepping_back_repeats_no_warning() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[5_000]).read(5_500)

    assert warned(match.read(4_800)) == []
    assert warned(match.read(5_200)) == []
    match.adjust(4_800, 1_000, "b")
    assert warned(match.read(5_200)) == []


def test_marks_are_sorted_in_descending_order() -> None:
    asked = setup(PER_PARTICIPANT, warn_at_ms=[2_000, 9_000, 5_000], action_on_timeout=NOTIFY)

    assert asked.warn_at_ms == (9_000, 5_000, 2_000)


def test_duplicate_mark_is_rejected() -> None:
    with pytest.raises(InvalidSetup, match="The times in warn_at_ms must be unique") as refused:
        setup(PER_PARTICIPANT, warn_at_ms=[2_000, 2_000])
    assert refused.value.field == "warn_at_ms"
