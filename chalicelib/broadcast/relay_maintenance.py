"""Relay maintenance: snapshots after a lost subscription, sweeps, deregistering gone connections.

Runs on its own thread and handles a few sessions per round trip, yielding the processor
in between. Ten thousand sessions take seconds, or minutes if no client reads its
snapshot; updates never wait for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from threading import Event, Lock, Semaphore, Thread

from ..core.errors import SessionNotFound, StoreUnavailable
from ..engine.sync_engine import SyncEngine
from ..ports import ConnectionRegistry
from ..schemas.messages import session_missing, state_sync
from .gone_connections import GoneConnections
from .recipients import SESSIONS_PER_READ, Recipients, recipients_of_each
from .relay_sender import RelaySender

LOG = logging.getLogger("tickless")

SNAPSHOTS_AT_ONCE = 16
IDLE_SECONDS = 0.25
POSTED_WITHIN_SECONDS = 0.25
"""How long to wait for a group of snapshots before sending the next group."""

RETRY_AFTER_SECONDS = 0.1
LOG_EVERY = 100
"""Log one in this many consecutive failures."""


class Snapshots:
    """Prevents a snapshot from being sent after a newer update.

    Clients accept a snapshot whatever its version. An update received while a snapshot
    is prepared makes that superfluous, because it contains the same state.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._preparing: set[str] = set()

    def begin(self, session_ids: Iterable[str]) -> None:
        """Start preparing snapshots; call before reading the sessions."""
        with self._lock:
            self._preparing = set(session_ids)

    def cancel(self, session_id: str) -> None:
        """Cancel a session's snapshot; call before sending an update of it."""
        with self._lock:
            self._preparing.discard(session_id)

    def send(self, session_id: str, send: Callable[[], None]) -> bool:
        """Send a session's snapshot unless it was cancelled; returns whether it was sent."""
        with self._lock:
            is_current = session_id in self._preparing
            if is_current:
                send()
            return is_current


class RelayMaintenance:
    """Maintains the connections of ``endpoint``, from ``start`` to ``stop``."""

    def __init__(
        self,
        registry: ConnectionRegistry,
        engine: SyncEngine,
        sender: RelaySender,
        gone: GoneConnections,
        endpoint: str,
        sweep_every_seconds: float,
    ) -> None:
        self._registry = registry
        self._engine = engine
        self._sender = sender
        self._gone = gone
        self._endpoint = endpoint
        self._sweep_every_seconds = sweep_every_seconds
        self._sweep_at_s = time.monotonic() + sweep_every_seconds
        self._snapshots = Snapshots()
        self._refreshes_wanted = 0
        self._refreshes_done = 0
        self._reports_loss = False
        self._waited_s = 0.0
        self._stopping = Event()
        self._wanted = Event()
        self._thread = Thread(target=self._run, name="relay-maintenance", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, within_seconds: float) -> None:
        self._stopping.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(within_seconds)

    def refresh(self, *, report_loss: bool) -> None:
        """Send a snapshot to every connection here, even if it is older than the client's state.

        With ``report_loss``, connections whose session doesn't exist get an error.
        """
        self._reports_loss = report_loss
        self._refreshes_wanted += 1
        self._wanted.set()

    def cancel_snapshot(self, session_id: str) -> None:
        """Cancel a session's snapshot; call before sending an update of it."""
        self._snapshots.cancel(session_id)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._run_once()
                failures = 0
                continue
            except StoreUnavailable as error:
                if failures % LOG_EVERY == 0:
                    LOG.warning("relay: maintenance: %s", error)
            except Exception:
                # No other process closes this endpoint's silent connections.
                if failures % LOG_EVERY == 0:
                    LOG.exception("relay: maintenance restarts")
            failures += 1
            self._stopping.wait(RETRY_AFTER_SECONDS)

    def _run_once(self) -> None:
        self._gone.deregister()
        if self._refreshes_done != self._refreshes_wanted:
            self._refresh_all()
        elif time.monotonic() >= self._sweep_at_s:
            self._sweep()
            self._sweep_at_s = time.monotonic() + self._sweep_every_seconds
        else:
            nap_s = min(IDLE_SECONDS, self._sweep_at_s - time.monotonic())
            self._wanted.wait(max(0.0, nap_s))
            self._wanted.clear()

    def _refresh_all(self) -> None:
        wanted = self._refreshes_wanted
        for session_ids in self._session_groups(SNAPSHOTS_AT_ONCE):
            if wanted != self._refreshes_wanted:
                # The subscription was lost again: start over.
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
                # One session may be unreadable: send the others.
                for one in session_ids:
                    self._refresh([one])
                return
            LOG.exception("relay: no snapshot of session %s", *session_ids)

    def _send_snapshots(self, session_ids: Sequence[str]) -> None:
        self._snapshots.begin(session_ids)
        found = recipients_of_each(self._registry, session_ids, self._endpoint)
        recipient_lists = [recipients for recipients in found if recipients.subscribers]
        outcomes = self._engine.settle_many(
            [recipients.session_id for recipients in recipient_lists]
        )
        under_way, settled = 0, Semaphore(0)
        for recipients, outcome in zip(recipient_lists, outcomes, strict=True):
            messages: list[bytes] = []
            if outcome is not None:
                messages = state_sync(outcome.session, outcome.now_ms)
            elif self._reports_loss:
                messages = self._loss_report(recipients)
            send = partial(self._sender.send, recipients, messages, settled=settled.release)
            if self._snapshots.send(recipients.session_id, send):
                under_way += len(messages)
        # Posting all of them at once would make updates wait behind them.
        began_s = time.monotonic()
        give_up_at_s = began_s + POSTED_WITHIN_SECONDS
        while under_way and settled.acquire(timeout=max(0.0, give_up_at_s - time.monotonic())):
            under_way -= 1
        self._waited_s += time.monotonic() - began_s

    def _loss_report(self, recipients: Recipients) -> list[bytes]:
        """Why a session was not found; its state if it has been created since."""
        session_id = recipients.session_id
        try:
            outcome = self._engine.get_current_state(session_id)
        except SessionNotFound as error:
            return [session_missing(error, session_id, recipients.now_ms)]
        return state_sync(outcome.session, outcome.now_ms)

    def _sweep(self) -> None:
        """Close silent and revoked connections here, and deregister abandoned ones elsewhere.

        The process of a removed endpoint can't deregister its own connections.
        """
        for session_ids in self._session_groups(SESSIONS_PER_READ):
            for recipients in recipients_of_each(self._registry, session_ids):
                ours = [one for one in recipients.silent if one.endpoint == self._endpoint]
                if ours:
                    self._sender.close_connections(
                        recipients.session_id, [one.connection_id for one in ours]
                    )
                self._sender.close_revoked(recipients)
                abandoned = recipients.abandoned(self._endpoint)
                if abandoned:
                    self._registry.remove(recipients.session_id, abandoned)

    def _session_groups(self, at_once: int) -> Iterator[Sequence[str]]:
        """Session ids in groups; sleeps after each group for as long as its handling took."""
        session_ids = self._registry.sessions_with_connections()
        while not self._stopping.is_set() and (some := list(islice(session_ids, at_once))):
            began_s, self._waited_s = time.monotonic(), 0.0
            yield some
            self._gone.deregister()
            took_s = time.monotonic() - began_s
            # Time spent waiting was already left to others.
            self._stopping.wait(max(0.0, took_s - 2 * self._waited_s))
