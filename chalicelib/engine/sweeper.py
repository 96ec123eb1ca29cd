"""The sweeper: settles timeouts and warnings when they are due, whether or not a client asks.

Runs as a process, or as a function that is invoked once a minute and stays only while something
falls due in that minute. Owns when to scan the deadline index and what to do about failures. The
core decides what is due, and the store's atomic commit that it happens once. A sweeper takes
nothing from the index: an entry leaves it with the commit that settles its session, so any number
of sweepers may run at once, and any of them may crash at any time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import inf
from threading import Event, Thread

from ..core.errors import StoreUnavailable
from ..core.events import TimeWarning
from ..core.rules import due_ms
from ..ports import Deadline, DeadlineIndex, DeadlineNotifications
from ..telemetry.metrics import SILENT, Telemetry
from .commit_loop import CommandResult
from .sync_engine import SyncEngine

LOG = logging.getLogger("tickless")

WORKERS = 8
"""Threads: settling waits for the store and, with an inline broadcast, for connections."""

BATCH_SIZE = 16
"""How many sessions a worker settles in one pipeline: round trips are most of the cost."""

MAX_PER_SCAN = 32
"""How many deadlines of a shard are settled at once, so that a full shard delays no other."""

LISTEN_SECONDS = 0.25
SCAN_EVERY_SECONDS = 5.0
"""A shard is scanned at least this often, in case a notification was lost."""

POSTPONE_SECONDS = 5.0
RECONNECT_AFTER_SECONDS = 0.1
LOG_EVERY_SECONDS = 10.0
"""Failures are logged at most this often."""

MINUTE_SECONDS = 60.0
CALLS_IN_FLIGHT_SECONDS = 8.0
"""How long calls in flight may take if the store or connections don't answer."""


@dataclass(frozen=True, slots=True)
class _Scan:
    """A shard's deadlines to settle now, when to scan it again, and its next deadline."""

    due: list[Deadline]
    again_at_s: float
    next_due_at_s: float


