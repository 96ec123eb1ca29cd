"""What a relay does beside listening: snapshots, sweeps, and striking off who is gone.

It has a thread of its own, and goes through the watched sessions a few at a
time, in one round trip each, leaving the processor to others in between. So
ten thousand sessions take it seconds, minutes at worst where nobody takes the
snapshots, and a message that comes meanwhile waits for none of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from threading import Event, Lock, Semaphore, Thread

from ..core.errors import StoreUnavailable
from ..engine.sync_engine import SyncEngine
from ..ports import ConnectionRegistry
from ..schemas.messages import state_sync
from ..schemas.pushes import session_deleted
from .recipients import LISTS_AT_ONCE, recipients_of_each
from .relay_sender import RelaySender

LOG = logging.getLogger("tickless")

SNAPSHOTS_AT_ONCE = 16
NAP_SECONDS = 0.25
POSTED_WITHIN_SECONDS = 0.25
"""So long are a few snapshots waited for before the next; who doesn't answer holds up nobody."""

AGAIN_AFTER_SECONDS = 0.1
COMPLAIN_EVERY = 100
"""Of attempts in a row that failed, so few are worth a line in the log."""


class Snapshots:
    """Keeps a snapshot from following an update that is newer.

    Whoever is sent one takes it for the truth, whatever the versions. What is
    heard while one is made makes it superfluous: the update says as much.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._making: set[str] = set()

    def begin(self, session_ids: Iterable[str]) -> None:
        """Snapshots of these sessions will be made of what is read from now on."""
        with self._lock:
            self._making = set(session_ids)

    def overtake(self, session_id: str) -> None:
        """Something was heard of a session, and will be sent after this."""
        with self._lock:
            self._making.discard(session_id)

    def send(self, session_id: str, send: Callable[[], None]) -> bool:
        """Send a session's snapshot, unless something has overtaken it; whether it was sent."""
        with self._lock:
            is_news = session_id in self._making
            if is_news:
                send()
            return is_news


