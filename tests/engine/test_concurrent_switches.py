"""Engines on a real server: no concurrent switch is lost or counts twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import pytest

from chalicelib.core.errors import StaleCycle
from chalicelib.core.setup import Participant, SyncMode, create_setup
from chalicelib.engine.commit_loop import CommandResult, CommitLoop
from chalicelib.engine.commit_retry import RetryPolicy
from chalicelib.engine.sync_engine import SyncEngine
from tests.fixtures import OpenStore
from tests.servers import Cluster, RedisProcess

TTL_MS = 60_000


def running_session(engine: SyncEngine, participants: int = 3) -> str:
    session_id = str(uuid4())
    engine.create_session(
        create_setup(
            session_id=session_id,
            sync_mode=SyncMode.PER_PARTICIPANT,
            participants=[Participant(str(uuid4()), at, 3_600_000) for at in range(participants)],
            total_time_ms=3_600_000,
        )
    )
    engine.start_session(session_id)
    return session_id


def at_once(calls: list[Callable[[], CommandResult]]) -> list[CommandResult]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def cycles(outcome: CommandResult) -> int:
    return sum(participant["cycle_count"] for participant in outcome.state["participants"])


@pytest.fixture
def engines(open_store: OpenStore, anywhere: RedisProcess | Cluster) -> list[SyncEngine]:
    """Two, as in two processes: they share nothing but the store, and never give up."""
    retry = RetryPolicy(monotonic=lambda: 0.0)
    stores = [open_store(anywhere.url, cluster=anywhere.is_cluster) for _ in range(2)]
    return [SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS, retry=retry)) for store in stores]


def test_fifty_concurrent_switches_are_all_applied_in_sequence(engines: list[SyncEngine]) -> None:
    for _ in range(4):
        session_id = running_session(engines[0])

        outcomes = at_once([partial(one.switch_cycle, session_id) for one in engines * 25])

        assert sorted(outcome.state["version"] for outcome in outcomes) == list(range(3, 53))
        after = engines[0].get_current_state(session_id)
        assert (after.state["version"], cycles(after)) == (52, 50)


def test_only_one_of_racing_switches_that_name_their_cycle_is_applied(
    engines: list[SyncEngine],
) -> None:
    session_id = running_session(engines[0])
    active = engines[0].get_current_state(session_id).state["active_participant_id"]

    def press(engine: SyncEngine) -> CommandResult | None:
        try:
            return engine.switch_cycle(session_id, current_participant_id=active)
        except StaleCycle:
            return None

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(press, engines * 10))

    assert len([answer for answer in answers if answer is not None]) == 1
    assert cycles(engines[0].get_current_state(session_id)) == 1


def test_times_of_racing_cycles_add_up_to_the_elapsed_time(engines: list[SyncEngine]) -> None:
    session_id = running_session(engines[0])
    started = engines[0].get_current_state(session_id)

    at_once([partial(one.switch_cycle, session_id) for one in engines * 15])
    last = engines[1].pause_session(session_id)

    used_ms = sum(participant["time_used_ms"] for participant in last.state["participants"])
    assert started.session.started_at_ms is not None
    assert used_ms == last.now_ms - started.session.started_at_ms
