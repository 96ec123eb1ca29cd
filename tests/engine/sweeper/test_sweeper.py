"""The sweeper's decisions, on a fake store whose clock the test sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event, Thread

import pytest

from chalicelib.core.appointments import NO_APPOINTMENTS, Appointments
from chalicelib.core.setup import Participant, SyncMode, create_setup
from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.sweeper import MAX_PER_SCAN, Sweeper
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.ports import Commit, Committed, Loaded, RateLimitCheck, Stale, StoreUnavailable
from chalicelib.telemetry import definitions as names
from chalicelib.telemetry.metrics import Telemetry
from tests.fakes import FakeAlarms, FakeDeadlines, FakeStore, RecordingSink
from tests.servers import eventually
from tests.waiting import HUNG_AFTER_S

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


@dataclass
class CountedNaps(FakeAlarms):
    """Counts how long it was to be listened to."""

    napped_s: float = 0.0

    def next(self, within_seconds: float) -> int | None:
        self.napped_s += within_seconds
        return super().next(within_seconds)


class Scene:
    def __init__(self) -> None:
        self.store = FrailStore()
        self.engine = SyncEngine(CommitLoop(self.store, session_ttl_ms=3_600_000))
        self.deadline_notifications = CountedNaps(self.store)
        self.sink = RecordingSink()
        self.sweeper = self.new_sweeper()

    def new_sweeper(self, periodic_task: Callable[[], None] | None = None) -> Sweeper:
        return Sweeper(
            self.engine,
            FakeDeadlines(self.store),
            self.deadline_notifications.open,
            periodic_task=periodic_task,
            telemetry=Telemetry(self.sink),
        )

    def start_session(
        self, session_id: str, warn_at_ms: Sequence[int] = (), *, total_ms: int = ALLOWED_MS
    ) -> int:
        """The instant at which it is to be settled."""
        self.create_session(session_id, warn_at_ms, total_ms=total_ms)
        self.engine.start_session(session_id)
        return self.store.deadlines[session_id]

    def create_session(
        self,
        session_id: str,
        warn_at_ms: Sequence[int] = (),
        *,
        total_ms: int = ALLOWED_MS,
        appointments: Appointments = NO_APPOINTMENTS,
    ) -> None:
        self.engine.create_session(
            create_setup(
                session_id=session_id,
                sync_mode=SyncMode.PER_PARTICIPANT,
                participants=[Participant("anne", 0, total_ms), Participant("ben", 1, 10_000)],
                total_time_ms=20_000,
                warn_at_ms=warn_at_ms,
                appointments=appointments,
            )
        )

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


def test_appointments_are_kept_without_a_client(scene: Scene) -> None:
    starts_at_ms, ends_at_ms = scene.store.clock_ms + 2_000, scene.store.clock_ms + 5_000
    scene.create_session("exam", appointments=Appointments(starts_at_ms, ends_at_ms))
    assert scene.store.deadlines == {"exam": starts_at_ms}
    assert scene.sweeper.start()
    scene.store.advance(2_300)
    scene.wake()

    eventually(lambda: scene.instants("exam", "session_started") == [starts_at_ms])
    eventually(lambda: scene.store.deadlines == {"exam": ends_at_ms})
    assert b"session_started" in scene.store.published[-1][1]
    scene.store.advance(2_700)
    scene.wake()
    eventually(lambda: scene.instants("exam", "session_expired") == [ends_at_ms])
    eventually(lambda: not scene.store.deadlines)
    assert scene.sink.observed == {(names.SWEEPER_LAG_SECONDS.name, ()): [0.3, 0.0]}


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

    assert scene.sink.observed == {(names.SWEEPER_LAG_SECONDS.name, ()): [0.7]}
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
    names = [f"game {number}" for number in range(3 * MAX_PER_SCAN + 1)]
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
    damaged = {f"damaged {number}" for number in range(MAX_PER_SCAN + 8)}
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
        f"sweeper: session {name} is postponed" for name in damaged
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

    def periodic_task() -> None:
        for failure in failures:
            raise failure
        go_on.wait(HUNG_AFTER_S)

    sweeper = Sweeper(
        scene.engine,
        FakeDeadlines(scene.store),
        scene.deadline_notifications.open,
        periodic_task=periodic_task,
        task_every_seconds=0.0,
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


WHOLE_MINUTE_MS = 68_000
"""What a scheduled function has left when it begins: its minute and its last calls."""

HALF_A_MINUTE_S = 30.0
"""A sweep that takes longer may have stayed for its minute."""


def a_minute_later(scene: Scene) -> Thread:
    """The scheduled function, which is invoked in a thread of its own."""
    thread = Thread(target=scene.new_sweeper().work_while_due, args=(WHOLE_MINUTE_MS,))
    thread.start()
    return thread


def test_scheduled_sweep_leaves_at_once_if_nothing_falls_due_in_its_minute(scene: Scene) -> None:
    scene.start_session("later", total_ms=61_000)
    scene.start_session("paused")
    scene.engine.pause_session("paused")

    scene.sweeper.work_while_due(WHOLE_MINUTE_MS)

    assert scene.deadline_notifications.napped_s == 0
    assert scene.timeouts("later") == scene.timeouts("paused") == []


def test_scheduled_sweep_settles_what_is_due_and_leaves(scene: Scene) -> None:
    names = [f"game {number}" for number in range(MAX_PER_SCAN + 1)]
    deadlines_ms = {name: scene.start_session(name) for name in names}
    scene.store.advance(ALLOWED_MS + 700)

    scene.sweeper.work_while_due(WHOLE_MINUTE_MS)

    assert scene.deadline_notifications.napped_s == 0
    assert {name: scene.timeouts(name) for name in names} == {
        name: [deadline_ms] for name, deadline_ms in deadlines_ms.items()
    }


def test_scheduled_sweep_stays_until_what_falls_due_in_its_minute_is_settled(
    scene: Scene,
) -> None:
    deadline_ms = scene.start_session("game")
    sweep = a_minute_later(scene)
    eventually(lambda: scene.deadline_notifications.opened == 1)
    # Begun meanwhile, and due in the same minute.
    earlier_ms = scene.start_session("sprint", total_ms=2_000)
    assert sweep.is_alive()
    scene.store.advance(ALLOWED_MS)
    scene.wake()

    sweep.join(HALF_A_MINUTE_S)
    assert not sweep.is_alive()
    assert scene.timeouts("game") == [deadline_ms]
    assert scene.timeouts("sprint") == [earlier_ms]


def test_clock_that_begins_and_ends_between_sweeps_keeps_its_instant(scene: Scene) -> None:
    scene.sweeper.work_while_due(WHOLE_MINUTE_MS)
    scene.store.advance(10_000)
    deadline_ms = scene.start_session("sprint", total_ms=20_000)
    scene.store.advance(50_000)
    scene.new_sweeper().work_while_due(WHOLE_MINUTE_MS)

    assert scene.timeouts("sprint") == [deadline_ms]
    # It could not be earlier: how late it is counts from the beginning of the sweep.
    assert scene.sink.observed == {(names.SWEEPER_LAG_SECONDS.name, ()): [0.0]}


def test_session_that_can_not_be_read_does_not_keep_a_scheduled_sweep(scene: Scene) -> None:
    scene.store.deadlines["damaged"] = 17
    scene.store.unreadable = {"damaged"}

    scene.sweeper.work_while_due(WHOLE_MINUTE_MS)

    assert scene.deadline_notifications.napped_s == 0
    assert "damaged" in scene.store.read


def test_scheduled_sweep_works_no_longer_than_it_has(scene: Scene) -> None:
    scene.start_session("game", total_ms=1_000)
    # The store's clock stands still, so the deadline is always a second away.
    scene.sweeper.work_while_due(9_500)

    assert 0 < scene.deadline_notifications.napped_s <= 1.5
    assert scene.timeouts("game") == []


def test_scheduled_sweep_without_time_to_spare_does_nothing(scene: Scene) -> None:
    scene.start_session("game")
    scene.store.advance(ALLOWED_MS)
    scene.sweeper.work_while_due(7_000)

    assert scene.timeouts("game") == []


def test_scheduled_sweep_stays_for_a_store_that_comes_back_in_its_minute(scene: Scene) -> None:
    deadline_ms = scene.start_session("game")
    scene.store.advance(ALLOWED_MS)
    scene.store.away = True
    sweep = a_minute_later(scene)
    eventually(lambda: scene.deadline_notifications.opened > 1)
    scene.store.away = False

    sweep.join(HALF_A_MINUTE_S)
    assert not sweep.is_alive()
    assert scene.timeouts("game") == [deadline_ms]


def test_scheduled_sweep_leaves_when_what_is_done_aside_is_done() -> None:
    scene, done = Scene(), []

    def periodic_task() -> None:
        Event().wait(0.2)
        done.append("task")

    scene.new_sweeper(periodic_task).work_while_due(WHOLE_MINUTE_MS)

    assert done == ["task"]
