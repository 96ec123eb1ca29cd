"""Push messages fit into API Gateway's frames and add up to the whole state."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from pydantic_core import to_json

from chalicelib.core.commands import (
    Adjust,
    Command,
    Complete,
    Finish,
    Pause,
    Reset,
    Resume,
    Start,
    Switch,
    Update,
    UpdateParticipant,
    apply,
)
from chalicelib.core.session import Session, create
from chalicelib.core.setup import Group, Participant, SyncMode, TimeoutAction, create_setup
from chalicelib.schemas.messages import state_sync
from chalicelib.schemas.pushes import (
    FRAME_BYTES,
    MIN_PARTICIPANT_BYTES,
    session_deleted,
    state_update,
    version_of,
)
from chalicelib.schemas.states import SessionState, iso, session_state
from tests.strategies import TURNS
from tickless.clock_math import state_at
from tickless.state_merge import join_pages

NOW_MS = 1_700_000_000_000
SESSION = str(UUID(int=7))


def person(number: int) -> str:
    return str(UUID(int=number + 1_000))


def team(number: int) -> str:
    return str(UUID(int=number + 100_000))


def session_of(count: int, mode: SyncMode, teams: int = 2, **more: Any) -> Session:
    grouped = mode is SyncMode.PER_GROUP
    setup = create_setup(
        session_id=SESSION,
        sync_mode=mode,
        participants=[
            Participant(person(n), n, 60_000, team(n % teams) if grouped else None)
            for n in range(count)
        ],
        groups=[Group(team(n), 60_000) for n in range(teams)] if grouped else None,
        total_time_ms=3_600_000,
        time_per_cycle_ms=1_000,
        **more,
    )
    return create(setup, "epoch", NOW_MS)


def pushed(before: Session | None, after: Session, now_ms: int, events: Any) -> Any:
    message = state_update(before, after, now_ms, events, lambda: session_state(after, now_ms))
    assert len(message) <= FRAME_BYTES
    return json.loads(message)


def moved(session: Session, command: Any, now_ms: int) -> Any:
    decision = apply(session, command, now_ms)
    return decision.session, pushed(session, decision.session, now_ms, decision.events)


def test_session_that_fits_is_sent_whole() -> None:
    session = session_of(80, SyncMode.PER_PARTICIPANT)

    started, update = moved(session, Start(), NOW_MS)

    assert update["state"] == session_state(started, NOW_MS)
    assert "partial" not in update


@pytest.mark.parametrize("mode", TURNS)
def test_large_session_is_sent_as_a_difference(mode: SyncMode) -> None:
    session, _ = moved(session_of(1_000, mode), Start(), NOW_MS)

    switched, update = moved(session, Switch(), NOW_MS + 500)

    assert (update["partial"], update["baseVersion"], update["version"]) == (True, 2, 3)
    assert update["baseUpdatedAt"] == session_state(session, NOW_MS)["updated_at"]
    whole = session_state(switched, NOW_MS + 500)
    assert update["state"]["participants"] == whole["participants"][:2]
    rest = {name: value for name, value in update["state"].items() if name != "participants"}
    assert rest == {name: whole[name] for name in rest}  # type: ignore[literal-required]


@pytest.mark.parametrize(
    ("mode", "is_running"), [(SyncMode.GLOBAL, True), (SyncMode.SIMULTANEOUS, False)]
)
def test_no_participant_is_smaller_than_the_minimum(mode: SyncMode, is_running: bool) -> None:
    factor = {person(0): 100} if mode is SyncMode.SIMULTANEOUS else None
    setup = create_setup(
        session_id=SESSION,
        sync_mode=mode,
        participants=[Participant(person(0), 0, 1_000)],
        total_time_ms=1_000,
        time_factors=factor,
    )
    session = create(setup, "epoch", NOW_MS)
    if is_running:
        session = apply(session, Start(), NOW_MS).session
    smallest = len(to_json(session_state(session, NOW_MS + 1)["participants"][0])) + len(",")

    minimum = MIN_PARTICIPANT_BYTES[type(session)]
    assert minimum <= smallest <= minimum + 15


def never() -> SessionState:
    raise AssertionError("The whole state does not fit")


def test_participant_of_many_is_pushed_alone() -> None:
    session, _ = moved(session_of(1_000, SyncMode.SIMULTANEOUS), Start(), NOW_MS)

    for command in (
        Finish(person(500)),
        Resume(person(500)),
        Pause(participant_id=person(500)),
        Adjust(5_000, person(500)),
    ):
        decision = apply(session, command, NOW_MS + 500)
        message = state_update(session, decision.session, NOW_MS + 500, decision.events, never)
        session, update = decision.session, json.loads(message)
        (shown,) = update["state"]["participants"]
        assert shown == session_state(session, NOW_MS + 500)["participants"][500]
        assert update["partial"]
        assert len(message) < 2_048


@pytest.mark.parametrize(
    ("command", "changes"),
    [
        (Pause(), {"set": {"is_running": False}, "add": {}}),
        (Adjust(1_000), {"set": {}, "add": {"total_time_ms": 1_000, "time_remaining_ms": 1_000}}),
        (
            Complete(),
            {"set": {"is_active": False, "is_running": False, "clock_state": "stopped"}, "add": {}},
        ),
    ],
)
def test_change_of_all_clocks_is_told_once(command: Command, changes: dict[str, Any]) -> None:
    session, _ = moved(session_of(1_000, SyncMode.SIMULTANEOUS), Start(), NOW_MS)

    _, update = moved(session, command, NOW_MS + 500)

    assert update["participantChanges"] == [{"positions": [[0, 999]], **changes}]
    assert (update["baseVersion"], update["version"]) == (2, 3)
    assert update["state"]["participants"] == []
    assert len(to_json(update)) < 2_048


def test_changes_of_many_participants_tell_who_differs() -> None:
    session, _ = moved(session_of(1_000, SyncMode.SIMULTANEOUS), Start(), NOW_MS)
    session, _ = moved(session, Finish(person(500)), NOW_MS + 500)

    _, update = moved(session, Adjust(-2_000, scaled=True), NOW_MS + 800)

    added = {"total_time_ms": -2_000, "time_remaining_ms": -2_000}
    assert update["participantChanges"] == [
        {"positions": [[0, 499], [501, 999]], "set": {}, "add": added}
    ]


def test_changes_leave_out_who_is_shown_as_before() -> None:
    session, _ = moved(session_of(1_000, SyncMode.SIMULTANEOUS), Start(), NOW_MS)
    for number in range(0, 1_000, 2):
        session, _ = moved(session, Pause(participant_id=person(number)), NOW_MS + 500)

    _, update = moved(session, Pause(), NOW_MS + 800)

    (changes,) = update["participantChanges"]
    assert changes["positions"] == [[number, number] for number in range(1, 1_000, 2)]


@pytest.mark.parametrize("named", [0, 999])
def test_one_who_has_more_fields_than_others_is_in_the_same_changes(named: int) -> None:
    session, _ = moved(session_of(1_000, SyncMode.SIMULTANEOUS), Start(), NOW_MS)
    session, _ = moved(session, UpdateParticipant(person(named), {"name": "Anne"}), NOW_MS)

    _, update = moved(session, Adjust(1_000), NOW_MS + 500)

    (changes,) = update["participantChanges"]
    assert changes["positions"] == [[0, 999]]


def test_reset_sets_what_each_clock_had_used() -> None:
    session, _ = moved(session_of(1_000, SyncMode.SIMULTANEOUS), Start(), NOW_MS)
    for number in range(3):
        session, _ = moved(session, Finish(person(number)), NOW_MS + 500 + number)

    _, update = moved(session, Reset(), NOW_MS + 900)

    first, *others = update["participantChanges"]
    assert first["positions"] == [[0, 2]]
    assert first["set"]["time_used_ms"] == 0
    assert [one["positions"] for one in others] == [[[3, 999]]]


def test_changes_that_are_all_different_make_clients_request_pages() -> None:
    setup = create_setup(
        session_id=SESSION,
        sync_mode=SyncMode.SIMULTANEOUS,
        participants=[Participant(person(n), n, 60_000) for n in range(1_000)],
        total_time_ms=60_000,
        time_factors={person(n): 1_000 + n for n in range(1_000)},
    )
    session, _ = moved(create(setup, "epoch", NOW_MS), Start(), NOW_MS)

    _, update = moved(session, Adjust(100_000, scaled=True), NOW_MS + 800)

    assert update["baseVersion"] == update["version"]
    assert "participantChanges" not in update


def test_only_clocks_that_have_begun_are_pushed_when_the_session_pauses() -> None:
    session, update = moved(session_of(1_000, SyncMode.SIMULTANEOUS), Start(person(7)), NOW_MS)
    assert [one["participant_id"] for one in update["state"]["participants"]] == [person(7)]

    _, update = moved(session, Pause(), NOW_MS + 500)

    assert [one["participant_id"] for one in update["state"]["participants"]] == [person(7)]


def test_large_new_session_makes_clients_request_pages() -> None:
    session = session_of(1_000, SyncMode.PER_PARTICIPANT)

    update = pushed(None, session, NOW_MS, ())

    assert update["partial"]
    assert update["baseVersion"] == update["version"] == 1
    assert update["baseUpdatedAt"] == update["state"]["updated_at"]
    assert update["state"]["participants"] == []


def test_large_difference_makes_clients_request_pages() -> None:
    session = session_of(1_000, SyncMode.PER_CYCLE, action_on_timeout=TimeoutAction.SKIP_CYCLE)
    started, _ = moved(session, Start(), NOW_MS)

    _, update = moved(started, None, NOW_MS + 900_000)

    assert update["baseVersion"] == update["version"]
    assert update["eventsOmitted"] + len(update["events"]) == 201


def test_events_that_do_not_fit_are_counted() -> None:
    session = session_of(
        2,
        SyncMode.PER_CYCLE,
        action_on_timeout=TimeoutAction.SKIP_CYCLE,
        action_data="x" * 1_000,
    )
    started, _ = moved(session, Start(), NOW_MS)

    _, update = moved(started, None, NOW_MS + 60_500)

    assert 0 < len(update["events"]) < 50
    assert update["eventsOmitted"] + len(update["events"]) == 120
    # The newest events are kept.
    assert update["events"][-1]["at"] == iso(NOW_MS + 60_000)


@pytest.mark.parametrize("mode", list(SyncMode))
@pytest.mark.parametrize("count", [2, 100, 151, 1_000])
def test_pages_contain_each_participant_once_and_the_whole_state(
    mode: SyncMode, count: int
) -> None:
    session, _ = moved(session_of(count, mode, teams=min(count, 400)), Start(), NOW_MS)
    whole = session_state(session, NOW_MS + 300)

    messages = state_sync(session, NOW_MS + 300)

    pages = [json.loads(message) for message in messages]
    assert all(len(message) <= FRAME_BYTES for message in messages)
    people = [one for page in pages for one in page["state"]["participants"]]
    assert people == whole["participants"]
    if len(pages) == 1:
        assert "page" not in pages[0]
    else:
        assert [(page["page"], page["pages"]) for page in pages] == [
            (number, len(pages)) for number in range(1, len(pages) + 1)
        ]
    teams = {one["group_id"]: one for page in pages for one in page["state"].get("groups", [])}
    assert list(teams.values()) == whole.get("groups", [])
    for page in pages:
        for name in whole.keys() - {"participants", "groups"}:
            assert page["state"][name] == whole[name]  # type: ignore[literal-required]
        assert (page["epoch"], page["version"], page["timestamp"]) == ("epoch", 2, NOW_MS + 300)


@pytest.mark.parametrize("count", [2, 1_000])
def test_version_is_read_from_the_first_bytes(count: int) -> None:
    session = session_of(count, SyncMode.PER_PARTICIPANT, metadata={"epoch": "1", "version": 7})
    update = state_update(None, session, NOW_MS, (), lambda: session_state(session, NOW_MS))

    assert version_of(update) == ("epoch", 1)


@pytest.mark.parametrize("mode", list(SyncMode))
@pytest.mark.parametrize("count", [2, 1_000])
def test_clocks_that_stand_until_the_stores_clock_catches_up_are_right_from_then_on(
    mode: SyncMode, count: int
) -> None:
    session, _ = moved(session_of(count, mode), Start(), NOW_MS)
    later = session_state(session, NOW_MS + 300)

    # After a failover, the store's clock has stepped back.
    shown = [json.loads(page) for page in state_sync(session, NOW_MS - 2_000)]
    update = moved(session, Update({"metadata": {"a": 1}}), NOW_MS - 1_000)[1]

    for message in (*shown, update):
        assert message["timestamp"] == NOW_MS
    whole = join_pages([page["state"] for page in shown])
    assert state_at(whole, NOW_MS, NOW_MS + 300)["participants"] == later["participants"]


def test_message_without_version_yields_none() -> None:
    assert version_of(session_deleted(SESSION, NOW_MS)) is None
    assert version_of(b"") is None
