"""The event log alone, read page by page, determines every version of a session."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import count, groupby
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chalicelib.core.errors import RuleError
from chalicelib.core.rules import clocks
from chalicelib.core.session import Session
from chalicelib.core.setup import Setup
from chalicelib.engine.commit_loop import CommandResult, CommitLoop
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.ports import Loaded, LoggedEvent
from chalicelib.settings import Settings
from chalicelib.store.client import RedisClient
from chalicelib.store.session_store import EVENTS_KEPT, RedisStore
from tests.core.scenarios import scenario_of
from tests.fakes import FakeStore
from tests.servers import RedisProcess
from tests.strategies import EPOCH_MS, Step, command_of, instant_of, setups, walks

CASES = st.tuples(setups(), walks()) | st.tuples(setups(tiny=True), walks(tiny=True))
SHARDS = 16
A_FEW = 30


class TimedStore(RedisStore):
    """A store on a real server, with a clock that only the test moves."""

    def __init__(self, server: RedisClient) -> None:
        super().__init__(server, SHARDS)
        self.clock_ms = EPOCH_MS

    def load(self, *asked: Any) -> Loaded:
        return replace(super().load(*asked), now_ms=self.clock_ms)


def versions_of(
    engine: SyncEngine, store: FakeStore | TimedStore, setup: Setup, walk: list[Step]
) -> dict[int, tuple[Session, int]]:
    """Every version that came to be in a walk, and the instant at which it did."""
    versions: dict[int, tuple[Session, int]] = {}

    def append_keys(outcome: CommandResult) -> Session:
        versions.setdefault(outcome.session.version, (outcome.session, outcome.now_ms))
        return outcome.session

    session = append_keys(engine.create_session(setup))
    for step in walk:
        store.clock_ms = instant_of(step, session, store.clock_ms)
        with suppress(RuleError):
            command = command_of(step, session)
            if command is not None:
                append_keys(engine.execute(setup.session_id, command))
        # A refused command has committed what was due, at this same instant.
        session = append_keys(engine.get_current_state(setup.session_id))
    return versions


def read(engine: SyncEngine, session_id: str, a_page: int) -> list[LoggedEvent]:
    log: list[LoggedEvent] = []
    while page := engine.get_events(session_id, log[-1].event_id if log else None, a_page):
        log += page
    return log


def check_every_version(
    log: list[LoggedEvent], setup: Setup, versions: dict[int, tuple[Session, int]]
) -> None:
    assert [one.version for one in log] == sorted(one.version for one in log)
    scenario, seen = scenario_of(setup), []
    for version, events in groupby(log, lambda one: one.version):
        scenario.replay(one.event for one in events)
        session, now_ms = versions[version]
        active = session.active_cycle
        seen.append(version)
        assert scenario.status == session.status
        assert scenario.ended_at == session.completed_at_ms
        assert scenario.active == (
            None if active is None else session.setup.participants[active.position].participant_id
        )
        assert scenario.used_at(now_ms) == {
            view["participant_id"]: (
                view["time_used_ms"],
                view["overtime_ms"],
                view["cycle_count"],
            )
            for view in clocks(session, now_ms).participants
        }
    assert seen == sorted(versions)


@given(CASES, st.integers(1, 7))
def test_event_log_determines_status_active_participant_and_times_of_every_version(
    case: tuple[Setup, list[Step]], a_page: int
) -> None:
    setup, walk = case
    store = FakeStore(clock_ms=EPOCH_MS)
    engine = SyncEngine(CommitLoop(store, session_ttl_ms=10**13))
    versions = versions_of(engine, store, setup, walk)
    check_every_version(read(engine, setup.session_id, a_page), setup, versions)


def test_redis_stream_contains_the_same_events(own_valkey: RedisProcess) -> None:
    server = RedisClient(Settings(redis_url=own_valkey.url))
    runs = count()

    @settings(max_examples=A_FEW)
    @given(CASES, st.integers(1, 7))
    def check(case: tuple[Setup, list[Step]], a_page: int) -> None:
        setup, walk = replace(case[0], session_id=f"walk-{next(runs)}"), case[1]
        store = TimedStore(server)
        engine = SyncEngine(CommitLoop(store, session_ttl_ms=10**13))
        versions = versions_of(engine, store, setup, walk)
        log = read(engine, setup.session_id, a_page)
        # Of a longer one the beginning may be gone.
        assume(len(log) < EVENTS_KEPT)
        check_every_version(log, setup, versions)

    check()
    server.close()
