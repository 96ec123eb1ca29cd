"""The sync engine: order, versions, races, expiry and pushes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from chalicelib.core import errors
from chalicelib.core.appointments import Appointments
from chalicelib.core.commands import Adjust, Cancel, Pause, Start, Switch, Undo
from chalicelib.core.setup import SyncMode, TimeoutAction
from chalicelib.engine.commit_loop import LONGEST_UNUSED_MS, CommandResult, CommitLoop
from chalicelib.engine.commit_retry import RetryPolicy
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.ports import Deleted, Stale
from chalicelib.schemas.conditions import ANY_VERSION
from chalicelib.schemas.states import event_view
from chalicelib.telemetry import definitions as names
from chalicelib.telemetry.metrics import Telemetry
from tests.chess import ANNE, BEN, SESSION, chess
from tests.fakes import FakeStore, RecordingSink

from .conftest import TTL_MS, RacedStore


class Watch:
    """Time that passes only when a caller sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.naps: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.seconds += seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def sink() -> RecordingSink:
    return RecordingSink()


@pytest.fixture
def engine(store: RacedStore, watch: Watch, sink: RecordingSink) -> SyncEngine:
    ids: Iterator[int] = count(1)
    return SyncEngine(
        CommitLoop(
            store,
            session_ttl_ms=TTL_MS,
            telemetry=Telemetry(sink),
            new_id=lambda: f"id-{next(ids)}",
            retry=RetryPolicy(watch.monotonic, watch.sleep, jitter=lambda: 1.0),
        )
    )


def start(engine: SyncEngine, **changes: Any) -> CommandResult:
    """Create and start a session."""
    engine.create_session(chess(**changes))
    return engine.start_session(SESSION)


def active(outcome: CommandResult) -> str | None:
    return outcome.state["active_participant_id"]


def pushed(store: FakeStore) -> list[dict[str, Any]]:
    return [json.loads(message) for _, message in store.published]


# creation


def test_session_is_created_pending_as_version_one(engine: SyncEngine, store: RacedStore) -> None:
    outcome = engine.create_session(chess())

    assert outcome.created
    assert (outcome.state["status"], outcome.state["version"]) == ("pending", 1)
    assert outcome.now_ms == store.clock_ms
    assert [event.type for event in outcome.events] == ["session_created"]


def test_repeated_creation_returns_the_current_session(engine: SyncEngine) -> None:
    start(engine)

    again = engine.create_session(chess())

    assert not again.created
    assert (again.state["status"], again.state["version"]) == ("running", 2)


@pytest.mark.parametrize("during_a_race", [False, True])
def test_different_creation_of_an_existing_id_is_refused(
    engine: SyncEngine, rival: SyncEngine, store: RacedStore, during_a_race: bool
) -> None:
    if during_a_race:
        store.intruders = [lambda: rival.create_session(chess())]
    else:
        rival.create_session(chess())

    with pytest.raises(errors.SessionExists):
        engine.create_session(chess(20_000))

    assert len(store.commits) == 1


def test_creation_that_loses_a_race_returns_the_equal_session_of_the_winner(
    engine: SyncEngine, rival: SyncEngine, store: RacedStore
) -> None:
    store.intruders = [lambda: rival.create_session(chess())]

    outcome = engine.create_session(chess())

    assert (outcome.created, outcome.state["version"], len(store.commits)) == (False, 1, 1)


def test_recreated_session_has_another_epoch(engine: SyncEngine) -> None:
    first = engine.create_session(chess())
    engine.delete_session(SESSION)
    second = engine.create_session(chess())

    assert second.created
    assert first.session.epoch != second.session.epoch


# commands


@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.get_current_state(SESSION),
        lambda engine: engine.start_session(SESSION),
        lambda engine: engine.switch_cycle(SESSION),
        lambda engine: engine.pause_session(SESSION),
        lambda engine: engine.resume_session(SESSION),
        lambda engine: engine.complete_session(SESSION),
        lambda engine: engine.execute(SESSION, Cancel()),
        lambda engine: engine.execute(SESSION, Adjust(1, ANNE)),
        lambda engine: engine.execute(SESSION, Undo()),
    ],
)
def test_missing_session_is_not_found(
    engine: SyncEngine, store: RacedStore, call: Callable[[SyncEngine], object]
) -> None:
    with pytest.raises(errors.SessionNotFound):
        call(engine)
    assert store.commits == []


