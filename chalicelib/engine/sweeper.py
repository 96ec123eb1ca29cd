"""The sweeper: has timeouts and warnings happen when they are due, whether or not anybody looks.

It owns when to look and what to do with what doesn't come off; what is due is
for the core to say, and that it happens once is the store's doing. It takes nothing:
an entry leaves the index with the commit that settles its session, so any
number of sweepers may work at once, and any of them may die at any instant.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from math import inf
from threading import Event, Thread

from ..core.errors import StoreUnavailable
from ..core.events import TimeWarning
from ..core.timeouts import due_ms
from ..ports import Deadline, DeadlineIndex, DeadlineNotifications
from ..telemetry.metrics import SILENT, Telemetry
from .commit_loop import CommandResult
from .sync_engine import SyncEngine

LOG = logging.getLogger("tickless")

WORKERS = 8
"""Settling waits for the store, and, where it broadcasts inline, for connections."""

SHARE = 16
"""What one worker settles together: round trips are what sweeping mostly costs."""

AT_ONCE = 32
"""Of one shard in one pass, so that a crowd in one doesn't make the others wait."""

LISTEN_SECONDS = 0.25
LOOK_AGAIN_SECONDS = 5.0
"""An alarm that was lost is made good after this time."""

PUT_OFF_SECONDS = 5.0
AGAIN_AFTER_SECONDS = 0.1
COMPLAIN_EVERY_SECONDS = 10.0
"""So often at most a store that stays away is worth a line in the log."""

MINUTE_SECONDS = 60.0
LAST_CALLS_SECONDS = 8.0
"""So long may what is under way take, should the store or connections not answer."""


