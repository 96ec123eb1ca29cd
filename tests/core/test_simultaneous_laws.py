"""Laws of simultaneous clocks, for any setup, commands and delays."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.clock_blocks import ClockState, make_block
from chalicelib.core.commands import (
    Adjust,
    Finish,
    Join,
    Pause,
    Reset,
    Resume,
    Start,
    UpdateParticipant,
    Withdraw,
    apply,
)
from chalicelib.core.events import ParticipantFinished, SessionEnded
from chalicelib.core.participants import Joiner
from chalicelib.core.rules import clocks, deadline_ms, last_deadline_ms
from chalicelib.core.session import ENDED, Session, Simultaneous, Status
from chalicelib.core.setup import Setup, SyncMode
from chalicelib.core.simultaneous_view import clock_instants
from chalicelib.core.view import ParticipantView
from tests.core.build import without_appointments
from tests.strategies import EPOCH_MS, Played, Step, play, setups, walks

MODE = [SyncMode.SIMULTANEOUS]
CASES = st.one_of(
    st.tuples(setups(modes=MODE, tiny=True), walks(tiny=True)),
    st.tuples(setups(modes=MODE), walks()),
)
Case = tuple[Setup, list[Step]]
FIGURES = ("time_used_ms", "time_remaining_ms", "overtime_ms", "total_time_ms", "has_expired")


def shown(session: Session, now_ms: int) -> dict[str, ParticipantView]:
    return {one["participant_id"]: one for one in clocks(session, now_ms).participants}


@given(CASES)
def test_used_time_and_overtime_are_the_time_a_clock_ran(case: Case) -> None:
    ran_ms, before_ms, running = Counter[str](), EPOCH_MS, set[str]()
    for played in play(*case):
        # Clocks may have begun by an appointment since the step before.
        since_ms = dict.fromkeys(running, before_ms) | begun_ms(played)
        ends_ms = dict.fromkeys(since_ms, played.now_ms)
        for event in played.decision.events:
            if isinstance(event, ParticipantFinished):
                ends_ms[event.participant_id] = event.at_ms
            # Not the session's own instant: the same step may reopen it.
            if isinstance(event, SessionEnded):
                ends_ms = {one: min(ended_ms, event.at_ms) for one, ended_ms in ends_ms.items()}
        for one in since_ms:
            ran_ms[one] += ends_ms[one] - since_ms[one]
        if isinstance(played.command, Reset) and played.decision.refusal is None:
            ran_ms.clear()
        views = shown(played.after, played.now_ms)
        is_running = played.after.status is Status.RUNNING
        running = {one for one, view in views.items() if is_running and view["is_active"]}
        before_ms = played.now_ms
        for one, view in views.items():
            assert view["time_used_ms"] + view["overtime_ms"] == ran_ms[one]


def begun_ms(played: Played) -> dict[str, int]:
    """The clocks that a step found waiting and left begun, and when each began."""
    earlier = started_at_ms(played.before)
    return {
        one: began_ms
        for one, began_ms in started_at_ms(played.after).items()
        if began_ms is not None and earlier[one] is None
    }


def started_at_ms(session: Session) -> dict[str, int | None]:
    assert isinstance(session, Simultaneous)
    return {
        one.participant_id: clock_instants(session, position).started_at_ms
        for position, one in enumerate(session.setup.participants)
    }


@given(CASES)
def test_used_and_remaining_time_are_the_allocation(case: Case) -> None:
    for played in play(*case):
        for view in shown(played.after, played.now_ms).values():
            assert view["time_used_ms"] + view["time_remaining_ms"] == view["total_time_ms"]
            assert view["time_remaining_ms"] == 0 or not view["has_expired"]
            if played.after.status is Status.RUNNING and view["is_active"]:
                # An appointed end stops a clock at 0 without its timeout.
                assert (view["time_remaining_ms"] == 0) == view["has_expired"]


def named(played: Played) -> str | None:
    """The participant that a command is for."""
    match played.command:
        case Start(str(one)) | Resume(str(one)) | Finish(str(one)):
            return one
        case Pause(participant_id=str(one)) | Adjust(participant_id=str(one)):
            return one
        case Withdraw(one) | UpdateParticipant(one) | Join(Joiner(one)):
            return one
    return None


@given(CASES)
def test_command_to_one_participant_changes_no_other_figures(case: Case) -> None:
    for played in play(*case):
        one = named(played)
        if one is None or played.decision.refusal is not None:
            continue
        settled = apply(played.before, None, played.now_ms).session
        before, after = shown(settled, played.now_ms), shown(played.after, played.now_ms)
        for other in before.keys() - {one}:
            for name in FIGURES:
                assert before[other][name] == after[other][name]  # type: ignore[literal-required]


@given(CASES, st.integers(0, 100))
def test_ended_session_keeps_its_last_figures(case: Case, later_ms: int) -> None:
    for played in play(*case):
        ended_ms = played.after.completed_at_ms
        is_new = ended_ms is not None and played.before.completed_at_ms is None
        if ended_ms is None or not is_new or isinstance(played.command, Adjust | UpdateParticipant):
            continue
        last = apply(played.before, None, played.now_ms).session
        if last.status in ENDED:
            # A timeout or an appointment ended it: this is the millisecond before.
            last = apply(played.before, None, ended_ms - 1).session
        assert last.status not in ENDED
        before, after = shown(last, ended_ms), shown(played.after, played.now_ms + later_ms)
        for one in before:
            for name in ("time_used_ms", "time_remaining_ms", "overtime_ms", "total_time_ms"):
                assert before[one][name] == after[one][name]
        assert not any(view["is_active"] or view["is_running"] for view in after.values())


@given(CASES, st.integers(0, 5_000))
def test_end_of_a_session_stops_every_clock(case: Case, later_ms: int) -> None:
    for played in play(*case):
        if played.after.status in ENDED:
            at_the_end = shown(played.after, played.now_ms)
            assert shown(played.after, played.now_ms + later_ms) == at_the_end
            states = {view["clock_state"] for view in at_the_end.values()}
            assert states.isdisjoint({ClockState.RUNNING, ClockState.PAUSED})


@given(CASES)
def test_deadlines_are_the_first_and_last_of_the_clocks(case: Case) -> None:
    for played in play(*case):
        assert isinstance(played.after, Simultaneous)
        session = without_appointments(played.after)
        all_ms = [
            clock_instants(session, position).deadline_ms
            for position in range(len(session.setup.participants))
        ]
        running_ms = [one for one in all_ms if one is not None]
        assert deadline_ms(session) == min(running_ms, default=None)
        last_ms = last_deadline_ms(session, deadline_ms(session))
        assert last_ms == max(running_ms, default=None)
        shows = shown(session, played.now_ms).values()
        assert len(running_ms) == sum(view["is_running"] for view in shows)


@given(CASES)
def test_summaries_of_blocks_are_those_of_their_clocks(case: Case) -> None:
    for played in play(*case):
        session = played.after
        assert isinstance(session, Simultaneous)
        for block in session.blocks:
            again = make_block(block.clocks, (), 0)
            assert again.summary == block.summary._replace(warning_ms=None)