def test_cycle_is_measured_by_the_clock_of_the_store(engine: SyncEngine, store: RacedStore) -> None:
    start(engine)
    store.advance(1_234)

    outcome = engine.switch_cycle(SESSION)

    anne = outcome.state["participants"][0]
    assert (anne["time_used_ms"], anne["time_remaining_ms"]) == (1_234, 8_766)
    assert outcome.now_ms == store.clock_ms


def test_switch_and_pause_pass_on_the_current_participant(engine: SyncEngine) -> None:
    start(engine)

    with pytest.raises(errors.StaleCycle):
        engine.switch_cycle(SESSION, current_participant_id=BEN)
    with pytest.raises(errors.StaleCycle):
        engine.pause_session(SESSION, current_participant_id=BEN)

    assert active(engine.switch_cycle(SESSION, ANNE, ANNE)) == ANNE


def test_refused_command_commits_due_timeouts(engine: SyncEngine, store: RacedStore) -> None:
    start(engine, action_on_timeout=TimeoutAction.END_SESSION)
    store.advance(11_000)

    with pytest.raises(errors.InvalidTransition, match="expired"):
        engine.switch_cycle(SESSION)

    assert store.commits[-1].session.version == 3
    assert store.commits[-1].session.status == "expired"


def test_read_commits_due_timeouts_once(engine: SyncEngine, store: RacedStore) -> None:
    start(engine)
    store.advance(10_000)

    first, second = engine.get_current_state(SESSION), engine.get_current_state(SESSION)

    assert first.state["version"] == second.state["version"] == 3
    assert [event.type for event in first.events] == ["participant_expired"]
    assert second.events == ()
    assert len(store.commits) == 3


def test_repeated_completion_commits_nothing(engine: SyncEngine, store: RacedStore) -> None:
    engine.create_session(chess())
    first, second = engine.complete_session(SESSION), engine.complete_session(SESSION)

    assert first.state == second.state
    assert len(store.commits) == 2


def test_deletion_is_idempotent_and_pushed_once(engine: SyncEngine, store: RacedStore) -> None:
    engine.create_session(chess())
    engine.delete_session(SESSION)
    engine.delete_session(SESSION)

    assert [message["type"] for message in pushed(store)] == ["STATE_UPDATE", "SESSION_DELETED"]
    with pytest.raises(errors.SessionNotFound):
        engine.get_current_state(SESSION)


# pushes


def test_unreadable_session_can_be_deleted(store: RacedStore) -> None:
    class Damaged(FakeStore):
        def load(self, session_id: str, *_: Any) -> Any:
            raise ValueError("not a session")

        def delete(self, *arguments: Any, **more: Any) -> Deleted | Stale:
            return store.delete(*arguments, **more)

    SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS)).create_session(chess())

    SyncEngine(CommitLoop(Damaged(), session_ttl_ms=TTL_MS)).delete_session(SESSION)

    assert store.load(SESSION).session is None


def test_commit_is_pushed_with_the_state_the_caller_gets(
    engine: SyncEngine, store: RacedStore
) -> None:
    created = engine.create_session(chess())
    store.advance(5)
    started = engine.start_session(SESSION)

    message = pushed(store)[-1]

    assert message["state"] == started.state
    assert (message["type"], message["sessionId"]) == ("STATE_UPDATE", SESSION)
    assert (message["epoch"], message["version"]) == (created.session.epoch, 2)
    assert message["timestamp"] == started.now_ms
    assert [event["type"] for event in message["events"]] == ["session_started"]


def test_push_lists_fifty_events_and_counts_the_rest(engine: SyncEngine, store: RacedStore) -> None:
    start(
        engine,
        sync_mode=SyncMode.PER_CYCLE,
        time_per_cycle_ms=1_000,
        action_on_timeout=TimeoutAction.SKIP_CYCLE,
    )
    store.advance(40_000)

    outcome = engine.get_current_state(SESSION)

    assert len(outcome.events) == 80
    assert len(pushed(store)[-1]["events"]) == 50
    assert pushed(store)[-1]["eventsOmitted"] == 30
    assert pushed(store)[-1]["events"][-1] == event_view(outcome.events[-1])


