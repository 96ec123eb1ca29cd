"""The relay: what the store publishes goes to the connections of one endpoint.

A thread of a long-running process that only hears and hands over; all else is
its upkeep's. It holds no state but its subscription: who watches what is read
anew for every message. A subscription that is lost is not mended but replaced,
and since nobody knows what was missed meanwhile, everybody on the endpoint is
then sent a fresh snapshot.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event, Thread
from typing import Protocol

from ..core.errors import StoreUnavailable
from ..engine.sync_engine import SyncEngine
from ..ports import ConnectionRegistry
from ..schemas.pushes import is_final_message
from ..telemetry.ports import SILENT, Telemetry
from .connections_api.ports import ConnectionsApi
from .recipients import recipients_of
from .relay_maintenance import RelayMaintenance
from .relay_sender import RelaySender

LOG = logging.getLogger("tickless")

LISTEN_SECONDS = 0.25
AGAIN_AFTER_SECONDS = 0.1
COMPLAIN_EVERY = 100
"""Of attempts in a row that failed, so few are worth a line in the log."""


class Subscription(Protocol):
    """Hears what is published for every session."""

    def next(self, within_seconds: float) -> tuple[str, bytes] | None:
        """The next message and the id of its session; None if there is none in time.

        Raises:
            StoreUnavailable: The subscription is lost.
        """


class Relay:
    """Carries updates to the connections of ``endpoint``, from ``start`` to ``stop``."""

    def __init__(
        self,
        subscribe: Callable[[], AbstractContextManager[Subscription]],
        registry: ConnectionRegistry,
        engine: SyncEngine,
        api: ConnectionsApi,
        endpoint: str,
        *,
        sweep_every_seconds: float = 30.0,
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._subscribe = subscribe
        self._registry = registry
        self._endpoint = endpoint
        self._dispatch = RelaySender(api, endpoint, telemetry)
        self._upkeep = RelayMaintenance(
            registry, engine, self._dispatch, endpoint, sweep_every_seconds
        )
        self._stopping = Event()
        self._listening = Event()
        self._thread = Thread(target=self._run, name="relay", daemon=True)

    def start(self, within_seconds: float = 5.0) -> bool:
        """Begin; whether it listens already, which a store that is away delays."""
        self._thread.start()
        self._upkeep.start()
        return self._listening.wait(within_seconds)

    def is_ready(self) -> bool:
        return self._listening.is_set()

    def stop(self, within_seconds: float = 2.0) -> None:
        stop_at_s = time.monotonic() + within_seconds
        self._stopping.set()
        self._thread.join(within_seconds)
        self._upkeep.stop(max(0.0, stop_at_s - time.monotonic()))

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                with self._subscribe() as subscription:
                    # Also at first: it may stand in for one that was killed.
                    self._upkeep.refresh(tell_of_loss=failures > 0)
                    if failures:
                        LOG.warning("relay: listening again; everybody is sent a snapshot")
                    failures = 0
                    self._listening.set()
                    self._listen(subscription)
            except StoreUnavailable as error:
                if failures % COMPLAIN_EVERY == 0:
                    LOG.warning("relay: %s", error)
            except Exception:
                # Whatever is wrong, a relay that is gone would be worse.
                if failures % COMPLAIN_EVERY == 0:
                    LOG.exception("relay: starting over")
            failures += 1
            self._listening.clear()
            self._stopping.wait(AGAIN_AFTER_SECONDS)

    def _listen(self, subscription: Subscription) -> None:
        while not self._stopping.is_set():
            heard = subscription.next(LISTEN_SECONDS)
            if heard is not None:
                self._spread(*heard)

    def _spread(self, session_id: str, message: bytes) -> None:
        heard_s = time.monotonic()
        self._upkeep.heard(session_id)
        recipients = recipients_of(self._registry, session_id, self._endpoint)
        # An empty message has nobody told anything, and only those leave who have to.
        if message:
            self._dispatch.send(recipients, [message], heard_s)
        self._dispatch.close_revoked(recipients)
        if is_final_message(message):
            self._dispatch.broadcast_and_close(
                session_id, [one.connection_id for one in recipients.present]
            )
