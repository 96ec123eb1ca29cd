"""Soft close on a real server: no bid that races an auction's end leaves less than it should."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from chalicelib.core.commands import Start, apply
from chalicelib.core.cycles import session_elapsed_ms
from chalicelib.core.errors import InvalidTransition
from chalicelib.core.events import CycleSwitched, SessionExpired, TimeExtended
from chalicelib.core.rules import due_ms
from chalicelib.core.session import Rotation, create
from chalicelib.core.setup import Participant, SoftClose, SyncMode, create_setup
from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.ports import Commit, SessionStore
from tests.fixtures import OpenStore
from tests.servers import Cluster, RedisProcess

TTL_MS = 60_000
TOTAL_MS = 60_000
EXTEND_TO_MS = 3_600_000
BIDS = 20


@pytest.fixture
def stores(open_store: OpenStore, anywhere: RedisProcess | Cluster) -> list[SessionStore]:
    """Two, as in two processes: they share nothing but the store."""
    return [open_store(anywhere.url, cluster=anywhere.is_cluster) for _ in range(2)]


def auction_that_ends_at(store: SessionStore, deadline_ms: int) -> str:
    """A running auction, written as one that began a minute before its deadline."""
    setup = create_setup(
        session_id=str(uuid4()),
        sync_mode=SyncMode.GLOBAL,
        participants=[Participant(str(uuid4()), one, TOTAL_MS) for one in range(3)],
        total_time_ms=TOTAL_MS,
        soft_close=SoftClose(EXTEND_TO_MS),
    )
    began_ms = deadline_ms - TOTAL_MS
    decision = apply(create(setup, uuid4().hex, began_ms), Start(), began_ms)
    store.commit(
        Commit(
            session=decision.session,
            base_version=0,
            command_id=uuid4().hex,
            events=decision.events,
            due_ms=due_ms(decision.session),
            expires_at_ms=deadline_ms + TTL_MS,
            update=b"{}",
        )
    )
    return setup.session_id


@pytest.mark.parametrize("last_ms", [0, 2, 5, 10])
def test_bids_at_the_last_moment_leave_time_for_an_answer_or_come_too_late(
    stores: list[SessionStore], last_ms: int
) -> None:
    store = stores[0]
    engines = [SyncEngine(CommitLoop(one, session_ttl_ms=TTL_MS)) for one in stores]
    deadline_ms = store.now_ms() + 50
    session_id = auction_that_ends_at(store, deadline_ms)

    def bid(engine: SyncEngine) -> int | None:
        """What an accepted bid leaves."""
        while store.now_ms() < deadline_ms - last_ms:
            pass
        try:
            result = engine.switch_cycle(session_id)
        except InvalidTransition:
            return None
        session = result.session
        assert isinstance(session, Rotation)
        return session.total_time_ms - session_elapsed_ms(session, result.now_ms)

    with ThreadPoolExecutor(BIDS) as pool:
        left_ms = list(pool.map(bid, engines * (BIDS // 2)))

    accepted = [one for one in left_ms if one is not None]
    assert accepted == [EXTEND_TO_MS] * len(accepted)
    log = [one.event for one in store.read_events(session_id, None, 1_000) or ()]
    assert len([event for event in log if isinstance(event, CycleSwitched)]) == len(accepted)
    ends_ms = deadline_ms
    for event in log:
        if isinstance(event, CycleSwitched):
            assert event.at_ms < ends_ms
        elif isinstance(event, TimeExtended):
            ends_ms += event.delta_ms
            assert ends_ms == event.at_ms + EXTEND_TO_MS
        elif isinstance(event, SessionExpired):
            assert (event.at_ms, accepted) == (deadline_ms, [])
    # One bid in time keeps the auction open for all of them; none does so after the deadline.
    assert len(accepted) in (0, BIDS)