# life


def test_session_expires_after_its_last_command_and_its_deadline(
    engine: SyncEngine, store: RacedStore
) -> None:
    created = engine.create_session(chess(action_on_timeout=TimeoutAction.END_SESSION))
    assert store.expires_at_ms(SESSION) == created.now_ms + TTL_MS
    store.advance(1_000)

    started = engine.start_session(SESSION)

    assert store.expires_at_ms(SESSION) == started.now_ms + 10_000 + TTL_MS


@pytest.mark.parametrize(
    ("mode", "action"),
    [
        (SyncMode.COUNT_UP, TimeoutAction.END_SESSION),
        (SyncMode.PER_PARTICIPANT, TimeoutAction.NOTIFY),
        (SyncMode.PER_CYCLE, TimeoutAction.NOTIFY),
    ],
)
def test_session_lives_on_while_its_clock_runs_without_end(
    engine: SyncEngine, store: RacedStore, mode: SyncMode, action: TimeoutAction
) -> None:
    engine.create_session(chess(sync_mode=mode, action_on_timeout=action))
    started = engine.start_session(SESSION)
    # Over a month untouched, most of it after its deadline, if it has one.
    store.advance(LONGEST_UNUSED_MS - 1)
    assert engine.get_current_state(SESSION).state["status"] == "running"
    assert store.expires_at_ms(SESSION) == started.now_ms + LONGEST_UNUSED_MS

    paused = engine.pause_session(SESSION)
    assert store.expires_at_ms(SESSION) == paused.now_ms + TTL_MS


def test_connections_may_renew_a_session_up_to_a_month_after_its_last_command(
    engine: SyncEngine, store: RacedStore
) -> None:
    created = engine.create_session(chess())
    assert store.commits[-1].renewable_until_ms == created.now_ms + LONGEST_UNUSED_MS
    engine.start_session(SESSION)
    store.advance(11_000)
    engine.get_current_state(SESSION)
    assert store.commits[-1].renewable_until_ms is None


def test_reads_refusals_and_timeouts_do_not_renew_a_session(
    engine: SyncEngine, store: RacedStore
) -> None:
    start(engine)
    expires_at_ms = store.expires_at_ms(SESSION)
    store.advance(11_000)

    engine.get_current_state(SESSION)
    with pytest.raises(errors.InvalidTransition):
        engine.resume_session(SESSION)

    assert store.expires_at_ms(SESSION) == expires_at_ms


def test_session_is_kept_from_its_appointed_start_on(engine: SyncEngine, store: RacedStore) -> None:
    starts_at_ms = store.clock_ms + 7 * TTL_MS
    engine.create_session(
        chess(action_on_timeout=TimeoutAction.END_SESSION, appointments=Appointments(starts_at_ms))
    )
    assert store.deadlines == {SESSION: starts_at_ms}
    assert store.expires_at_ms(SESSION) == starts_at_ms + TTL_MS

    store.advance(7 * TTL_MS + 10)
    (started,) = engine.settle_many([SESSION])

    # As after the command, whose clock the session outlives.
    assert started is not None
    assert store.deadlines == {SESSION: starts_at_ms + 10_000}
    assert store.expires_at_ms(SESSION) == starts_at_ms + 10_000 + TTL_MS
    assert store.commits[-1].renewable_until_ms == started.now_ms + LONGEST_UNUSED_MS


def test_session_that_runs_without_end_is_kept_until_its_appointed_one(
    engine: SyncEngine, store: RacedStore
) -> None:
    ends_at_ms = store.clock_ms + 3 * TTL_MS
    engine.create_session(chess(appointments=Appointments(None, ends_at_ms)))
    engine.start_session(SESSION)
    assert store.expires_at_ms(SESSION) == ends_at_ms + TTL_MS
    store.advance(20_000)
    engine.get_current_state(SESSION)
    assert store.deadlines == {SESSION: ends_at_ms}


