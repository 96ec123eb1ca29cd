"""The strategies reach every case that the laws are about."""

from __future__ import annotations

from collections import Counter
from itertools import product

from hypothesis import given, seed, settings
from hypothesis import strategies as st

from chalicelib.core.session import Status
from chalicelib.core.setup import SyncMode
from tests.core import test_simultaneous_laws as simultaneous
from tests.core.test_laws import CASES, TURN_CASES, Case
from tests.strategies import PLAY, TURNS, Played, play, setups, walks

AUCTIONS = st.tuples(setups(modes=[SyncMode.GLOBAL], tiny=True), walks(tiny=True, verbs=PLAY))
"""Half of them have a soft close."""

CORRECTIONS = st.tuples(
    setups(modes=TURNS, tiny=True),
    walks(
        tiny=True,
        verbs=["switch"] * 4
        + ["undo", "withdraw", "update_participant"] * 2
        + ["join", "set_turn", "pause or resume"],
    ),
)
APART = st.tuples(
    setups(modes=[SyncMode.SIMULTANEOUS], tiny=True),
    walks(tiny=True, verbs=["switch"] * 6 + ["join", "update_participant"]).map(
        lambda walk: [
            step._replace(own="start") if step.own in ("switch", "finish") else step
            for step in walk
            if step.verb != "start"
        ]
    ),
)
"""Each participant is started alone."""


KINDS = {
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
REFUSALS = {
    "FORBIDDEN",
    "INVALID_STATE_TRANSITION",
    "STALE_CYCLE",
    "VALIDATION_ERROR",
    "PARTICIPANT_EXPIRED",
    "PARTICIPANT_WITHDRAWN",
    "PARTICIPANT_NOT_FOUND",
    "PARTICIPANT_EXISTS",
}
FAMILIES = (CASES, CORRECTIONS, APART, TURN_CASES, AUCTIONS, simultaneous.CASES)
ROUNDS, EXAMPLES = 20, 50
EXPIRIES = 50
"""At least so many timeouts, which most laws are about."""


class Seen:
    """What the walks have led to so far."""

    def __init__(self) -> None:
        self.statuses: Counter[Status] = Counter()
        self.kinds: Counter[str] = Counter()
        self.refusals: set[str] = set()

    def add(self, played: Played) -> None:
        self.statuses[played.after.status] += 1
        self.kinds.update(event.type for event in played.decision.events)
        if played.decision.refusal is not None:
            self.refusals.add(played.decision.refusal.code)

    @property
    def is_complete(self) -> bool:
        return (
            set(self.statuses) == set(Status)
            and set(self.kinds) == KINDS
            and self.refusals == REFUSALS
            and self.kinds["participant_expired"] >= EXPIRIES
        )


def test_walks_reach_every_status_and_every_kind_of_event() -> None:
    seen = Seen()

    # Some are rare, and each kind of session has rare ones of its own.
    for number, cases in product(range(ROUNDS), FAMILIES):

        @seed(number)
        @settings(max_examples=EXAMPLES, derandomize=False, database=None)
        @given(cases)
        def look(case: Case) -> None:
            for played in play(*case):
                seen.add(played)

        look()
        if seen.is_complete:
            break

    assert set(seen.statuses) == set(Status)
    assert set(seen.kinds) == KINDS
    assert seen.refusals == REFUSALS
    assert seen.kinds["participant_expired"] >= EXPIRIES
    assert seen.statuses[Status.RUNNING] >= seen.statuses.total() // 4
