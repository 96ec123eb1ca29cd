"""The sweeper's decisions, on a fake store whose clock the test sets."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from threading import Event

import pytest

from chalicelib.core.setup import Participant, SyncMode, create_setup
from chalicelib.engine.sweeper import AT_ONCE, Sweeper
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.ports import Commit, Committed, Loaded, RateLimitCheck, Stale, StoreUnavailable
from chalicelib.telemetry import definitions as names
from chalicelib.telemetry.metrics import Telemetry
from tests.fakes import FakeAlarms, FakeDeadlines, FakeStore, RecordingSink
from tests.servers import eventually

ALLOWED_MS = 10_000


class FrailStore(FakeStore):
    """A FakeStore of which some sessions can't be read, and whose commits can fail."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: set[str] = set()
        self.read: list[str] = []
        self.fail_before_commit = 0
        self.fail_after_commit = 0

    def load(self, session_id: str, *_: object) -> Loaded:
        self.read.append(session_id)
        if session_id in self.unreadable:
            raise ValueError("damaged")
        return super().load(session_id)

    def commit(
        self, commit: Commit, limit_check: RateLimitCheck | None = None
    ) -> Committed | Stale:
        if self.fail_before_commit:
            self.fail_before_commit -= 1
            raise StoreUnavailable("before")
        result = super().commit(commit, limit_check)
        if self.fail_after_commit:
            self.fail_after_commit -= 1
            raise StoreUnavailable("after")
        return result


class Scene:
    def __init__(self) -> None:
        self.store = FrailStore()
        self.engine = SyncEngine(self.store, session_ttl_ms=3_600_000)
        self.deadline_notifications = FakeAlarms(self.store)
        self.told = RecordingSink()
        self.sweeper = Sweeper(
            self.engine,
            FakeDeadlines(self.store),
            self.deadline_notifications.open,
            telemetry=Telemetry(self.told),
        )

    def start_session(self, session_id: str, warn_at_ms: Sequence[int] = ()) -> int:
        """The instant at which it is to be settled."""
        self.engine.create_session(
            create_setup(
                session_id=session_id,
                sync_mode=SyncMode.PER_PARTICIPANT,
                participants=[Participant("anne", 0, ALLOWED_MS), Participant("ben", 1, 10_000)],
                total_time_ms=20_000,
                warn_at_ms=warn_at_ms,
            )
        )
        self.engine.start_session(session_id)
        return self.store.deadlines[session_id]

    def wake(self) -> None:
        """The fake clock passes faster than the sweeper naps."""
        self.store.deadline_notifications.put(0)

    def timeouts(self, session_id: str) -> list[int]:
        return self.instants(session_id, "participant_expired")

    def instants(self, session_id: str, kind: str) -> list[int]:
        events = self.store.events(session_id)
        return [event.at_ms for _, event in events if event.type == kind]


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.sweeper.stop()


def test_due_timeout_is_settled_at_its_deadline_and_broadcast(scene: Scene) -> None:
    deadline_ms = scene.start_session("game")
    assert scene.sweeper.start()
    scene.store.advance(ALLOWED_MS + 700)
    scene.wake()

    eventually(lambda: scene.timeouts("game"))
    assert scene.timeouts("game") == [deadline_ms]
    assert b"participant_expired" in scene.store.published[-1][1]
    assert "game" not in scene.store.deadlines


def test_warning_is_broadcast_and_its_deadline_awaited(scene: Scene) -> None:
    mark_ms = scene.start_session("game", warn_at_ms=[1_000])
    assert scene.sweeper.start()
    scene.store.advance(ALLOWED_MS - 1_000)
    scene.wake()

    eventually(lambda: scene.instants("game", "time_warning"))
    assert b"time_warning" in scene.store.published[-1][1]
    eventually(lambda: scene.store.deadlines == {"game": mark_ms + 1_000})
    scene.store.advance(1_000)
    scene.wake()
    eventually(lambda: scene.timeouts("game") == [mark_ms + 1_000])
    assert scene.instants("game", "time_warning") == [mark_ms]