class Sweeper:
    """Settles what is due, from ``start`` to ``stop``, or while ``work`` lasts.

    ``aside`` is done from time to time, by a worker: what else a service that
    has no other standing process needs to have swept.
    """

    def __init__(
        self,
        engine: SyncEngine,
        index: DeadlineIndex,
        listen: Callable[[], AbstractContextManager[DeadlineNotifications]],
        *,
        workers: int = WORKERS,
        share: int = SHARE,
        aside: Callable[[], None] | None = None,
        aside_every_seconds: float = MINUTE_SECONDS,
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._engine = engine
        self._index = index
        self._listen = listen
        self._workers = workers
        self._share = share
        self._telemetry = telemetry
        self._aside = aside
        self._aside_every_seconds = aside_every_seconds
        self._aside_at_s = 0.0
        self._put_off: dict[str, float] = {}
        self._quiet_until_s = 0.0
        self._stopping = Event()
        self._listening = Event()
        self._thread = Thread(target=self.work, name="sweeper", daemon=True)

    def start(self, within_seconds: float = 5.0) -> bool:
        """Begin; whether it listens already, which a store that is away delays."""
        self._thread.start()
        return self._listening.wait(within_seconds)

    def is_ready(self) -> bool:
        return self._listening.is_set()

    def stop(self, within_seconds: float = 2.0) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(within_seconds)

    def work(self, seconds: float = inf) -> None:
        """Settle whatever becomes due in so many seconds, in this thread and some more."""
        until_s = time.monotonic() + seconds
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="sweeper")
        try:
            while self._goes_on(until_s):
                try:
                    with self._listen() as deadline_notifications:
                        self._listening.set()
                        self._watch(deadline_notifications, pool, until_s)
                except StoreUnavailable as error:
                    if self._is_worth_a_line():
                        LOG.warning("sweeper: %s", error)
                except Exception:
                    # Whatever is wrong, a sweeper that is gone would be worse.
                    if self._is_worth_a_line():
                        LOG.exception("sweeper: starting over")
                else:
                    return
                self._listening.clear()
                self._stopping.wait(AGAIN_AFTER_SECONDS)
        finally:
            pool.shutdown(cancel_futures=True)

    def work_through_minute(self, remaining_ms: int) -> None:
        """What a function does that is called once a minute and has ``remaining_ms`` left."""
        self.work(min(MINUTE_SECONDS, remaining_ms / 1000 - LAST_CALLS_SECONDS))

    def _goes_on(self, until_s: float) -> bool:
        return not self._stopping.is_set() and time.monotonic() < until_s

    def _is_worth_a_line(self) -> bool:
        """Whether nothing was said of a failure just before; from now on something has been."""
        now_s = time.monotonic()
        if now_s < self._quiet_until_s:
            return False
        self._quiet_until_s = now_s + COMPLAIN_EVERY_SECONDS
        return True

    def _watch(
        self,
        deadline_notifications: DeadlineNotifications,
        pool: ThreadPoolExecutor,
        until_s: float,
    ) -> None:
        """Look at each shard when its next deadline passes; all of them at the beginning."""
        look_at_s = dict.fromkeys(range(self._index.shards), 0.0)
        while self._goes_on(until_s):
            now_s = time.monotonic()
            due: list[Deadline] = []
            unseen: StoreUnavailable | None = None
            for shard in [shard for shard, at_s in look_at_s.items() if at_s <= now_s]:
                try:
                    found, look_at_s[shard] = self._look(shard)
                except StoreUnavailable as error:
                    # Those that lie on other nodes of a cluster don't wait for this one.
                    unseen = error
                else:
                    due += found
            self._settle_all(due, pool)
            if self._aside is not None and now_s >= self._aside_at_s:
                self._aside_at_s = now_s + self._aside_every_seconds
                pool.submit(self._do_aside, self._aside)
            if unseen is not None:
                raise unseen
            nap_s = min(*look_at_s.values(), until_s) - time.monotonic()
            # Also without a nap: notifications that are not read pile up in the store.
            while (
                earlier := deadline_notifications.next(max(0.0, min(nap_s, LISTEN_SECONDS)))
            ) is not None:
                if earlier in look_at_s:
                    look_at_s[earlier] = nap_s = 0.0

    def _do_aside(self, aside: Callable[[], None]) -> None:
        try:
            aside()
        except StoreUnavailable as error:
            LOG.warning("sweeper: %s", error)
        except Exception:
            # A future whose result is not read would hide it.
            LOG.exception("sweeper: aside")

    def _look(self, shard: int) -> tuple[list[Deadline], float]:
        """What of a shard is to be settled now, and when to look at it again."""
        # Those put off stand before the others, and must not be all that is seen.
        found = self._index.due(shard, AT_ONCE + len(self._put_off))
        now_s = time.monotonic()
        self._put_off = {one: at_s for one, at_s in self._put_off.items() if at_s > now_s}
        due = [one for one in found.deadlines if one.session_id not in self._put_off]
        if due:
            # What it leaves behind is seen by looking again.
            return due, 0.0
        waits_s = [LOOK_AGAIN_SECONDS]
        if found.next_ms is not None:
            waits_s.append((found.next_ms - found.now_ms) / 1000)
        waits_s += [self._put_off[one.session_id] - now_s for one in found.deadlines]
        return due, now_s + min(waits_s)

    def _settle_all(self, due: list[Deadline], pool: ThreadPoolExecutor) -> None:
        due.sort(key=lambda one: one.at_ms)
        shares = [due[first : first + self._share] for first in range(0, len(due), self._share)]
        if len(shares) == 1:
            self._settle(shares[0])
            return
        for _ in pool.map(self._settle, shares):
            pass

    def _settle(self, due: Sequence[Deadline]) -> None:
        """Have the engine settle sessions, and the index agree with those it did not.

        Raises:
            StoreUnavailable: It can't be reached; nothing is lost by trying again.
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
                # One of them, perhaps, can't be read: the others can be settled.
                for one in due:
                    self._settle([one])
                return
            (one,) = due
            LOG.exception("sweeper: session %s is put off", one.session_id)
            self._put_off[one.session_id] = time.monotonic() + PUT_OFF_SECONDS

    def _report(self, due: Deadline, outcome: CommandResult) -> None:
        if all(isinstance(event, TimeWarning) for event in outcome.events):
            return
        lag_ms = max(0, outcome.now_ms - due.at_ms)
        self._telemetry.record_settlement(lag_ms)
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
            # Others were faster, which does no harm here, or the index is wrong.
            self._index.correct(due.session_id, outcome.session, next_ms)