def test_deadline_is_indexed_only_while_a_clock_runs(engine: SyncEngine, store: RacedStore) -> None:
    engine.create_session(chess())
    assert store.deadlines == {}
    started = engine.start_session(SESSION)
    assert store.deadlines == {SESSION: started.now_ms + 10_000}
    engine.pause_session(SESSION)
    assert store.deadlines == {}


# races


def test_command_that_lost_a_race_is_retried_on_the_new_version(
    engine: SyncEngine, rival: SyncEngine, store: RacedStore, sink: RecordingSink
) -> None:
    start(engine)
    store.intruders = [lambda: rival.switch_cycle(SESSION)]
    assert sink.counts == {}

    outcome = engine.switch_cycle(SESSION)

    assert dict(sink.counts) == {(names.LOST_RACES.name, ()): 1}

    assert outcome.state["version"] == 4
    assert active(outcome) == ANNE
    assert [participant["cycle_count"] for participant in outcome.state["participants"]] == [1, 1]


def test_command_that_lost_its_validity_in_a_race_is_a_conflict(
    engine: SyncEngine, rival: SyncEngine, store: RacedStore
) -> None:
    start(engine)
    store.intruders = [lambda: rival.pause_session(SESSION)]

    with pytest.raises(errors.Conflict) as conflict:
        engine.switch_cycle(SESSION)

    assert (conflict.value.expected_version, conflict.value.actual_version) == (2, 3)


def test_racing_completions_both_succeed(
    engine: SyncEngine, rival: SyncEngine, store: RacedStore
) -> None:
    engine.create_session(chess())
    store.intruders = [lambda: rival.complete_session(SESSION)]

    assert engine.complete_session(SESSION).state["status"] == "completed"


def expire(store: RacedStore, rival: SyncEngine) -> None:
    store.advance(10_000)
    rival.get_current_state(SESSION)


@pytest.mark.parametrize(
    ("intruder", "refusal"),
    [
        (lambda _, rival: rival.switch_cycle(SESSION), errors.StaleCycle),
        (expire, errors.InvalidTransition),
        (lambda _, rival: rival.delete_session(SESSION), errors.SessionNotFound),
    ],
    ids=["switch", "timeout", "deletion"],
)
def test_lost_race_is_no_conflict_if_the_refusal_has_another_reason(
    engine: SyncEngine,
    rival: SyncEngine,
    store: RacedStore,
    intruder: Callable[[RacedStore, SyncEngine], object],
    refusal: type[errors.TicklessError],
) -> None:
    start(engine, action_on_timeout=TimeoutAction.END_SESSION)
    store.intruders = [lambda: intruder(store, rival)]

    with pytest.raises(refusal):
        engine.switch_cycle(SESSION, current_participant_id=ANNE)


def test_race_lost_for_two_seconds_is_a_conflict(
    engine: SyncEngine, rival: SyncEngine, store: RacedStore, watch: Watch
) -> None:
    start(engine)
    store.intruders = [lambda: rival.switch_cycle(SESSION)] * 1_000

    with pytest.raises(errors.Conflict):
        engine.switch_cycle(SESSION)

    assert 2.0 <= watch.seconds <= 2.1
    assert watch.naps == sorted(watch.naps)
    assert max(watch.naps) <= 0.05


def test_slow_store_does_not_use_up_the_time_for_retries(
    engine: SyncEngine, rival: SyncEngine, store: RacedStore, watch: Watch
) -> None:
    start(engine)

    def commit_during_a_failover() -> None:
        watch.seconds += 2.5
        rival.execute(SESSION, Adjust(1, ANNE))

    store.intruders = [commit_during_a_failover]

    assert engine.switch_cycle(SESSION).session.version == 4


def test_commit_whose_reply_was_lost_succeeds(engine: SyncEngine, store: RacedStore) -> None:
    start(engine)
    store.repeats = True

    outcome = engine.switch_cycle(SESSION)

    assert outcome.state["version"] == engine.get_current_state(SESSION).state["version"] == 3


def test_unavailable_store_is_reported(engine: SyncEngine, store: RacedStore) -> None:
    engine.create_session(chess())
    store.away = True

    with pytest.raises(errors.StoreUnavailable):
        engine.start_session(SESSION)


# expected versions


