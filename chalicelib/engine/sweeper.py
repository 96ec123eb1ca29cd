"""The sweeper: settles timeouts and warnings when they are due, whether or not a client asks.

It runs as a process, or as a function that is invoked once a minute and stays only while
something falls due in that minute. It owns when to look and what to do with what fails; what is
due is for the core to say, and that it happens once is the store's doing. It takes nothing: an
entry leaves the index with the commit that settles its session, so any number of sweepers may
work at once, and any of them may die at any instant.
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


@dataclass(frozen=True, slots=True)
class _Look:
    """What of a shard is to be settled now; when to look again, and when more falls due."""

    due: list[Deadline]
    again_at_s: float
    next_due_at_s: float


class Sweeper:
    """Settles what is due, from ``start`` to ``stop``, or while ``work_while_due`` lasts.

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
        self._began_at_ms: int | None = 0
        self._thread = Thread(target=self._work, args=(inf,), name="sweeper", daemon=True)

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

    def work_while_due(self, remaining_ms: int) -> None:
        """The scheduled function, which is invoked once a minute and has ``remaining_ms`` left.

        Settles what is due and stays while something falls due before the next invocation. What
        begins and ends after it has left is settled by a client's CLAIM, or by the next one.
        """
        # What was due before could not be settled earlier, so its lag counts from the first look.
        self._began_at_ms = None
        within_s = min(MINUTE_SECONDS, remaining_ms / 1000 - LAST_CALLS_SECONDS)
        self._work(within_s, leaves=True)

    def _work(self, seconds: float, *, leaves: bool = False) -> None:
        """Settle in this thread and some more what falls due in so many seconds.

        With ``leaves``, only until nothing more does.
        """
        until_s = time.monotonic() + seconds
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="sweeper")
        try:
            while self._goes_on(until_s):
                try:
                    with self._listen() as deadline_notifications:
                        self._listening.set()
                        self._watch(deadline_notifications, pool, until_s, leaves=leaves)
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
        *,
        leaves: bool,
    ) -> None:
        """Look at each shard when its next deadline passes; all of them at the beginning."""
        looks = dict.fromkeys(range(self._index.shards), _Look([], 0.0, 0.0))
        aside: Future[None] | None = None
        while self._goes_on(until_s):
            now_s = time.monotonic()
            due, unseen = self._look_again(looks, now_s)
            self._settle_all(due, pool)
            if self._aside is not None and now_s >= self._aside_at_s:
                self._aside_at_s = now_s + self._aside_every_seconds
                aside = pool.submit(self._do_aside, self._aside)
            if unseen is not None:
                raise unseen
            if leaves and all(
                not one.due and one.next_due_at_s >= until_s for one in looks.values()
            ):
                if aside is not None:
                    aside.result()
                return
            nap_s = min(*(one.again_at_s for one in looks.values()), until_s) - time.monotonic()
            # Also without a nap: notifications that are not read pile up in the store.
            while (
                earlier := deadline_notifications.next(max(0.0, min(nap_s, LISTEN_SECONDS)))
            ) is not None:
                if earlier in looks:
                    looks[earlier], nap_s = _Look([], 0.0, 0.0), 0.0

    def _look_again(
        self, looks: dict[int, _Look], now_s: float
    ) -> tuple[list[Deadline], StoreUnavailable | None]:
        """Update the looks whose time has come; what is due, and why a shard was not seen."""
        due: list[Deadline] = []
        unseen: StoreUnavailable | None = None
        for shard in [shard for shard, one in looks.items() if one.again_at_s <= now_s]:
            try:
                looks[shard] = self._look(shard)
            except StoreUnavailable as error:
                # Those that lie on other nodes of a cluster don't wait for this one.
                unseen = error
            else:
                due += looks[shard].due
        return due, unseen

    def _do_aside(self, aside: Callable[[], None]) -> None:
        try:
            aside()
        except StoreUnavailable as error:
            LOG.warning("sweeper: %s", error)
        except Exception:
            # A future whose result is not read would hide it.
            LOG.exception("sweeper: aside")

    def _look(self, shard: int) -> _Look:
        # Those put off stand before the others, and must not be all that is seen.
        found = self._index.due(shard, AT_ONCE + len(self._put_off))
        now_s = time.monotonic()
        if self._began_at_ms is None:
            self._began_at_ms = found.now_ms
        self._put_off = {one: at_s for one, at_s in self._put_off.items() if at_s > now_s}
        due = [one for one in found.deadlines if one.session_id not in self._put_off]
        to_come_s = inf if found.next_ms is None else (found.next_ms - found.now_ms) / 1000
        if due:
            # What it leaves behind is seen by looking again.
            return _Look(due, 0.0, now_s + to_come_s)
        waits_s = [LOOK_AGAIN_SECONDS, to_come_s]
        waits_s += [self._put_off[one.session_id] - now_s for one in found.deadlines]
        return _Look(due, now_s + min(waits_s), now_s + to_come_s)

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
            # Others were faster, which does no harm here, or the index is wrong.
            self._index.correct(due.session_id, outcome.session, next_ms)
