"""StateSync: when it asks for the state, and which state it ends up with."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from tickless.state_sync import StateSync
from tickless.state_version import StateVersion
from tickless.wire_types import Message

from .factories import EPOCH, make_participant, make_state, updated_at, version_fields

CONNECTED = {"type": "CONNECTED", "timestamp": 0, "heartbeatIntervalMs": 30_000}
RECONNECT: list[Message] = [{"type": "RECONNECT"}]


def state_message(kind: str, version: int, *names: str, **more: Any) -> Message:
    """A STATE_SYNC or STATE_UPDATE."""
    state = make_state(*(make_participant(name, cycle_count=version) for name in names or ("a",)))
    state |= {"version": version, "updated_at": updated_at(version)}
    if "baseVersion" in more:
        more = {"partial": True, "baseUpdatedAt": updated_at(more["baseVersion"]), **more}
    return {
        "type": kind,
        "timestamp": 1_000 + version,
        "epoch": EPOCH,
        "version": version,
        "state": state,
        "events": [],
        **more,
    }


def version_message(kind: str, version: int, updated: str | None = None) -> Message:
    """A PONG or a CURRENT."""
    named = {**version_fields(version), **({"updatedAt": updated} if updated else {})}
    return {"type": kind, "timestamp": 0, "receivedAt": 0, "clientTime": 0, **named}


def sync(version: int, *names: str, **more: Any) -> Message:
    return state_message("STATE_SYNC", version, *names, **more)


def update(version: int, *names: str, **more: Any) -> Message:
    return state_message("STATE_UPDATE", version, *names, **more)


def open_sync(version: int = 0) -> StateSync:
    """A StateSync whose connection opened at 0; with a version, the server sent that one."""
    state_sync = StateSync(lambda snapshot, events: None)
    assert state_sync.connection_opened(0) == []
    state_sync.receive(CONNECTED, 0)
    if version:
        assert state_sync.receive(sync(version, "a", "b"), 0) == []
    return state_sync


def reconnect(version: int) -> list[Message]:
    return [{"type": "RECONNECT", **version_fields(version)}]


def at(version: int, epoch: str = EPOCH) -> StateVersion:
    return StateVersion(epoch, version, updated_at(version))


def test_update_of_another_epoch_causes_a_reconnect() -> None:
    state_sync = open_sync(3)
    assert state_sync.receive(update(9, epoch="other"), 10) == reconnect(3)
    state_sync.receive(sync(1, epoch="other"), 10)
    assert state_sync.state_version == at(1, "other")


@pytest.mark.parametrize("base", [2, 4, 5])
def test_partial_update_based_on_another_version_causes_a_reconnect(base: int) -> None:
    assert open_sync(3).receive(update(5, baseVersion=base), 10) == reconnect(3)


def test_matching_partial_update_is_merged() -> None:
    state_sync = open_sync(3)
    assert state_sync.receive(update(4, "b", baseVersion=3), 10) == []
    assert state_sync.snapshot is not None
    counts = [one["cycle_count"] for one in state_sync.snapshot.state["participants"]]
    assert (state_sync.snapshot.version, counts) == (4, [3, 4])


def test_partial_update_based_on_a_replaced_version_causes_a_reconnect() -> None:
    state_sync = open_sync(3)
    assert state_sync.receive(update(4, baseVersion=3, baseUpdatedAt="later"), 10) == reconnect(3)
    assert state_sync.state_version == at(3)


def test_buffered_partial_update_is_merged_only_into_its_base_version() -> None:
    for more, version in (({}, 5), ({"baseUpdatedAt": "later"}, 4)):
        state_sync = open_sync(3)
        state_sync.receive(update(6, baseVersion=5), 10)
        state_sync.receive(update(5, baseVersion=4, **more), 20)
        state_sync.receive(sync(4), 30)
        assert state_sync.state_version.version == version


def test_reconnect_names_the_version_of_the_snapshot() -> None:
    state_sync = open_sync(4)
    assert state_sync.connection_opened(50) == reconnect(4)
    state_sync.receive(sync(2), 50)
    assert state_sync.state_version == at(2)
    assert state_sync.due_at_ms == inf


def test_client_that_is_not_welcomed_sends_reconnect_repeatedly() -> None:
    state_sync = StateSync(lambda snapshot, events: None)
    assert state_sync.connection_opened(0) == []
    assert state_sync.tick(1_999) == []
    assert state_sync.tick(2_000) == RECONNECT
    assert state_sync.tick(4_000) == RECONNECT


def test_only_one_reconnect_is_pending_at_a_time() -> None:
    state_sync = open_sync(3)
    assert len(state_sync.receive(update(9, epoch="other"), 10)) == 1
    assert state_sync.receive(update(10, epoch="other"), 20) == []
    state_sync.receive(sync(10, epoch="other"), 30)
    assert len(state_sync.receive(update(11), 40)) == 1


def test_unanswered_reconnect_is_sent_again() -> None:
    state_sync = open_sync(4)
    state_sync.receive(update(6, baseVersion=5), 1_000)
    assert state_sync.due_at_ms == 3_000
    assert state_sync.tick(3_000) == reconnect(4)
    state_sync.receive(version_message("CURRENT", 4), 3_000)
    assert state_sync.due_at_ms == inf


def test_initial_sync_overtaken_by_an_update_is_ignored() -> None:
    shown = []
    state_sync = StateSync(lambda snapshot, events: shown.append(snapshot and snapshot.version))
    state_sync.connection_opened(0)
    state_sync.receive(update(5), 10)
    state_sync.receive(sync(4), 20)
    assert shown == [5]


def test_later_sync_replaces_the_snapshot_whatever_its_version() -> None:
    state_sync = open_sync(5)
    state_sync.receive(sync(4), 20)
    assert state_sync.state_version == at(4)


def test_partial_update_before_the_initial_sync_is_buffered() -> None:
    state_sync = open_sync()
    assert state_sync.receive(update(5, "b", baseVersion=4), 10) == []
    state_sync.receive(sync(4, "a", page=1, pages=2), 20)
    state_sync.receive(sync(4, "b", page=2, pages=2), 20)
    assert state_sync.snapshot is not None
    counts = [one["cycle_count"] for one in state_sync.snapshot.state["participants"]]
    assert (state_sync.snapshot.version, counts) == (5, [4, 5])
    assert state_sync.due_at_ms == inf


def test_partial_update_without_an_initial_sync_causes_a_reconnect_after_a_second() -> None:
    state_sync = open_sync()
    state_sync.receive(update(4, baseVersion=3), 10)
    assert state_sync.due_at_ms == 1_010
    assert state_sync.tick(1_010) == RECONNECT


def test_partial_update_without_a_snapshot_causes_a_reconnect_after_the_grace_period() -> None:
    assert open_sync().receive(update(4, baseVersion=3), 3_000) == RECONNECT


def test_further_differing_pongs_do_not_delay_the_reconnect() -> None:
    state_sync = open_sync(3)
    for now_ms in (100, 500, 900):
        state_sync.receive(version_message("PONG", 4), now_ms)
    assert state_sync.due_at_ms == 1_100
    assert state_sync.tick(1_100) == reconnect(3)


def test_pong_that_agrees_clears_the_mismatch() -> None:
    state_sync = open_sync(3)
    state_sync.receive(version_message("PONG", 4), 100)
    state_sync.receive(version_message("PONG", 3), 200)
    assert state_sync.due_at_ms == inf


@pytest.mark.parametrize("kind", ["PONG", "CURRENT"])
def test_report_of_a_replaced_version_causes_a_reconnect_after_a_second(kind: str) -> None:
    state_sync = open_sync(3)
    assert state_sync.receive(version_message(kind, 3, "later"), 100) == []
    assert state_sync.tick(1_100) == reconnect(3)


@pytest.mark.parametrize(
    ("version", "updated", "due_at_ms"),
    [(4, "later", inf), (5, "whenever", inf), (4, "earlier", 1_100)],
)
def test_mismatch_is_cleared_only_by_the_reported_version_or_a_newer_one(
    version: int, updated: str, due_at_ms: float
) -> None:
    state_sync = open_sync(3)
    state_sync.receive(version_message("PONG", 4, "later"), 100)
    message = update(version)
    message["state"]["updated_at"] = updated
    state_sync.receive(message, 200)
    assert state_sync.due_at_ms == due_at_ms


def test_pong_without_a_session_causes_a_reconnect_and_deletion_clears_the_snapshot() -> None:
    state_sync = open_sync(4)
    no_session = {"type": "PONG", "timestamp": 9, "receivedAt": 9, "clientTime": 0}
    state_sync.receive(no_session, 1)
    assert state_sync.tick(1_001) == reconnect(4)
    state_sync.receive({"type": "SESSION_DELETED", "timestamp": 9}, 1_002)
    assert state_sync.snapshot is None
    state_sync.receive(no_session, 1_003)
    assert state_sync.due_at_ms == inf


def test_older_version_with_a_later_timestamp_causes_a_reconnect_for_the_whole_state() -> None:
    state_sync = open_sync(4)
    assert state_sync.receive(update(3), 1) == []
    # The store lost versions 3 and 4, and made another version 3.
    assert state_sync.receive(update(3, timestamp=2_000), 1) == RECONNECT


@pytest.mark.parametrize("other", [{"epoch": "o"}, {"version": 4}, {"timestamp": 9}, {"pages": 4}])
def test_pages_of_different_answers_are_never_mixed(other: dict[str, Any]) -> None:
    state_sync = open_sync()

    def page(number: int, **more: Any) -> Message:
        name = f"{number} of another" if more else f"{number}"
        return sync(5, name) | {"page": number, "pages": 3} | more

    for one in (page(3, **other), page(1), page(3), page(1, **other), page(3)):
        state_sync.receive(one, 10)
    assert state_sync.snapshot is None
    state_sync.receive(page(2), 10)
    assert state_sync.snapshot is not None
    names = [one["participant_id"] for one in state_sync.snapshot.state["participants"]]
    assert names == ["1", "2", "3"]


def test_events_of_an_update_applied_twice_are_reported_once() -> None:
    reported: list[str] = []
    state_sync = StateSync(lambda snapshot, events: reported.extend(one["type"] for one in events))
    state_sync.connection_opened(0)
    state_sync.receive(sync(3), 0)
    state_sync.receive(update(9, epoch="another"), 10)
    state_sync.receive(update(4, events=[{"type": "first"}]), 20)
    state_sync.receive(update(5, events=[{"type": "second"}]), 20)
    state_sync.receive(sync(3), 30)
    assert state_sync.state_version == at(5)
    assert reported == ["first", "second"]
