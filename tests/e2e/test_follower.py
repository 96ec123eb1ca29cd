"""What a client may conclude: partials add up to the whole, and a clock shown later is right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from chalicelib.core.cycles import deadline_ms
from chalicelib.core.session import Session
from chalicelib.core.setup import Setup, SyncMode
from chalicelib.core.time_controls import Byoyomi
from chalicelib.core.view import changed_positions
from chalicelib.schemas.states import session_state
from tests.core.build import started
from tests.strategies import Step, play, sessions, setups, walks

from .follower import Follower, Message, Pace, Place, merged, shown_at
from .sessions import by_id


def shown(session: Session, now_ms: int) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(to_json(session_state(session, now_ms)))
    return state


def partly_shown(before: Session, after: Session, now_ms: int) -> dict[str, Any]:
    """The state in a partial update."""
    state = session_state(after, now_ms, changed_positions(before, after))
    groups = {participant["group_id"] for participant in state["participants"]}
    if "groups" in state:
        state["groups"] = [group for group in state["groups"] if group["group_id"] in groups]
    partial: dict[str, Any] = json.loads(to_json(state))
    return partial


@given(setup=setups(tiny=True), walk=walks(tiny=True))
def test_what_is_merged_is_the_whole(setup: Setup, walk: Sequence[Step]) -> None:
    held: dict[str, Any] | None = None
    for played in play(setup, walk):
        before, after = played.before, played.after
        if held is None:
            held = shown(before, before.updated_at_ms)
        if after is before:
            continue
        held = merged(held, partly_shown(before, after, played.now_ms))
        assert by_id(held) == by_id(shown(after, played.now_ms))


@given(session=sessions(tiny=True), since_ms=st.integers(0, 30), on_ms=st.integers(0, 200))
def test_what_is_shown_later_is_what_the_server_would_show(
    session: Session, since_ms: int, on_ms: int
) -> None:
    first = session.updated_at_ms
    last = deadline_ms(session)
    at_ms, then_ms = first + since_ms, first + since_ms + on_ms
    if last is not None:
        at_ms, then_ms = min(at_ms, last), min(then_ms, last)
    later = shown_at(shown(session, at_ms), at_ms, then_ms)
    assert by_id(later) == by_id(shown(session, then_ms))


def test_the_periods_of_who_plays_at_odds_are_as_long_as_his_own_time_control_says() -> None:
    session = started(SyncMode.PER_PARTICIPANT, own_controls={"a": Byoyomi(2_000, 3)}).session
    for then_ms in (5_000, 11_000, 13_000):
        assert shown_at(shown(session, 0), 0, then_ms) == shown(session, then_ms)


# What a client asks, and when

EPOCH = "e"
PACE = Pace(heartbeat_s=60, doubt_s=1, answer_s=2)
CONNECTED = {"type": "CONNECTED", "heartbeatIntervalMs": 30_000}


def made_at(version: int) -> str:
    return f"the instant of {version}"


def a_state(version: int, *names: str) -> dict[str, Any]:
    return {
        "session_id": "s",
        "sync_mode": "per_cycle",
        "version": version,
        "updated_at": made_at(version),
        "participants": [{"participant_id": name, "cycle_count": version} for name in names],
    }


def says(kind: str, version: int, *names: str, at: int | None = None, **more: Any) -> Message:
    if kind.startswith("STATE"):
        more["state"] = a_state(version, *names)
    else:
        more["updatedAt"] = made_at(version)
    if more.get("partial"):
        more["baseUpdatedAt"] = made_at(more["baseVersion"])
    at = version if at is None else at
    return {"type": kind, "timestamp": at, "epoch": EPOCH, "version": version, **more}


def at_version(version: int, epoch: str = EPOCH) -> Place:
    return Place(epoch, version, made_at(version))


def following(version: int = 4) -> Follower:
    """Greeted with a version, at the instant 0."""
    follower = Follower(PACE)
    assert follower.opened(0) == []
    follower.take(CONNECTED, 0)
    assert follower.take(says("STATE_SYNC", version, "a", "b"), 0) == []
    assert follower.place == at_version(version)
    return follower


def asked(version: int | None = 4) -> list[Message]:
    held = {} if version is None else at_version(version).named()
    return [{"type": "RECONNECT", **held}]


def test_a_greeting_that_an_update_has_overtaken_changes_nothing() -> None:
    follower = Follower(PACE)
    follower.opened(0)
    follower.take(says("STATE_UPDATE", 5, "a"), 0)
    assert follower.take(says("STATE_SYNC", 4, "a"), 0) == []
    assert follower.place == at_version(5)


def test_a_snapshot_that_nobody_asked_for_replaces_what_is_newer_once_the_greeting_is_over() -> (
    None
):
    follower = following(4)
    follower.take(says("STATE_SYNC", 2, "a"), 5)
    assert follower.place == at_version(2)


def test_a_partial_that_comes_before_the_greeting_is_merged_into_it() -> None:
    follower = Follower(PACE)
    follower.opened(0)
    partial = says("STATE_UPDATE", 5, "b", partial=True, baseVersion=4)
    assert follower.take(partial, 0) == []
    follower.take(says("STATE_SYNC", 4, "a", page=1, pages=2), 0)
    follower.take(says("STATE_SYNC", 4, "b", page=2, pages=2), 0)
    assert follower.held is not None
    counts = [one["cycle_count"] for one in follower.held.state["participants"]]
    assert (follower.held.version, counts) == (5, [4, 5])


def test_a_partial_that_does_not_fit_is_asked_about_once() -> None:
    follower = following(4)
    sixth = says("STATE_UPDATE", 6, "b", partial=True, baseVersion=5)
    seventh = says("STATE_UPDATE", 7, "a", partial=True, baseVersion=6)
    assert follower.take(sixth, 1) == asked()
    assert follower.take(seventh, 1) == []
    # The answer is older than what came meanwhile, which is applied to it.
    follower.take(says("STATE_SYNC", 6, "a", "b"), 1)
    assert follower.place == at_version(7)


def test_an_answer_that_does_not_come_is_asked_for_again() -> None:
    follower = following(4)
    follower.take(says("STATE_UPDATE", 6, "b", partial=True, baseVersion=5), 1)
    assert follower.due_at_s == 3
    assert follower.tick(3) == asked()
    follower.take(says("CURRENT", 4), 3)
    assert follower.due_at_s == 30


def test_a_difference_is_asked_about_unless_it_is_gone_within_a_second() -> None:
    follower = following(4)
    follower.take(says("PONG", 5), 1)
    follower.take(says("PONG", 5), 1.9)
    assert follower.due_at_s == 2
    follower.take(says("STATE_UPDATE", 5, "a"), 1.95)
    assert follower.due_at_s == 30
    follower.take(says("PONG", 4), 3)
    assert follower.tick(4) == asked(5)


def test_a_session_that_is_no_more_is_asked_about_and_cleared() -> None:
    follower = following(4)
    follower.take({"type": "PONG", "timestamp": 9}, 1)
    assert follower.tick(2) == asked()
    follower.take({"type": "SESSION_DELETED", "timestamp": 9}, 2)
    assert follower.held is None
    follower.take({"type": "PONG", "timestamp": 9}, 3)
    assert follower.due_at_s == 30


def test_an_older_version_of_a_later_time_is_asked_about_as_if_nothing_were_held() -> None:
    follower = following(4)
    assert follower.take(says("STATE_UPDATE", 3, "a"), 1) == []
    # The store has lost versions 3 and 4, and another version 3 has been made.
    assert follower.take(says("STATE_UPDATE", 3, "a", at=10), 1) == asked(None)


def test_another_version_of_the_number_that_is_held_is_asked_about() -> None:
    follower = following(4)
    another = says("PONG", 4) | {"updatedAt": "later"}
    follower.take(another, 1)
    assert follower.tick(2) == asked()


def test_a_partial_of_another_version_of_the_number_that_is_held_does_not_fit() -> None:
    follower = following(4)
    partial = says("STATE_UPDATE", 5, "b", partial=True, baseVersion=4)
    assert follower.take(partial | {"baseUpdatedAt": "later"}, 1) == asked()
    follower = following(4)
    assert follower.take(partial, 1) == []
    assert follower.place == at_version(5)


def test_an_update_of_another_epoch_is_asked_about() -> None:
    follower = following(4)
    other = {**says("STATE_UPDATE", 9, "a"), "epoch": "another"}
    assert follower.take(other, 1) == asked()
    follower.take({**says("STATE_SYNC", 1, "a"), "epoch": "another"}, 1)
    assert follower.place == at_version(1, "another")


def test_who_comes_back_says_what_it_holds() -> None:
    follower = following(4)
    assert follower.opened(50) == asked()
    follower.take(says("STATE_SYNC", 2, "a"), 50)
    assert follower.place == at_version(2)
    assert follower.due_at_s == 80


def test_who_is_not_greeted_asks() -> None:
    follower = Follower(PACE)
    assert follower.opened(0) == []
    assert follower.tick(2) == asked(None)