class Sweeper:
    """Settles what is due, from ``start`` to ``stop``, or during ``work_while_due``.

    A worker calls ``periodic_task`` every ``task_every_seconds``; without relays it closes silent
    connections.
    """

    def __init__(
        self,
        engine: SyncEngine,
        index: DeadlineIndex,
        listen: Callable[[], AbstractContextManager[DeadlineNotifications]],
        *,
        workers: int = WORKERS,
        batch_size: int = BATCH_SIZE,
        periodic_task: Callable[[], None] | None = None,
        task_every_seconds: float = MINUTE_SECONDS,
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._engine = engine
        self._index = index
        self._listen = listen
        self._workers = workers
        self._batch_size = batch_size
        self._telemetry = telemetry
        self._periodic_task = periodic_task
        self._task_every_seconds = task_every_seconds
        self._task_at_s = 0.0
        self._postponed: dict[str, float] = {}
        self._log_again_at_s = 0.0
        self._stopping = Event()
        self._listening = Event()
        self._began_at_ms: int | None = 0
        self._thread = Thread(target=self._work, args=(inf,), name="sweeper", daemon=True)

    def start(self, within_seconds: float = 5.0) -> bool:
        """Start the thread; returns whether it subscribed to the store in time."""
        self._thread.start()
        return self._listening.wait(within_seconds)

    def is_ready(self) -> bool:
        return self._listening.is_set()

    def stop(self, within_seconds: float = 2.0) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(within_seconds)

    def work_while_due(self, remaining_ms: int) -> None:
        """The scheduled function, which is invoked once a minute and has ``remaining_ms`` left.

        Settles what is due and stays while something falls due before the next invocation. What
        begins and ends after it has left is settled by a client's CLAIM, or by the next one.
        """
        # What was due before could not be settled earlier, so its lag counts from the first scan.
        self._began_at_ms = None
        within_s = min(MINUTE_SECONDS, remaining_ms / 1000 - CALLS_IN_FLIGHT_SECONDS)
        self._work(within_s, leaves=True)

    def _work(self, seconds: float, *, leaves: bool = False) -> None:
        """Settle what falls due within ``seconds``, in this thread and a pool.

        With ``leaves``, return as soon as nothing more will.
        """
        until_s = time.monotonic() + seconds
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="sweeper")
        try:
            while self._continues(until_s):
                try:
                    with self._listen() as deadline_notifications:
                        self._listening.set()
                        self._watch(deadline_notifications, pool, until_s, leaves=leaves)
                except StoreUnavailable as error:
                    if self._should_log():
                        LOG.warning("sweeper: %s", error)
                except Exception:
                    # No error may end the sweeper.
                    if self._should_log():
                        LOG.exception("sweeper: starting over")
                else:
                    return
                self._listening.clear()
                self._stopping.wait(RECONNECT_AFTER_SECONDS)
        finally:
            pool.shutdown(cancel_futures=True)

    def _continues(self, until_s: float) -> bool:
        return not self._stopping.is_set() and time.monotonic() < until_s

    def _should_log(self) -> bool:
        """Whether to log a failure; False for LOG_EVERY_SECONDS after it was True."""
        now_s = time.monotonic()
        if now_s < self._log_again_at_s:
            return False
        self._log_again_at_s = now_s + LOG_EVERY_SECONDS
        return True

    def _watch(
        self,
        deadline_notifications: DeadlineNotifications,
        pool: ThreadPoolExecutor,
        until_s: float,
        *,
        leaves: bool,
    ) -> None:
        """Scan each shard when its next deadline passes, and all of them at the start."""
        scans = dict.fromkeys(range(self._index.shards), _Scan([], 0.0, 0.0))
        task: Future[None] | None = None
        while self._continues(until_s):
            now_s = time.monotonic()
            due, unseen = self._scan_due_shards(scans, now_s)
            self._settle_all(due, pool)
            if self._periodic_task is not None and now_s >= self._task_at_s:
                self._task_at_s = now_s + self._task_every_seconds
                task = pool.submit(self._run_task, self._periodic_task)
            if unseen is not None:
                raise unseen
            if leaves and all(
                not one.due and one.next_due_at_s >= until_s for one in scans.values()
            ):
                if task is not None:
                    task.result()
                return
            nap_s = min(*(one.again_at_s for one in scans.values()), until_s) - time.monotonic()
            # Also without a nap: unread notifications fill the store's output buffer.
            while (
                earlier := deadline_notifications.next(max(0.0, min(nap_s, LISTEN_SECONDS)))
            ) is not None:
                if earlier in scans:
                    scans[earlier], nap_s = _Scan([], 0.0, 0.0), 0.0

    def _scan_due_shards(
        self, scans: dict[int, _Scan], now_s: float
    ) -> tuple[list[Deadline], StoreUnavailable | None]:
        """Scan the shards whose time has come; what is due, and the last failure if any."""
        due: list[Deadline] = []
        unseen: StoreUnavailable | None = None
        for shard in [shard for shard, one in scans.items() if one.again_at_s <= now_s]:
            try:
                scans[shard] = self._scan(shard)
            except StoreUnavailable as error:
                # Shards on other nodes of a cluster don't wait for this one.
                unseen = error
            else:
                due += scans[shard].due
        return due, unseen

    def _run_task(self, task: Callable[[], None]) -> None:
        try:
            task()
        except StoreUnavailable as error:
            LOG.warning("sweeper: %s", error)
        except Exception:
            # The future's result is not always read.
            LOG.exception("sweeper: periodic task")

    def _scan(self, shard: int) -> _Scan:
        # Postponed sessions come first in the index, and must not hide the others.
        found = self._index.due(shard, MAX_PER_SCAN + len(self._postponed))
        now_s = time.monotonic()
        if self._began_at_ms is None:
            self._began_at_ms = found.now_ms
        self._postponed = {one: at_s for one, at_s in self._postponed.items() if at_s > now_s}
        due = [one for one in found.deadlines if one.session_id not in self._postponed]
        to_come_s = inf if found.next_ms is None else (found.next_ms - found.now_ms) / 1000
        if due:
            # The next scan finds what this one left.
            return _Scan(due, 0.0, now_s + to_come_s)
        waits_s = [SCAN_EVERY_SECONDS, to_come_s]
        waits_s += [self._postponed[one.session_id] - now_s for one in found.deadlines]
        return _Scan(due, now_s + min(waits_s), now_s + to_come_s)

    def _settle_all(self, due: list[Deadline], pool: ThreadPoolExecutor) -> None:
        due.sort(key=lambda one: one.at_ms)
        size = self._batch_size
        batches = [due[first : first + size] for first in range(0, len(due), size)]
        if len(batches) == 1:
            self._settle(batches[0])
            return
        for _ in pool.map(self._settle, batches):
            pass

    def _settle(self, due: Sequence[Deadline]) -> None:
        """Settle sessions, and correct the index for those that were not due.

        Raises:
            StoreUnavailable: The store can't be reached. Settling is idempotent: try again.
        """
        try:
            outcomes = self._engine.settle_many([one.session_id for one in due])
            for one, outcome in zip(due, outcomes, strict=True):
                if outcome is not None and outcome.events:
                    self._report(one, outcome)
                self._correct(one, outcome)
        except StoreUnavailable:
            raise
        except Exception:
            if len(due) > 1:
                # One of them may be undecodable; settle the others.
                for one in due:
                    self._settle([one])
                return
            (one,) = due
            LOG.exception("sweeper: session %s is postponed", one.session_id)
            self._postponed[one.session_id] = time.monotonic() + POSTPONE_SECONDS

    def _report(self, due: Deadline, outcome: CommandResult) -> None:
        if all(isinstance(event, TimeWarning) for event in outcome.events):
            return
        lag_ms = max(0, outcome.now_ms - due.at_ms)
        began_at_ms = max(due.at_ms, self._began_at_ms or 0)
        self._telemetry.record_settlement(max(0, outcome.now_ms - began_at_ms))
        LOG.info(
            "timeout",
            extra={
                "session_id": due.session_id,
                "epoch": outcome.session.epoch,
                "version": outcome.session.version,
                "lag_ms": lag_ms,
            },
        )

    def _correct(self, due: Deadline, outcome: CommandResult | None) -> None:
        if outcome is None:
            self._index.correct(due.session_id, None, None)
            return
        next_ms = due_ms(outcome.session)
        if not outcome.events and next_ms != due.at_ms:
            # Another process settled it, which does no harm here, or the index is wrong.
            self._index.correct(due.session_id, outcome.session, next_ms)
