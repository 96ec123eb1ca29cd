"""What can change in a setup after the creation, and what that changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import errors
from chalicelib.core import events as ev
from chalicelib.core.clock_blocks import BLOCK_SIZE
from chalicelib.core.commands import Undo, Update, apply
from chalicelib.core.json_values import depth, is_same, merged, size_bytes
from chalicelib.core.rules import clocks, deadline_ms, due_ms
from chalicelib.core.session import Session
from chalicelib.core.setup import (
    Message,
    MessageStyle,
    SoftClose,
    SyncMode,
    TimeoutAction,
    fingerprint,
)
from tests.core.build import (
    COUNT_UP,
    GLOBAL,
    NOTIFY,
    PER_CYCLE,
    PER_PARTICIPANT,
    game,
    make_participants,
    started,
)
from tests.core.build import setup as a_setup
from tests.strategies import JSON, patches, sessions, setups

TEA = {"text": "Tea", "style": MessageStyle.ALERT}


def refused(patch: dict[str, Any], mode: SyncMode = PER_PARTICIPANT) -> errors.RuleError:
    return game(mode).refused(0, Update(patch))  # type: ignore[arg-type]


# Values


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        # The examples of RFC 7396, appendix A, that are objects.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_is_that_of_the_rfc(target: object, patch: object, result: object) -> None:
    assert merged(target, patch) == result


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (1, True, False),
        (1, 1.0, False),
        ([1], [1], True),
        (None, {}, False),
    ],
)
def test_json_is_compared_as_json(one: object, other: object, same: bool) -> None:
    assert is_same(one, other) is same


def test_size_and_depth_are_those_of_compact_json() -> None:
    assert size_bytes({"é": [1, "x"]}) == len('{"é":[1,"x"]}'.encode())
    values: list[Any] = [1, [], {}, {"a": [[]]}]
    assert list(map(depth, values)) == [0, 1, 1, 3]


# Each field


def test_metadata_is_merged() -> None:
    match = game(PER_PARTICIPANT, metadata={"a": {"b": 1, "c": 2}})
    match.update(5, metadata={"a": {"b": None}, "d": [3]})
    assert match.session.setup.metadata == {"a": {"c": 2}, "d": [3]}
    assert match.events == (ev.SessionUpdated(5, ("metadata",)),)
    assert match.session.version == 2
    assert match.update(6, metadata=None).session.setup.metadata is None


def test_message_is_set_with_its_instant_and_removed() -> None:
    match = started(PER_PARTICIPANT).update(700, message={"text": "Tea"})
    assert match.session.setup.message == Message("Tea", MessageStyle.NORMAL, 700)
    match.update(800, message={"style": MessageStyle.ALERT})
    assert match.session.setup.message == Message("Tea", MessageStyle.ALERT, 800)
    match.update(820, message={"text": "Soup"})
    assert match.session.setup.message == Message("Soup", MessageStyle.ALERT, 820)
    match.update(850, message={"style": None})
    assert match.session.setup.message == Message("Soup", MessageStyle.NORMAL, 850)
    match.update(900, message=None)
    assert match.session.setup.message is None
    assert match.events == (ev.SessionUpdated(900, ("message",)),)


def test_message_that_is_the_same_keeps_its_instant() -> None:
    match = game(PER_PARTICIPANT).update(700, message=TEA)
    before = match.session
    assert match.update(800, message=TEA).session is before
    assert match.events == ()


@pytest.mark.parametrize("message", [{"style": MessageStyle.ALERT}, {"text": None}])
def test_message_needs_a_text(message: dict[str, Any]) -> None:
    refusal = refused({"message": message})
    assert isinstance(refusal, errors.InvalidSetup)
    assert refusal.field == "message.text"


def test_warnings_are_replaced_and_come_at_the_new_marks() -> None:
    match = started(PER_PARTICIPANT, warn_at_ms=[9_000]).update(500, warn_at_ms=[2_000, 4_000])
    assert match.session.setup.warn_at_ms == (4_000, 2_000)
    assert match.read(6_500).events == (ev.TimeWarning(6_000, "a", None, 4_000),)
    assert match.update(7_000, warn_at_ms=None).session.setup.warn_at_ms == ()
    assert match.read(9_000).events == ()


def test_warning_whose_mark_is_passed_is_not_given() -> None:
    match = started(PER_PARTICIPANT).update(5_000, warn_at_ms=[7_000, 5_000, 3_000])
    assert match.read(8_000).events == (ev.TimeWarning(7_000, "a", None, 3_000),)


def test_warnings_of_simultaneous_clocks_are_replaced_in_every_block() -> None:
    participants = make_participants(map(str, range(BLOCK_SIZE + 1)))
    exam = game(SyncMode.SIMULTANEOUS, [], participants=participants, warn_at_ms=[9_000]).start(0)
    exam.update(500, warn_at_ms=[2_000]).update(5_000, warn_at_ms=[7_000, 5_000, 3_000])
    # Those of the marks that are passed by then give no warning, and nor does the one before.
    assert due_ms(exam.session) == 7_000
    assert exam.read(6_999).events == ()
    told = [(event.type, event.at_ms) for event in exam.read(8_500).events]
    assert told == [("time_warning", 7_000)] * len(participants)
    assert due_ms(exam.session) == 10_000


def test_warnings_of_paused_simultaneous_clocks_are_replaced() -> None:
    exam = (
        game(SyncMode.SIMULTANEOUS).start(0).pause(4_000).update(60_000, warn_at_ms=[7_000, 3_000])
    )
    exam.resume(100_000)
    told = [(event.type, event.at_ms) for event in exam.read(105_000).events]
    assert told == [("time_warning", 103_000)] * 2


def test_warnings_in_another_order_are_no_change() -> None:
    match = game(PER_PARTICIPANT, warn_at_ms=[1_000, 2_000])
    assert match.update(0, warn_at_ms=[1_000, 2_000]).events == ()


def test_warnings_must_differ() -> None:
    refusal = refused({"warn_at_ms": [1_000, 1_000]})
    assert isinstance(refusal, errors.InvalidSetup)
    assert refusal.field == "warn_at_ms"


def test_action_applies_to_the_next_timeout_alone() -> None:
    match = started(PER_PARTICIPANT, "abc").read(10_500)
    assert match.expired(10_500) == {"a"}
    match.update(11_000, action_on_timeout={"type": TimeoutAction.SKIP_CYCLE})
    assert (match.status, match.active) == ("running", "a")
    match.switch(12_000).read(22_000)
    assert match.active == "c"


def test_action_and_its_data_are_merged() -> None:
    match = game(PER_PARTICIPANT, action_data={"a": 1})
    match.update(0, action_on_timeout={"type": TimeoutAction.END_SESSION})
    assert match.session.setup.action_data == {"a": 1}
    match.update(0, action_on_timeout={"data": {"b": 2}})
    assert match.session.setup.action_data == {"a": 1, "b": 2}
    assert match.session.setup.action_on_timeout is TimeoutAction.END_SESSION
    match.update(0, action_on_timeout={"data": None})
    assert match.session.setup.action_data is None
    match.update(0, action_on_timeout={"type": None})
    assert match.session.setup.action_on_timeout is TimeoutAction.NOTIFY


@pytest.mark.parametrize(
    ("mode", "usual"), [(PER_CYCLE, NOTIFY), (COUNT_UP, TimeoutAction.END_SESSION)]
)
def test_action_null_restores_the_default_of_the_mode(mode: SyncMode, usual: TimeoutAction) -> None:
    match = game(mode, action_on_timeout=TimeoutAction.SKIP_CYCLE, action_data=1)
    match.update(0, action_on_timeout=None)
    assert match.session.setup.action_on_timeout is usual
    assert match.session.setup.action_data is None
    assert match.update(0, action_on_timeout=None).events == ()


def test_soft_close_is_merged_and_applies_to_the_next_switch() -> None:
    auction = started(GLOBAL).update(0, soft_close={"extend_to_ms": 5_000})
    assert auction.session.setup.soft_close == SoftClose(5_000)
    auction.update(1, soft_close={"max_extension_ms": 2_000})
    assert auction.session.setup.soft_close == SoftClose(5_000, 2_000)
    auction.update(1, soft_close={"extend_to_ms": 6_000}).update(
        1, soft_close={"extend_to_ms": 5_000}
    )
    assert auction.session.setup.soft_close == SoftClose(5_000, 2_000)
    assert auction.switch(59_000).deadline_ms == 62_000
    auction.update(59_500, soft_close={"max_extension_ms": None})
    assert auction.switch(60_000).deadline_ms == 65_000
    assert auction.update(60_500, soft_close=None).session.setup.soft_close is None


@pytest.mark.parametrize(
    ("mode", "soft_close", "field"),
    [
        (PER_CYCLE, {"extend_to_ms": 5_000}, "soft_close"),
        (GLOBAL, {"max_extension_ms": 5_000}, "soft_close.extend_to_ms"),
        (GLOBAL, {"extend_to_ms": None}, "soft_close.extend_to_ms"),
    ],
)
def test_soft_close_must_be_possible(
    mode: SyncMode, soft_close: dict[str, Any], field: str
) -> None:
    refusal = refused({"soft_close": soft_close}, mode)
    assert isinstance(refusal, errors.InvalidSetup)
    assert refusal.field == field


def test_merged_values_are_held_to_the_limits_of_a_creation() -> None:
    match = game(PER_PARTICIPANT, metadata={"a": "x" * 4_000}, action_data={"a": "x" * 1_000})
    match.update(0, metadata={"b": "x" * 81}, action_on_timeout={"data": {"b": "x" * 9}})
    for patch, field in (
        ({"metadata": {"b": "x" * 82}}, "metadata"),
        ({"action_on_timeout": {"data": {"b": "x" * 10}}}, "action_on_timeout.data"),
    ):
        refusal = match.refused(1, Update(patch))  # type: ignore[arg-type]
        assert isinstance(refusal, errors.InvalidSetup)
        assert refusal.field == field
    nested: object = 1
    for _ in range(32):
        nested = [nested]
    assert isinstance(match.refused(1, Update({"metadata": {"a": nested}})), errors.InvalidSetup)


# All fields together


def test_changed_fields_are_named_in_order_and_make_one_version() -> None:
    match = game(GLOBAL).update(
        3,
        soft_close={"extend_to_ms": 2_000},
        action_on_timeout={"type": NOTIFY},
        warn_at_ms=[5_000],
        message=TEA,
        metadata={"a": 1},
    )
    names = ("metadata", "message", "warn_at_ms", "soft_close")
    assert match.events == (ev.SessionUpdated(3, names),)
    assert match.session.version == 2
    assert match.session.setup.was_requested_as(game(GLOBAL).session.setup)


@pytest.mark.parametrize("end", ["complete", "cancel"])
def test_only_metadata_and_message_change_after_the_end(end: str) -> None:
    match = started(PER_PARTICIPANT)
    getattr(match, end)(1_000).update(2_000, metadata={"score": "1-0"}, message=TEA)
    assert match.session.setup.metadata == {"score": "1-0"}
    for patch in (
        {"warn_at_ms": None},
        {"metadata": {"a": 1}, "action_on_timeout": None},
        {"soft_close": None},
    ):
        refusal = match.refused(3_000, Update(patch))  # type: ignore[arg-type]
        assert isinstance(refusal, errors.InvalidTransition)
        assert str(refusal).startswith("Cannot update a session that is")


@pytest.mark.parametrize(
    ("patch", "can_undo"),
    [
        ({"metadata": {"a": 1}}, True),
        ({"message": TEA}, True),
        ({"warn_at_ms": [1_000]}, True),
        ({"action_on_timeout": {"type": TimeoutAction.END_SESSION}}, False),
        ({"action_on_timeout": {"type": NOTIFY}}, True),
        ({"message": TEA, "action_on_timeout": {"data": 1}}, False),
    ],
)
def test_undo_stays_possible_unless_a_clock_is_concerned(
    patch: dict[str, Any], can_undo: bool
) -> None:
    match = started(PER_PARTICIPANT).switch(1_000).update(2_000, **patch)
    assert (match.apply_command(3_000, Undo()).refusal is None) is can_undo
    if can_undo:
        assert match.active == "a"
        assert match.session.setup.metadata == patch.get("metadata")


@given(sessions(tiny=True), patches(), st.integers(0, 50))
def test_update_changes_no_clock(session: Session, patch: Any, gap_ms: int) -> None:
    # Appointments start and end sessions.
    patch = {name: patch[name] for name in patch.keys() - {"starts_at", "ends_at"}}
    now_ms = session.updated_at_ms + gap_ms
    settled = apply(session, None, now_ms).session
    updated = apply(session, Update(patch), now_ms).session
    assert clocks(updated, now_ms) == clocks(settled, now_ms)
    assert deadline_ms(updated) == deadline_ms(settled)
    again = apply(updated, Update(patch), now_ms)
    assert (again.session, again.events) == (updated, ())


# The request


@given(setups(), patches())
def test_edited_setup_is_still_known_as_requested(setup: Any, patch: Any) -> None:
    requested = setup
    match = game(PER_PARTICIPANT)
    session = replace(match.session, setup=setup)
    edited = apply(session, Update(patch), 0).session
    assert edited.setup.was_requested_as(requested)
    assert edited.setup.requested in (None, fingerprint(requested))
    twice = apply(edited, Update({"metadata": {"z": 1}}), 0).session
    assert twice.setup.was_requested_as(requested)


@pytest.mark.parametrize(
    "other",
    [
        {"total_time_ms": 50_000},
        {"names": "ba"},
        {"metadata": {"a": True}},
        {"metadata": {"a": 1.0}},
        {"metadata": None},
        {"increment_ms": 1_000},
        {"action_data": 0},
    ],
)
def test_different_requests_have_different_fingerprints(other: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"metadata": {"a": 1}}
    assert fingerprint(a_setup(PER_PARTICIPANT, **fields)) != fingerprint(
        a_setup(PER_PARTICIPANT, **{**fields, **other})
    )


def test_unedited_setup_is_known_as_requested() -> None:
    assert a_setup(PER_PARTICIPANT).was_requested_as(a_setup(PER_PARTICIPANT))
    assert not a_setup(PER_PARTICIPANT).was_requested_as(a_setup(PER_PARTICIPANT, "abc"))


@given(JSON)
def test_fingerprint_ignores_the_order_of_names(value: Any) -> None:
    one = a_setup(PER_PARTICIPANT, metadata={"a": value, "b": 1})
    assert fingerprint(one) == fingerprint(a_setup(PER_PARTICIPANT, metadata={"b": 1, "a": value}))
