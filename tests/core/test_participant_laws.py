"""Laws of joining and withdrawing, for any session."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.core.commands import (
    Decision,
    Join,
    Start,
    Switch,
    UpdateParticipant,
    Withdraw,
    apply,
)
from chalicelib.core.participants import Joiner
from chalicelib.core.rules import clocks, settle
from chalicelib.core.session import ENDED, LIVE, Session, create
from chalicelib.core.setup import Setup, SyncMode
from tests.strategies import EPOCH_MS, sessions, setups, uuid

ANY = st.one_of(sessions(tiny=True), sessions())
GAPS_MS = st.integers(0, 50)
NEW = uuid(0xBEEF)


def shown(session: Session, now_ms: int) -> dict[str, Any]:
    views = clocks(session, now_ms).participants
    return {view["participant_id"]: dict(view) for view in views}


def settled(session: Session, gap_ms: int) -> tuple[Session, int]:
    now_ms = session.updated_at_ms + gap_ms
    session, _ = settle(session, now_ms)
    assume(session.status not in ENDED)
    return session, now_ms


def carried_out(decision: Decision) -> Session:
    assert decision.refusal is None, decision.refusal
    return decision.session


def joiner_of(session: Session, index: int | None) -> Joiner:
    """Someone who can join, with the time of the first participant."""
    setup = session.setup
    assume(not setup.control.transfers)
    first = setup.participants[0]
    total_ms = first.total_time_ms
    stages = getattr(setup.control, "stages", ())
    if stages and setup.sync_mode is SyncMode.PER_PARTICIPANT:
        total_ms = stages[0].time_ms
    elif setup.sync_mode is SyncMode.PER_PARTICIPANT and setup.control.needs_main_time:
        # The first may have a control of their own, and no main time.
        total_ms = max(1, total_ms)
    return Joiner(NEW, index, total_ms, first.group_id)


@given(ANY, GAPS_MS, st.integers(0, 5))
def test_withdrawing_changes_no_other_remaining_time(
    session: Session, gap_ms: int, number: int
) -> None:
    session, now_ms = settled(session, gap_ms)
    setup = session.setup
    assume(setup.sync_mode not in (SyncMode.GLOBAL, SyncMode.PER_CYCLE))
    assume(not setup.control.transfers)
    one = setup.participants[number % len(setup.participants)]
    after = carried_out(apply(session, Withdraw(one.participant_id), now_ms))
    before, later = shown(session, now_ms), shown(after, now_ms)
    for other in setup.participants:
        shares = other.bank_index is not None and other.bank_index == one.bank_index
        if other is not one and not shares:
            figures = ("time_remaining_ms", "time_used_ms", "overtime_ms", "total_time_ms")
            for name in figures:
                had, has = before[other.participant_id][name], later[other.participant_id][name]
                assert has == had, name


@given(ANY, GAPS_MS, GAPS_MS, st.none() | st.integers(0, 4))
def test_joining_and_withdrawing_leaves_the_others_as_they_were(
    session: Session, gap_ms: int, more_ms: int, index: int | None
) -> None:
    session, now_ms = settled(session, gap_ms)
    joined = carried_out(apply(session, Join(joiner_of(session, index)), now_ms))
    assert [one for one in shown(joined, now_ms) if one != NEW] == list(shown(session, now_ms))
    gone = carried_out(apply(joined, Withdraw(NEW), now_ms))
    # It ends if all others have withdrawn.
    assume(gone.status == session.status)
    later_ms = now_ms + more_ms
    expected, _ = settle(session, later_ms)
    found, _ = settle(gone, later_ms)
    others = shown(found, later_ms)
    del others[NEW]
    assert others == shown(expected, later_ms)
    assert found.status == expected.status


@given(ANY, GAPS_MS, st.integers(0, 5))
def test_repeated_changes_make_no_version(session: Session, gap_ms: int, number: int) -> None:
    session, now_ms = settled(session, gap_ms)
    one = session.setup.participants[number % len(session.setup.participants)]
    joining = joiner_of(session, None)
    for command in (
        UpdateParticipant(one.participant_id, {"name": "Zoe"}),
        Join(joining),
        Withdraw(NEW),
        Withdraw(one.participant_id),
    ):
        once = apply(session, command, now_ms)
        again = apply(once.session, command, now_ms)
        assert once.refusal is None
        assert (again.refusal, again.events) == (None, ())
        assert again.session is once.session
        session = once.session
        if session.status in ENDED:
            break


@given(ANY, GAPS_MS, GAPS_MS)
def test_participant_comes_back_with_their_clock_as_it_stood(
    session: Session, gap_ms: int, away_ms: int
) -> None:
    session, now_ms = settled(session, gap_ms)
    joining = joiner_of(session, None)
    joined = carried_out(apply(session, Join(joining), now_ms))
    gone = carried_out(apply(joined, Withdraw(NEW), now_ms))
    assume(gone.status not in ENDED)
    gone, _ = settle(gone, now_ms + away_ms)
    assume(gone.status not in ENDED)
    before = shown(gone, now_ms + away_ms)
    back = carried_out(apply(gone, Join(joining), now_ms + away_ms))
    after = shown(back, now_ms + away_ms)
    for view in (before[NEW], after[NEW]):
        view.pop("clock_state", None)
    assert after == before
    assert NEW not in back.setup.withdrawn


@given(setups(), st.integers(0, 5))
def test_withdrawn_participants_get_no_turn(setup: Setup, number: int) -> None:
    assume(setup.sync_mode is not SyncMode.SIMULTANEOUS)
    session, now_ms = create(setup, "epoch", EPOCH_MS), EPOCH_MS
    one = setup.participants[number % len(setup.participants)].participant_id
    session = carried_out(apply(session, Withdraw(one), now_ms))
    # It may have started by itself.
    session = apply(session, Start(), now_ms).session
    for _ in range(2 * len(setup.participants)):
        if session.status not in LIVE or session.active_cycle is None:
            break
        position = session.active_cycle.position
        assert session.setup.participants[position].participant_id != one
        now_ms += 1
        session = apply(session, Switch(), now_ms).session
