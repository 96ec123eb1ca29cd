"""What a client asks, and when; the same rules as the browser client's own tests hold it to."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from tickless.follower import Follower
from tickless.place import Place
from tickless.states import Message

from .states import EPOCH, a_participant, a_state, made_at, place_of

CONNECTED = {"type": "CONNECTED", "timestamp": 0, "heartbeatIntervalMs": 30_000}
ASK_FOR_ALL: list[Message] = [{"type": "RECONNECT"}]


def brings(kind: str, version: int, *names: str, **more: Any) -> Message:
    """A STATE_SYNC or STATE_UPDATE."""
    state = a_state(*(a_participant(name, cycle_count=version) for name in names or ("a",)))
    state |= {"version": version, "updated_at": made_at(version)}
    if "baseVersion" in more:
        more = {"partial": True, "baseUpdatedAt": made_at(more["baseVersion"]), **more}
    return {
        "type": kind,
        "timestamp": 1_000 + version,
        "epoch": EPOCH,
        "version": version,
        "state": state,
        "events": [],
        **more,
    }


def tells(kind: str, version: int, updated_at: str | None = None) -> Message:
    """A PONG or a CURRENT."""
    place = {**place_of(version), **({"updatedAt": updated_at} if updated_at else {})}
    return {"type": kind, "timestamp": 0, "receivedAt": 0, "clientTime": 0, **place}


def sync(version: int, *names: str, **more: Any) -> Message:
    return brings("STATE_SYNC", version, *names, **more)


def update(version: int, *names: str, **more: Any) -> Message:
    return brings("STATE_UPDATE", version, *names, **more)


def opened(version: int = 0) -> Follower:
    """Opened at 0; with a version it was greeted with that one."""
    follower = Follower(lambda held, events: None)
    assert follower.opened(0) == []
    follower.take(CONNECTED, 0)
    if version:
        assert follower.take(sync(version, "a", "b"), 0) == []
    return follower


def ask(version: int) -> list[Message]:
    return [{"type": "RECONNECT", **place_of(version)}]


def at(version: int, epoch: str = EPOCH) -> Place:
    return Place(epoch, version, made_at(version))


def test_an_update_of_another_epoch_is_asked_about() -> None:
    follower = opened(3)
    assert follower.take(update(9, epoch="other"), 10) == ask(3)
    follower.take(sync(1, epoch="other"), 10)
    assert follower.place == at(1, "other")


@pytest.mark.parametrize("base", [2, 4, 5])
def test_a_partial_update_of_another_version_than_is_held_is_asked_about(base: int) -> None:
    assert opened(3).take(update(5, baseVersion=base), 10) == ask(3)


def test_a_partial_update_that_fits_is_merged() -> None:
    follower = opened(3)
    assert follower.take(update(4, "b", baseVersion=3), 10) == []
    assert follower.held is not None
    counts = [one["cycle_count"] for one in follower.held.state["participants"]]
    assert (follower.held.version, counts) == (4, [3, 4])


def test_a_partial_update_of_another_version_of_the_number_held_is_asked_about() -> None:
    follower = opened(3)
    assert follower.take(update(4, baseVersion=3, baseUpdatedAt="later"), 10) == ask(3)
    assert follower.place == at(3)


def test_one_that_was_kept_is_merged_into_the_very_version_it_is_based_on_alone() -> None:
    for more, version in (({}, 5), ({"baseUpdatedAt": "later"}, 4)):
        follower = opened(3)
        follower.take(update(6, baseVersion=5), 10)
        follower.take(update(5, baseVersion=4, **more), 20)
        follower.take(sync(4), 30)
        assert follower.place.version == version


def test_who_comes_back_says_what_it_holds() -> None:
    follower = opened(4)
    assert follower.opened(50) == ask(4)
    follower.take(sync(2), 50)
    assert follower.place == at(2)
    assert follower.due_at_ms == inf


def test_who_is_not_greeted_asks_and_goes_on_asking() -> None:
    follower = Follower(lambda held, events: None)
    assert follower.opened(0) == []
    assert follower.tick(1_999) == []
    assert follower.tick(2_000) == ASK_FOR_ALL
    assert follower.tick(4_000) == ASK_FOR_ALL


def test_one_question_is_enough_at_a_time() -> None:
    follower = opened(3)
    assert len(follower.take(update(9, epoch="other"), 10)) == 1
    assert follower.take(update(10, epoch="other"), 20) == []
    follower.take(sync(10, epoch="other"), 30)
    assert len(follower.take(update(11), 40)) == 1


def test_an_answer_that_does_not_come_is_asked_for_again() -> None:
    follower = opened(4)
    follower.take(update(6, baseVersion=5), 1_000)
    assert follower.due_at_ms == 3_000
    assert follower.tick(3_000) == ask(4)
    follower.take(tells("CURRENT", 4), 3_000)
    assert follower.due_at_ms == inf


def test_a_greeting_that_was_overtaken_by_an_update_is_too_old_to_be_shown() -> None:
    shown = []
    follower = Follower(lambda held, events: shown.append(held and held.version))
    follower.opened(0)
    follower.take(update(5), 10)
    follower.take(sync(4), 20)
    assert shown == [5]


def test_a_snapshot_after_the_greeting_replaces_what_is_held_whatever_its_version() -> None:
    follower = opened(5)
    follower.take(sync(4), 20)
    assert follower.place == at(4)


def test_a_partial_update_ahead_of_the_greeting_waits_for_it() -> None:
    follower = opened()
    assert follower.take(update(5, "b", baseVersion=4), 10) == []
    follower.take(sync(4, "a", page=1, pages=2), 20)
    follower.take(sync(4, "b", page=2, pages=2), 20)
    assert follower.held is not None
    counts = [one["cycle_count"] for one in follower.held.state["participants"]]
    assert (follower.held.version, counts) == (5, [4, 5])
    assert follower.due_at_ms == inf


def test_where_the_greeting_does_not_come_a_partial_update_is_asked_about_after_a_second() -> None:
    follower = opened()
    follower.take(update(4, baseVersion=3), 10)
    assert follower.due_at_ms == 1_010
    assert follower.tick(1_010) == ASK_FOR_ALL


def test_who_holds_nothing_when_the_greeting_is_over_asks_about_a_partial_update_at_once() -> None:
    assert opened().take(update(4, baseVersion=3), 3_000) == ASK_FOR_ALL


def test_pongs_that_go_on_differing_do_not_put_off_the_question() -> None:
    follower = opened(3)
    for now_ms in (100, 500, 900):
        follower.take(tells("PONG", 4), now_ms)
    assert follower.due_at_ms == 1_100
    assert follower.tick(1_100) == ask(3)


def test_a_pong_that_agrees_takes_the_doubt_away() -> None:
    follower = opened(3)
    follower.take(tells("PONG", 4), 100)
    follower.take(tells("PONG", 3), 200)
    assert follower.due_at_ms == inf


@pytest.mark.parametrize("kind", ["PONG", "CURRENT"])
def test_another_version_of_the_number_held_is_asked_about_after_a_second(kind: str) -> None:
    follower = opened(3)
    assert follower.take(tells(kind, 3, "later"), 100) == []
    assert follower.tick(1_100) == ask(3)


@pytest.mark.parametrize(
    ("version", "updated_at", "due_at_ms"),
    [(4, "later", inf), (5, "whenever", inf), (4, "earlier", 1_100)],
)
def test_of_a_doubt_about_a_version_only_that_very_one_or_a_newer_relieves(
    version: int, updated_at: str, due_at_ms: float
) -> None:
    follower = opened(3)
    follower.take(tells("PONG", 4, "later"), 100)
    news = update(version)
    news["state"]["updated_at"] = updated_at
    follower.take(news, 200)
    assert follower.due_at_ms == due_at_ms


def test_a_session_that_is_no_more_is_asked_about_and_cleared() -> None:
    follower = opened(4)
    nothing = {"type": "PONG", "timestamp": 9, "receivedAt": 9, "clientTime": 0}
    follower.take(nothing, 1)
    assert follower.tick(1_001) == ask(4)
    follower.take({"type": "SESSION_DELETED", "timestamp": 9}, 1_002)
    assert follower.held is None
    follower.take(nothing, 1_003)
    assert follower.due_at_ms == inf


def test_an_older_version_of_a_later_time_is_asked_about_as_if_nothing_were_held() -> None:
    follower = opened(4)
    assert follower.take(update(3), 1) == []
    # The store has lost versions 3 and 4, and another version 3 has been made.
    assert follower.take(update(3, timestamp=2_000), 1) == ASK_FOR_ALL


@pytest.mark.parametrize("other", [{"epoch": "o"}, {"version": 4}, {"timestamp": 9}, {"pages": 4}])
def test_pages_of_different_answers_are_never_mixed(other: dict[str, Any]) -> None:
    follower = opened()

    def page(number: int, **more: Any) -> Message:
        name = f"{number} of another" if more else f"{number}"
        return sync(5, name) | {"page": number, "pages": 3} | more

    for one in (page(3, **other), page(1), page(3), page(1, **other), page(3)):
        follower.take(one, 10)
    assert follower.held is None
    follower.take(page(2), 10)
    assert follower.held is not None
    names = [one["participant_id"] for one in follower.held.state["participants"]]
    assert names == ["1", "2", "3"]


def test_what_is_applied_once_more_is_told_once() -> None:
    told: list[str] = []
    follower = Follower(lambda held, events: told.extend(one["type"] for one in events))
    follower.opened(0)
    follower.take(sync(3), 0)
    follower.take(update(9, epoch="another"), 10)
    follower.take(update(4, events=[{"type": "first"}]), 20)
    follower.take(update(5, events=[{"type": "second"}]), 20)
    follower.take(sync(3), 30)
    assert follower.place == at(5)
    assert told == ["first", "second"]