def test_command_can_require_a_version(
    engine: SyncEngine, rival: SyncEngine, store: RacedStore
) -> None:
    engine.create_session(chess())
    with pytest.raises(errors.PreconditionFailed) as refused:
        engine.execute(SESSION, Start(), expected_versions={2})
    assert (refused.value.expected_version, refused.value.actual_version) == (2, 1)

    assert engine.execute(SESSION, Start(), expected_versions={1}).state["version"] == 2
    store.intruders = [lambda: rival.switch_cycle(SESSION)]
    with pytest.raises(errors.PreconditionFailed):
        engine.execute(SESSION, Switch(), expected_versions={2})


@pytest.mark.parametrize("noticed", [True, False])
def test_due_timeout_counts_as_a_version_before_preconditions_are_checked(
    engine: SyncEngine, rival: SyncEngine, store: RacedStore, noticed: bool
) -> None:
    start(engine, action_on_timeout=TimeoutAction.SKIP_CYCLE)
    store.advance(10_000)
    if noticed:
        rival.get_current_state(SESSION)

    for meant_for_what_was in (
        lambda: engine.execute(SESSION, Switch(), expected_versions={2}),
        lambda: engine.delete_session(SESSION, expected_versions={2}),
    ):
        with pytest.raises(errors.PreconditionFailed) as refused:
            meant_for_what_was()
        assert refused.value.actual_version == 3
    assert active(engine.execute(SESSION, Pause(), expected_versions={3})) == BEN


def test_command_for_any_version_applies_to_the_settled_session(
    engine: SyncEngine, store: RacedStore
) -> None:
    start(engine, action_on_timeout=TimeoutAction.SKIP_CYCLE)
    store.advance(10_000)

    outcome = engine.execute(SESSION, Pause(), expected_versions=ANY_VERSION)

    assert (outcome.state["version"], active(outcome)) == (3, BEN)


def test_session_deleted_while_it_is_settled_fails_the_precondition(
    engine: SyncEngine, rival: SyncEngine, store: RacedStore
) -> None:
    start(engine)
    store.advance(10_000)
    store.intruders = [lambda: rival.delete_session(SESSION)]

    with pytest.raises(errors.PreconditionFailed, match="gone"):
        engine.delete_session(SESSION, expected_versions={2})


@pytest.mark.parametrize("other", [True, 1.0])
def test_creations_that_differ_in_json_types_are_different(
    engine: SyncEngine, other: object
) -> None:
    engine.create_session(chess(metadata={"a": 1, "b": 2}))

    assert not engine.create_session(chess(metadata={"b": 2, "a": 1})).created
    with pytest.raises(errors.SessionExists):
        engine.create_session(chess(metadata={"a": other, "b": 2}))


# Settling many


def test_settle_many_settles_each_session_at_its_own_deadline() -> None:
    store = FakeStore()
    engine = SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS))
    deadlines: dict[str, int] = {}
    for number in range(3):
        session_id = f"session {number}"
        engine.create_session(chess(session_id=session_id))
        engine.start_session(session_id)
        deadlines[session_id] = store.deadlines[session_id]
        store.advance(1_000)
    store.advance(8_500)

    outcomes = engine.settle_many(["session 0", "session 1", "missing", "session 2"])

    assert [outcome and [event.at_ms for event in outcome.events] for outcome in outcomes] == [
        [deadlines["session 0"]],
        [deadlines["session 1"]],
        None,
        [],
    ]
    assert store.deadlines == {"session 2": deadlines["session 2"]}
    assert [session_id for session_id, _ in store.published[-2:]] == ["session 0", "session 1"]


def test_settle_many_returns_the_current_session_after_a_lost_race() -> None:
    store = RacedStore()
    engine = SyncEngine(CommitLoop(store, session_ttl_ms=TTL_MS))
    start(engine)
    store.advance(10_000)
    store.intruders = [lambda: engine.switch_cycle(SESSION)]

    (outcome,) = engine.settle_many([SESSION])

    assert outcome is not None
    assert (outcome.session.version, outcome.events) == (3, ())
    assert [event.type for _, event in store.events(SESSION)].count("participant_expired") == 1

    store.advance(10_000)
    store.intruders = [lambda: engine.delete_session(SESSION)]
    assert list(engine.settle_many([SESSION])) == [None]
