"""Participants who join, are renamed, withdraw and come back."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.commands import (
    Finish,
    Join,
    Pause,
    Resume,
    SetTurn,
    Start,
    Switch,
    Undo,
    UpdateParticipant,
    Withdraw,
)
from chalicelib.core.errors import (
    InvalidAdjustment,
    InvalidSetup,
    InvalidTransition,
    NothingToUndo,
    NotPermitted,
    ParticipantExists,
    ParticipantExpired,
    ParticipantNotFound,
    ParticipantWithdrawn,
    RuleError,
)
from chalicelib.core.events import Event, ParticipantUpdated
from chalicelib.core.limits import MAX_PARTICIPANTS
from chalicelib.core.participants import Joiner, time_factor
from chalicelib.core.rules import changed_positions, due_ms
from chalicelib.core.session import Status
from chalicelib.core.setup import Group, SoftClose, SyncMode
from chalicelib.core.simultaneous_view import clocks as simultaneous_clocks
from chalicelib.core.time_controls import Fischer, Hourglass, Stage, Stages

from .build import (
    COUNT_UP,
    GLOBAL,
    NOTIFY,
    PER_CYCLE,
    PER_GROUP,
    PER_PARTICIPANT,
    SKIP,
    Game,
    game,
    joiner,
    started,
)

SIMULTANEOUS = SyncMode.SIMULTANEOUS
ROTATIONS = [PER_PARTICIPANT, PER_CYCLE, GLOBAL, COUNT_UP]


def types(events: tuple[Event, ...]) -> list[str]:
    return [event.type for event in events]


def ids(one: Game) -> str:
    return "".join(each.participant_id for each in one.session.setup.participants)


def states(one: Game, at_ms: int) -> dict[str, str]:
    return {name: str(view["clock_state"]) for name, view in one.shown(at_ms).items()}


def test_participant_who_joins_comes_last() -> None:
    one = started(PER_PARTICIPANT).join(1_000, "c")

    assert ids(one) == "abc"
    assert one.session.setup.participants[2].participant_index == 2
    assert one.remaining(1_000) == {"a": 9_000, "b": 10_000, "c": 10_000}
    assert one.switch(2_000).switch(3_000).active == "c"


def test_participant_index_gives_the_place_and_equal_ones_come_later() -> None:
    one = started(PER_PARTICIPANT, "abc").join(1_000, "d", participant_index=1)
    one.join(1_000, "e", participant_index=0, total_time_ms=7_000)

    assert ids(one) == "aebdc"
    assert one.active == "a"
    assert one.remaining(3_000) == {
        "a": 7_000,
        "e": 7_000,
        "b": 10_000,
        "d": 10_000,
        "c": 10_000,
    }


def test_cycle_goes_on_when_another_takes_a_place_before_it() -> None:
    one = started(PER_PARTICIPANT).switch(2_000).join(3_000, "c", participant_index=0)

    assert ids(one) == "acb"
    assert one.active == "b"
    assert one.remaining(4_000) == {"a": 8_000, "c": 10_000, "b": 8_000}
    assert one.switch(4_000).active == "a"
    assert one.used(4_000) == {"a": 2_000, "c": 0, "b": 2_000}


def test_join_ends_what_can_be_undone() -> None:
    one = started(PER_PARTICIPANT).switch(1_000).join(2_000, "c")

    assert isinstance(one.refused(3_000, Undo()), InvalidTransition)


def test_join_tells_the_fields_of_the_participant() -> None:
    one = game(PER_PARTICIPANT).join(5, "c", name="Cleo", time_control=Fischer(2_000))
    (event,) = one.events

    assert (event.type, event.at_ms) == ("participant_joined", 5)
    assert event.participant_id == "c"  # type: ignore[attr-defined]
    assert event.participant_index == 2  # type: ignore[attr-defined]
    assert event.total_time_ms == 10_000  # type: ignore[attr-defined]
    assert event.name == "Cleo"  # type: ignore[attr-defined]
    assert event.time_control == Fischer(2_000)  # type: ignore[attr-defined]
    one.start(10).switch(20).switch(30).switch(1_030)
    assert one.remaining(1_030)["c"] == 11_000


def test_same_fields_again_change_nothing() -> None:
    one = started(PER_PARTICIPANT).join(1_000, "c", name="Cleo")
    before = one.session

    assert one.join(2_000, "c", name="Cleo").session is before
    assert one.events == ()
    assert one.join(2_000, "c", name="Cleo", participant_index=2).session is before
    before = one.join(3_000, "d", time_control=Fischer(2_000)).session
    assert one.join(3_000, "d", time_control=Fischer(2_000)).session is before


@pytest.mark.parametrize(
    "other",
    [
        {"total_time_ms": 10_001},
        {"name": "Anna"},
        {"participant_index": 7},
        {"group_id": "g"},
        {"time_control": Fischer(1)},
        {"time_factor": 2_000},
    ],
)
def test_other_fields_of_a_participant_are_refused(other: dict[str, Any]) -> None:
    one = started(PER_PARTICIPANT)

    assert isinstance(one.refused(1_000, Join(joiner("b", **other))), ParticipantExists)


def test_fields_first_given_count_after_a_change() -> None:
    one = game(SIMULTANEOUS).join(0, "c", name="Cleo", time_factor=2_000)
    one.update_participant(1, "c", name="Chloe", time_factor=1_500)
    one.update_participant(2, "c", name="Claire").withdraw(3, "c")

    repeated = {"name": "Cleo", "time_factor": 2_000}
    assert isinstance(one.refused(4, Join(joiner("c", name="Claire"))), ParticipantExists)
    assert types(one.join(5, "c", **repeated).events) == ["participant_joined"]
    assert one.events[0].name == "Claire"  # type: ignore[attr-defined]
    assert one.remaining(5)["c"] == 15_000


def test_session_has_at_most_a_thousand_participants() -> None:
    names = [f"p{number}" for number in range(MAX_PARTICIPANTS)]
    refusal = game(GLOBAL, names).refused(0, Join(joiner("one more")))

    assert isinstance(refusal, InvalidSetup)
    assert refusal.field == "participant_id"
    assert str(refusal) == "A session has at most 1000 participants; this would be 1001"


def test_ended_session_refuses_joins_even_repeated_ones() -> None:
    one = started(PER_PARTICIPANT).complete(1_000)
    for joining in (joiner("c"), joiner("a"), joiner("a", name="Other")):
        assert isinstance(one.refused(2_000, Join(joining)), InvalidTransition)


@pytest.mark.parametrize(
    ("mode", "fields", "field"),
    [
        (PER_PARTICIPANT, {"total_time_ms": None}, "total_time_ms"),
        (PER_PARTICIPANT, {"total_time_ms": 0}, "total_time_ms"),
        (GLOBAL, {"total_time_ms": None}, "total_time_ms"),
        (GLOBAL, {"time_factor": 2_000}, "time_factor"),
        (GLOBAL, {"time_control": Fischer(1)}, "time_control"),
        (PER_PARTICIPANT, {"time_control": Hourglass()}, "time_control"),
        (PER_PARTICIPANT, {"time_control": Stages((Stage(10_000),))}, "time_control"),
        (SIMULTANEOUS, {"time_factor": 10_000, "total_time_ms": 31 * 86_400_000}, "time_factor"),
    ],
)
def test_fields_that_contradict_the_session_are_named(
    mode: SyncMode, fields: dict[str, Any], field: str
) -> None:
    refusal = game(mode).refused(0, Join(joiner("c", **fields)))

    assert isinstance(refusal, InvalidSetup)
    assert refusal.field == field


def test_stages_of_the_session_give_the_time_of_a_joiner() -> None:
    stages = Stages((Stage(6_000, 1), Stage(4_000)))
    one = started(
        PER_PARTICIPANT,
        each_ms=6_000,
        total_time_ms=6_000,
        time_control=stages,
        gives_main_time=True,
    )

    assert one.join(0, "c", total_time_ms=None).remaining(0)["c"] == 6_000
    refusal = one.refused(0, Join(joiner("d", total_time_ms=5_000)))
    assert str(refusal).startswith("total_time_ms must be the time_ms of the first stage, 6000")


# Groups


def test_joining_a_group_leaves_its_bank_unchanged() -> None:
    one = started(PER_GROUP, ["x.a", "y.b"]).join(1_000, "c", group_id="x")

    assert one.remaining(1_000) == {"a": 9_000, "b": 10_000, "c": 9_000}
    assert [group["total_time_ms"] for group in one.clocks(1_000).groups] == [10_000, 10_000]
    assert one.running(1_000) == {"a", "c"}


def test_new_group_has_the_time_of_its_first_member() -> None:
    one = started(PER_GROUP, ["x.a", "y.b"])
    one.join(1_000, "c", group_id="z", total_time_ms=5_000).join(1_000, "d", group_id="z")

    assert [group["group_id"] for group in one.clocks(1_000).groups] == ["x", "y", "z"]
    assert one.remaining(1_000) == {"a": 9_000, "b": 10_000, "c": 5_000, "d": 5_000}
    assert one.switch(2_000, "d").switch(3_000, "c").remaining(4_000)["d"] == 3_000


def test_joining_an_expired_group_is_to_have_expired() -> None:
    one = started(PER_GROUP, ["x.a", "y.b"]).switch(11_000).join(12_000, "c", group_id="x")

    assert one.expired(12_000) == {"a", "c"}
    assert isinstance(one.refused(12_000, Switch("c")), ParticipantExpired)


def test_group_member_needs_a_group() -> None:
    refusal = game(PER_GROUP, ["x.a", "y.b"]).refused(0, Join(joiner("c")))

    assert isinstance(refusal, InvalidSetup)
    assert refusal.field == "group_id"


def test_hourglass_has_no_third_clock() -> None:
    refusal = game(PER_PARTICIPANT, time_control=Hourglass()).refused(0, Join(joiner("c")))
    assert isinstance(refusal, InvalidSetup)
    assert refusal.field == "participant_id"

    groups = game(PER_GROUP, ["x.a", "y.b"], time_control=Hourglass())
    refusal = groups.refused(0, Join(joiner("c", group_id="z")))
    assert isinstance(refusal, InvalidSetup)
    assert refusal.field == "group_id"
    assert ids(groups.join(0, "c", group_id="y")) == "abc"


def test_participant_may_come_back_to_an_hourglass() -> None:
    one = started(PER_PARTICIPANT, time_control=Hourglass()).withdraw(1_000, "a")

    assert one.remaining(2_000) == {"a": 9_000, "b": 10_000}
    assert one.join(2_000, "a").switch(3_000).active == "a"


def test_new_group_has_the_time_of_the_first_stage() -> None:
    stages = Stages((Stage(6_000, 1), Stage(4_000)))
    one = game(PER_GROUP, ["x.a", "y.b"], each_ms=6_000, total_time_ms=6_000, time_control=stages)

    refusal = one.refused(0, Join(joiner("c", group_id="z", total_time_ms=5_000)))
    assert isinstance(refusal, InvalidSetup)
    assert (refusal.field, str(refusal)) == (
        "total_time_ms",
        "total_time_ms must be the time_ms of the first stage, 6000, got 5000; it can be left out",
    )
    # A member's own time is a share that counts for nothing.
    one.join(0, "c", group_id="x", total_time_ms=5_000)
    one.join(0, "d", group_id="z", total_time_ms=6_000)
    assert one.remaining(0) == {"a": 6_000, "b": 6_000, "c": 6_000, "d": 6_000}


def test_group_of_a_joiner_makes_no_bank_in_other_modes() -> None:
    one = game(PER_CYCLE).join(0, "c", group_id="x")

    assert one.session.setup.groups == ()
    assert one.shown(0)["c"]["group_id"] == "x"


# Withdrawing


@pytest.mark.parametrize("mode", ROTATIONS)
def test_active_participant_who_withdraws_hands_over(mode: SyncMode) -> None:
    one = started(mode, "abc").withdraw(2_000, "a")

    assert types(one.events) == ["participant_withdrawn", "cycle_switched"]
    assert (one.active, one.status) == ("b", "running")
    assert one.used(2_000) == {"a": 2_000, "b": 0, "c": 0}
    assert one.cycle_counts(2_000) == {"a": 1, "b": 0, "c": 0}
    assert one.switch(3_000).switch(4_000).active == "b"


def test_time_control_applies_to_the_bank_that_stops() -> None:
    one = started(PER_PARTICIPANT, time_control=Fischer(3_000)).withdraw(2_000, "a")

    assert one.remaining(2_000) == {"a": 11_000, "b": 10_000}


def test_active_participant_who_withdraws_in_a_pause_hands_over_in_the_pause() -> None:
    one = started(PER_PARTICIPANT).pause(2_000).withdraw(5_000, "a")

    assert (one.status, one.active, one.deadline_ms) == ("paused", "b", None)
    assert one.resume(6_000).remaining(7_000) == {"a": 8_000, "b": 9_000}


def test_one_of_the_others_who_withdraws_is_skipped() -> None:
    one = started(PER_PARTICIPANT, "abc").withdraw(1_000, "b")

    assert types(one.events) == ["participant_withdrawn"]
    assert one.switch(2_000).active == "c"
    assert isinstance(one.refused(3_000, Switch("b")), ParticipantWithdrawn)


def test_withdrawn_comes_before_expired() -> None:
    one = started(PER_PARTICIPANT, "abc").switch(11_000).withdraw(12_000, "a")

    assert isinstance(one.refused(12_000, Switch("a")), ParticipantWithdrawn)
    one.pause(13_000)
    assert isinstance(one.refused(13_000, SetTurn("a")), ParticipantWithdrawn)


def test_session_expires_with_the_last_participant() -> None:
    one = started(PER_PARTICIPANT).withdraw(1_000, "b").withdraw(2_000, "a")

    assert types(one.events) == ["participant_withdrawn", "session_expired"]
    assert (one.status, one.session.completed_at_ms) == ("expired", 2_000)
    assert one.used(3_000) == {"a": 2_000, "b": 0}


def test_start_without_participants_expires() -> None:
    for mode in (PER_PARTICIPANT, SIMULTANEOUS):
        one = game(mode).withdraw(0, "a").withdraw(1, "b")
        assert one.status == "pending"

        assert types(one.start(2).events) == ["session_expired"]
        assert (one.status, one.session.started_at_ms) == ("expired", None)
        assert one.reopen(3).status == "pending"
        assert one.join(4, "b").start(5).status == "running"


def test_start_skips_who_has_withdrawn() -> None:
    assert game(PER_PARTICIPANT).withdraw(0, "a").start(1).active == "b"


def test_withdrawing_twice_makes_no_version_in_any_status() -> None:
    one = started(PER_PARTICIPANT, "abc").withdraw(1_000, "a")
    for at_ms in (2_000, 3_000):
        before = one.session
        assert one.withdraw(at_ms, "a").session is before
        one.complete(at_ms)
    assert isinstance(one.refused(4_000, Withdraw("b")), InvalidTransition)
    assert isinstance(one.refused(4_000, Withdraw("z")), ParticipantNotFound)


@pytest.mark.parametrize("mode", SyncMode)
def test_participant_comes_back_by_their_id_alone(mode: SyncMode) -> None:
    one = started(mode, ["x.a", "y.b", "x.c"]).withdraw(1_000, "c")
    one.update_participant(2_000, "c", name="Claire")

    decision = one.apply_command(3_000, Join(Joiner("c")))
    assert types(decision.events) == ["participant_joined"]
    assert decision.session.setup.withdrawn == frozenset()
    assert decision.session.setup.names == (None, None, "Claire")
    # A repetition, such as one whose response was lost, changes nothing.
    again = one.apply_command(4_000, Join(Joiner("c")))
    assert (again.refusal, again.session) == (None, decision.session)


def test_unknown_id_alone_is_a_new_participant_or_refused() -> None:
    one = started(SIMULTANEOUS).withdraw(1_000, "a")
    assert one.apply_command(2_000, Join(Joiner("c"))).refusal is None
    assert states(one, 2_000) == {"a": "withdrawn", "b": "running", "c": "waiting"}

    refusal = started(PER_PARTICIPANT).withdraw(1_000, "a").refused(2_000, Join(Joiner("c")))
    assert isinstance(refusal, InvalidSetup)
    assert refusal.field == "total_time_ms"


def test_participant_comes_back_with_their_clock_as_it_stood() -> None:
    one = started(PER_PARTICIPANT, "abc").withdraw(4_000, "a").join(5_000, "a")

    assert types(one.events) == ["participant_joined"]
    assert one.remaining(5_000) == {"a": 6_000, "b": 9_000, "c": 10_000}
    assert one.switch(6_000).switch(7_000).active == "a"


def test_withdrawal_and_return_of_one_who_waits_close_undo() -> None:
    debate = started(PER_PARTICIPANT, "abc")
    assert isinstance(
        debate.switch(1_000).withdraw(2_000, "c").refused(2_500, Undo()), NothingToUndo
    )
    returned = debate.switch(3_000).apply_command(4_000, Join(Joiner("c")))
    assert returned.refusal is None
    assert isinstance(debate.refused(4_500, Undo()), NothingToUndo)


def test_start_without_anyone_left_ends_the_session_then() -> None:
    debate = game(PER_PARTICIPANT, "ab").withdraw(1_000, "a").withdraw(2_000, "b").start(3_000)
    assert [(event.type, event.at_ms) for event in debate.events] == [("session_expired", 3_000)]


def test_withdrawal_closes_undo_and_extends_nothing() -> None:
    one = started(GLOBAL, "abc", soft_close=SoftClose(20_000)).switch(50_000)
    total_ms = one.session.total_time_ms
    one.withdraw(55_000, "b")

    assert one.active == "c"
    assert one.session.total_time_ms == total_ms
    assert isinstance(one.refused(55_001, Undo()), InvalidTransition)


def test_withdrawn_participants_cycles_are_not_skipped_through() -> None:
    one = started(PER_CYCLE, "abc", time_per_cycle_ms=1_000, action_on_timeout=SKIP)
    one.withdraw(500, "b").read(400_900)

    # The first cycle of c began at 1,000, and a and c have taken turns since.
    assert one.cycle_counts(400_900)["b"] == 0
    assert one.cycle_counts(400_900)["a"] + one.cycle_counts(400_900)["c"] == 400
    assert one.used(400_900)["b"] == 0
    assert one.events[-1].count == 300  # type: ignore[attr-defined]


def test_reset_keeps_who_takes_part() -> None:
    one = started(PER_PARTICIPANT).join(1_000, "c", name="Cleo").withdraw(2_000, "a").reset(3_000)

    assert one.session.setup.withdrawn == {"a"}
    assert one.start(4_000).active == "b"
    clocks = game(SIMULTANEOUS).start(0).withdraw(1, "a").reset(2)
    assert states(clocks, 3) == {"a": "withdrawn", "b": "waiting"}


def test_participant_whose_withdrawal_ended_the_session_is_active_when_it_reopens() -> None:
    one = started(PER_PARTICIPANT).withdraw(1_000, "b").withdraw(2_000, "a").reopen(3_000)

    assert (one.status, one.active) == ("paused", "a")
    assert one.join(4_000, "a").resume(5_000).remaining(6_000) == {"a": 7_000, "b": 10_000}


def test_withdrawn_participants_bank_can_be_adjusted() -> None:
    one = started(PER_PARTICIPANT).withdraw(2_000, "a").adjust(3_000, 5_000, "a")

    assert one.remaining(3_000) == {"a": 13_000, "b": 9_000}


@pytest.mark.parametrize(
    "command",
    [Switch(requested_by="a"), Pause(requested_by="a")],
)
def test_withdrawn_participant_may_only_read(command: Any) -> None:
    one = started(PER_PARTICIPANT, "abc").withdraw(1_000, "a")

    assert isinstance(one.refused(2_000, command), NotPermitted)


@pytest.mark.parametrize(
    "command",
    [Finish("a", "a"), Start(requested_by="a"), Pause(requested_by="a"), Resume(requested_by="a")],
)
def test_withdrawn_participant_may_not_use_their_own_clock(command: Any) -> None:
    one = started(SIMULTANEOUS, participants_may=["start", "pause"]).withdraw(1_000, "a")

    assert isinstance(one.refused(2_000, command), NotPermitted)


# Names


def test_name_can_change_in_every_status_and_leaves_undo_open() -> None:
    one = started(PER_PARTICIPANT).switch(1_000)
    one.update_participant(2_000, "a", name="Anna")
    (event,) = one.events

    assert event.type == "participant_updated"
    assert (event.fields, event.name) == (("name",), "Anna")  # type: ignore[attr-defined]
    assert one.undo(3_000).complete(4_000).update_participant(5_000, "a", name=None).status
    assert one.events[0].fields == ("name",)  # type: ignore[attr-defined]
    assert one.session.setup.names == ()


def test_name_that_is_the_same_makes_no_version() -> None:
    one = game(PER_PARTICIPANT).update_participant(0, "a", name="Anna")
    before = one.session

    assert one.update_participant(1, "a", name="Anna").session is before
    assert one.update_participant(1, "b", name=None).session is before
    assert one.update_participant(1, "b").session is before
    refusal = one.refused(1, UpdateParticipant("z", {"name": "Zoe"}))
    assert isinstance(refusal, ParticipantNotFound)


def test_creation_stays_known_after_every_change() -> None:
    one = game(PER_PARTICIPANT)
    requested = one.session.setup
    one.join(1, "c").update_participant(2, "a", name="Anna").withdraw(3, "b").join(4, "b")

    assert one.session.setup.was_requested_as(requested)
    assert not one.session.setup.was_requested_as(game(PER_PARTICIPANT, "abc").session.setup)


# Simultaneous


def test_clock_of_a_joiner_waits() -> None:
    one = started(SIMULTANEOUS).join(1_000, "c", total_time_ms=None)

    assert states(one, 1_000) == {"a": "running", "b": "running", "c": "waiting"}
    assert one.remaining(2_000) == {"a": 8_000, "b": 8_000, "c": 60_000}
    assert one.start(3_000).remaining(4_000)["c"] == 59_000


def test_joiners_factor_multiplies_their_time() -> None:
    one = game(SIMULTANEOUS).join(0, "c", total_time_ms=1_001, time_factor=1_500)

    assert one.shown(0)["c"]["total_time_ms"] == 1_502
    assert one.events[0].total_time_ms == 1_001  # type: ignore[attr-defined]
    assert one.events[0].time_factor == 1.5  # type: ignore[attr-defined]


def test_withdrawn_clock_stops_and_comes_back_as_it_stood() -> None:
    one = started(SIMULTANEOUS, "abc").join(0, "d").finish(1_000, "b")
    for name in "abd":
        one.withdraw(2_000, name)

    assert states(one, 3_000) == {
        "a": "withdrawn",
        "b": "withdrawn",
        "c": "running",
        "d": "withdrawn",
    }
    assert one.remaining(3_000) == {"a": 8_000, "b": 9_000, "c": 7_000, "d": 10_000}
    assert one.cycle_counts(3_000)["b"] == 1
    for name in "abd":
        one.join(4_000, name)
    assert states(one, 4_000) == {"a": "paused", "b": "finished", "c": "running", "d": "waiting"}


def test_session_is_completed_with_the_last_clock_that_is_open() -> None:
    one = started(SIMULTANEOUS).finish(1_000, "a").withdraw(2_000, "b")

    assert types(one.events) == ["participant_withdrawn", "session_completed"]
    assert (one.status, one.session.completed_at_ms) == ("completed", 2_000)


def test_withdrawal_before_the_start_ends_nothing() -> None:
    one = game(SIMULTANEOUS).withdraw(0, "a").withdraw(0, "b")

    assert one.status == "pending"


def test_reopened_session_ends_with_the_next_withdrawal() -> None:
    one = started(SIMULTANEOUS).finish(1_000, "a").finish(2_000, "b").reopen(3_000)
    one.withdraw(4_000, "a")

    assert one.status == "completed"


def test_withdrawn_clock_is_neither_started_nor_adjusted() -> None:
    one = started(SIMULTANEOUS, "abc").withdraw(1_000, "a")

    assert isinstance(one.refused(2_000, Start("a")), InvalidTransition)
    assert isinstance(one.refused(2_000, Finish("a")), InvalidTransition)
    adjusted = one.adjust(2_000, 1_000)
    assert adjusted.remaining(2_000) == {"a": 9_000, "b": 9_000, "c": 9_000}
    assert one.deadline_ms == 11_000


def test_time_factor_adjusts_by_the_difference() -> None:
    one = started(SIMULTANEOUS).update_participant(4_000, "a", time_factor=1_500)
    (event,) = one.events

    assert event.fields == ("time_factor",)  # type: ignore[attr-defined]
    assert event.time_factor == 1.5  # type: ignore[attr-defined]
    assert one.remaining(4_000) == {"a": 11_000, "b": 6_000}
    assert one.used(4_000) == {"a": 4_000, "b": 4_000}
    assert one.update_participant(4_000, "a", time_factor=None).remaining(4_000)["a"] == 6_000


def test_joiner_in_front_keeps_the_names_and_factors_of_the_others() -> None:
    one = game(SIMULTANEOUS).join(0, "c", name="Cleo", time_factor=2_000)
    one.join(0, "d", name="Dan", total_time_ms=1_001, time_factor=333, participant_index=-1)

    setup = one.session.setup
    assert ids(one) == "dabc"
    assert setup.names == ("Dan", None, None, "Cleo")
    assert setup.time_factors == (333, 1_000, 1_000, 2_000)
    assert one.remaining(0) == {"d": 334, "a": 10_000, "b": 10_000, "c": 20_000}
    assert one.update_participant(0, "d", time_factor=1_000).remaining(0)["d"] == 1_001
    assert one.update_participant(0, "c", time_factor=1_000).remaining(0)["c"] == 10_000


def test_factor_of_a_creation_multiplies_what_was_given() -> None:
    one = game(SIMULTANEOUS, each_ms=1_001, time_factors={"a": 333})
    assert one.remaining(0)["a"] == 334
    assert one.update_participant(0, "a", time_factor=1_000).remaining(0)["a"] == 1_001


def test_whole_factors_are_integers() -> None:
    factors = [time_factor(thousandths) for thousandths in (1_000, 1_500, 2_000)]

    assert factors == [1, 1.5, 2]
    assert list(map(type, factors)) == [int, float, int]


def test_factor_of_1_is_not_told() -> None:
    (event,) = game(SIMULTANEOUS).join(0, "c", time_factor=1_000).events

    assert event.time_factor is None  # type: ignore[attr-defined]


def test_update_tells_only_what_it_changes() -> None:
    one = game(SIMULTANEOUS).join(0, "c", name="Cleo", time_factor=2_000)
    for patch, fields, told in (
        ({"name": "Cleo", "time_factor": 1_500}, ("time_factor",), (None, 1.5)),
        ({"name": "Anna", "time_factor": 1_500}, ("name",), ("Anna", None)),
        ({"name": None, "time_factor": 2_000}, ("name", "time_factor"), (None, 2)),
    ):
        (event,) = one.update_participant(1, "c", **patch).events
        assert isinstance(event, ParticipantUpdated)
        assert (event.fields, (event.name, event.time_factor)) == (fields, told)


def test_time_factor_that_leaves_nothing_ends_a_running_clock() -> None:
    one = started(SIMULTANEOUS, action_on_timeout=NOTIFY)
    one.update_participant(4_000, "a", time_factor=300)

    assert types(one.events) == ["participant_updated", "participant_expired"]
    assert one.expired(4_000) == {"a"}
    waiting = game(SIMULTANEOUS).start(0).pause(4_000)
    refusal = waiting.refused(5_000, UpdateParticipant("a", {"time_factor": 300}))
    assert isinstance(refusal, InvalidAdjustment)
    assert refusal.field == "time_factor"


def refusal_of_factor(one: Game, factor: int) -> RuleError:
    return one.refused(5_000, UpdateParticipant("a", {"time_factor": factor}))


def test_time_factor_is_refused_where_a_clock_takes_no_time() -> None:
    finished = started(SIMULTANEOUS).finish(1_000, "a")
    # Even if it stays what it is.
    assert isinstance(refusal_of_factor(finished, 1_000), InvalidTransition)
    assert isinstance(refusal_of_factor(finished.complete(2_000), 1_000), InvalidTransition)
    withdrawn = started(SIMULTANEOUS).withdraw(1_000, "a")
    assert isinstance(refusal_of_factor(withdrawn, 2_000), InvalidTransition)
    assert isinstance(refusal_of_factor(started(PER_PARTICIPANT), 2_000), InvalidSetup)


def test_time_factor_multiplies_what_was_given() -> None:
    one = game(SIMULTANEOUS, each_ms=1_001).update_participant(0, "a", time_factor=333)
    assert one.shown(0)["a"]["total_time_ms"] == 334

    one.update_participant(0, "a", time_factor=1_000)
    assert one.shown(0)["a"]["total_time_ms"] == 1_001
    # Rounded up, so a millisecond less, and that one more again.
    assert one.update_participant(0, "a", time_factor=999).shown(0)["a"]["total_time_ms"] == 1_000
    assert one.update_participant(0, "a", time_factor=None).shown(0)["a"]["total_time_ms"] == 1_001


def test_withdrawal_and_return_leave_the_warnings_of_the_others() -> None:
    one = started(SIMULTANEOUS, "abc", warn_at_ms=[9_000, 5_000]).withdraw(2_000, "a")
    assert due_ms(one.session) == 5_000
    assert due_ms(one.join(3_000, "a").session) == 5_000
    assert due_ms(one.update_participant(4_000, "a", name="Ann").session) == 5_000
    assert due_ms(one.join(4_000, "d", total_time_ms=5_000).session) == 5_000


# Partial updates


@pytest.mark.parametrize("mode", [PER_PARTICIPANT, SIMULTANEOUS])
@pytest.mark.parametrize("index", [None, 0, 40])
def test_one_of_many_who_joins_changes_only_themselves(mode: SyncMode, index: int | None) -> None:
    names = [f"p{number}" for number in range(100)]
    one = game(mode, names)
    before = one.session
    after = one.join(5, "new", participant_index=index).session

    assert changed_positions(before, after) == [after.setup.position_of("new")]
    assert len(after.setup.participants) == 101


@pytest.mark.parametrize("mode", [PER_GROUP, SIMULTANEOUS])
def test_one_of_many_who_is_renamed_or_withdraws_changes_only_themselves(mode: SyncMode) -> None:
    one = game(mode, [f"g{number % 2}.p{number}" for number in range(100)])
    before = one.session
    renamed = one.update_participant(5, "p40", name="Ann").session
    assert changed_positions(before, renamed) == [40]
    assert changed_positions(renamed, one.withdraw(6, "p40").session) == [40]


def test_groups_can_be_given_for_a_joiner() -> None:
    one = started(PER_GROUP, ["x.a", "y.b"], groups=[Group("x", 9_000), Group("y", 8_000)])

    assert one.join(0, "c", group_id="y", total_time_ms=1).remaining(0)["c"] == 8_000
    assert one.session.status is Status.RUNNING


def test_view_shows_a_withdrawn_clock_of_any_block() -> None:
    one = started(SIMULTANEOUS, [f"p{number}" for number in range(70)]).withdraw(1_000, "p69")
    shown = simultaneous_clocks(one.session, 2_000, [69])  # type: ignore[arg-type]

    assert shown.participants[0]["clock_state"] == "withdrawn"
    assert shown.participants[0]["time_remaining_ms"] == 9_000
