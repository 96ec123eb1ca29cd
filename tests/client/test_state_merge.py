"""Merging pages and partial updates gives the state that the server has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given
from hypothesis.strategies import randoms
from pydantic_core import to_json

from chalicelib.core.rules import changed_positions
from chalicelib.core.session import Session
from chalicelib.core.setup import Setup, SyncMode
from chalicelib.schemas.states import session_state
from tests.e2e.sessions import by_id
from tests.strategies import TURNS, Step, play, setups, walks
from tickless.clock_math import state_at
from tickless.state_merge import apply_update, join_pages, merge_partial
from tickless.state_version import Snapshot

from .factories import make_participant, make_state
from .recorded import recorded, update_of_changes


def server_state(session: Session, now_ms: int) -> Any:
    return json.loads(to_json(session_state(session, now_ms)))


def partial_state(before: Session, after: Session, now_ms: int) -> Any:
    """The state of a partial update."""
    state = session_state(after, now_ms, changed_positions(before, after))
    groups = {participant.get("group_id") for participant in state["participants"]}
    if "groups" in state:
        state["groups"] = [group for group in state["groups"] if group["group_id"] in groups]
    return json.loads(to_json(state))


@given(setup=setups(modes=TURNS, tiny=True), walk=walks(tiny=True))
def test_merging_every_partial_update_gives_the_whole_state(
    setup: Setup, walk: Sequence[Step]
) -> None:
    merged: Any = None
    for played in play(setup, walk):
        before, after = played.before, played.after
        if merged is None:
            merged = server_state(before, before.updated_at_ms)
        if after is before:
            continue
        merged = merge_partial(merged, partial_state(before, after, played.now_ms))
        assert by_id(merged) == by_id(server_state(after, played.now_ms))


@given(
    setup=setups(modes=[SyncMode.SIMULTANEOUS], tiny=True),
    walk=walks(tiny=True),
    choice=randoms(),
)
def test_simultaneous_clocks_go_on_from_when_each_was_last_sent(
    setup: Setup, walk: Sequence[Step], choice: Random
) -> None:
    snapshot: Snapshot | None = None
    for played in play(setup, walk):
        before, after, now_ms = played.before, played.after, played.now_ms
        if snapshot is None:
            created_ms = before.updated_at_ms
            snapshot = Snapshot("", 1, created_ms, server_state(before, created_ms))
        if after is not before:
            changes = update_of_changes(before, after, now_ms) if choice.random() < 0.5 else None
            update = {
                "epoch": "",
                "version": after.version,
                "timestamp": now_ms,
                "state": partial_state(before, after, now_ms),
                "partial": True,
                "baseVersion": before.version,
                "baseUpdatedAt": snapshot.state["updated_at"],
            }
            snapshot = apply_update(snapshot, json.loads(to_json(changes or update)))
            assert snapshot is not None
            assert snapshot.timestamp == now_ms
        shown = state_at(
            snapshot.state, snapshot.timestamp, now_ms, snapshot.participant_timestamps
        )
        assert by_id(shown) == by_id(server_state(after, now_ms))


def test_partial_update_does_not_fit_clocks_that_were_sent_with_a_later_timestamp() -> None:
    state = make_state(make_participant("a"), make_participant("b"), sync_mode="simultaneous")
    snapshot = Snapshot("", 1, 1_000, state)

    def update(timestamp: int, *names: str) -> Any:
        participants = map(make_participant, names)
        return {
            "epoch": "",
            "version": 2,
            "timestamp": timestamp,
            "state": make_state(*participants, sync_mode="simultaneous", version=2),
            "partial": True,
            "baseVersion": 1,
            "baseUpdatedAt": state["updated_at"],
        }

    assert apply_update(snapshot, update(1_000, "a")) is not None
    assert apply_update(snapshot, update(999, "a")) is None
    # It has every clock.
    assert apply_update(snapshot, update(999, "a", "b")) is not None


def test_partial_update_of_global_clears_has_expired_of_participants_it_leaves_out() -> None:
    late = {"has_expired": True, "time_remaining_ms": 0}
    state = make_state(
        make_participant("a", **late), make_participant("b", **late), sync_mode="global"
    )
    running = {"is_running": True, "time_remaining_ms": 5}
    partial = make_state(make_participant("a", **running), sync_mode="global")

    assert merge_partial(state, partial)["participants"][1] == make_participant("b", **running)
    empty = make_state(sync_mode="global")
    assert merge_partial(state, empty)["participants"] == state["participants"]


def test_members_of_a_group_lose_what_its_new_stage_lacks() -> None:
    group = {"group_id": "x", "stage": 1, "cycles_left": 1, "delay_remaining_ms": 500}
    state = make_state(
        make_participant("a", **group, time_used_ms=7),
        make_participant("b", **group, time_used_ms=8),
        sync_mode="per_group",
    )
    later = {"group_id": "x", "stage": 2, "time_remaining_ms": 5}
    partial = make_state(make_participant("a", **later), sync_mode="per_group")

    merged = merge_partial(state, partial)["participants"]
    assert merged[1] == make_participant("b", **later, time_used_ms=8)


def test_participant_and_group_that_join_take_their_places() -> None:
    groups = [{"group_id": "g", "total_time_ms": 1}, {"group_id": "h", "total_time_ms": 2}]
    state = make_state(
        make_participant("a", participant_index=0, group_id="g"),
        make_participant("b", participant_index=1, group_id="g"),
        make_participant("c", participant_index=2, group_id="g"),
        sync_mode="per_group",
        groups=groups[:1],
    )
    joined = make_participant("d", participant_index=1, group_id="h")
    partial = make_state(joined, sync_mode="per_group", groups=groups[1:])

    whole = merge_partial(state, partial)
    assert [one["participant_id"] for one in whole["participants"]] == ["a", "b", "d", "c"]
    assert whole["groups"] == groups


def test_joined_pages_have_every_participant_and_every_group_once() -> None:
    groups = [{"group_id": name, "total_time_ms": 1} for name in ("g", "h")]
    pages = [
        make_state(make_participant("a"), make_participant("b"), groups=groups),
        make_state(make_participant("c"), groups=groups[:1], version=2),
    ]
    whole = join_pages(pages)
    assert [one["participant_id"] for one in whole["participants"]] == ["a", "b", "c"]
    assert (whole["groups"], whole["version"]) == (groups, 2)
    assert len(pages[1]["participants"]) == 1


def test_recorded_partial_updates_merge_into_the_recorded_states() -> None:
    partials = json.loads(to_json(recorded()["partials"]))
    assert len(partials) > 50
    for one in partials:
        assert merge_partial(one["before"], one["partial"]) == one["after"], one["name"]


def test_recorded_changes_of_many_participants_give_the_recorded_states() -> None:
    changes = json.loads(to_json(recorded()["changes"]))
    assert len(changes) > 10
    for one in changes:
        snapshot = apply_update(Snapshot(**one["snapshot"]), one["update"])
        assert snapshot is not None
        assert snapshot.state == one["after"], one["name"]


def test_changes_of_many_participants_do_not_fit_a_snapshot_with_a_later_timestamp() -> None:
    first = json.loads(to_json(recorded()["changes"][0]))
    snapshot = Snapshot(**first["snapshot"])

    later = replace(snapshot, timestamp=first["update"]["timestamp"] + 1)
    assert apply_update(later, first["update"]) is None