class RelayMaintenance:
    """Keeps up the connections of ``endpoint``, from ``start`` to ``stop``."""

    def __init__(
        self,
        registry: ConnectionRegistry,
        engine: SyncEngine,
        dispatch: RelaySender,
        endpoint: str,
        sweep_every_seconds: float,
    ) -> None:
        self._registry = registry
        self._engine = engine
        self._dispatch = dispatch
        self._endpoint = endpoint
        self._sweep_every_seconds = sweep_every_seconds
        self._sweep_at_s = time.monotonic() + sweep_every_seconds
        self._snapshots = Snapshots()
        self._refreshes_wanted = 0
        self._refreshes_done = 0
        self._tells_of_loss = False
        self._waited_s = 0.0
        self._stopping = Event()
        self._wanted = Event()
        self._thread = Thread(target=self._run, name="relay-upkeep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, within_seconds: float) -> None:
        self._stopping.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(within_seconds)

    def refresh(self, *, tell_of_loss: bool) -> None:
        """Have a snapshot sent to everybody here; the truth may be older than what they hold.

        Who waits for a session that has never been need not be told of its loss.
        """
        self._tells_of_loss = tell_of_loss
        self._refreshes_wanted += 1
        self._wanted.set()

    def heard(self, session_id: str) -> None:
        """Something was heard of a session; to be called before it is sent."""
        self._snapshots.overtake(session_id)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._do_what_is_due()
                failures = 0
                continue
            except StoreUnavailable as error:
                if failures % COMPLAIN_EVERY == 0:
                    LOG.warning("relay: upkeep: %s", error)
            except Exception:
                # Whatever is wrong, nobody else closes who is silent.
                if failures % COMPLAIN_EVERY == 0:
                    LOG.exception("relay: upkeep is begun anew")
            failures += 1
            self._stopping.wait(AGAIN_AFTER_SECONDS)

    def _do_what_is_due(self) -> None:
        self.deregister_gone()
        if self._refreshes_done != self._refreshes_wanted:
            self._refresh_all()
        elif time.monotonic() >= self._sweep_at_s:
            self._sweep()
            self._sweep_at_s = time.monotonic() + self._sweep_every_seconds
        else:
            nap_s = min(NAP_SECONDS, self._sweep_at_s - time.monotonic())
            self._wanted.wait(max(0.0, nap_s))
            self._wanted.clear()

    def _refresh_all(self) -> None:
        wanted = self._refreshes_wanted
        for session_ids in self._watched_sessions(SNAPSHOTS_AT_ONCE):
            if wanted != self._refreshes_wanted:
                # More may have been missed since those at the beginning were looked at.
                return
            self._refresh(session_ids)
        self._refreshes_done = wanted

    def _refresh(self, session_ids: Sequence[str]) -> None:
        try:
            self._send_snapshots(session_ids)
        except StoreUnavailable:
            raise
        except Exception:
            if len(session_ids) > 1:
                # One of them, perhaps, can't be read: the others can be shown.
                for one in session_ids:
                    self._refresh([one])
                return
            LOG.exception("relay: no snapshot of session %s", *session_ids)

    def _send_snapshots(self, session_ids: Sequence[str]) -> None:
        self._snapshots.begin(session_ids)
        found = recipients_of_each(self._registry, session_ids, self._endpoint)
        recipient_lists = [recipients for recipients in found if recipients.present]
        outcomes = self._engine.settle_many(
            [recipients.session_id for recipients in recipient_lists]
        )
        under_way, settled = 0, Semaphore(0)
        for recipients, outcome in zip(recipient_lists, outcomes, strict=True):
            messages: list[bytes] = []
            if outcome is not None:
                messages = state_sync(outcome.session, outcome.now_ms)
            elif self._tells_of_loss:
                messages = [session_deleted(recipients.session_id, recipients.now_ms)]
            send = partial(self._dispatch.send, recipients, messages, settled=settled.release)
            if self._snapshots.send(recipients.session_id, send):
                under_way += len(messages)
        # Were all of them posted at once, an update would have to wait behind them.
        began_s = time.monotonic()
        give_up_at_s = began_s + POSTED_WITHIN_SECONDS
        while under_way and settled.acquire(timeout=max(0.0, give_up_at_s - time.monotonic())):
            under_way -= 1
        self._waited_s += time.monotonic() - began_s

    def _sweep(self) -> None:
        """Close the connections here that have been silent for too long, or whose token has ended.

        Those of an endpoint that is no more have nobody else to take them off
        the lists, which live on as long as anybody watches.
        """
        for session_ids in self._watched_sessions(LISTS_AT_ONCE):
            for recipients in recipients_of_each(self._registry, session_ids):
                ours = [one for one in recipients.silent if one.endpoint == self._endpoint]
                if ours:
                    self._dispatch.broadcast_and_close(
                        recipients.session_id, [one.connection_id for one in ours]
                    )
                self._dispatch.close_revoked(recipients)
                abandoned = recipients.abandoned(self._endpoint)
                if abandoned:
                    self._registry.remove(recipients.session_id, abandoned)

    def _watched_sessions(self, at_once: int) -> Iterator[Sequence[str]]:
        """So many at a time, and between them as much time for others as each of them took."""
        session_ids = self._registry.sessions_with_connections()
        while not self._stopping.is_set() and (some := list(islice(session_ids, at_once))):
            began_s, self._waited_s = time.monotonic(), 0.0
            yield some
            self.deregister_gone()
            took_s = time.monotonic() - began_s
            # What was spent waiting was left to others already.
            self._stopping.wait(max(0.0, took_s - 2 * self._waited_s))

    def deregister_gone(self) -> None:
        """Take off the lists whom posts have shown to be gone."""
        for session_id, connection_ids in self._dispatch.take_gone().items():
            self._registry.remove(session_id, connection_ids)
