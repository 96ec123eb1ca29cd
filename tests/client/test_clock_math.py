"""Clocks calculated by the client equal those that the server shows at the same instant."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from chalicelib.core.rules import deadline_ms
from chalicelib.core.session import Session
from chalicelib.core.setup import SyncMode
from chalicelib.core.time_controls import Byoyomi
from chalicelib.schemas.states import session_state
from tests.core.build import started
from tests.e2e.sessions import by_id
from tests.strategies import sessions
from tickless.clock_math import participant_at, session_remaining_ms, state_at

from .recorded import recorded


def server_state(session: Session, now_ms: int) -> Any:
    return json.loads(to_json(session_state(session, now_ms)))


@given(session=sessions(tiny=True), since_ms=st.integers(0, 30), on_ms=st.integers(0, 200))
def test_state_at_a_later_instant_equals_the_state_of_the_server(
    session: Session, since_ms: int, on_ms: int
) -> None:
    first = session.updated_at_ms
    last = deadline_ms(session)
    at_ms, then_ms = first + since_ms, first + since_ms + on_ms
    if last is not None:
        at_ms, then_ms = min(at_ms, last), min(then_ms, last)
    later = state_at(server_state(session, at_ms), at_ms, then_ms)
    assert by_id(later) == by_id(server_state(session, then_ms))


def test_periods_are_as_long_as_the_time_control_of_the_participant_says() -> None:
    session = started(SyncMode.PER_PARTICIPANT, own_controls={"a": Byoyomi(2_000, 3)}).session
    for then_ms in (5_000, 11_000, 13_000):
        assert state_at(server_state(session, 0), 0, then_ms) == server_state(session, then_ms)


def test_recorded_states_are_calculated_from_earlier_ones() -> None:
    later = json.loads(to_json(recorded()["later"]))
    assert len(later) > 500
    for one in later:
        state, elapsed_ms, expected = one["state"], one["elapsed_ms"], one["expected"]
        for index, participant in enumerate(state["participants"]):
            calculated = participant_at(participant, state, elapsed_ms)
            assert calculated == expected["participants"][index], one["name"]
        if "session_remaining_ms" in expected:
            left_ms = session_remaining_ms(state, elapsed_ms)
            assert left_ms == expected["session_remaining_ms"], one["name"]
