"""The strategies reach every case that the laws are about."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.session import Status
from chalicelib.core.setup import SyncMode
from tests.core import test_simultaneous_laws as simultaneous
from tests.core.test_laws import CASES, TURN_CASES, Case
from tests.strategies import PLAY, Played, play, setups, walks

AUCTIONS = st.tuples(setups(modes=[SyncMode.GLOBAL], tiny=True), walks(tiny=True, verbs=PLAY))
"""Half of them have a soft close."""


def test_walks_reach_every_status_and_every_kind_of_event() -> None:
    seen: list[Played] = []

    # Each kind of session has rare events of its own.
    for cases in (CASES, TURN_CASES, AUCTIONS, simultaneous.CASES):

        @settings(max_examples=max(450, settings().max_examples))
        @given(cases)
        def look(case: Case) -> None:
            seen.extend(play(*case))

        look()
    assert {played.after.status for played in seen} == set(Status)
    kinds = [event.type for played in seen for event in played.decision.events]
    assert set(kinds) == {
        "session_started",
        "cycle_switched",
        "switch_undone",
        "session_paused",
        "session_resumed",
        "session_completed",
        "session_cancelled",
        "session_expired",
        "participant_expired",
        "time_adjusted",
        "time_extended",
        "time_warning",
        "timeouts_skipped",
        "participant_started",
        "participant_finished",
        "participant_paused",
        "participant_resumed",
        "session_reopened",
        "session_reset",
        "session_updated",
        "participant_joined",
        "participant_updated",
        "participant_withdrawn",
    }
    assert kinds.count("participant_expired") >= 50
    assert sum(played.after.status is Status.RUNNING for played in seen) >= len(seen) // 4
    refusals = {
        played.decision.refusal.code for played in seen if played.decision.refusal is not None
    }
    assert refusals == {
        "FORBIDDEN",
        "INVALID_STATE_TRANSITION",
        "STALE_CYCLE",
        "VALIDATION_ERROR",
        "PARTICIPANT_EXPIRED",
        "PARTICIPANT_WITHDRAWN",
        "PARTICIPANT_NOT_FOUND",
        "PARTICIPANT_EXISTS",
    }
