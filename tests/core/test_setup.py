"""Setup validation and defaults."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core import time_controls as tc
from chalicelib.core.errors import InvalidSetup
from chalicelib.core.session import Rotation, Status, create
from chalicelib.core.setup import Group, Participant, Setup, SyncMode, create_setup
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
    make_participants,
    setup,
)
from tests.strategies import TURNS

UNBANKED = [PER_CYCLE, GLOBAL, COUNT_UP]
BANKED = [PER_PARTICIPANT, PER_GROUP]
TEAMS = ["x.a", "y.b", "x.c"]


def rotation(given: Setup) -> Rotation:
    session = create(given, "epoch", 0)
    assert isinstance(session, Rotation)
    return session


def names(given: Setup) -> list[str]:
    return [participant.participant_id for participant in given.participants]


# Rotation


@pytest.mark.parametrize("mode", TURNS)
@pytest.mark.parametrize(
    ("indexes", "rotation"),
    [
        ([0, 1, 2, 3], "abcd"),
        ([3, 2, 1, 0], "dcba"),
        ([7, 0, 7, 0], "bdac"),
        ([5, 5, 5, 5], "abcd"),
        ([1, 1, 0, 1], "cabd"),
        ([10, 9, 100, 2], "dbac"),
    ],
)
def test_rotation_is_by_index_and_equal_indexes_keep_the_order_of_the_request(
    mode: SyncMode, indexes: list[int], rotation: str
) -> None:
    asked = [
        participant._replace(participant_index=index)
        for participant, index in zip(
            make_participants(["x.a", "x.b", "x.c", "x.d"]), indexes, strict=True
        )
    ]
    assert names(setup(mode, participants=asked)) == list(rotation)


@pytest.mark.parametrize("mode", TURNS)
def test_participants_keep_index_allocation_and_group(mode: SyncMode) -> None:
    asked = [Participant("a", 9, 5_000, "x"), Participant("b", 4, 7_000, "y")]
    given = setup(mode, participants=asked)
    assert [participant[:4] for participant in given.participants] == [
        ("b", 4, 7_000, "y"),
        ("a", 9, 5_000, "x"),
    ]


def test_participant_is_found_by_id_in_rotation() -> None:
    given = setup(COUNT_UP, "abc")
    assert [given.position_of(name) for name in ("a", "c", "stranger")] == [0, 2, None]


# Banks


def test_per_participant_has_one_bank_each() -> None:
    assert [one.bank_index for one in setup(PER_PARTICIPANT, TEAMS).participants] == [
        0,
        1,
        2,
    ]


def test_per_group_members_share_a_bank() -> None:
    assert [one.bank_index for one in setup(PER_GROUP, TEAMS).participants] == [0, 1, 0]


@pytest.mark.parametrize("mode", UNBANKED)
def test_other_modes_have_no_banks(mode: SyncMode) -> None:
    given = setup(mode, TEAMS)
    assert not given.has_banks
    assert {participant.bank_index for participant in given.participants} == {None}
    assert rotation(given).banks == ()


def test_group_total_defaults_to_the_sum_of_its_members() -> None:
    asked = [
        Participant("a", 0, 1_000, "x"),
        Participant("b", 1, 2_000, "y"),
        Participant("c", 2, 4_000, "x"),
    ]
    assert setup(PER_GROUP, participants=asked).groups == (Group("x", 5_000), Group("y", 2_000))
    own = (Group("y", 9_000), Group("x", 8_000))
    given = setup(PER_GROUP, participants=asked, groups=own)
    assert given.groups == own
    assert [participant.bank_index for participant in given.participants] == [1, 0, 1]
    assert [bank.main_ms for bank in rotation(given).banks] == [9_000, 8_000]


# What is filled in


@pytest.mark.parametrize(
    ("mode", "action"),
    [
        (PER_PARTICIPANT, NOTIFY),
        (PER_GROUP, NOTIFY),
        (PER_CYCLE, NOTIFY),
        (GLOBAL, NOTIFY),
        (COUNT_UP, END),
    ],
)
def test_default_timeout_action(mode: SyncMode, action: str) -> None:
    assert setup(mode, TEAMS).action_on_timeout == action
    assert setup(mode, TEAMS, action_on_timeout=SKIP).action_on_timeout is SKIP


@pytest.mark.parametrize(
    ("fields", "control"),
    [
        ({}, tc.Fischer(0)),
        ({"increment_ms": 0}, tc.Fischer(0)),
        ({"increment_ms": 1}, tc.Fischer(1)),
        ({"increment_ms": 3_000}, tc.Fischer(3_000)),
        ({"time_control": tc.Byoyomi(1_000, 2)}, tc.Byoyomi(1_000, 2)),
        ({"time_control": tc.Delay(5), "increment_ms": 0}, tc.Delay(5)),
    ],
)
def test_short_form_of_a_time_control_is_an_increment(
    fields: dict[str, Any], control: tc.TimeControl
) -> None:
    assert setup(PER_PARTICIPANT, **fields).control == control


@pytest.mark.parametrize(
    ("mode", "per_cycle_ms", "lengths_ms"),
    [
        (PER_CYCLE, None, [10_000, 20_000]),
        (PER_CYCLE, 5_000, [5_000, 5_000]),
        (GLOBAL, None, [None, None]),
        (GLOBAL, 5_000, [5_000, 5_000]),
        (COUNT_UP, 5_000, [None, None]),
        (PER_PARTICIPANT, 5_000, [None, None]),
    ],
)
def test_only_cycles_of_per_cycle_and_global_have_a_length(
    mode: SyncMode, per_cycle_ms: int | None, lengths_ms: list[int | None]
) -> None:
    asked = [Participant("a", 0, 10_000), Participant("b", 1, 20_000)]
    given = setup(mode, participants=asked, time_per_cycle_ms=per_cycle_ms)
    assert list(given.cycle_lengths_ms) == lengths_ms


def test_other_fields_are_kept_unchanged() -> None:
    given = create_setup(
        session_id="id",
        sync_mode=COUNT_UP,
        participants=make_participants("a"),
        total_time_ms=1,
        time_per_cycle_ms=2,
        max_time_ms=3,
        action_data={"to": ["a"]},
        metadata={"name": "x"},
        names={"a": "Ann"},
    )
    assert given.names == ("Ann",)
    assert (given.session_id, given.sync_mode, given.total_time_ms) == ("id", COUNT_UP, 1)
    assert (given.time_per_cycle_ms, given.max_time_ms, given.groups) == (2, 3, ())
    assert (given.action_data, given.metadata) == ({"to": ["a"]}, {"name": "x"})
    assert (given.increment_ms, given.time_control) == (0, None)
    assert setup(PER_PARTICIPANT, increment_ms=7).increment_ms == 7


@pytest.mark.parametrize("mode", TURNS)
def test_new_session_is_pending_at_version_1(mode: SyncMode) -> None:
    session = create(setup(mode, TEAMS), "e1", 1_234)
    assert isinstance(session, Rotation)
    assert (session.epoch, session.version, session.status) == ("e1", 1, Status.PENDING)
    assert (session.created_at_ms, session.updated_at_ms) == (1_234, 1_234)
    assert (session.started_at_ms, session.completed_at_ms) == (None, None)
    assert (session.cycle, session.active_cycle, session.elapsed_ms) == (None, None, 0)
    assert session.total_time_ms == 60_000
    assert session.tallies == ((0, 0, 0),) * 3


# What is refused

CONTROLS: list[tc.TimeControl] = [
    tc.Fischer(1_000),
    tc.Delay(1_000),
    tc.Bronstein(1_000),
    tc.Byoyomi(1_000, 1),
    tc.Canadian(1_000, 1),
    tc.Hourglass(),
]


@pytest.mark.parametrize(
    ("mode", "given", "fields", "field", "message"),
    [
        (
            COUNT_UP,
            "aba",
            {},
            "participants",
            "The ids in participants must be unique, got a twice",
        ),
        (
            PER_GROUP,
            ["x.a", "b"],
            {},
            "participants",
            "Every participant of per_group needs a group_id",
        ),
        (
            PER_GROUP,
            TEAMS,
            {"groups": [Group("x", 1), Group("y", 1), Group("x", 1)]},
            "groups",
            "The ids in groups must be unique, got x twice",
        ),
        *(
            (
                PER_GROUP,
                TEAMS,
                {"groups": [Group(name, 1) for name in groups]},
                "groups",
                "groups must list each group_id of participants exactly once",
            )
            for groups in ("", "x", "xz", "xyz")
        ),
        *(
            (
                mode,
                TEAMS,
                {"groups": groups},
                "groups",
                "Only per_group sessions have groups",
            )
            for mode in [PER_PARTICIPANT, *UNBANKED]
            for groups in ([], [Group("x", 1), Group("y", 1)])
        ),
        *(
            (
                mode,
                "ab",
                {"time_control": control},
                "time_control",
                f"{mode} sessions have no time control",
            )
            for mode in UNBANKED
            for control in CONTROLS
        ),
        *(
            (mode, "ab", {"increment_ms": 1}, "increment_ms", f"{mode} sessions have no increment")
            for mode in UNBANKED
        ),
        *(
            (
                mode,
                ["x.a", "y.b"],
                {"time_control": control, "increment_ms": 1},
                "increment_ms",
                "Give either time_control or increment_ms, not both",
            )
            for mode in BANKED
            for control in CONTROLS
        ),
        *(
            (
                mode,
                given,
                {"time_control": tc.Hourglass()},
                "time_control",
                f"An hourglass needs exactly 2 clocks, got {count}",
            )
            for mode, given, count in [
                (PER_PARTICIPANT, ["a"], 1),
                (PER_PARTICIPANT, ["a", "b", "c"], 3),
                (PER_GROUP, ["x.a", "x.b"], 1),
                (PER_GROUP, ["x.a", "y.b", "z.c"], 3),
            ]
        ),
    ],
)
def test_contradictions_are_rejected_by_field(
    mode: SyncMode, given: list[str], fields: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(InvalidSetup) as refused:
        setup(mode, given, **fields)
    assert (refused.value.field, str(refused.value)) == (field, message)
    assert refused.value.code == "VALIDATION_ERROR"


@pytest.mark.parametrize("control", CONTROLS)
def test_two_clocks_allow_any_control(control: tc.TimeControl) -> None:
    assert setup(PER_PARTICIPANT, time_control=control).control is control
    assert setup(PER_GROUP, ["x.a", "y.b", "x.c"], time_control=control).control is control


@pytest.mark.parametrize("mode", UNBANKED)
def test_zero_increment_is_allowed_in_any_mode(mode: SyncMode) -> None:
    assert setup(mode, increment_ms=0).increment_ms == 0


# Odds


def test_own_control_follows_its_participant_in_the_rotation() -> None:
    given = setup(
        PER_PARTICIPANT,
        participants=[Participant("a", 2, 5_000), Participant("b", 1, 60_000)],
        increment_ms=1_000,
        own_controls={"a": tc.Byoyomi(2_000, 3)},
    )
    assert names(given) == ["b", "a"]
    assert given.own_controls == (None, tc.Byoyomi(2_000, 3))
    assert given.controls == (tc.Fischer(1_000), tc.Byoyomi(2_000, 3))
    assert [bank.periods_left for bank in rotation(given).banks] == [0, 3]


@pytest.mark.parametrize("mode", [PER_GROUP, *UNBANKED])
def test_only_per_participant_allows_own_controls(mode: SyncMode) -> None:
    with pytest.raises(InvalidSetup, match="cannot have their own time_control") as refusal:
        setup(mode, TEAMS, own_controls={"a": tc.Delay(5)})
    assert refusal.value.field == "participants"


@pytest.mark.parametrize(
    ("of_all", "own"),
    [(tc.Hourglass(), tc.Delay(5)), (None, tc.Hourglass()), (tc.Delay(5), tc.Hourglass())],
)
def test_hourglass_cannot_be_mixed_with_own_controls(
    of_all: tc.TimeControl | None, own: tc.TimeControl
) -> None:
    with pytest.raises(
        InvalidSetup, match="An hourglass must be the time_control of the session"
    ) as refusal:
        setup(PER_PARTICIPANT, time_control=of_all, own_controls={"a": own})
    assert refusal.value.field == "participants"


def test_empty_own_controls_are_dropped() -> None:
    assert setup(PER_PARTICIPANT, own_controls={}).own_controls == ()


# Main time


@pytest.mark.parametrize("mode", BANKED)
@pytest.mark.parametrize("control", [tc.Byoyomi(30_000, 5), tc.Canadian(60_000, 10)])
def test_periods_can_do_without_main_time(mode: SyncMode, control: tc.TimeControl) -> None:
    given = setup(mode, TEAMS, each_ms=0, total_time_ms=0, time_control=control)
    game = Game(given).start()

    assert [bank.main_ms for bank in game.rotation.banks][:2] == [0, 0]
    assert game.shown(0)["a"]["time_remaining_ms"] == control.budget_ms(control.new_bank(0))


@pytest.mark.parametrize(
    "control", [None, tc.Fischer(5_000), tc.Delay(5_000), tc.Bronstein(5), tc.Hourglass()]
)
def test_other_controls_need_main_time(control: tc.TimeControl | None) -> None:
    assert refused_field(PER_PARTICIPANT, total_time_ms=0, time_control=control) == "total_time_ms"
    assert refused_field(PER_PARTICIPANT, each_ms=0, time_control=control) == "participants"
    groups = [Group("x", 0), Group("y", 9_000)]
    fields = {"groups": groups, "time_control": control}
    assert refused_field(PER_GROUP, TEAMS, **fields) == "groups"


@pytest.mark.parametrize("mode", UNBANKED)
def test_modes_without_time_controls_need_main_time(mode: SyncMode) -> None:
    assert refused_field(mode, total_time_ms=0) == "total_time_ms"
    assert refused_field(mode, each_ms=0) == "participants"


def test_own_control_decides_whether_main_time_is_needed() -> None:
    fields: dict[str, Any] = {"each_ms": 0, "time_control": tc.Byoyomi(30_000, 5)}

    assert (
        refused_field(PER_PARTICIPANT, own_controls={"b": tc.Fischer(1)}, **fields)
        == "participants"
    )
    assert setup(PER_PARTICIPANT, own_controls={"b": tc.Canadian(60_000, 2)}, **fields)


def refused_field(mode: SyncMode, names: Any = "ab", **fields: Any) -> str:
    with pytest.raises(InvalidSetup) as refused:
        setup(mode, names, **fields)
    return refused.value.field
