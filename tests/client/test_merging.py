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
from tests.e2e.sessions import by_id
from tests.strategies import Step, play, sessions, setups, walks
from tickless.figures import participant_at, session_remaining_ms, shown_at
from tickless.merging import in_one, merged

from .recorded import recorded
from .states import a_participant, a_state


def shown(session: Session, now_ms: int) -> Any:
    return json.loads(to_json(session_state(session, now_ms)))


def partly_shown(before: Session, after: Session, now_ms: int) -> Any:
    """The state in a partial update."""
    state = session_state(after, now_ms, changed_positions(before, after))
    groups = {participant["group_id"] for participant in state["participants"]}
    if "groups" in state:
        state["groups"] = [group for group in state["groups"] if group["group_id"] in groups]
    return json.loads(to_json(state))


@given(setup=setups(tiny=True), walk=walks(tiny=True))
def test_what_is_merged_is_the_whole(setup: Setup, walk: Sequence[Step]) -> None:
    held: Any = None
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


def test_in_global_nobody_who_is_left_out_of_a_partial_update_has_still_expired() -> None:
    late = {"has_expired": True, "time_remaining_ms": 0}
    held = a_state(a_participant("a", **late), a_participant("b", **late), sync_mode="global")
    news = {"is_running": True, "time_remaining_ms": 5}
    partial = a_state(a_participant("a", **news), sync_mode="global")

    assert merged(held, partial)["participants"][1] == a_participant("b", **news)
    nobody = a_state(sync_mode="global")
    assert merged(held, nobody)["participants"] == held["participants"]


def test_of_pages_every_participant_and_every_group_is_kept_once() -> None:
    groups = [{"group_id": name, "total_time_ms": 1} for name in ("g", "h")]
    pages = [
        a_state(a_participant("a"), a_participant("b"), groups=groups),
        a_state(a_participant("c"), groups=groups[:1], version=2),
    ]
    whole = in_one(pages)
    assert [one["participant_id"] for one in whole["participants"]] == ["a", "b", "c"]
    assert (whole["groups"], whole["version"]) == (groups, 2)
    assert len(pages[1]["participants"]) == 1


# What the browser client is held to as well


def recordings() -> Any:
    return json.loads(to_json(recorded()))


def test_a_client_calculates_every_figure_that_the_server_shows_later() -> None:
    later = recordings()["later"]
    assert len(later) > 500
    for one in later:
        state, after_ms, shows = one["state"], one["after"], one["shows"]
        for place, participant in enumerate(state["participants"]):
            calculated = participant_at(participant, state, after_ms)
            assert calculated == shows["participants"][place], one["name"]
        if "session_remaining_ms" in shows:
            left_ms = session_remaining_ms(state, after_ms)
            assert left_ms == shows["session_remaining_ms"], one["name"]


def test_a_partial_update_makes_the_whole_state_that_the_server_has() -> None:
    partials = recordings()["partials"]
    assert len(partials) > 50
    for one in partials:
        assert merged(one["held"], one["partial"]) == one["is"], one["name"]