def test_lag_of_a_timeout_is_measured_by_the_clock_of_the_store(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.start_session("game")
    scene.store.deadlines["missing"] = scene.store.clock_ms
    scene.store.advance(ALLOWED_MS + 700)
    with caplog.at_level("INFO", "tickless"):
        scene.sweeper.start()
        eventually(lambda: not scene.store.deadlines)
        eventually(lambda: "timeout" in caplog.messages)

    assert scene.told.observed == {(names.SWEEPER_LAG_SECONDS.name, ()): [0.7]}
    (line,) = [vars(record) for record in caplog.records]
    assert (line["session_id"], line["version"], line["lag_ms"]) == ("game", 3, 700)


def test_overdue_timeouts_are_settled_at_once(scene: Scene) -> None:
    deadline_ms = scene.start_session("game")
    scene.store.advance(1_800_000)
    scene.sweeper.start()

    eventually(lambda: scene.timeouts("game"))
    assert scene.timeouts("game") == [deadline_ms]


def test_sessions_that_are_not_due_are_not_read(scene: Scene) -> None:
    due_ms = scene.start_session("due")
    scene.store.advance(1_000)
    scene.start_session("not due")
    scene.store.advance(ALLOWED_MS - 1_000)
    scene.store.read.clear()
    scene.sweeper.start()

    eventually(lambda: scene.timeouts("due") == [due_ms])
    assert set(scene.store.read) == {"due"}


def test_timeouts_beyond_one_batch_are_all_settled(scene: Scene) -> None:
    names = [f"game {number}" for number in range(3 * AT_ONCE + 1)]
    for name in names:
        scene.start_session(name)
    scene.store.advance(ALLOWED_MS)
    scene.sweeper.start()

    eventually(lambda: not scene.store.deadlines)
    assert all(len(scene.timeouts(name)) == 1 for name in names)


def test_entry_without_a_session_is_removed(scene: Scene) -> None:
    scene.store.deadlines["missing"] = scene.store.clock_ms - 1
    scene.sweeper.start()

    eventually(lambda: not scene.store.deadlines)
    assert scene.store.commits == []


def test_entry_older_than_its_session_is_corrected(scene: Scene) -> None:
    deadline_ms = scene.start_session("game")
    scene.start_session("paused")
    scene.engine.pause_session("paused")
    commits = len(scene.store.commits)
    scene.store.deadlines |= {"game": scene.store.clock_ms - 5, "paused": 17}
    scene.sweeper.start()

    eventually(lambda: scene.store.deadlines == {"game": deadline_ms})
    assert len(scene.store.commits) == commits


def test_unreadable_sessions_are_postponed_and_delay_no_other(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = {f"damaged {number}" for number in range(AT_ONCE + 8)}
    scene.store.deadlines |= dict.fromkeys(damaged, 17)
    scene.store.unreadable = damaged
    deadline_ms = scene.start_session("game")
    scene.store.advance(ALLOWED_MS)
    scene.sweeper.start()

    eventually(lambda: scene.timeouts("game") == [deadline_ms])
    eventually(lambda: len(caplog.records) >= len(damaged))
    # Each was read with others, and once more alone; looking again and again would show here.
    assert all(scene.store.read.count(name) <= 2 for name in damaged)
    assert {record.getMessage() for record in caplog.records} == {
        f"sweeper: session {name} is put off" for name in damaged
    }


@pytest.mark.parametrize("fault", ["fail_before_commit", "fail_after_commit"])
def test_commit_that_fails_or_seems_to_is_applied_once(scene: Scene, fault: str) -> None:
    deadline_ms = scene.start_session("game")
    scene.store.advance(ALLOWED_MS)
    setattr(scene.store, fault, 2)
    scene.sweeper.start()

    eventually(lambda: scene.timeouts("game") and not scene.store.deadlines)
    eventually(lambda: getattr(scene.store, fault) < 2)
    assert scene.timeouts("game") == [deadline_ms]


def test_sweeping_resumes_with_the_store_and_its_absence_is_logged_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    deadline_ms = scene.start_session("game")
    scene.sweeper.start()
    scene.store.away = True
    scene.store.advance(ALLOWED_MS)
    scene.wake()
    eventually(lambda: scene.deadline_notifications.opened > 3)
    assert scene.timeouts("game") == []
    scene.store.away = False

    eventually(lambda: scene.timeouts("game") == [deadline_ms])
    assert len(caplog.records) == 1


def test_lost_deadline_notifications_are_reopened_and_all_shards_checked(scene: Scene) -> None:
    deadline_ms = scene.start_session("game")
    scene.sweeper.start()
    scene.store.advance(ALLOWED_MS)
    scene.store.deadline_notifications.put(None)

    eventually(lambda: scene.timeouts("game") == [deadline_ms])
    assert scene.deadline_notifications.opened == 2


def test_internal_error_does_not_end_the_sweeper(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.sweeper.start()
    sane, scene.store.deadlines = scene.store.deadlines, None  # type: ignore[assignment]
    scene.wake()
    eventually(lambda: "starting over" in caplog.text)
    scene.store.deadlines = sane
    deadline_ms = scene.start_session("game")
    scene.store.advance(ALLOWED_MS)
    scene.wake()

    eventually(lambda: scene.timeouts("game") == [deadline_ms])


def test_periodic_task_repeats_and_delays_no_timeout(caplog: pytest.LogCaptureFixture) -> None:
    scene, go_on = Scene(), Event()
    failures = iter([StoreUnavailable("the store is away"), ValueError("a fault of our own")])

    def aside() -> None:
        for failure in failures:
            raise failure
        go_on.wait(10)

    sweeper = Sweeper(
        scene.engine,
        FakeDeadlines(scene.store),
        scene.deadline_notifications.open,
        aside=aside,
        aside_every_seconds=0.0,
    )
    deadline_ms = scene.start_session("game")
    sweeper.start()
    scene.wake()
    eventually(lambda: "the store is away" in caplog.text)
    scene.wake()
    eventually(lambda: "a fault of our own" in caplog.text)
    scene.store.advance(ALLOWED_MS)
    scene.wake()
    eventually(lambda: scene.timeouts("game") == [deadline_ms])
    go_on.set()
    sweeper.stop()


def test_deadline_notification_of_an_unknown_shard_is_ignored(scene: Scene) -> None:
    deadline_ms = scene.start_session("game")
    scene.sweeper.start()
    scene.store.deadline_notifications.put(99)
    scene.store.advance(ALLOWED_MS)
    scene.wake()

    eventually(lambda: scene.timeouts("game") == [deadline_ms])


def test_scheduled_sweep_leaves_time_for_work_in_progress(scene: Scene) -> None:
    deadline_ms = scene.start_session("game")
    scene.store.advance(ALLOWED_MS)
    began_s = time.monotonic()
    scene.sweeper.work_through_minute(8_300)

    assert scene.timeouts("game") == [deadline_ms]
    assert 0.3 <= time.monotonic() - began_s < 3


def test_scheduled_sweep_without_time_left_does_nothing(scene: Scene) -> None:
    scene.start_session("game")
    scene.store.advance(ALLOWED_MS)
    scene.sweeper.work_through_minute(7_000)

    assert scene.timeouts("game") == []
