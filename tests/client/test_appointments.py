"""What the client shows of appointments, without waiting for the server's message."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf, nan
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from chalicelib.core.appointments import Appointments
from chalicelib.core.rules import deadline_ms, settle
from chalicelib.core.session import create
from chalicelib.core.setup import Setup
from chalicelib.schemas.states import session_state
from tests.strategies import EPOCH_MS, setups
from tickless import Snapshot, display_frame, snapshot_at, state_at

from .factories import RUNNING, SERVER_START_MS, iso, make_participant, make_state

TWO_MINUTES_MS = 120_000


def snapshot(*participants: dict[str, Any], **more: Any) -> Snapshot:
    state = make_state(
        *participants, **{"status": "pending", "starts_at": iso(TWO_MINUTES_MS), **more}
    )
    return Snapshot("e", 1, SERVER_START_MS, state)


@given(setups(tiny=True), st.integers(1, 60), st.integers(0, 60))
def test_client_starts_as_the_server_does(chosen: Setup, ahead_ms: int, on_ms: int) -> None:
    starts_ms = EPOCH_MS + ahead_ms
    session = create(replace(chosen, appointments=Appointments(starts_ms)), "epoch", EPOCH_MS)
    sent = json.loads(to_json(session_state(session, EPOCH_MS)))
    started, _ = settle(session, starts_ms)
    # Until the first clock runs out, which only the server decides.
    then_ms = min(starts_ms + on_ms, deadline_ms(started) or inf)
    expected = json.loads(to_json(session_state(started, int(then_ms))))
    shown = snapshot_at(Snapshot("epoch", 1, EPOCH_MS, sent), then_ms)
    later = state_at(shown.state, shown.timestamp, int(then_ms), shown.participant_timestamps)
    for name in ("status", "active_participant_id", "session_started_at"):
        assert later[name] == expected[name]
    for shows, wanted in zip(later["participants"], expected["participants"], strict=True):
        # The deadline is the server's to say.
        assert {**shows, "deadline_at": None} == {**wanted, "deadline_at": None}


def test_countdown_changes_with_each_second_and_ends_at_the_start() -> None:
    pending = snapshot(make_participant("a"), make_participant("b"))
    frame = display_frame(pending, SERVER_START_MS + 500)
    assert [face.starts_in for face in frame.faces] == ["2:00", "2:00"]
    assert frame.changes_in_ms == 500
    last = display_frame(pending, SERVER_START_MS + 119_999)
    assert (last.faces[0].starts_in, last.faces[0].is_running, last.changes_in_ms) == (
        "0:01",
        False,
        1,
    )
    started = display_frame(pending, SERVER_START_MS + 120_000)
    assert [(face.starts_in, face.is_running) for face in started.faces] == [
        ("", True),
        ("", False),
    ]
    assert display_frame(pending, SERVER_START_MS + 121_500).faces[0].text == "0:59"


def test_waiting_clocks_of_simultaneous_begin_and_others_go_on() -> None:
    running = {**RUNNING, "clock_state": "running", "time_remaining_ms": 300_000}
    mixed = snapshot(
        make_participant("a", **running),
        make_participant("b", clock_state="waiting"),
        make_participant("c", clock_state="finished"),
        status="running",
        sync_mode="simultaneous",
    )
    frame = display_frame(mixed, SERVER_START_MS)
    assert [face.starts_in for face in frame.faces] == ["", "2:00", ""]
    faces = display_frame(mixed, SERVER_START_MS + 121_500).faces
    assert [(face.text, face.clock_state) for face in faces] == [
        ("2:59", "running"),
        ("0:59", "running"),
        ("1:00", "finished"),
    ]


def test_nothing_begins_after_the_start_in_a_pause_or_without_the_time() -> None:
    late = snapshot(
        make_participant("a", clock_state="waiting"), status="running", sync_mode="simultaneous"
    )
    late = replace(late, timestamp=SERVER_START_MS + TWO_MINUTES_MS)
    paused = snapshot(
        make_participant("a", clock_state="waiting"), status="paused", sync_mode="simultaneous"
    )
    withdrawn = snapshot(make_participant("a", has_withdrawn=True))
    for one in (late, paused, withdrawn, snapshot(make_participant("a"), starts_at=None)):
        assert snapshot_at(one, SERVER_START_MS + 200_000) is one
    pending = snapshot(make_participant("a"))
    assert snapshot_at(pending, nan) is pending
    assert display_frame(pending, nan).faces[0].starts_in == ""


def test_clocks_stop_at_the_appointed_end() -> None:
    running = snapshot(
        make_participant("a", **RUNNING), status="running", starts_at=None, ends_at=iso(20_000)
    )
    assert display_frame(running, SERVER_START_MS + 19_000).faces[0].text == "0:41"
    frame = display_frame(running, SERVER_START_MS + 60_000)
    assert (frame.faces[0].text, frame.changes_in_ms) == ("0:40", inf)
